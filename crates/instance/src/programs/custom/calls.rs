//! Which event goes to which poll, and which answer belongs to which call. Pure: it does no I/O.

use std::collections::VecDeque;

use tokio::sync::oneshot;

use super::super::Call;

/// Answered calls that are remembered, to tell a second answer from one that nobody asked for.
const REMEMBERED: usize = 128;

/// Calls that run and polls that wait.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// In the order they came, so that an event that was put back is the first again.
    running: Vec<Running>,
    polls: VecDeque<Poll>,
    answered: VecDeque<String>,
    /// The program has ended: nobody asks any more.
    is_closed: bool,
}

#[derive(Debug)]
struct Running {
    call: Call,
    /// Somebody has the event.
    is_out: bool,
    /// An answer is on its way in. One at a time, so that a program cannot have more of them in memory than calls.
    is_arriving: bool,
}

#[derive(Debug)]
struct Poll {
    /// Of whose connection.
    seat: u64,
    event: oneshot::Sender<Call>,
}

/// What an answer that begins to arrive is to the call it names.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Match {
    /// That of a call that runs, with its number.
    Call(u32),
    /// Another one is on its way, and it depends on that.
    Waits,
    /// Another one came before.
    Second,
    /// No such call runs.
    Unknown,
}

impl Calls {
    /// An event came; `false` if it comes too late for this program.
    pub(super) fn arrive(&mut self, call: Call) -> bool {
        if !self.is_closed {
            self.running.push(Running { call, is_out: false, is_arriving: false });
            self.hand_out();
        }
        !self.is_closed
    }

    /// Somebody asks for one.
    pub(super) fn ask(&mut self, seat: u64) -> oneshot::Receiver<Call> {
        let (event, asked) = oneshot::channel();
        // Who comes and goes without an event leaves nothing here.
        self.polls.retain(|poll| !poll.event.is_closed());
        self.polls.push_back(Poll { seat, event });
        self.hand_out();
        asked
    }

    /// Whoever asks over this connection gets nothing.
    pub(super) fn dismiss(&mut self, seat: u64) {
        self.polls.retain(|poll| poll.seat != seat);
    }

    /// An event was not taken: whoever asks next gets it, unless it was answered all the same.
    pub(super) fn put_back(&mut self, number: u32) {
        if let Some(running) = self.of(number) {
            running.is_out = false;
            self.hand_out();
        }
    }

    /// An answer for a request id begins to arrive.
    pub(super) fn begin(&mut self, id: &str) -> Match {
        match self.running.iter_mut().find(|running| running.call.id == id) {
            Some(running) if running.is_arriving => Match::Waits,
            Some(running) => {
                running.is_arriving = true;
                Match::Call(running.call.number)
            }
            None if self.answered.iter().any(|answered| answered == id) => Match::Second,
            None => Match::Unknown,
        }
    }

    /// It broke off; another one may come.
    pub(super) fn broke_off(&mut self, number: u32) {
        if let Some(running) = self.of(number) {
            running.is_arriving = false;
        }
    }

    /// It is there, and the first one: it ends the call.
    pub(super) fn answer(&mut self, number: u32) {
        let Some(index) = self.running.iter().position(|running| running.call.number == number) else { return };
        let Running { call, .. } = self.running.remove(index);
        if self.answered.len() == REMEMBERED {
            self.answered.pop_front();
        }
        self.answered.push_back(call.id);
    }

    /// Nobody asks any more: gives the calls whose events nobody has.
    pub(super) fn close(&mut self) -> Vec<u32> {
        self.is_closed = true;
        self.running.iter().filter(|running| !running.is_out).map(|running| running.call.number).collect()
    }

    fn of(&mut self, number: u32) -> Option<&mut Running> {
        self.running.iter_mut().find(|running| running.call.number == number)
    }

