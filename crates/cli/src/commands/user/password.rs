//! A password from whoever sits there, unseen, or from a program that writes it. Never from the command line, which others can read.

use std::io::{self, BufRead, IsTerminal, Write};
use std::thread;

use anyhow::Context as _;
use fungraph_model::Secret;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::exit::Stop;

/// Reads one line; a person writes it twice.
pub(super) fn read(user: &str) -> anyhow::Result<Secret> {
    if !io::stdin().is_terminal() {
        return line();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    runtime.context("cannot wait for signals")?.block_on(unseen(user.to_owned()))
}

/// Asks until both are there, or a signal comes, such as that of Ctrl-C: by itself it would leave a terminal that shows nothing.
async fn unseen(user: String) -> anyhow::Result<Secret> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut quit = signal(SignalKind::quit())?;
    let _silent = Silent::begin()?;
    let (tell, told) = oneshot::channel();
    // Nobody can take back a wait for a line; where a signal comes first, the thread ends with the program.
    thread::spawn(move || tell.send(twice(&user)));
    tokio::select! {
        told = told => told.context("the password was not asked for")?,
        _ = interrupt.recv() => Err(interrupted()),
        _ = terminate.recv() => Err(interrupted()),
        _ = hangup.recv() => Err(interrupted()),
        _ = quit.recv() => Err(interrupted()),
    }
}

fn interrupted() -> anyhow::Error {
    // The prompt's line is not over.
    let _ = ask("\n");
    Stop::failed("interrupted: nothing was changed")
}

fn twice(user: &str) -> anyhow::Result<Secret> {
    ask(&format!("password of {user}: "))?;
    let first = line()?;
    ask("\nagain: ")?;
    let second = line()?;
    ask("\n")?;
    if first == second { Ok(first) } else { Err(Stop::usage("the two are not the same: nothing was changed")) }
}

fn line() -> anyhow::Result<Secret> {
    let mut text = String::new();
    io::stdin().lock().read_line(&mut text).context("cannot read the password")?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(Stop::usage("no password was given: write one line to standard input"));
    }
    Ok(Secret::new(text.to_owned()))
}

fn ask(text: &str) -> io::Result<()> {
    let mut err = io::stderr().lock();
    err.write_all(text.as_bytes())?;
    err.flush()
}

/// A terminal that does not show what is typed, until this is dropped.
struct Silent(Termios);

impl Silent {
    fn begin() -> anyhow::Result<Self> {
        let before = tcgetattr(io::stdin()).context("cannot ask the terminal")?;
        let mut silent = before.clone();
        silent.local_modes -= LocalModes::ECHO;
        tcsetattr(io::stdin(), OptionalActions::Flush, &silent).context("cannot silence the terminal")?;
        Ok(Self(before))
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        // A terminal that has gone needs nothing.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}
