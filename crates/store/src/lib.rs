//! What survives a restart: metadata in a database, uploaded code and call logs in folders.
//!
//! [`Store`] answers small questions about accounts and functions, [`Packages`] keeps the bytes and the unpacked
//! trees of their code, [`Images`] does so for container images, [`Objects`] fetches packages from elsewhere, [`Logs`] keeps what every call
//! printed. They know nothing of each other, but that what is fetched arrives as a package: engine puts a package first and names it in a function afterwards, so a crash in between leaves at most an unused package.
//!
//! Nobody outside this crate knows SQL, and nothing here knows HTTP or decides what a caller may do.

mod conflict;
mod error;
#[cfg(test)]
mod fake;
mod guard;
pub mod images;
mod listing;
pub mod logs;
pub mod objects;
pub mod packages;
pub mod queue;
mod secrets;
mod sqlite;
mod store;
#[cfg(test)]
mod suite;

pub use conflict::Conflict;
pub use error::Error;
pub use images::turns::Turn;
pub use images::{Image, ImageConfig, ImageError, ImageLimits, ImageSettings, Images, InUse};
pub use listing::{
    Belongings, DependencyPage, DependencyQuery, FunctionPage, FunctionQuery, Publication, RankQuery, Reservations,
    ResourcePage, ResourceQuery, TagMatch, TaggedFunction, TalliesOf, TallyQuery, TriggerPage, TriggerQuery,
    TriggersOf, Usage, VersionPage, VersionQuery,
};
pub use logs::{LogEntry, LogError, LogFilter, LogLimits, LogReader, LogRecord, LogText, Logs};
pub use objects::{ObjectError, ObjectSettings, Objects};
pub use packages::{Arrival, BLOCK, Bundled, Merged, PackageError, PackageLimits, Packages, Pin, Tree};
pub use secrets::SecretBox;
pub use store::{Config, Store};
