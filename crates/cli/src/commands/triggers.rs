//! `fungraph triggers NAME`: what calls a function, and when its timers fire next.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::time::timeout;

use crate::args::TriggersArgs;
use crate::client;
use crate::exit::{Exit, Stop};
use crate::say;

/// What an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
const HEADINGS: [&str; 5] = ["TYPE", "STATUS", "NAME", "NEXT", "FOR"];

pub(crate) fn run(args: &TriggersArgs) -> anyhow::Result<Exit> {
    let who = client::credentials(&args.locate)?;
    let (project, function) = (client::encode(&who.project_id), client::encode(&args.function));
    let path = format!("/v2/{project}/fgs/triggers/{function}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(async { timeout(PATIENCE, client::get(&who, &path)).await });
    let answer = answer.map_err(|_| Stop::failed("the server did not answer within 30 seconds"))??;
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let Some(triggers) = body.as_array().filter(|_| answer.status == 200) else {
        let said = body["error_msg"].as_str().unwrap_or("its answer cannot be read");
        return Err(Stop::failed(format!("the server did not list the triggers: {said} ({})", answer.status)));
    };
    if args.json {
        say::out(body.to_string());
    } else if triggers.is_empty() {
        say::out(format!("{} has no triggers", args.function));
    } else {
        say::raw(table(triggers, Timestamp::now()).as_bytes());
    }
    Ok(Exit::Clean)
}

fn table(triggers: &[Value], now: Timestamp) -> String {
    let rows: Vec<[String; 5]> = triggers.iter().map(|trigger| row(trigger, now)).collect();
    let headings = HEADINGS.map(str::to_owned);
    let width = |column: usize| {
        let cells = rows.iter().chain([&headings]).map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths = [0, 1, 2, 3].map(width);
    let line = |[kind, status, name, next, what]: &[String; 5]| {
        let [a, b, c, d] = widths;
        format!("{kind:a$}  {status:b$}  {name:c$}  {next:d$}  {what}").trim_end().to_owned() + "\n"
    };
    line(&headings) + &rows.iter().map(line).collect::<String>()
}

fn row(trigger: &Value, now: Timestamp) -> [String; 5] {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let data = &trigger["event_data"];
    let next = trigger["next_firing_time"].as_str().and_then(|text| text.parse::<Timestamp>().ok());
    let next = next.map_or_else(|| "-".to_owned(), |next| format!("{next} ({})", distance(next.duration_since(now))));
    [text(&trigger["trigger_type_code"]), text(&trigger["trigger_status"]), text(&data["name"]), next, what(trigger)]
}

/// What its events are. Texts that nobody checked are JSON, which holds no control characters.
fn what(trigger: &Value) -> String {
    let data = &trigger["event_data"];
    let text = |name: &str| data[name].as_str().unwrap_or("?");
    match trigger["trigger_type_code"].as_str() {
        Some("TIMER") => format!("{} {}", text("schedule_type"), text("schedule")),
        Some("APIG" | "DEDICATEDGATEWAY" | "APIC") => format!("{} {}", text("req_method"), text("invoke_url")),
        _ => data.to_string(),
    }
}

/// About how long it is until then.
fn distance(until: SignedDuration) -> String {
    let seconds = until.as_secs().max(0);
    let (number, unit) = match seconds {
        0..120 => (seconds, "s"),
        120..7200 => (seconds / 60, "min"),
        7200..172_800 => (seconds / 3600, "h"),
        _ => (seconds / 86_400, "days"),
    };
    format!("in {number} {unit}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let triggers = json!([
            {
                "trigger_type_code": "TIMER", "trigger_status": "ACTIVE", "next_firing_time": "2026-03-02T11:00:00Z",
                "event_data": { "name": "hourly", "schedule_type": "Cron", "schedule": "0 0 * * * *" },
            },
            { "trigger_type_code": "OBS", "trigger_status": "ACTIVE", "event_data": { "bucket": "b\u{1b}[2J" } },
        ]);
        let now = "2026-03-02T10:15:00Z".parse().expect("a time");
        assert_eq!(
            table(triggers.as_array().expect("a list"), now),
            "TYPE   STATUS  NAME    NEXT                              FOR\n\
             TIMER  ACTIVE  hourly  2026-03-02T11:00:00Z (in 45 min)  Cron 0 0 * * * *\n\
             OBS    ACTIVE  -       -                                 {\"bucket\":\"b\\u001b[2J\"}\n"
        );
    }

    #[test]
    fn distances_are_told_in_one_unit() {
        for (seconds, expected) in
            [(-5, "in 0 s"), (119, "in 119 s"), (120, "in 2 min"), (7200, "in 2 h"), (400_000, "in 4 days")]
        {
            assert_eq!(distance(SignedDuration::from_secs(seconds)), expected);
        }
    }
}
