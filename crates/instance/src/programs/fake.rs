//! What tests of programs need: a process that is none, and calls of it.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use fungraph_model::{FunctionVersion, Runtime};
use tokio::{
    net::{TcpSocket, unix::pipe},
    sync::watch,
};

use super::{Answers, Call};
use crate::{
    BoxFuture, Ended, LaunchError, Plan, Process,
    reader::{Reply, Shared},
};

/// The end of a process that was killed.
pub(crate) const KILLED: Ended = Ended { code: None, signal: Some(9), out_of_memory: false };

/// A process in our own network, until it is said to have ended.
pub(crate) struct Fake {
    pub(crate) answers: Answers,
    pub(crate) shared: Arc<Shared>,
    pub(crate) ended: watch::Sender<Option<Ended>>,
    /// What the process prints into.
    pub(crate) prints: pipe::Sender,
    /// Whether there are no sockets of its network.
    pub(crate) is_out_of_sockets: Arc<AtomicBool>,
}

struct NoProcess(watch::Sender<Option<Ended>>, Arc<AtomicBool>);

impl Process for NoProcess {
    fn fit<'a>(&'a self, _: &'a Plan) -> BoxFuture<'a, Result<(), LaunchError>> {
        Box::pin(async { Ok(()) })
    }

    fn kill(&self) {
        self.0.send_replace(Some(KILLED));
    }

    fn exited(&self) -> BoxFuture<'_, Ended> {
        let mut ended = self.0.subscribe();
        Box::pin(async move {
            let how = ended.wait_for(Option::is_some).await.ok().and_then(|how| *how);
            how.expect("it has ended")
        })
    }

    fn tcp_socket(&self) -> BoxFuture<'_, io::Result<TcpSocket>> {
        let made = if self.1.load(Ordering::Relaxed) {
            Err(io::Error::other("no room for one more in sandbox i7"))
        } else {
            TcpSocket::new_v4()
        };
        Box::pin(async { made })
    }

    fn take_peak(&self) -> u64 {
        0
    }
}

impl Fake {
    pub(crate) fn start() -> Self {
        let (prints, output) = pipe::pipe().expect("a pipe");
        let ended = watch::Sender::new(None);
        let is_out_of_sockets = Arc::default();
        let process = Box::new(NoProcess(ended.clone(), Arc::clone(&is_out_of_sockets)));
        let shared = Arc::new(Shared::new(process, output, 1024));
        Self { answers: Answers::new(Arc::clone(&shared)), shared, ended, prints, is_out_of_sockets }
    }

    /// A call with this event, and its answer.
    pub(crate) fn begin(&self, event: &'static [u8]) -> (Call, tokio::sync::oneshot::Receiver<Reply>) {
        let (number, reply) = self.shared.begin().expect("it lives");
        (call(number, event), reply)
    }
}

/// A call that does not look for its answer.
pub(crate) fn call(number: u32, event: &'static [u8]) -> Call {
    let id = "11111111-2222-3333-4444-555555555555".to_owned();
    Call { number, id, alias: None, event: Bytes::from_static(event), is_async: false }
}

/// A function `f` of this runtime.
pub(crate) fn version(runtime: &str) -> FunctionVersion {
    let mut version = fungraph_model::sample::function("f");
    version.spec.runtime = Runtime::parse(runtime).expect("a runtime of the list");
    version
}
