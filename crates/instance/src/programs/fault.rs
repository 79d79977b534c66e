//! A fault of ours in a task that serves a program, met by what the program sent, ends that program's instance and nothing else.

use super::Answers;
use crate::Death;

/// Held by such a task: no call waits for one that has panicked.
pub(super) struct Fault {
    answers: Answers,
    /// What could not be done.
    what: &'static str,
}

impl Fault {
    pub(super) fn of(answers: &Answers, what: &'static str) -> Self {
        Self { answers: answers.clone(), what }
    }
}

impl Drop for Fault {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.answers.kill(Death::Garbage(self.what.to_owned()));
        }
    }
}
