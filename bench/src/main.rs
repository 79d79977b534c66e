//! Measures fungraph against what the machine could do without it, in one run.
//!
//! Absolute figures drift from machine to machine and from minute to minute; the ratio of two programs that were measured
//! in turns does not. So everything we compare with is started here, beside the real server, and measured by the same
//! load generator with the same bytes.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for terminals")]

mod bare;
mod compare;
mod crash;
mod go;
mod http1;
mod java;
mod load;
mod program;
mod sign;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::{Parser, Subcommand};

use crate::bare::Language;

#[derive(Parser)]
#[command(name = "fungraph-bench", about = "Measures fungraph against the bare limit of the machine")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure everything in turns and print one table
    Compare(compare::Options),
    /// Kill a server under asynchronous load again and again, and look whether it kept its promises
    Crash(crash::Options),
    /// Serve the bare limit: HTTP, and plain loops behind sockets
    #[command(hide = true)]
    Bare {
        /// Which loop
        language: Language,
        /// Its interpreter
        program: std::path::PathBuf,
        /// How many of them
        #[arg(long, default_value_t = 2)]
        workers: usize,
    },
    /// Serve the bare limit of a program of its own
    #[command(hide = true)]
    Program {
        /// How it is called
        program: program::Program,
    },
    /// Serve the floor of the transport: HTTP that sends back what it gets
    #[command(hide = true)]
    Echo,
    /// Load one URL with POST requests, in a closed loop
    Load {
        /// http://HOST:PORT/PATH
        url: String,
        #[arg(long, short, default_value_t = 16)]
        connections: usize,
        /// Seconds
        #[arg(long, short, default_value_t = 5.0)]
        duration: f64,
        #[arg(long, default_value = compare::EVENT)]
        body: String,
        /// A header of the request, as "Name: value"; may be given several times
        #[arg(long = "header", value_name = "HEADER")]
        headers: Vec<String>,
    },
}

fn main() -> Result<ExitCode> {
    // The sandbox's own process is this program again.
    if std::env::args().nth(1).as_deref() == Some(fungraph_sandbox::SPAWNER_COMMAND) {
        return Ok(fungraph_sandbox::spawner_main());
    }
    command().map(|()| ExitCode::SUCCESS)
}

fn command() -> Result<()> {
    match Args::parse().command {
        Command::Compare(options) => {
            // One thread: the generator must leave the processors to what is measured.
            tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(compare::run(options))
        }
        Command::Crash(options) => {
            tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(crash::run(&options))
        }
        Command::Bare { language, program, workers } => serve(bare::run(language, program, workers)),
        Command::Program { program } => serve(program::run(program)),
        Command::Echo => serve(bare::echo()),
        Command::Load { url, connections, duration, body, headers } => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(one(&url, connections, duration, body, &headers)),
    }
}

fn serve(server: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(server)
}

async fn one(url: &str, connections: usize, seconds: f64, body: String, headers: &[String]) -> Result<()> {
    let (address, path) = http1::split_url(url)?;
    let mut request = http1::Request::post(path, body.into_bytes());
    for header in headers {
        let (name, value) = header.split_once(':').with_context(|| format!("{header:?} is not \"Name: value\""))?;
        request = request.header(name.trim(), value.trim());
    }
    let request = request.render(&address);
    let target = load::Target { address, request };
    let measured = load::run(&target, connections, Duration::from_secs_f64(seconds)).await?;
    ensure!(measured.requests() > 0, "nothing was answered with 200; errors: {}", measured.errors);
    println!(
        "{:.0}/s, p50 {:.3} ms, p90 {:.3} ms, p99 {:.3} ms, {} errors",
        measured.per_second(),
        measured.percentile(50.0),
        measured.percentile(90.0),
        measured.percentile(99.0),
        measured.errors
    );
    Ok(())
}
