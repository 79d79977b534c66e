//! Who waits for which answer.

use std::collections::{HashMap, VecDeque};
use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{oneshot, watch};

use super::sandbox::Sandbox;
use crate::error::Error;
use crate::exit::{Exit, ExitStatus};
use crate::message::Unfit;

/// What the sandboxes of a lost spawner ended with: it takes them along by SIGKILL.
pub(super) const LOST: Exit = Exit { status: ExitStatus::Signal(9), out_of_memory: false, tmp_full: false };

pub(super) type Answer = oneshot::Sender<Result<Sandbox, Error>>;

/// What a fit was answered: why it could not be done, if so.
pub(super) type FitAnswer = oneshot::Sender<Option<Unfit>>;

/// A socket, or why there is none.
pub(super) type SocketAnswer = oneshot::Sender<Result<OwnedFd, String>>;

/// Launches, fits and sockets without an answer, and sandboxes without an end.
#[derive(Debug, Default)]
pub(super) struct Board {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last_number: u64,
    launching: HashMap<u64, (String, Answer)>,
    fitting: HashMap<u64, FitAnswer>,
    /// In the order they were asked for; those of one sandbox are all alike, so it does not matter who gets which.
    sockets: HashMap<u64, VecDeque<SocketAnswer>>,
    running: HashMap<u64, watch::Sender<Option<Exit>>>,
    lost: bool,
}

impl Board {
    /// Notes a launch and gives its number; none if the spawner is lost.
    pub(super) fn expect(&self, id: String, answer: Answer) -> Option<u64> {
        let mut state = self.lock();
        if state.lost {
            return None;
        }
        state.last_number += 1;
        let number = state.last_number;
        state.launching.insert(number, (id, answer));
        Some(number)
    }

    pub(super) fn forget(&self, number: u64) {
        self.lock().launching.remove(&number);
    }

    pub(super) fn take(&self, number: u64) -> Option<(String, Answer)> {
        self.lock().launching.remove(&number)
    }

    /// Notes a running sandbox; what comes back resolves with its end.
    pub(super) fn running(&self, number: u64) -> watch::Receiver<Option<Exit>> {
        let (sender, receiver) = watch::channel(None);
        self.lock().running.insert(number, sender);
        receiver
    }

    /// Notes a fit of a running sandbox. Its sender is dropped where the sandbox ends before there is an answer.
    pub(super) fn expect_fit(&self, number: u64, answer: FitAnswer) {
        let mut state = self.lock();
        if state.running.contains_key(&number) {
            state.fitting.insert(number, answer);
        }
    }

    pub(super) fn take_fit(&self, number: u64) -> Option<FitAnswer> {
        self.lock().fitting.remove(&number)
    }

    /// Notes that a socket of a running sandbox is wanted; its sender as for a fit.
    pub(super) fn expect_socket(&self, number: u64, answer: SocketAnswer) {
        let mut state = self.lock();
        if state.running.contains_key(&number) {
            state.sockets.entry(number).or_default().push_back(answer);
        }
    }

    pub(super) fn take_socket(&self, number: u64) -> Option<SocketAnswer> {
        self.lock().sockets.get_mut(&number)?.pop_front()
    }

    pub(super) fn ended(&self, number: u64, exit: Exit) {
        let mut state = self.lock();
        state.fitting.remove(&number);
        state.sockets.remove(&number);
        if let Some(sender) = state.running.remove(&number) {
            sender.send_replace(Some(exit));
        }
    }

    /// Answers everyone, now and later, that the spawner is gone.
    pub(super) fn lost(&self) {
        let (launching, running) = {
            let mut state = self.lock();
            state.lost = true;
            state.fitting.clear();
            state.sockets.clear();
            (std::mem::take(&mut state.launching), std::mem::take(&mut state.running))
        };
        for (_, answer) in launching.into_values() {
            // Whoever stopped waiting needs no answer.
            let _unheard = answer.send(Err(Error::Lost));
        }
        for sender in running.into_values() {
            sender.send_replace(Some(LOST));
        }
    }

    /// A panic elsewhere leaves the maps whole: each change is one insertion or removal.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