    fn hand_out(&mut self) {
        for running in self.running.iter_mut().filter(|running| !running.is_out) {
            // Polls whose client has left take nothing.
            running.is_out =
                std::iter::from_fn(|| self.polls.pop_front()).any(|poll| poll.event.send(running.call.clone()).is_ok());
            if !running.is_out {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::super::fake, *};

    fn call(number: u32) -> Call {
        Call { id: format!("id-{number}"), ..fake::call(number, b"{}") }
    }

    fn got(poll: &mut oneshot::Receiver<Call>) -> Option<u32> {
        poll.try_recv().ok().map(|call| call.number)
    }

    fn answer(calls: &mut Calls, id: &str) -> Match {
        let found = calls.begin(id);
        if let Match::Call(number) = found {
            calls.answer(number);
        }
        found
    }

    #[test]
    fn calls_have_begun_once_somebody_has_their_event() {
        let mut calls = Calls::default();
        let mut poll = calls.ask(1);
        (1..=4).for_each(|number| assert!(calls.arrive(call(number))));
        assert_eq!(got(&mut poll), Some(1));
        let mut lost = calls.ask(1);
        assert_eq!(got(&mut lost), Some(2));
        calls.put_back(2);
        assert_eq!(answer(&mut calls, "id-3"), Match::Call(3));
        assert_eq!(calls.close(), [2, 4], "one was given back unseen, and one nobody asked for");
        assert!(!calls.arrive(call(5)), "it comes too late");
    }

    #[test]
    fn each_poll_gets_another_event_whoever_came_first() {
        let mut calls = Calls::default();
        let (mut first, mut second) = (calls.ask(1), calls.ask(2));
        (1..=3).for_each(|number| assert!(calls.arrive(call(number))));
        assert_eq!((got(&mut first), got(&mut second), got(&mut calls.ask(3))), (Some(1), Some(2), Some(3)));
    }

    #[test]
    fn polls_that_were_given_up_or_sent_away_take_nothing_and_leave_nothing() {
        let mut calls = Calls::default();
        (0..1000).for_each(|_| drop(calls.ask(1)));
        let (mut away, mut waits) = (calls.ask(2), calls.ask(3));
        assert_eq!(calls.polls.len(), 2);
        calls.dismiss(2);
        calls.arrive(call(1));
        assert_eq!((got(&mut away), got(&mut waits)), (None, Some(1)));
    }

    #[test]
    fn an_event_that_was_put_back_is_the_first_again() {
        let mut calls = Calls::default();
        let mut lost = calls.ask(1);
        calls.arrive(call(1));
        calls.arrive(call(2));
        assert_eq!(got(&mut lost), Some(1));
        calls.put_back(1);
        assert_eq!((got(&mut calls.ask(1)), got(&mut calls.ask(1))), (Some(1), Some(2)));
        assert_eq!(answer(&mut calls, "id-1"), Match::Call(1));
        calls.put_back(1);
        assert_eq!(got(&mut calls.ask(1)), None);
    }

    #[test]
    fn the_first_answer_counts() {
        let mut calls = Calls::default();
        calls.arrive(call(1));
        assert_eq!(calls.begin("id-2"), Match::Unknown);
        assert_eq!(answer(&mut calls, "id-1"), Match::Call(1));
        assert_eq!(calls.begin("id-1"), Match::Second);
        for number in 2..=200 {
            calls.arrive(call(number));
            assert_eq!(answer(&mut calls, &format!("id-{number}")), Match::Call(number));
        }
        assert_eq!((calls.begin("id-200"), calls.begin("id-1")), (Match::Second, Match::Unknown));
    }

    #[test]
    fn one_answer_arrives_at_a_time_and_the_next_may_if_it_breaks_off() {
        let mut calls = Calls::default();
        calls.arrive(call(1));
        assert_eq!((calls.begin("id-1"), calls.begin("id-1")), (Match::Call(1), Match::Waits));
        calls.broke_off(1);
        assert_eq!(answer(&mut calls, "id-1"), Match::Call(1));
        assert_eq!(calls.begin("id-1"), Match::Second);
    }
}
