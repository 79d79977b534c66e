//! One function process: launch, handshake, calls over its Unix socket, stop.
//!
//! This crate is the contract with other languages: `PROTOCOL.md` beside it says what crosses the socket, `bootstrap`
//! knows which program speaks it for which language, and [`Instance`] is our end of the conversation.

mod beside;
mod blank;
mod bootstrap;
mod byte_code;
mod call_log;
mod catch;
mod compile;
#[cfg(test)]
mod compiled_in;
mod death;
mod dotnet;
mod go;
mod in_turn;
mod instance;
pub mod interpreters;
mod java;
mod kept;
mod launcher;
mod load;
mod native;
mod prepared;
mod programs;
mod protocol;
mod reader;
mod recipe;
mod refusal;
mod sandboxed;
mod script;
mod socket;
mod stream;

pub use beside::beside;
pub use blank::Blank;
pub use catch::panics;
pub use death::{Death, failure};
pub use dotnet::api_sources as dotnet_api;
pub use in_turn::InTurn;
pub use instance::{CallEnd, Instance, Listener, StartError, StartTimes};
pub use interpreters::{Interpreter, Interpreters};
pub use java::api_sources as java_api;
pub use launcher::{Blueprint, BoxFuture, Ended, LaunchError, Launched, Launcher, Plan, Process, Root, Sources};
pub use native::{NativeBootstrap, loaded_libraries};
/// Calls of Go programs as bytes: the bench makes them without a platform.
pub use programs::rpc as go_rpc;
pub use protocol::{FrameHeader, Kind};
pub use sandboxed::{BLANK_MEMORY_MB, Config, SandboxLauncher};
pub use socket::Socket;
pub use stream::{AnswerHead, AnswerSink, AnswerStream, Piece, answer_stream};
