//! Which event goes to which poll, and which answer belongs to which call. Pure: it does no I/O.

use std::collections::VecDeque;

use tokio::sync::oneshot;

use crate::frame::Call;

/// Answered calls that are remembered, to tell a second answer from one that nobody asked for.
const REMEMBERED: usize = 128;

/// Calls that run and polls that wait.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// In the order they came, so that an event that was put back is the first again.
    running: Vec<Running>,
    polls: VecDeque<oneshot::Sender<Call>>,
    answered: VecDeque<String>,
}

#[derive(Debug)]
struct Running {
    call: Call,
    /// Somebody has the event.
    is_out: bool,
}

/// What an answer is to the call it names.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Match {
    /// The first one of a call that runs, with its number.
    Call(u32),
    /// Another one came before.
    Second,
    /// No such call runs.
    Unknown,
}

impl Calls {
    /// An event came.
    pub(super) fn arrive(&mut self, call: Call) {
        self.running.push(Running { call, is_out: false });
        self.hand_out();
    }

    /// Somebody asks for one.
    pub(super) fn ask(&mut self) -> oneshot::Receiver<Call> {
        let (poll, event) = oneshot::channel();
        self.polls.push_back(poll);
        self.hand_out();
        event
    }

    /// An event was not taken: whoever asks next gets it, unless it was answered all the same.
    pub(super) fn put_back(&mut self, number: u32) {
        if let Some(running) = self.running.iter_mut().find(|running| running.call.number == number) {
            running.is_out = false;
            self.hand_out();
        }
    }

    /// An answer for a request id came: the first one ends the call.
    pub(super) fn answer(&mut self, id: &str) -> Match {
        let Some(index) = self.running.iter().position(|running| running.call.id == id) else {
            let known = self.answered.iter().any(|answered| answered == id);
            return if known { Match::Second } else { Match::Unknown };
        };
        let Running { call, .. } = self.running.remove(index);
        if self.answered.len() == REMEMBERED {
            self.answered.pop_front();
        }
        self.answered.push_back(call.id);
        Match::Call(call.number)
    }

    /// Whether somebody has an event that he has not answered.
    pub(super) fn is_answer_due(&self) -> bool {
        self.running.iter().any(|running| running.is_out)
    }

    /// Calls whose events nobody has.
    pub(super) fn not_begun(&self) -> Vec<u32> {
        self.running.iter().filter(|running| !running.is_out).map(|running| running.call.number).collect()
    }

    fn hand_out(&mut self) {
        for running in self.running.iter_mut().filter(|running| !running.is_out) {
            // Polls whose client has left take nothing.
            running.is_out =
                std::iter::from_fn(|| self.polls.pop_front()).any(|poll| poll.send(running.call.clone()).is_ok());
            if !running.is_out {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn call(number: u32) -> Call {
        Call { number, id: format!("id-{number}"), alias: None, event: Bytes::from_static(b"{}"), is_async: false }
    }

    fn got(poll: &mut oneshot::Receiver<Call>) -> Option<u32> {
        poll.try_recv().ok().map(|call| call.number)
    }

    #[test]
    fn calls_have_begun_once_somebody_has_their_event() {
        let mut calls = Calls::default();
        let mut poll = calls.ask();
        (1..=3).for_each(|number| calls.arrive(call(number)));
        assert_eq!((got(&mut poll), calls.not_begun()), (Some(1), vec![2, 3]));
        calls.put_back(1);
        assert_eq!(calls.not_begun(), [1, 2, 3], "it was given back unseen");
        assert_eq!((calls.answer("id-2"), calls.not_begun()), (Match::Call(2), vec![1, 3]));
    }

    #[test]
    fn each_poll_gets_another_event_whoever_came_first() {
        let mut calls = Calls::default();
        let (mut first, mut second) = (calls.ask(), calls.ask());
        calls.arrive(call(1));
        calls.arrive(call(2));
        calls.arrive(call(3));
        assert_eq!((got(&mut first), got(&mut second), got(&mut calls.ask())), (Some(1), Some(2), Some(3)));
    }

    #[test]
    fn a_poll_that_was_cancelled_takes_nothing() {
        let mut calls = Calls::default();
        drop(calls.ask());
        calls.arrive(call(1));
        assert!(!calls.is_answer_due());
        assert_eq!(got(&mut calls.ask()), Some(1));
    }

    #[test]
    fn an_event_that_was_put_back_is_the_first_again() {
        let mut calls = Calls::default();
        let mut lost = calls.ask();
        calls.arrive(call(1));
        calls.arrive(call(2));
        assert_eq!(got(&mut lost), Some(1));
        calls.put_back(1);
        assert_eq!((got(&mut calls.ask()), got(&mut calls.ask())), (Some(1), Some(2)));
        assert_eq!(calls.answer("id-1"), Match::Call(1));
        calls.put_back(1);
        assert_eq!(got(&mut calls.ask()), None);
    }

    #[test]
    fn the_first_answer_counts() {
        let mut calls = Calls::default();
        calls.arrive(call(1));
        assert_eq!(calls.answer("id-2"), Match::Unknown);
        assert_eq!(calls.answer("id-1"), Match::Call(1));
        assert_eq!(calls.answer("id-1"), Match::Second);
        for number in 2..=200 {
            calls.arrive(call(number));
            assert_eq!(calls.answer(&format!("id-{number}")), Match::Call(number));
        }
        assert_eq!((calls.answer("id-200"), calls.answer("id-1")), (Match::Second, Match::Unknown));
    }
}
