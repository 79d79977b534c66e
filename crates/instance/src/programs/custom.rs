//! Custom functions: `bootstrap` asks for its events over HTTP, at `RUNTIME_API_ADDR` (contract: custom-runtime.md section 1).
//!
//! The server listens there with a socket of the instance's network, made before the program is started. What comes over it is a stranger's:
//! how many connections there are, what each may bring and how long it is kept are bounded, and all of it ends with the instance.

mod api;
mod calls;
mod desk;
mod door;
mod line;
mod pace;

#[cfg(test)]
mod tests;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use fungraph_model::{Failure, FailureCode, FunctionVersion, limits};
use tokio::{
    net::TcpListener,
    sync::watch,
    task::AbortHandle,
    time::{Instant, sleep_until, timeout},
};

use self::{api::Api, desk::Desk, door::Door, pace::Pace};
use super::{Answers, Call, Patience, failure, fault::Fault};
use crate::{Death, instance::RESULT_TOLERANCE};

/// Connections that may wait until they are let in, of an instance that gets one call at a time, and of any. What their clients have sent lies
/// in sockets that belong to no cgroup yet: up to 128 KB in each, as the kernel's receive buffers begin with.
const BACKLOG: u32 = 16;
const BACKLOG_MOST: u32 = 128;
/// How long what a program sent before its end may take to be read: it lies in sockets of ours already.
const LAST_BYTES: Duration = Duration::from_millis(500);
/// What is told where we cannot go on.
const FAULT: &str = "the runtime API could not go on";
/// What makes a program ready.
const ASKS: &str = "asked for an event (GET http://$RUNTIME_API_ADDR/v1/runtime/invocation/request)";

/// The API that one Custom function asks.
pub(crate) struct Custom {
    desk: Desk,
    pace: Arc<Pace>,
    answers: Answers,
    address: SocketAddr,
    /// Who serves it: ends with this, with [`Self::close`] or by itself when nothing more can come.
    serving: AbortHandle,
    /// Its sender is gone when that has ended.
    served: watch::Receiver<()>,
}

impl Custom {
    /// Opens the API before the program is started, which has to be told its address.
    pub(crate) async fn open(version: &FunctionVersion, answers: Answers) -> Result<Self, Failure<Bytes>> {
        let calls = version.spec.strategy.concurrent_num;
        let listener = listen(&answers, calls).await.map_err(|error| {
            tracing::warn!(error = &error as &dyn std::error::Error, "no address for a runtime API");
            failure::unreachable()
        })?;
        Self::serve(listener, calls, limits::RESULT_BYTES + RESULT_TOLERANCE, answers)
            .map_err(|_| failure::unreachable())
    }

    fn serve(listener: TcpListener, calls: u32, limit: usize, answers: Answers) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let desk = Desk::default();
        let pace = Arc::new(Pace::new());
        let api = Api::new(desk.clone(), Arc::clone(&pace), answers.clone(), limit);
        let door = Door::new(listener, calls, api, answers.clone());
        let (serves, served) = watch::channel(());
        let fault = Fault::of(&answers, FAULT);
        let task = tokio::spawn(async move {
            let (_serves, _fault) = (serves, fault);
            door.keep().await;
        });
        Ok(Self { desk, pace, answers, address, serving: task.abort_handle(), served })
    }

    /// What the program finds as `RUNTIME_API_ADDR`.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until the program asks for its first event: it is ready then. `death` is the end of its instance.
    pub(crate) async fn is_ready(
        &self,
        patience: Patience,
        death: impl Future<Output = Death>,
    ) -> Result<(), Failure<Bytes>> {
        let why = tokio::select! {
            biased;
            () = self.desk.asked() => return Ok(()),
            death = death => match ended_by_itself(&death) {
                // Perhaps for want of memory, or by us: that is told as of every language.
                None => return Err(death.start_failure()),
                Some(how) => not_started(&format!("bootstrap {how} before it {ASKS}")),
            },
            () = sleep_until(Instant::from_std(patience.until)) => not_ready(patience),
        };
        // Into the log, as every bootstrap does with what it tells.
        self.answers.failed(0, &why);
        Err(why)
    }

    /// What a program does before it asks for an event is its initializer: there is nothing to call.
    pub(crate) fn initialize(&self, number: u32) {
        self.answers.initialized(number);
    }

    /// Takes a call; whoever asks next gets its event.
    pub(crate) fn call(&self, call: Call) {
        let number = call.number;
        self.pace.call();
        if !self.desk.arrive(call) {
            self.answers.not_begun(number);
        }
    }

    /// The process has ended: takes the answers that were sent just before. Calls that came while it was ending can be another instance's.
    pub(crate) async fn ended(&self) {
        let mut served = self.served.clone();
        // An error is what is waited for: its sender is gone.
        let _slow = timeout(LAST_BYTES, served.changed()).await;
        for call in self.desk.close() {
            self.answers.not_begun(call);
        }
    }

    /// Closes every socket.
    pub(crate) fn close(&self) {
        self.serving.abort();
    }
}

impl Drop for Custom {
    fn drop(&mut self) {
        self.close();
    }
}

fn not_started(why: &str) -> Failure<Bytes> {
    failure::told(FailureCode::StartFailed, "FunctionStartError", why)
}

fn not_ready(patience: Patience) -> Failure<Bytes> {
    let seconds = patience.seconds();
    let why =
        format!("bootstrap has not {ASKS} within {seconds} seconds; raise initializer_timeout, or do less before that");
    failure::told(FailureCode::InitializerTimedOut, "FunctionTimeout", &why)
}

/// For an instance that gets so many calls at once.
async fn listen(answers: &Answers, calls: u32) -> io::Result<TcpListener> {
    let socket = answers.tcp_socket().await?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    socket.listen(calls.clamp(BACKLOG, BACKLOG_MOST))
}

/// How a program ended that nobody has killed, as a part of a sentence.
fn ended_by_itself(death: &Death) -> Option<String> {
    match death {
        Death::Ended(ended) if !ended.is_killed() => Some(ended.how()),
        _ => None,
    }
}
