//! What crosses the socket between server and spawner: JSON, one message per packet, descriptors beside it.
//!
//! Order: `Setup` first, answered by `Ready` or `Failed`. Then any number of `Launch`, each answered by `Launched` or
//! `LaunchFailed` with the same number, a `Launched` in the end by `Exited`. Between the two at most one `Fit`, answered by `Fitted`
//! unless the sandbox ends before, and any number of `Socket`, each answered by a `Socket` unless the sandbox ends before; neither waits
//! behind launches. `Kill` of an unknown or ended number is nothing.
//! `Untrack` is never answered. `Shutdown`, or the end of the socket, ends everything.

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::exit::Exit;
use crate::fit::Fit;
use crate::gauge::GaugeKind;
use crate::launch::Launch;
use crate::wall::WallState;

/// The largest message: a launch with its environment (4 KB) and arguments stays far below.
pub(crate) const MAX_MESSAGE_BYTES: usize = 128 * 1024;
/// The most descriptors that travel with one message.
pub(crate) const MAX_DESCRIPTORS: usize = 4;

/// From the server.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// Always first.
    Setup(Config),
    /// Carries two descriptors: the socket that becomes 3, the output that becomes 1 and 2.
    Launch {
        number: u64,
        launch: Box<Launch>,
    },
    Fit {
        number: u64,
        fit: Fit,
    },
    /// A TCP socket of a sandbox's network is wanted.
    Socket {
        number: u64,
    },
    /// No answer: the TCP port whose connections over loopback the kernel need not track.
    Untrack {
        port: u16,
    },
    Kill {
        number: u64,
    },
    Shutdown,
}

/// From the spawner.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    Ready {
        /// Whether there is a way out of sandboxes; none if none was wanted.
        egress: Option<WallState>,
    },
    Failed {
        reason: String,
    },
    /// Carries the gauge's file, if `gauge` is some, and then the folder of the network's counters, if `counters` is true.
    Launched {
        number: u64,
        pid: u32,
        gauge: Option<GaugeKind>,
        counters: bool,
    },
    LaunchFailed {
        number: u64,
        reason: String,
    },
    Fitted {
        number: u64,
        /// Why it could not be done; the sandbox is as it was, or partly fitted, and of no use.
        failure: Option<Unfit>,
    },
    /// Carries the socket, if `failure` is none.
    Socket {
        number: u64,
        failure: Option<String>,
    },
    Exited {
        number: u64,
        exit: Exit,
    },
}

/// Why a sandbox could not be fitted.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Unfit {
    /// For the operator.
    pub(crate) reason: String,
    /// What whoever asked for the sandbox may know of it.
    pub(crate) told: Option<String>,
}
