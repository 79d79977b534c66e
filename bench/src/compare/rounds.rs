//! Measurements in turns: in each turn everything is measured once, and the next one goes the other way round, so that
//! a machine that slows down or speeds up does so for all.

use std::time::Duration;

use anyhow::{Result, ensure};
use clap::ValueEnum as _;
use serde_json::Value;
use tokio::process::Command;

use super::Options;
use super::ours::{Deployed, Ours};
use super::process::Server;
use super::table::{Budget, Row, Table};
use super::{host, peers};
use crate::bare::Language;
use crate::http1::Connection;
use crate::load::{self, Measured, Target};

const MANY: usize = 16;
/// Until every instance that a load wants is there: the slowest takes a few hundred milliseconds of processor time.
const FIRST_WARM_UP: Duration = Duration::from_secs(3);
const WARM_UP: Duration = Duration::from_millis(100);
/// Each round goes round so many times, with a part of its time: on which processor the kernel puts whom decides more than what is
/// measured, and stays as it is for about a second.
pub(super) const TURNS: u32 = 4;

/// One thing measured again and again.
pub(crate) struct Subject {
    target: Target,
    connections: usize,
    /// Milliseconds at the median, and calls per second, of each round.
    pub(crate) p50: Vec<f64>,
    rate: Vec<f64>,
    /// The server's process, and microseconds of processor time per call: its own, and its interpreters'. A busy machine
    /// stretches times and not these.
    process: u32,
    own: Vec<f64>,
    interpreters: Vec<f64>,
}

impl Subject {
    pub(crate) fn new(target: &Target, connections: usize, process: u32) -> Self {
        let none = Vec::new;
        Self {
            target: target.clone(),
            connections,
            p50: none(),
            rate: none(),
            process,
            own: none(),
            interpreters: none(),
        }
    }

    /// One answer.
    async fn answer(&self) -> Result<Value> {
        Connection::open(&self.target.address).await?.call(&self.target.request).await?.json()
    }

    /// Seconds of processor time so far, own and of interpreters.
    fn processor(&self) -> [f64; 2] {
        let below = host::descendants(self.process).into_iter();
        let is_one =
            |(_, program): &(u32, String)| Language::value_variants().iter().any(|one| program.starts_with(one.word()));
        let interpreters = below.filter(is_one);
        [host::processor_seconds(self.process), interpreters.map(|(pid, _)| host::processor_seconds(pid)).sum()]
    }

    async fn warm_up(&self, time: Duration) -> Result<()> {
        let measured = load::run(&self.target, self.connections, time).await?;
        ensure!(measured.requests() > 0, "no call succeeded: {}", measured.last_error);
        Ok(())
    }

    async fn measure(&mut self, time: Duration) -> Result<()> {
        self.warm_up(WARM_UP).await?;
        let before = self.processor();
        let measured: Measured = load::run(&self.target, self.connections, time).await?;
        let after = self.processor();
        ensure!(measured.errors == 0, "{} calls failed, the last with {}", measured.errors, measured.last_error);
        self.p50.push(measured.percentile(50.0));
        self.rate.push(measured.per_second());
        let per_call = |which: usize| (after[which] - before[which]) * 1e6 / measured.requests() as f64;
        self.own.push(per_call(0));
        self.interpreters.push(per_call(1));
        Ok(())
    }
}

/// Median of ours, median of theirs, median of the ratios.
pub(crate) fn three(ours: &[f64], theirs: &[f64]) -> [f64; 3] {
    let mut ratios: Vec<f64> = ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect();
    [median(&mut ours.to_vec()), median(&mut theirs.to_vec()), median(&mut ratios)]
}

pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

/// Warm calls beside the bare limit and the floor.
pub(crate) async fn warm(
    options: &Options,
    language: Language,
    name: &str,
    deployed: &Deployed,
    ours: &Ours,
    table: &mut Table,
) -> Result<()> {
    let bare = Server::start(bare_command(language, deployed)).await?;
    let echo = Server::start(bench_command(&["echo"])).await?;
    let same_bytes =
        |address: &str, like: &Target| Target { address: address.to_owned(), request: like.request.clone() };
    let (capped, free) = (ours.target(&deployed.capped), ours.target(&deployed.free));
    let mut subjects = vec![
        Subject::new(&capped, 1, ours.pid()),
        Subject::new(&same_bytes(&bare.address, &capped), 1, bare.pid()),
        Subject::new(&capped, MANY, ours.pid()),
        Subject::new(&same_bytes(&bare.address, &capped), MANY, bare.pid()),
        Subject::new(&free, MANY, ours.pid()),
        Subject::new(&same_bytes(&echo.address, &capped), 1, echo.pid()),
    ];
    same_answers(&subjects[..5]).await?;
    in_turns(options, options.rounds(), &mut subjects).await?;
    warm_rows(name, &subjects, table);
    Ok(())
}

