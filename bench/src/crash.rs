//! `crash`: a server under asynchronous load is killed again and again, and in the end everything it ever accepted must have ended exactly
//! once. How often a call ran is counted from outside, by a file that the function writes to: at least once is the promise, so twice is
//! allowed and told.
//!
//! Four kinds of trouble, each on a data folder of its own: nothing but kills; a disk that is full now and then; a clock that is an hour
//! ahead or behind after each start; and a write-ahead log whose last page was torn.

mod chance;
mod check;
mod disk;
mod load;
mod stage;
mod wal;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueEnum};

use self::chance::Chance;
use self::check::Verdict;
use self::load::Load;
use self::stage::Stage;

/// What to do.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Kills of each kind of trouble
    #[arg(long, default_value_t = 200)]
    rounds: u32,
    /// Only this kind of trouble; may be given several times
    #[arg(long, value_enum)]
    trouble: Vec<Trouble>,
    /// Clients that send calls at the same time
    #[arg(long, default_value_t = 8)]
    clients: usize,
    /// Longest time from the ready line to the kill, in milliseconds
    #[arg(long, default_value_t = 900)]
    longest_ms: u64,
    /// Number that the moments come from; the one of a run that failed repeats its moments
    #[arg(long)]
    seed: Option<u64>,
    /// Runtime of the functions
    #[arg(long, default_value = "Python3.12")]
    python: String,
    /// The server to kill
    #[arg(long, value_name = "FILE", default_value_os_t = crate::compare::beside_us())]
    fungraph: PathBuf,
}

/// What happens beside the kills.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Trouble {
    /// Nothing
    Kill,
    /// The disk is full for a while
    Disk,
    /// The clock is set by an hour, back and forth
    Clock,
    /// The last page of the log is torn
    Torn,
}

impl Trouble {
    fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill -9",
            Self::Disk => "disk full",
            Self::Clock => "clock by an hour",
            Self::Torn => "torn page",
        }
    }
}

/// Runs them all.
pub(crate) async fn run(options: &Options) -> Result<()> {
    let program = options.fungraph.canonicalize().with_context(|| format!("{}", options.fungraph.display()))?;
    let seed = options.seed.unwrap_or_else(chance::seed);
    println!("seed {seed}; the same moments again: --seed {seed}");
    let all = [Trouble::Kill, Trouble::Disk, Trouble::Clock, Trouble::Torn];
    let wanted = all.into_iter().filter(|one| options.trouble.is_empty() || options.trouble.contains(one));
    let mut verdicts = Vec::new();
    for trouble in wanted {
        let stage = Stage::set(&program, trouble).await?;
        let verdict = rounds(stage, options, trouble, Chance::new(seed)).await;
        verdicts.push(verdict.with_context(|| format!("{} (seed {seed})", trouble.name()))?);
    }
    print!("{}", check::table(&verdicts));
    ensure!(verdicts.iter().all(Verdict::holds), "something was lost or ended twice, see the table (seed {seed})");
    Ok(())
}

async fn rounds(mut stage: Stage, options: &Options, trouble: Trouble, mut chance: Chance) -> Result<Verdict> {
    let mut load = Load::new(options.clients);
    let mut tears = 0;
    for round in 1..=options.rounds {
        let step = if trouble == Trouble::Clock { chance.step() } else { 0 };
        let server = stage.start(step).await.with_context(|| format!("round {round}: the server does not start"))?;
        if round == 1 {
            stage.deploy(&server, &options.python).await?;
        }
        let running = load.begin(&server, round);
        if let Some(disk) = &stage.disk {
            disk.trouble(&mut chance, options.longest_ms).await?;
        } else {
            tokio::time::sleep(Duration::from_millis(chance.below(options.longest_ms))).await;
        }
        server.kill(chance.below(3) == 0).await?;
        load.finish(running).await;
        if let Some(disk) = &stage.disk {
            disk.free()?;
        }
        if trouble == Trouble::Torn {
            tears += u32::from(wal::tear(&stage.queue_log(), &mut chance)?);
        }
        if round % 20 == 0 {
            println!("  {}: {round} rounds, {} calls accepted", trouble.name(), load.accepted());
        }
    }
    let server = stage.start(0).await.context("the server does not start after the last round")?;
    let verdict = check::check(&stage, &server, &load, trouble, options.rounds, tears).await;
    server.stop().await?;
    verdict
}
