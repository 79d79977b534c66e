//! Settings: where they come from, what they may be, and whom they belong to.
//!
//! `default.toml` is the manual and the list of what exists. A [`Document`] lays file, variables and flags over it and
//! remembers where each value came from, so that an error can name file, line and key. [`Settings`] reads every value
//! once and checks it, before a port is bound.

mod destinations;
mod document;
mod mounts;
mod nearest;
mod obs;
mod reader;
mod runtime_images;
mod settings;
#[cfg(test)]
mod tests;

pub(crate) use document::Document;
pub(crate) use mounts::Mount;
pub(crate) use obs::SecretKey;
pub(crate) use runtime_images::RuntimeImage;
pub(crate) use settings::{Network, Runtimes, Settings, Wakefulness};

/// A setting that cannot be accepted, or a file that cannot be read: the text says what is allowed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The file is not there or not readable.
    #[error("cannot read the configuration file {path}; check the path given with --config or FUNGRAPH_CONFIG")]
    File {
        /// As given.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no TOML.
    #[error("{place}: not valid TOML: {message}")]
    Syntax {
        /// File and line.
        place: String,
        /// What the parser said.
        message: String,
    },
    /// No such section or key.
    #[error("{place}: there is no setting {key}{hint}")]
    Unknown {
        /// File and line.
        place: String,
        /// As written.
        key: String,
        /// The nearest known one, or all.
        hint: String,
    },
    /// The value is of another kind or out of its range.
    #[error("{place}: {key} = {value} is not possible: {allowed}")]
    Value {
        /// File and line, flag or variable.
        place: String,
        /// `section.key`.
        key: String,
        /// As written.
        value: String,
        /// What is.
        allowed: String,
    },
}
