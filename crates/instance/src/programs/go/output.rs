//! What a program prints while several of its calls run at once.
//!
//! With one call at a time the platform itself knows whose output it is, and the program's output is the instance's own. With
//! several, lines of the library's logger carry the request id and go to their call; what is printed otherwise goes to the call
//! that began last, as everywhere.

use std::{
    io::{self, PipeWriter},
    process::Stdio,
    sync::Arc,
};

use tokio::{net::unix::pipe::Receiver, process::Command, sync::Mutex};

use super::running::Running;
use crate::link::Link;

/// Taken in one read.
const CHUNK: usize = 8 << 10;
/// Most reads before an answer, so that endless output cannot hold it back.
const READS: usize = 64;
/// Longest line; what goes on is another one.
const LINE: usize = 90 << 10;

/// The pipe that a program prints into.
pub(super) struct Output {
    pipe: Receiver,
    lines: Mutex<Lines>,
    running: Arc<Running>,
    link: Link,
}

#[derive(Default)]
struct Lines {
    /// The line that has no end yet.
    open: Vec<u8>,
}

/// Lines of one call, one after the other.
#[derive(Debug, PartialEq, Eq)]
struct Run {
    call: u32,
    text: String,
}

impl Output {
    /// Makes a command print here.
    pub(super) fn of(command: &mut Command, running: &Arc<Running>, link: &Link) -> io::Result<Arc<Self>> {
        let (reader, writer): (_, PipeWriter) = io::pipe()?;
        command.stdout(Stdio::from(writer.try_clone()?)).stderr(Stdio::from(writer));
        let pipe = Receiver::from_owned_fd(reader.into())?;
        Ok(Arc::new(Self { pipe, lines: Mutex::default(), running: Arc::clone(running), link: link.clone() }))
    }

    /// Passes on what is printed, until nobody can print any more.
    pub(super) async fn pass_on(&self) {
        while self.pipe.readable().await.is_ok() {
            if !self.take_by(|chunk| self.pipe.try_read(chunk)).await {
                break;
            }
        }
        self.lines.lock().await.end(&self.running, &self.link).await;
    }

    /// Takes what is there, before an answer; `false` at the end of the pipe.
    pub(super) async fn take(&self) -> bool {
        // Read directly: the readiness that tokio remembers may be older than the answer just received.
        self.take_by(|chunk| Ok(rustix::io::read(&self.pipe, chunk)?)).await
    }

    async fn take_by(&self, read: impl Fn(&mut [u8]) -> io::Result<usize>) -> bool {
        let mut lines = self.lines.lock().await;
        let mut chunk = [0; CHUNK];
        for _ in 0..READS {
            match read(&mut chunk) {
                Ok(0) => return false,
                Ok(read) => lines.add(&chunk[..read], &self.running, &self.link).await,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
            }
        }
        true
    }

    /// Takes what a program left that has ended; there may be no output to take.
    pub(super) async fn take_rest(output: Option<&Self>) {
        if let Some(output) = output {
            output.take().await;
            output.lines.lock().await.end(&output.running, &output.link).await;
        }
    }

    /// Takes what is there before the answer to a call; where no other runs, also a line without an end.
    pub(super) async fn take_before_answer(&self) {
        self.take().await;
        if self.running.count() == 1 {
            self.lines.lock().await.end(&self.running, &self.link).await;
        }
    }
}

impl Lines {
    async fn add(&mut self, bytes: &[u8], running: &Running, link: &Link) {
        self.open.extend_from_slice(bytes);
        let whole = match self.open.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => end + 1,
            None if self.open.len() > LINE => self.open.len(),
            None => return,
        };
        let rest = self.open.split_off(whole);
        let whole = std::mem::replace(&mut self.open, rest);
        send(&whole, running, link).await;
    }

    async fn end(&mut self, running: &Running, link: &Link) {
        send(&std::mem::take(&mut self.open), running, link).await;
    }
}

async fn send(lines: &[u8], running: &Running, link: &Link) {
    for run in runs(lines, |id| running.whose(id)) {
        link.log(run.call, &run.text).await;
    }
}

/// Whole lines by their calls; `whose` gives the call of a request id, or of output without one.
fn runs(lines: &[u8], whose: impl Fn(Option<&str>) -> u32) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for line in String::from_utf8_lossy(lines).split_inclusive('\n') {
        let call = whose(request_id(line));
        match runs.last_mut() {
            Some(run) if run.call == call => run.text.push_str(line),
            _ => runs.push(Run { call, text: line.to_owned() }),
        }
    }
    runs
}

/// A line of the logger: time, request id, text.
fn request_id(line: &str) -> Option<&str> {
    let (time, rest) = line.split_once(' ')?;
    let (id, _) = rest.split_once(' ')?;
    (time.ends_with('Z') && id.len() == 36).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_logger_go_to_their_call() {
        let [first, second] = ["11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"];
        let whose = |id: Option<&str>| match id {
            Some(id) if id == first => 1,
            Some(id) if id == second => 2,
            _ => 9,
        };
        let line = |id: &str, text: &str| format!("2026-01-02T03:04:05.678Z {id} {text}\n");
        let printed = [
            line(first, "one"),
            line(first, "two words"),
            line(second, "three"),
            "plain\n".to_owned(),
            line("33333333-3333-3333-3333-333333333333", "nobody's"),
            "no time and no end".to_owned(),
        ];
        let got: Vec<(u32, usize)> = runs(printed.concat().as_bytes(), whose)
            .into_iter()
            .map(|run| (run.call, run.text.lines().count()))
            .collect();
        assert_eq!(got, [(1, 2), (2, 1), (9, 3)]);
        assert_eq!(runs(b"", whose), []);
    }

    #[test]
    fn only_the_form_of_the_logger_counts() {
        let id = "11111111-1111-1111-1111-111111111111";
        assert_eq!(request_id(&format!("2026-01-02T03:04:05.678Z {id} x")), Some(id));
        for line in [format!("now {id} x"), format!("2026Z {id}"), "2026Z short x".to_owned(), String::new()] {
            assert_eq!(request_id(&line), None, "{line}");
        }
    }
}
