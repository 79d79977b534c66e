//! What a program prints while several of its calls run at once.
//!
//! Lines of the library's logger carry the request id and go to their call; what is printed otherwise goes to the call that began last, as
//! everywhere. With one call at a time nobody has to look.

use std::sync::Arc;

use super::running::Running;

/// Longest line; what goes on is another one.
const LINE: usize = 90 << 10;

/// Tells whose each line of the output is.
pub(crate) struct Lines {
    running: Arc<Running>,
    /// The line that has no end yet.
    open: Vec<u8>,
}

/// Lines of one call, one after the other.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// Its number; 0 where no call runs.
    pub(crate) call: u32,
    pub(crate) text: String,
}

impl Lines {
    pub(super) fn of(running: Arc<Running>) -> Self {
        Self { running, open: Vec::new() }
    }

    /// Takes what was printed; gives whole lines.
    pub(crate) fn add(&mut self, bytes: &[u8]) -> Vec<Run> {
        self.open.extend_from_slice(bytes);
        let whole = match self.open.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => end + 1,
            None if self.open.len() > LINE => return self.end(),
            None => return Vec::new(),
        };
        let rest = self.open.split_off(whole);
        let whole = std::mem::replace(&mut self.open, rest);
        self.runs(&whole)
    }

    /// Gives a line without an end.
    pub(crate) fn end(&mut self) -> Vec<Run> {
        let mut open = std::mem::take(&mut self.open);
        if !open.is_empty() {
            open.push(b'\n');
        }
        self.runs(&open)
    }

    fn runs(&self, lines: &[u8]) -> Vec<Run> {
        runs(lines, |id| self.running.whose(id))
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
