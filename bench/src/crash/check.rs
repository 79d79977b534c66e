//! What must hold after the last round: each promise has one record, at its end; each end told its destination once.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use super::Trouble;
use super::load::Load;
use super::stage::{Running, Stage};

/// Longest that what still waits may take to end.
const PATIENCE: Duration = Duration::from_secs(1800);
/// Without an end for this long, nothing moves any more.
const STANDSTILL: Duration = Duration::from_secs(120);
/// The end of a call that went well; others stand with their number and text.
const SUCCESS: &str = "SUCCESS";
/// Of the contract: limits.md, "Lists".
const PAGE: usize = 500;

/// What was found.
pub(super) struct Verdict {
    trouble: Trouble,
    rounds: u32,
    tears: u32,
    accepted: usize,
    refused: u64,
    unknown: u64,
    /// Records of calls that the clients were not told of: the connection broke before the answer.
    beyond: usize,
    lost: usize,
    twice: usize,
    not_ended: usize,
    not_succeeded: usize,
    /// Calls that ran more than once, and their runs beyond the first.
    reran: usize,
    runs_too_many: usize,
    /// Calls that succeeded and never ran, which cannot be.
    never_ran: usize,
    untold: usize,
    told_twice: usize,
    wrong: Vec<String>,
    /// Ends other than SUCCESS, and how many calls had each.
    ends: BTreeMap<String, usize>,
}

impl Verdict {
    pub(super) fn holds(&self) -> bool {
        let faults =
            [self.lost, self.twice, self.not_ended, self.not_succeeded, self.never_ran, self.untold, self.told_twice];
        faults.iter().all(|count| *count == 0) && self.wrong.is_empty() && self.accepted > 0
    }
}

pub(super) async fn check(
    stage: &Stage,
    server: &Running,
    load: &Load,
    trouble: Trouble,
    rounds: u32,
    tears: u32,
) -> Result<Verdict> {
    let begun = Instant::now();
    wait_for_all(server).await?;
    println!("  everything had ended {:.1} s after the last start", begun.elapsed().as_secs_f64());
    let victims = records(server, "victim").await?;
    let told = records(server, "told").await?;
    let promises = load.promises();
    let accepted: HashSet<String> = promises.accepted.lock().expect("no panic").iter().cloned().collect();
    let succeeded: HashSet<&String> =
        victims.iter().filter(|(_, states)| states.iter().any(|state| state == SUCCESS)).map(|(id, _)| id).collect();
    let mut runs: HashMap<String, usize> = HashMap::new();
    for id in stage.lines("ran")? {
        *runs.entry(id).or_default() += 1;
    }
    // By the call that is told of, the calls that told of it.
    let mut tellers: HashMap<String, HashSet<String>> = HashMap::new();
    for line in stage.lines("told")? {
        let (of, by) = line.split_once(' ').with_context(|| format!("the line {line:?}"))?;
        tellers.entry(of.to_owned()).or_default().insert(by.to_owned());
    }
    let all = || victims.values().chain(told.values());
    let is_end = |state: &String| [SUCCESS, "FAIL", "DISCARD"].iter().any(|end| state.starts_with(end));
    Ok(Verdict {
        trouble,
        rounds,
        tears,
        accepted: accepted.len(),
        refused: promises.refused.load(Ordering::Relaxed),
        unknown: promises.unknown.load(Ordering::Relaxed),
        beyond: victims.keys().filter(|id| !accepted.contains(*id)).count(),
        lost: accepted.iter().filter(|id| !victims.contains_key(*id)).count(),
        twice: all().filter(|states| states.len() > 1).count(),
        not_ended: all().filter(|states| !states.iter().all(is_end)).count(),
        not_succeeded: all().filter(|states| !states.iter().any(|state| state == SUCCESS)).count(),
        reran: runs.values().filter(|count| **count > 1).count(),
        runs_too_many: runs.values().map(|count| count - 1).sum(),
        never_ran: succeeded.iter().filter(|id| !runs.contains_key(**id)).count(),
        untold: succeeded.iter().filter(|id| !tellers.contains_key(**id)).count(),
        told_twice: tellers.values().filter(|by| by.len() > 1).count(),
        wrong: promises.wrong.lock().expect("no panic").clone(),
        ends: other_ends(all()),
    })
}

