//! The asynchronous queue: how fast it takes calls and runs them, empty and with very many that wait, in turns; what those need, and how fast
//! a page of records is found among very many.

use std::fs::File;
use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::ours::{Calls, Function, Ours, open_folder};
use super::rounds::{median, three};
use super::table::{Budget, Row, Table};
use super::{Options, host};
use crate::http1::Connection;
use crate::load::{self, Measured};

const CONNECTIONS: usize = 64;
const EVENT_BYTES: usize = 256;
/// What the queue holds while it is measured how fast an unburdened one is emptied: enough for a few seconds.
const FEW: u64 = 20_000;
/// One signature holds for fifteen minutes.
const SLICE: Duration = Duration::from_secs(60);
/// How often one looks whether all have run.
const LOOK: Duration = Duration::from_millis(20);
/// Pages that are asked for.
const PAGES: u64 = 25;
const CODE: &str = "def handler(event, context):\n    return None\n";

/// The function whose queue is measured, and its server.
struct Subject {
    ours: Ours,
    function: Function,
    event: String,
    /// Calls that wait at least while it is measured.
    least: u64,
    /// By turn: calls accepted a second, the slowest of a hundred in milliseconds, calls run a second.
    accepted: Vec<f64>,
    slowest: Vec<f64>,
    ran: Vec<f64>,
}

/// Measures everything; the sizes are those of the options.
pub(crate) async fn measure(options: &Options, table: &mut Table) -> Result<()> {
    let (many, records) = (options.waiting(), options.records());
    let mut few = Subject::start(options, FEW).await?;
    table.push(Row::alone("disk: 4 KB written and synced, one after the other", synced_writes()?, "/s", None));
    let mut full = Subject::start(options, many).await?;
    let idle = host::resident_mb(full.ours.pid());
    full.fill(many).await?;
    let needed = host::resident_mb(full.ours.pid()) - idle;
    for turn in 0..options.rounds() {
        let (first, second) = if turn % 2 == 0 { (&mut few, &mut full) } else { (&mut full, &mut few) };
        first.turn(options.time()).await?;
        second.turn(options.time()).await?;
    }
    rows(&few, &full, needed, table);
    few.ours.stop().await?;

    let ended = full.records(records, many).await?;
    let what = format!("queue: a page of 100 among {ended} records, p50");
    table.push(Row::alone(what, full.pages(ended).await?, "ms", Some(Budget::AtMost(20.0))));
    full.ours.stop().await?;
    Ok(())
}

/// What an empty queue came to, and a full one beside it.
fn rows(few: &Subject, full: &Subject, needed: f64, table: &mut Table) {
    let mut alone = |what: &str, value, unit, budget| table.push(Row::alone(what, value, unit, Some(budget)));
    alone("queue: calls accepted, durable, c=64", median(&mut few.accepted.clone()), "/s", Budget::AtLeast(10_000.0));
    alone("queue: accepted, c=64, p99", median(&mut few.slowest.clone()), "ms", Budget::AtMost(20.0));
    let many = full.least;
    alone(&format!("queue: memory for {many} calls that wait"), needed, "MB", Budget::AtMost(200.0));
    let mut beside = |what: String, figures, whose| {
        table.push(Row::beside(what, figures, "/s", whose, Some(Budget::AtLeast(0.8))));
    };
    let what = format!("queue: accepted with {many} that wait, c=64");
    beside(what, three(&full.accepted, &few.accepted), "empty");
    beside(format!("queue: calls run with {many} that wait"), three(&full.ran, &few.ran), "few");
}

impl Subject {
    async fn start(options: &Options, least: u64) -> Result<Self> {
        // More is accepted and ended meanwhile than is asked for, and nothing is to be trimmed while something else is measured.
        let most = options.waiting().max(options.records()) * 2 + 10_000_000;
        let settings =
            format!("[async]\nwaiting_per_function = {most}\nrecords_per_function = {most}\nrecords = {most}\n");
        let ours = Ours::start(&options.fungraph, &settings).await?;
        let function = ours.create("queued", &options.python, CODE, -1).await?;
        let event = format!("{:?}", "x".repeat(EVENT_BYTES - 2));
        let (accepted, slowest, ran) = (Vec::new(), Vec::new(), Vec::new());
        let subject = Self { ours, function, event, least, accepted, slowest, ran };
        // Instances are there, and what is read once has been read.
        subject.fill(FEW / 10).await?;
        subject.drain(Duration::MAX).await?;
        Ok(subject)
    }

