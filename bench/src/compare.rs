//! Everything side by side, in turns, and one table.

mod cold;
mod crowd;
pub(crate) mod host;
pub(crate) mod ours;
mod peers;
pub(crate) mod process;
mod programs;
mod queue;
mod rounds;
mod sandbox;
mod scale;
mod table;
mod upload;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;

use crate::bare::Language;
use ours::Ours;
use table::{Budget, Row, Table};

/// The event of every call.
pub(crate) const EVENT: &str = r#"{"name": "Ada", "from": "London", "year": 1843}"#;

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Fewer and shorter rounds: a first look, not a result
    #[arg(long)]
    quick: bool,
    /// One language only
    #[arg(long, value_name = "LANGUAGE")]
    only: Option<Language>,
    /// Seconds of each measurement [default: 3, quick 1]
    #[arg(long, value_name = "SECONDS")]
    duration: Option<f64>,
    /// Rounds, of which the median ratio counts [default: 5, quick 3]
    #[arg(long)]
    rounds: Option<usize>,
    /// Measure programs of their own (Custom, http, Go) only
    #[arg(long)]
    programs: bool,
    /// Measure a full store and large packages only
    #[arg(long)]
    scale: bool,
    /// Measure the asynchronous queue only
    #[arg(long)]
    queue: bool,
    /// Asynchronous calls that wait while the queue is measured [default: 1000000, quick 100000]
    #[arg(long, value_name = "N")]
    waiting: Option<u64>,
    /// Records of asynchronous calls among which a page is looked for [default: 5000000, quick 200000]
    #[arg(long, value_name = "N")]
    records: Option<u64>,
    /// Let no processor sleep while it measures, as the server asks for itself: then the bare limit has the same of it
    #[arg(long)]
    awake: bool,
    /// Leave the peers out
    #[arg(long)]
    no_peers: bool,
    /// Runtime of the Python functions
    #[arg(long, default_value = "Python3.12")]
    python: String,
    /// Runtime of the Node.js functions
    #[arg(long, default_value = "Node.js20.15")]
    node: String,
    /// Runtime of the Java functions
    #[arg(long, default_value = "Java17")]
    java: String,
    /// The server to measure
    #[arg(long, value_name = "FILE", default_value_os_t = beside_us())]
    fungraph: PathBuf,
}

impl Options {
    fn languages(&self) -> Vec<Language> {
        let wanted =
            |one: &Language| !self.programs && !self.scale && !self.queue && self.only.is_none_or(|only| only == *one);
        [Language::Python, Language::Node, Language::Java].into_iter().filter(wanted).collect()
    }

    fn runtime(&self, language: Language) -> &str {
        match language {
            Language::Python => &self.python,
            Language::Node => &self.node,
            Language::Java => &self.java,
        }
    }

    fn time(&self) -> Duration {
        Duration::from_secs_f64(self.duration.unwrap_or(if self.quick { 1.0 } else { 3.0 }))
    }

    fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { 3 } else { 5 }).max(1)
    }

    fn waiting(&self) -> u64 {
        self.waiting.unwrap_or(if self.quick { 100_000 } else { 1_000_000 })
    }

    fn records(&self) -> u64 {
        self.records.unwrap_or(if self.quick { 200_000 } else { 5_000_000 })
    }

    fn repeats(&self) -> usize {
        if self.quick { 5 } else { 15 }
    }
}

pub(crate) fn beside_us() -> PathBuf {
    std::env::current_exe().unwrap_or_default().with_file_name("fungraph")
}

/// Measures all and prints the table.
pub(crate) async fn run(options: Options) -> Result<()> {
    let _awake = options.awake.then(host::keep_awake).transpose()?;
    let mut table = Table::default();
    let starts = ours::starts(&options.fungraph, options.repeats()).await?;
    table.push(Row::alone("serve: from nothing to ready, p50", starts, "ms", Some(Budget::AtMost(100.0))));

    let ours = Ours::start(&options.fungraph, "").await?;
    ours.idle(&mut table)?;
    let size = std::fs::metadata(&options.fungraph).context("the server's binary")?.len() as f64 / (1024.0 * 1024.0);
    table.push(Row::alone("size of the binary", size, "MB", Some(Budget::AtMost(40.0))));

    let mut all = Vec::new();
    for language in options.languages() {
        eprintln!("{}:", language.name());
        let deployed = ours.deploy(language, options.runtime(language)).await?;
        rounds::warm(&options, language, language.name(), &deployed, &ours, &mut table).await?;
        if !options.no_peers {
            rounds::peers(&options, language, &deployed, &ours, &mut table).await?;
        }
        all.push((language, deployed));
    }
    if options.only.is_none() && !options.scale && !options.queue {
        eprintln!("programs of their own:");
        programs::warm(&options, &ours, &mut table).await?;
    }
    let faults = ours.stop().await?;
    if options.only.is_none() && !options.programs && !options.queue {
        eprintln!("much to keep:");
        scale::many_functions(&options, &mut table).await?;
        upload::large_packages(&options, &mut table).await?;
    }
    if options.only.is_none() && !options.programs && !options.scale {
        eprintln!("asynchronous calls:");
        queue::measure(&options, &mut table).await?;
    }
    for (language, deployed) in &all {
        eprintln!("{}, cold and crowded:", language.name());
        cold::without_blanks(&options, *language, deployed, &mut table).await?;
        cold::with_blanks(&options, *language, deployed, &mut table).await?;
        // A thousand functions and a line of calls show what fungraph does with them, whatever language they are in.
        if *language != Language::Java {
            crowd::warm_among_others(&options, *language, &deployed.runtime, &mut table).await?;
        }
    }
    println!("\n{table}");
    println!("Measured with isolation, authentication, logs and metrics on, by: {}", command_line());
    println!(
        "{}, {}; {} rounds of {:?}, each in {} turns, medians of ratios.",
        host::name(),
        host::kernel(),
        options.rounds(),
        options.time(),
        rounds::TURNS
    );
    if let Some(faults) = faults {
        println!("The server did not end well: {faults}");
    }
    Ok(())
}

/// What a person typed: xtask hands its own words on.
fn command_line() -> String {
    let words: Vec<String> = std::env::args().skip(2).collect();
    ["cargo xtask bench".to_owned()].into_iter().chain(words).collect::<Vec<_>>().join(" ")
}
