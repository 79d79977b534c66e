//! First calls: of one function after the other, of a hundred at once, and what the instances they leave need.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;
use tokio::task::JoinSet;

use super::ours::{Deployed, Function, Ours};
use super::rounds::{median, three};
use super::sandbox::Sandboxes;
use super::table::{Budget, Row, Table};
use super::{EVENT, Options, host};
use crate::bare::{Language, Worker};
use crate::http1::Connection;

/// Functions that are called at once.
const AT_ONCE: usize = 100;
/// Instances that are left idle.
const IDLE: usize = 300;
/// How long a blank instance that was started is left alone with what it does before anybody asks it.
const SETTLE: Duration = Duration::from_millis(150);
/// A virtual machine takes longer to come up, and then plays its rehearsal.
const SETTLE_JAVA: Duration = Duration::from_millis(1000);

/// First calls where nobody has prepared anything: beside a bare start and an empty sandbox together.
pub(crate) async fn without_blanks(
    options: &Options,
    language: Language,
    deployed: &Deployed,
    table: &mut Table,
) -> Result<()> {
    let ours = Ours::start(&options.fungraph, "[pool]\nblanks_least = 0\nblanks_most = 0\n").await?;
    let mut sandboxes = Sandboxes::start()?;
    let (mut cold, mut parts) = (Vec::new(), Vec::new());
    for number in 0..options.repeats() {
        let function = ours.create(&format!("new-{number}"), &deployed.runtime, code(language), -1).await?;
        cold.push(timed(&ours, &function).await?);
        ours.delete(&function).await?;
        let begin = Instant::now();
        Worker::start(language, &deployed.program)?.call(EVENT.as_bytes()).await?;
        parts.push(begin.elapsed().as_secs_f64() * 1000.0 + sandboxes.create().await?);
    }
    sandboxes.stop().await;
    ours.stop().await?;
    let what = format!("{}: cold, no blank instance, p50", language.name());
    let whose = "bare start + empty sandbox";
    let budget = (language != Language::Java).then_some(Budget::AtMost(1.3));
    table.push(Row::beside(what, three(&cold, &parts), "ms", whose, budget));
    Ok(())
}

/// First calls with a blank instance ready, then many at once, then what all of them hold when they are idle.
pub(crate) async fn with_blanks(
    options: &Options,
    language: Language,
    deployed: &Deployed,
    table: &mut Table,
) -> Result<()> {
    let settings = "[limits]\nfunctions_per_project = 2000\n[pool]\nidle_seconds = 3600\nmemory_mb = 131072\n";
    let ours = Ours::start(&options.fungraph, settings).await?;
    let mut functions = Vec::new();
    // A hundred virtual machines at once are no promise of ours.
    let count = if language == Language::Java { options.repeats() } else { IDLE };
    for number in 0..count {
        functions.push(ours.create(&format!("cold-{number}"), &deployed.runtime, code(language), -1).await?);
    }
    let (one_by_one, rest) = functions.split_at(options.repeats());
    let mut cold = Vec::new();
    for (number, function) in one_by_one.iter().enumerate() {
        one_more_than(&ours, language, number).await?;
        cold.push(timed(&ours, function).await?);
    }
    let budget = Budget::AtMost(match language {
        Language::Python => 5.0,
        Language::Node => 10.0,
        Language::Java => 60.0,
    });
    let what = format!("{}: cold, blank instance ready, p50", language.name());
    table.push(Row::alone(what, median(&mut cold), "ms", Some(budget)));
    if language == Language::Java {
        ours.instances(language, table)?;
        return ours.stop().await.map(|_| ());
    }
    let (at_once, rest) = rest.split_at(AT_ONCE);
    burst(&ours, language, deployed, at_once, table).await?;
    if language == Language::Python {
        for function in rest {
            ours.call(function).await?;
        }
        let held: f64 = interpreters(&ours, language).map(host::own_mb).sum();
        let what = format!("Python: own memory of {IDLE} idle instances and the blank ones");
        table.push(Row::alone(what, held, "MB", Some(Budget::AtMost(2048.0))));
    }
    ours.instances(language, table)?;
    ours.stop().await?;
    Ok(())
}

/// All at the same moment, from a connection each.
async fn burst(
    ours: &Ours,
    language: Language,
    deployed: &Deployed,
    functions: &[Function],
    table: &mut Table,
) -> Result<()> {
    let bare = bare_starts(language, deployed).await?;
    let mut connections = Vec::new();
    for function in functions {
        let target = ours.target(function);
        connections.push((Connection::open(&target.address).await?, target));
    }
    let begin = Instant::now();
    let mut calls = JoinSet::new();
    for (mut connection, target) in connections {
        calls.spawn(async move { connection.call(&target.request).await });
    }
    while let Some(answer) = calls.join_next().await {
        let answer = answer??;
        ensure!(answer.status == 200, "answered {}: {}", answer.status, String::from_utf8_lossy(&answer.body));
    }
    let took = begin.elapsed().as_secs_f64();
    let what = format!("{}: {AT_ONCE} functions at once, all cold", language.name());
    table.push(match language {
        Language::Python => Row::alone(what, took, "s", Some(Budget::AtMost(3.0))),
        Language::Node | Language::Java => {
            Row::beside(what, [took, bare, took / bare], "s", "bare processes", Some(Budget::AtMost(1.3)))
        }
    });
    Ok(())
}

/// Seconds for as many bare processes, all started at once.
async fn bare_starts(language: Language, deployed: &Deployed) -> Result<f64> {
    let nothing: &[&str] = match language {
        Language::Python => &["-c", "0"],
        Language::Node => &["-e", "0"],
        Language::Java => &["-version"],
    };
    let begin = Instant::now();
    let mut processes = Vec::new();
    for _ in 0..AT_ONCE {
        let mut command = Command::new(&deployed.program);
        command.args(nothing).stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        processes.push(command.spawn().context("cannot start the interpreter")?);
    }
    for mut process in processes {
        process.wait().await?;
    }
    Ok(begin.elapsed().as_secs_f64())
}

async fn timed(ours: &Ours, function: &Function) -> Result<f64> {
    let target = ours.target(function);
    let mut connection = Connection::open(&target.address).await?;
    let begin = Instant::now();
    let answer = connection.call(&target.request).await?;
    let took = begin.elapsed().as_secs_f64() * 1000.0;
    ensure!(answer.status == 200, "answered {}: {}", answer.status, String::from_utf8_lossy(&answer.body));
    Ok(took)
}

/// Waits until there is an instance more than have been called.
async fn one_more_than(ours: &Ours, language: Language, called: usize) -> Result<()> {
    let wait = async {
        while interpreters(ours, language).count() <= called {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(if language == Language::Java { SETTLE_JAVA } else { SETTLE }).await;
    };
    tokio::time::timeout(Duration::from_secs(30), wait).await.context("no blank instance was started")
}

fn interpreters(ours: &Ours, language: Language) -> impl Iterator<Item = u32> {
    let is_one = move |(_, program): &(u32, String)| program.starts_with(language.word());
    host::descendants(ours.pid()).into_iter().filter(is_one).map(|(pid, _)| pid)
}

fn code(language: Language) -> &'static str {
    match language {
        Language::Python => "def handler(event, context):\n    return {}\n",
        Language::Node => "exports.handler = async (event, context) => ({});\n",
        Language::Java => {
            "public class index { public static Object handler(Object event, Object context) { return event; } }\n"
        }
    }
}
