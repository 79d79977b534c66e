//! `fungraph top`: what a server is doing, in the terminal, drawn anew every second.

mod report;
mod screen;
mod table;

use std::io::IsTerminal;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval, timeout};

use self::report::{Interval, Report};
use self::screen::{Keys, Screen};
use crate::args::TopArgs;
use crate::client;
use crate::credentials::Credentials;
use crate::exit::{Exit, Stop};
use crate::say;

/// How often it is drawn.
const PERIOD: Duration = Duration::from_secs(1);
/// What an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn run(args: &TopArgs) -> anyhow::Result<Exit> {
    let who = client::credentials(&args.locate)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if args.once || !std::io::stdout().is_terminal() {
        let report = runtime.block_on(fetch(&who))?;
        say::raw(table::draw(&who.endpoint, &report, &Interval::since_start(&report)).as_bytes());
        return Ok(Exit::Clean);
    }
    runtime.block_on(live(&who))
}

/// Until q or a signal.
async fn live(who: &Credentials) -> anyhow::Result<Exit> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut hangup = signal(SignalKind::hangup())?;
    let first = fetch(who).await?;
    let mut screen = Screen::enter()?;
    let mut keys = Keys::of_terminal();
    screen.draw(&table::draw(&who.endpoint, &first, &Interval::since_start(&first)))?;
    let mut last = Some(first);
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        tokio::select! {
            () = keys.quit() => return Ok(Exit::Clean),
            _ = interrupt.recv() => return Ok(Exit::Clean),
            _ = terminate.recv() => return Ok(Exit::Clean),
            _ = hangup.recv() => return Ok(Exit::Clean),
            fetched = async { ticks.tick().await; fetch(who).await } => match fetched {
                Ok(report) => {
                    screen.draw(&table::draw(&who.endpoint, &report, &Interval::since(last.as_ref(), &report)))?;
                    last = Some(report);
                }
                // It may come back, or another one in its place; what was seen last is not to be taken for now.
                Err(error) => {
                    screen.draw(&format!("fungraph top   {error:#}\n\nq ends this\n"))?;
                    last = None;
                }
            },
        }
    }
}

async fn fetch(who: &Credentials) -> anyhow::Result<Report> {
    let path = format!("/fungraph/{}/report", client::encode(&who.project_id));
    let answer = timeout(PATIENCE, client::get(who, &path)).await;
    let answer = answer.map_err(|_| Stop::failed("the server did not answer within 10 seconds"))??;
    if answer.status != 200 {
        return Err(Stop::failed(refusal(answer.status, &answer.body)));
    }
    serde_json::from_slice(&answer.body).map_err(|error| {
        Stop::failed(format!("the server's report cannot be read ({error}); is it of another version?"))
    })
}

fn refusal(status: u16, body: &Bytes) -> String {
    let envelope: Value = serde_json::from_slice(body).unwrap_or_default();
    let field = |name: &str| envelope[name].as_str().unwrap_or_default();
    match status {
        404 => "this server has no report; it is older than this program, or no fungraph".to_owned(),
        _ => format!("the server refused its report: {} ({status} {})", field("error_msg"), field("error_code")),
    }
}
