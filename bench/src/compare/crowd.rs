//! Whether a function keeps its speed where it is not alone: among many others, and beside one with a long line.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::ours::{Deployed, Ours};
use super::table::{Budget, Row, Table};
use super::{Options, rounds};
use crate::bare::Language;
use crate::load;

const OTHERS: usize = 1000;
const IDLE: usize = 50;
/// Calls in line for the neighbour.
const LINE: usize = 1000;

/// The warm rows again, on a server with many other functions and idle instances.
pub(crate) async fn warm_among_others(
    options: &Options,
    language: Language,
    runtime: &str,
    table: &mut Table,
) -> Result<()> {
    let settings = "[limits]\nfunctions_per_project = 2000\n[pool]\nidle_seconds = 3600\n";
    let ours = Ours::start(&options.fungraph, settings).await?;
    for number in 0..OTHERS {
        let other = ours.create(&format!("other-{number}"), runtime, idle_code(language), -1).await?;
        if number < IDLE {
            ours.call(&other).await?;
        }
    }
    let deployed = ours.deploy(language, runtime).await?;
    let name = format!("{} among {OTHERS} functions, {IDLE} idle instances", language.name());
    rounds::warm(options, language, &name, &deployed, &ours, table).await?;
    beside_a_line(options, language, &ours, &deployed, table).await?;
    ours.stop().await?;
    Ok(())
}

/// The slowest hundredth of a function's calls, alone and beside a function that 1,000 callers want at once.
async fn beside_a_line(
    options: &Options,
    language: Language,
    ours: &Ours,
    deployed: &Deployed,
    table: &mut Table,
) -> Result<()> {
    let crowded = ours.create("crowded", &deployed.runtime, short_work(language), 2).await?;
    let (crowded, quiet) = (ours.target(&crowded), ours.target(&deployed.capped));
    let time = options.time().max(Duration::from_secs(2));
    load::run(&quiet, 1, Duration::from_millis(300)).await?;
    let alone = load::run(&quiet, 1, time).await?;
    let line = tokio::spawn(async move { load::run(&crowded, LINE, time + Duration::from_secs(2)).await });
    // The line has formed once the neighbour's instances are there.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let beside = load::run(&quiet, 1, time).await?;
    let line = line.await??;
    ensure!(line.requests() > 0 && beside.errors == 0, "calls failed: {} {}", line.last_error, beside.last_error);
    let (alone, beside) = (alone.percentile(99.0), beside.percentile(99.0));
    let what = format!("{}: p99 beside a function with {LINE} calls in line", language.name());
    table.push(Row::beside(what, [beside, alone, beside / alone], "ms", "alone", Some(Budget::AtMost(3.0))));
    Ok(())
}

/// Java is not measured there.
const NOT_IN_A_CROWD: &str = "";

fn idle_code(language: Language) -> &'static str {
    match language {
        Language::Python => "def handler(event, context):\n    return {}\n",
        Language::Node => "exports.handler = async (event, context) => ({});\n",
        Language::Java => NOT_IN_A_CROWD,
    }
}

/// Waits as functions do: for something elsewhere.
fn short_work(language: Language) -> &'static str {
    match language {
        Language::Python => "import time\ndef handler(event, context):\n    time.sleep(0.01)\n    return {}\n",
        Language::Node => {
            "exports.handler = async (event, context) => { await new Promise(done => setTimeout(done, 10)); return {}; };\n"
        }
        Language::Java => NOT_IN_A_CROWD,
    }
}
