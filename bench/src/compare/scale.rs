//! Whether 100,000 functions cost those that are there anything: a start, memory, lists, and a warm call.
//!
//! The store is filled by the store's own crate, many functions to a transaction: over the API each would wait for the disk.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use fungraph_model::{Digest, FunctionVersion, ProjectId};
use fungraph_store::{Config, FunctionQuery, Store};
use tempfile::TempDir;

use super::ours::{Function, Ours, data};
use super::rounds::{Subject, in_turns, median, three};
use super::table::{Budget, Row, Table};
use super::{Options, host};
use crate::bare::Language;
use crate::load::{self, Target};

const FUNCTIONS: usize = 100_000;
const STORED_AT_ONCE: usize = 10_000;
/// What the console asks for at once.
const PAGE: usize = 20;
const CALLERS: usize = 8;
const STARTS: usize = 5;
const SETTINGS: &str = "[limits]\nfunctions_per_project = 200000\n";

/// The rows of a full store.
pub(crate) async fn many_functions(options: &Options, table: &mut Table) -> Result<()> {
    let few = Ours::start(&options.fungraph, SETTINGS).await?;
    let called_there = called(options, &few).await?;
    let full = Ours::start(&options.fungraph, SETTINGS).await?;
    let called = called(options, &full).await?;
    let project = full.project().to_owned();
    let folder = full.leave().await?;
    fill(&data(&folder), &project).await?;

    let (full, starts) = restarts(options, folder).await?;
    table.push(Row::alone(row("from start to ready, p50"), starts, "ms", Some(Budget::AtMost(1000.0))));
    let last = format!("?marker={}&maxitems={PAGE}", FUNCTIONS - PAGE);
    for (what, target, most) in [
        (format!("first {PAGE} of a list"), full.get(&format!("?maxitems={PAGE}")), 20.0),
        (format!("last {PAGE} of a list"), full.get(&last), 20.0),
        ("showing one".to_owned(), full.show(&called), 5.0),
    ] {
        let took = slowest_hundredth(options, &target).await?;
        table.push(Row::alone(row(&format!("{what}, c={CALLERS}, p99")), took, "ms", Some(Budget::AtMost(most))));
    }
    let mut subjects =
        [Subject::new(&full.target(&called), 1, full.pid()), Subject::new(&few.target(&called_there), 1, few.pid())];
    in_turns(options, options.rounds(), &mut subjects).await?;
    let [there, here] = &subjects;
    let figures = three(&there.p50, &here.p50);
    table.push(Row::beside(row("warm, c=1, p50"), figures, "ms", "one function", Some(Budget::AtMost(1.1))));
    let most = host::peak_mb(full.pid());
    table.push(Row::alone(row("most memory of the server"), most, "MB", Some(Budget::AtMost(300.0))));
    full.leave().await?;
    few.leave().await?;
    Ok(())
}

fn row(what: &str) -> String {
    format!("{FUNCTIONS} functions: {what}")
}

/// The function that is called.
async fn called(options: &Options, ours: &Ours) -> Result<Function> {
    let code = "def handler(event, context):\n    return {}\n";
    let function = ours.create("called", options.runtime(Language::Python), code, 1).await?;
    ours.call(&function).await?;
    Ok(function)
}

/// Copies of the function that is there until there are enough, each with a digest of its own: that is what takes room.
async fn fill(data: &Path, project: &str) -> Result<()> {
    let store = Store::open(&Config { folder: data.to_owned(), readers: 1 }).await?;
    let (project, none) = (ProjectId(project.to_owned()), None);
    let query =
        FunctionQuery { project, package: none.clone(), name_part: none, marker: 0, limit: 1, failures_from: 0 };
    let page = store.functions(&query).await?;
    let first = page.functions.first().context("the function is not in the store")?;
    let copies: Vec<FunctionVersion> = (1..FUNCTIONS).map(|number| copy(first, number)).collect();
    for some in copies.chunks(STORED_AT_ONCE) {
        store.create_functions(some).await?;
    }
    store.close().await;
    Ok(())
}

fn copy(function: &FunctionVersion, number: usize) -> FunctionVersion {
    let mut copy = function.clone();
    copy.key.name = format!("function-{number}");
    copy.func_id = format!("{number:032x}");
    copy.code.digest = Digest(format!("{number:0128x}"));
    copy
}

/// A server on the folder, and the median of its starts in milliseconds.
async fn restarts(options: &Options, mut folder: TempDir) -> Result<(Ours, f64)> {
    let mut took = Vec::new();
    loop {
        let begin = Instant::now();
        let ours = Ours::start_on(&options.fungraph, SETTINGS, folder).await?;
        took.push(begin.elapsed().as_secs_f64() * 1000.0);
        if took.len() == STARTS {
            return Ok((ours, median(&mut took)));
        }
        folder = ours.leave().await?;
    }
}

async fn slowest_hundredth(options: &Options, target: &Target) -> Result<f64> {
    let measured = load::run(target, CALLERS, options.time()).await?;
    ensure!(measured.errors == 0, "requests failed: {}", measured.last_error);
    Ok(measured.percentile(99.0))
}
