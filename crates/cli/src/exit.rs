//! How the program ends: the exit codes, and the errors that choose one.

use std::process::ExitCode;

use crate::config;

/// Why the program ends; the number is the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// As asked.
    Clean = 0,
    /// Failed while running, or the function failed.
    Failed = 1,
    /// Wrong usage or configuration.
    Usage = 2,
    /// Port or folder in use.
    Busy = 3,
    /// The spawner ended under a running server.
    SpawnerLost = 4,
}

/// An end with a reason for people: one sentence, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Stop {
    exit: Exit,
    message: String,
}

impl Stop {
    /// Failed while running.
    pub(crate) fn failed(message: impl Into<String>) -> anyhow::Error {
        Self { exit: Exit::Failed, message: message.into() }.into()
    }

    /// Wrong usage or configuration.
    pub(crate) fn usage(message: impl Into<String>) -> anyhow::Error {
        Self { exit: Exit::Usage, message: message.into() }.into()
    }

    /// Port or folder in use.
    pub(crate) fn busy(message: impl Into<String>) -> anyhow::Error {
        Self { exit: Exit::Busy, message: message.into() }.into()
    }
}

impl Exit {
    /// What another run of this program ended with; a signal is a failure.
    pub(crate) fn from_code(code: Option<i32>) -> Self {
        match code {
            Some(0) => Self::Clean,
            Some(2) => Self::Usage,
            Some(3) => Self::Busy,
            Some(4) => Self::SpawnerLost,
            _ => Self::Failed,
        }
    }

    /// The code for an error: the one place that looks into `anyhow`.
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        if let Some(stop) = error.downcast_ref::<Stop>() {
            stop.exit
        } else if error.is::<config::Error>() {
            Self::Usage
        } else {
            Self::Failed
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