/// What the six subjects of [`warm`] came to.
fn warm_rows(name: &str, subjects: &[Subject], table: &mut Table) {
    let [one, bare_one, many, bare_many, unlimited, floor] = subjects else { unreachable!("six were made") };
    let mut row = |what: &str, figures: [f64; 3], unit: &str, whose: &str, budget: Option<Budget>| {
        table.push(Row::beside(format!("{name}: {what}"), figures, unit, whose, budget));
    };
    row("warm, c=1, p50", three(&one.p50, &bare_one.p50), "ms", "bare", Some(Budget::AtMost(1.1)));
    row("warm, c=16, two instances", three(&many.rate, &bare_many.rate), "/s", "bare", Some(Budget::AtLeast(0.9)));
    row("warm, c=16, no cap", three(&unlimited.rate, &bare_many.rate), "/s", "bare", Some(Budget::AtLeast(0.8)));
    row("floor of HTTP, c=1, p50", three(&one.p50, &floor.p50), "ms", "echo", None);
    row("processor per call, c=16, two: server", three(&many.own, &bare_many.own), "us", "bare", None);
    let interpreters = three(&many.interpreters, &bare_many.interpreters);
    row("processor per call, c=16, two: instances", interpreters, "us", "bare", None);
}

/// All of them do the same work, or nothing can be compared.
async fn same_answers(subjects: &[Subject]) -> Result<()> {
    let first = subjects[0].answer().await?;
    for subject in subjects {
        let other = subject.answer().await?;
        ensure!(first == other, "{} answers {other}, and not {first}", subject.target.address);
    }
    Ok(())
}

/// Peers one by one, each in turns with us: some of them would take the processors from the others even when idle.
pub(crate) async fn peers(
    options: &Options,
    language: Language,
    deployed: &Deployed,
    ours: &Ours,
    table: &mut Table,
) -> Result<()> {
    let (capped, free) = (ours.target(&deployed.capped), ours.target(&deployed.free));
    for peer in peers::all(language) {
        let what = format!("{}: {}", language.name(), peer.name);
        let started = match peer.start(&deployed.runtime).await {
            Ok(Some(started)) => started,
            Ok(None) => {
                table.push(Row::missing(what, "not installed (bench/peers installs it)"));
                continue;
            }
            Err(error) => {
                table.push(Row::missing(what, &format!("did not start: {error:#}")));
                continue;
            }
        };
        let mut subjects = [
            Subject::new(&capped, 1, ours.pid()),
            Subject::new(&started.target, 1, started.pid()),
            Subject::new(&free, MANY, ours.pid()),
            Subject::new(&started.target, MANY, started.pid()),
        ];
        let measured = match same_answers(&subjects).await {
            Ok(()) => in_turns(options, options.rounds().min(2), &mut subjects).await,
            Err(error) => Err(error),
        };
        if let Err(error) = measured {
            table.push(Row::missing(what, &format!("could not be measured: {error:#}")));
            continue;
        }
        let [one, their_one, many, their_many] = &subjects;
        table.push(Row::beside(format!("{what}, c=1, p50"), three(&one.p50, &their_one.p50), "ms", "theirs", None));
        let figures = three(&many.rate, &their_many.rate);
        table.push(Row::beside(format!("{what}, c=16"), figures, "/s", "theirs", peer.budget.map(Budget::AtLeast)));
    }
    Ok(())
}

pub(crate) async fn in_turns(options: &Options, rounds: usize, subjects: &mut [Subject]) -> Result<()> {
    for subject in &*subjects {
        subject.warm_up(FIRST_WARM_UP).await?;
    }
    let time = options.time() / TURNS;
    for turn in 0..rounds * TURNS as usize {
        if turn % 2 == 0 {
            for subject in subjects.iter_mut() {
                subject.measure(time).await?;
            }
        } else {
            for subject in subjects.iter_mut().rev() {
                subject.measure(time).await?;
            }
        }
    }
    Ok(())
}

fn bare_command(language: Language, deployed: &Deployed) -> Command {
    let mut command = bench_command(&["bare", language.word()]);
    command.arg(&deployed.program).args(["--workers", "2"]);
    command
}

pub(crate) fn bench_command(words: &[&str]) -> Command {
    // The program that runs now, also when a build has put another one in its place.
    let mut command = Command::new("/proc/self/exe");
    command.args(words);
    command
}
