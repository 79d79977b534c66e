//! Who comes in: the connections of one instance, and how many of them at once.
//!
//! A program could open thousands and leave them open, each for the price of a descriptor and some memory of the server. So many are
//! let in as its calls can need. Where all places are taken, those who only wait, with or without a question, make room for
//! whoever comes next, the oldest first: somebody who brings an answer must not stand behind them for ever. Whoever brings one, or is
//! being given an event, stays; where all do, who comes is told so.

use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use rustix::net::{SocketFlags, accept_with};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use super::{
    super::{Answers, fault::Fault},
    api::Api,
};
use crate::InTurn;

/// Most connections at once, however many calls there may be.
const MOST: usize = 128;
/// Connections beside two for each call: polls that wait, and those that their clients keep.
const SPARE: usize = 8;
/// How long somebody who finds no place waits for one before another has to leave. A program with more pollers than places would otherwise
/// come and go without a pause.
const PATIENCE: Duration = Duration::from_millis(20);
/// How long somebody waits for a place where nobody can leave: none of those who are busy has to be so for long.
const ALL_BUSY: Duration = Duration::from_secs(1);
/// Before the next connection is taken where this process has no descriptor for one.
const PAUSE: Duration = Duration::from_millis(10);

/// Lets connections in.
pub(super) struct Door {
    listener: TcpListener,
    api: Api,
    answers: Answers,
    connections: JoinSet<()>,
    /// Of those connections, in the order in which they came.
    seats: VecDeque<Arc<Seat>>,
    last: u64,
    most: usize,
}

/// The place of one connection.
#[derive(Debug)]
pub(super) struct Seat {
    /// Tells it from others.
    pub(super) number: u64,
    /// It brings an answer, so it does not have to leave.
    brings: AtomicBool,
    /// Nor while an event is written to it.
    gets: AtomicBool,
    leaves: AtomicBool,
    leave: Notify,
}

impl Door {
    /// For an instance that runs so many calls at once.
    pub(super) fn new(listener: TcpListener, calls: u32, api: Api, answers: Answers) -> Self {
        let most = (2 * calls as usize).saturating_add(SPARE).min(MOST);
        let (connections, seats) = (JoinSet::new(), VecDeque::new());
        Self { listener, api, answers, connections, seats, last: 0, most }
    }

    /// Lets in whoever comes, until the process has ended and all that it had sent is read.
    pub(super) async fn keep(mut self) {
        let answers = self.answers.clone();
        let mut ended = std::pin::pin!(answers.process_ended());
        loop {
            let accepted = tokio::select! {
                biased;
                _ = &mut ended => break,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    self.api.turn().await;
                    if self.make_room().await {
                        self.let_in(stream);
                    } else {
                        Api::refuse(stream).await;
                    }
                }
                Err(_) => sleep(PAUSE).await,
            }
        }
        while let Ok(stream) = waiting(&self.listener) {
            self.let_in(stream);
        }
        // Nobody is left at their other ends, so each ends once it has read what is there.
        while self.connections.join_next().await.is_some() {}
        self.api.all_taken().await;
    }

    fn let_in(&mut self, stream: TcpStream) {
        self.last += 1;
        let seat = Arc::new(Seat::new(self.last));
        self.seats.push_back(Arc::clone(&seat));
        let (api, fault) = (self.api.clone(), Fault::of(&self.answers, super::FAULT));
        let served = async move {
            let _fault = fault;
            api.connection(stream, seat).await;
        };
        // It wakes itself, for the parts of one connection.
        let polls = AtomicU64::new(0);
        self.connections.spawn(InTurn::new(served, move || polls.fetch_add(1, Ordering::Relaxed)));
    }

    /// Waits until there is a place; `false` where all are needed.
    async fn make_room(&mut self) -> bool {
        while self.connections.try_join_next().is_some() {}
        self.seats.retain(|seat| Arc::strong_count(seat) > 1);
        let until = Instant::now() + ALL_BUSY;
        while self.connections.len() >= self.most {
            let has_left = timeout(PATIENCE, self.connections.join_next()).await.is_ok();
            if !has_left && !self.sends_one_away() && Instant::now() > until {
                return false;
            }
        }
        true
    }

    /// Whether somebody has to leave now, or had to before and is about to.
    fn sends_one_away(&self) -> bool {
        let mut waits = self.seats.iter().filter(|seat| !seat.is_busy());
        let stays = waits.clone().find(|seat| !seat.leaves.load(Ordering::Acquire));
        if let Some(seat) = stays {
            seat.leaves.store(true, Ordering::Release);
            seat.leave.notify_one();
        }
        waits.next().is_some()
    }
}

/// A connection that the kernel has taken already.
fn waiting(listener: &TcpListener) -> io::Result<TcpStream> {
    let accepted = accept_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)?;
    TcpStream::from_std(std::net::TcpStream::from(accepted))
}

impl Seat {
    pub(super) fn new(number: u64) -> Self {
        let (brings, gets, leaves) = (AtomicBool::default(), AtomicBool::default(), AtomicBool::default());
        Self { number, brings, gets, leaves, leave: Notify::new() }
    }

    /// Its connection brings an answer, until what this gives is dropped.
    pub(super) fn is_needed(self: &Arc<Self>) -> Needed {
        self.brings.store(true, Ordering::Release);
        Needed(Arc::clone(self))
    }

    /// Whether an event is being written to it.
    pub(super) fn gets_an_event(&self, gets: bool) {
        self.gets.store(gets, Ordering::Release);
    }

    /// Whether it does what nobody else can do for it.
    pub(super) fn is_busy(&self) -> bool {
        self.brings.load(Ordering::Acquire) || self.gets.load(Ordering::Acquire)
    }

    /// Waits until another needs the place more.
    pub(super) async fn is_wanted(&self) {
        self.leave.notified().await;
    }
}

/// A place that nobody else gets.
pub(super) struct Needed(Arc<Seat>);

impl Drop for Needed {
    fn drop(&mut self) {
        self.0.brings.store(false, Ordering::Release);
    }
}
