//! How a sandboxed process ended.

use serde::{Deserialize, Serialize};

/// The end of a sandbox: its program is dead, and with it everything in its pid namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// How its program ended.
    pub status: ExitStatus,
    /// The kernel killed a process in it for want of memory, its program or another, then or long before.
    pub out_of_memory: bool,
    /// Its `/tmp` had no free block left at the end. Always false where `/tmp` is not a disk of its own.
    pub tmp_full: bool,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExitStatus {
    /// It left with this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
}