    /// Takes calls for so long, then runs calls for so long; where few wait, none is left afterwards.
    async fn turn(&mut self, time: Duration) -> Result<()> {
        let accepted = self.accept(time).await?;
        self.accepted.push(accepted.per_second());
        self.slowest.push(accepted.percentile(99.0));
        self.fill(self.least).await?;
        self.ran.push(self.drain(time).await?);
        if self.least == FEW {
            self.drain(Duration::MAX).await?;
        }
        Ok(())
    }

    async fn counts(&self) -> Result<Calls> {
        self.ours.calls(&self.function).await
    }

    /// Takes calls for so long and runs none.
    async fn accept(&self, time: Duration) -> Result<Measured> {
        self.ours.pause(&self.function, true).await?;
        let target = self.ours.queue_target(&self.function, &self.event);
        let measured = load::run(&target, CONNECTIONS, time).await?;
        ensure!(measured.errors == 0, "{} were refused, the last with {}", measured.errors, measured.last_error);
        Ok(measured)
    }

    /// So many wait, at least.
    async fn fill(&self, count: u64) -> Result<()> {
        let mut rate = 2000.0;
        loop {
            let waiting = self.counts().await?.waiting;
            if waiting >= count {
                return Ok(());
            }
            let time = Duration::from_secs_f64(((count - waiting) as f64 / rate).max(0.1)).min(SLICE);
            rate = self.accept(time).await?.per_second().max(1.0);
        }
    }

    /// Lets them run, until none is left or for so long. Gives how many ended per second.
    async fn drain(&self, time: Duration) -> Result<f64> {
        let before = self.counts().await?;
        let begun = Instant::now();
        self.ours.pause(&self.function, false).await?;
        let after = loop {
            tokio::time::sleep(LOOK).await;
            let now = self.counts().await?;
            if now.waiting + now.running == 0 || begun.elapsed() >= time {
                break now;
            }
        };
        let took = begun.elapsed().as_secs_f64();
        self.ours.pause(&self.function, true).await?;
        ensure!(after.failed == before.failed, "calls failed: {after:?}");
        Ok((after.succeeded - before.succeeded) as f64 / took)
    }

    /// So many records, at least, made of calls that are thrown away: they need no instance.
    async fn records(&self, records: u64, step: u64) -> Result<u64> {
        loop {
            let ended = self.counts().await?.ended();
            if ended >= records {
                return Ok(ended);
            }
            self.fill(step.min(records - ended)).await?;
            self.ours.purge(&self.function).await?;
        }
    }

    /// Milliseconds for a page, wherever it lies: the median.
    async fn pages(&self, records: u64) -> Result<f64> {
        let mut times = Vec::new();
        for number in 0..PAGES {
            let marker = records / PAGES * number;
            let target = self.ours.page_target(&self.function, marker);
            let mut connection = Connection::open(&target.address).await?;
            let begun = Instant::now();
            let page = connection.call(&target.request).await?;
            times.push(begun.elapsed().as_secs_f64() * 1000.0);
            ensure!(page.json()?["count"] == 100, "no full page at {marker}");
        }
        Ok(median(&mut times))
    }
}

/// How often per second this disk has something: what grouped commits are up against.
fn synced_writes() -> Result<f64> {
    let folder = open_folder()?;
    let mut file = File::create(folder.path().join("synced")).context("a file to write to")?;
    let (begun, mut written) = (Instant::now(), 0);
    while begun.elapsed() < Duration::from_secs(1) {
        file.write_all(&[b'x'; 4096])?;
        file.sync_data()?;
        written += 1;
    }
    Ok(f64::from(written) / begun.elapsed().as_secs_f64())
}
