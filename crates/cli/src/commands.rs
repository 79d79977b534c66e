//! One file per command.

pub(crate) mod doctor;
pub(crate) mod env;
pub(crate) mod invoke;
pub(crate) mod key;
pub(crate) mod logs;
pub(crate) mod project;
pub(crate) mod queue;
pub(crate) mod runtimes;
pub(crate) mod serve;
pub(crate) mod top;
pub(crate) mod triggers;
pub(crate) mod user;
pub(crate) mod why;
