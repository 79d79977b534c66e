//! One function process: launch, handshake, calls over its Unix socket, stop.
//!
//! This crate is the contract with other languages: `PROTOCOL.md` beside it says what crosses the socket, `bootstrap`
//! knows which program speaks it for which language, and [`Instance`] is our end of the conversation.

mod bootstrap;
mod call_log;
mod death;
mod instance;
pub mod interpreters;
mod launcher;
mod load;
mod protocol;
mod reader;
mod sandboxed;

pub use death::{Death, failure};
pub use instance::{CallEnd, Instance, StartError, StartLimits, StartTimes};
pub use interpreters::{Interpreter, Interpreters};
pub use launcher::{BoxFuture, Ended, LaunchError, Launched, Launcher, Plan, Process};
pub use protocol::{FrameHeader, Kind};
pub use sandboxed::{Config, SandboxLauncher};
