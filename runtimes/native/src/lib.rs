//! The native bootstrap: starts a program of the user's own, watches it and ends as it ends, the inside end of `crates/instance/PROTOCOL.md`.
//!
//! It is the fungraph executable itself, started inside the sandbox by a hidden first argument before anything else of it runs. When
//! LOAD comes it starts the user's program as its child, and says when the platform can reach it; calls pass between those two alone
//! (`fungraph-instance`, `programs.rs`). Walls, limits, blank and reserved instances are those of every other language.
//!
//! One thread does it all. Nothing of the server is used here, and what this program keeps is small, since every instance has one.

mod child;
mod custom;
mod failure;
mod frame;
mod go;
mod http;
mod leave;
mod link;
mod load;
mod native;
mod session;

use std::{os::fd::OwnedFd, os::unix::net::UnixStream, process::ExitCode};

use tokio::runtime::Builder;

/// The hidden first argument that makes the executable a native bootstrap.
pub const COMMAND: &str = "__native";

/// Speaks with the platform over its socket, descriptor 3, until the platform or the program ends it.
#[must_use]
pub fn main(socket: OwnedFd) -> ExitCode {
    let session = || {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(session::run(UnixStream::from(socket)))
    };
    match session() {
        Ok(()) => ExitCode::SUCCESS,
        // The platform sees the end of the socket and the code; there is nobody else to tell.
        Err(_) => ExitCode::FAILURE,
    }
}
