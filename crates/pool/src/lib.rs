//! Which instance serves the next call: reuse, launch, wait, refuse, retire.
//!
//! [`decide`] chooses, as pure functions; [`Group`] holds the instances of one revision of one function and does what was
//! chosen; [`Pool`] holds what they share: the host's capacity, and the sweep that lets idle instances go.

mod allowance;
mod capacity;
mod config;
pub mod decide;
mod group;
mod lease;
mod line;
mod pool;
mod processors;
mod report;
mod reserve;
mod room;
mod starts;
mod stock;
#[cfg(test)]
mod tests;

pub use capacity::Memory;
pub use config::Config;
pub use decide::Refusal;
pub use group::{AcquireError, Group};
pub use lease::Lease;
pub use pool::{LastWords, Pool};
pub use processors::Processors;
pub use report::{BlankStock, Census, FunctionCensus, InstanceCensus};
pub use reserve::Prepare;
