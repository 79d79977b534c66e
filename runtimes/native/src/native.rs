//! The kinds of programs, by the name of the runtime.
//!
//! Each kind is a module with the same four functions: `start` gives it and its running program, once that is ready to work;
//! `initialize` and `call` answer in their own time, in tasks of their own; `program_ended` waits for what the program has said and
//! nobody has read yet.

use std::sync::Arc;

use crate::{
    child::Program,
    custom::Custom,
    failure::{self, Failure},
    frame::Call,
    go::{self, Port},
    http,
    link::Link,
    load::Load,
};

/// A program of one kind, ready for calls.
pub(crate) enum Native {
    /// It asks for its events over HTTP.
    Custom(Custom),
    /// It is a web server, which the platform calls itself.
    Http,
    /// It serves Go's `net/rpc` at this port, where the platform calls it itself.
    Go(Port),
}

impl Native {
    /// Starts the program and waits until it is ready, within the limit that `load` sets.
    pub(crate) async fn start(load: Arc<Load>, link: &Link) -> Result<(Self, Program), Failure> {
        match load.runtime.as_str() {
            "Custom" => Custom::start(load, link).await.map(|(custom, program)| (Self::Custom(custom), program)),
            "http" => http::start(&load).await.map(|program| (Self::Http, program)),
            "Custom Image" => http::start_image(&load).await.map(|program| (Self::Http, program)),
            "Go1.x" => go::start(&load).await.map(|(port, program)| (Self::Go(port), program)),
            other => {
                let message = format!("the runtime {other} is no program of its own");
                Err(Failure::new(failure::LOAD, "FunctionConfigError", &message))
            }
        }
    }

    /// What LOADED says of it.
    pub(crate) fn loaded(&self) -> String {
        match self {
            Self::Custom(_) | Self::Http => String::new(),
            Self::Go(port) => format!(r#"{{"port":{}}}"#, port.number()),
        }
    }

    /// Runs the initializer for a call.
    pub(crate) fn initialize(&self, call: u32) {
        match self {
            Self::Custom(custom) => custom.initialize(call),
            Self::Http | Self::Go(_) => {}
        }
    }

    /// Calls the function.
    pub(crate) fn call(&self, call: Call) {
        match self {
            Self::Custom(custom) => custom.call(call),
            Self::Http | Self::Go(_) => {}
        }
    }

    /// The program has ended: what it said before may still lie in a socket.
    pub(crate) async fn program_ended(&self) {
        match self {
            Self::Custom(custom) => custom.program_ended().await,
            Self::Http | Self::Go(_) => {}
        }
    }
}