/// Counts ends by what they say.
fn other_ends<'a>(all: impl Iterator<Item = &'a Vec<String>>) -> BTreeMap<String, usize> {
    let mut ends = BTreeMap::new();
    for state in all.flatten().filter(|state| *state != SUCCESS) {
        *ends.entry(state.clone()).or_default() += 1;
    }
    ends
}

/// Nothing waits and nothing runs.
async fn wait_for_all(server: &Running) -> Result<()> {
    let (begun, mut moved, mut before) = (Instant::now(), Instant::now(), usize::MAX);
    loop {
        let mut left = 0;
        for function in ["victim", "told"] {
            for state in ["WAIT", "RUNNING"] {
                let page = page(server, function, &format!("&status={state}"), "").await?;
                left += page["invocations"].as_array().context("no list")?.len();
            }
        }
        // What is told is called once more: one look at an empty queue may be too early.
        if left == 0 && before == 0 {
            return Ok(());
        }
        if left != before {
            (moved, before) = (Instant::now(), left);
        }
        // A page is full for a long time while much waits.
        let full = left >= PAGE;
        ensure!(
            full || left == 0 || moved.elapsed() < STANDSTILL,
            "{left} calls wait, and nothing has moved for two minutes"
        );
        ensure!(begun.elapsed() < PATIENCE, "{left} calls or more still wait after half an hour");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Ends of all calls of a function by their ids; more than one where a call has several records.
async fn records(server: &Running, function: &str) -> Result<BTreeMap<String, Vec<String>>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut marker = String::new();
    loop {
        let page = page(server, function, "", &marker).await?;
        let list = page["invocations"].as_array().context("no list")?;
        for record in list {
            let text = |name: &str| record[name].as_str().map(str::to_owned).with_context(|| format!("no {name}"));
            let mut state = text("status")?;
            if state != SUCCESS {
                state = format!("{state} {} {}", record["error_code"], text("error_message")?);
            }
            found.entry(text("request_id")?).or_default().push(state);
        }
        let next = match &page["next_marker"] {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => String::new(),
        };
        if list.is_empty() || next.is_empty() || next == "0" {
            return Ok(found);
        }
        if next == marker {
            bail!("the list of {function} does not go on behind {marker}");
        }
        marker = next;
    }
}

async fn page(server: &Running, function: &str, filter: &str, marker: &str) -> Result<Value> {
    let marker = if marker.is_empty() { String::new() } else { format!("&marker={marker}") };
    // Clocks were set meanwhile.
    let hours =
        |hours: i64| (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(hours)).strftime("%Y-%m-%dT%H:%M:%S");
    let rest = format!(
        "/{function}/async-invocations?limit={PAGE}&query_begin_time={}&query_end_time={}{filter}{marker}",
        hours(-48),
        hours(48)
    );
    server.ask("GET", &rest, &Value::Null).await
}

/// What was found, to read.
pub(super) fn table(verdicts: &[Verdict]) -> String {
    let mut text = String::new();
    for verdict in verdicts {
        let holds = if verdict.holds() { "holds" } else { "DOES NOT HOLD" };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "\n{}, {} rounds: {holds}", verdict.trouble.name(), verdict.rounds);
        for (what, count) in [
            ("accepted", verdict.accepted as u64),
            ("refused with 429 or 503", verdict.refused),
            ("no answer before the kill", verdict.unknown),
            ("  of these accepted all the same", verdict.beyond as u64),
            ("logs torn", verdict.tears.into()),
            ("accepted and lost", verdict.lost as u64),
            ("more than one record", verdict.twice as u64),
            ("not at an end", verdict.not_ended as u64),
            ("at an end other than SUCCESS", verdict.not_succeeded as u64),
            ("SUCCESS without a run", verdict.never_ran as u64),
            ("ran more than once (allowed)", verdict.reran as u64),
            ("  runs beyond the first", verdict.runs_too_many as u64),
            ("destination never told", verdict.untold as u64),
            ("destination told by two calls", verdict.told_twice as u64),
        ] {
            let _ = writeln!(text, "  {what:<36} {count:>8}");
        }
        for (end, count) in &verdict.ends {
            let _ = writeln!(text, "  {count} ended with: {end}");
        }
        for answer in &verdict.wrong {
            let _ = writeln!(text, "  an answer that must not be: {answer}");
        }
    }
    text
}
