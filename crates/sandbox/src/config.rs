//! What a spawner is told at its start; it travels to it as the first message.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::egress::Egress;
use crate::engine::Engine;
use crate::share::Share;
use crate::wall::Wall;

/// Settings of one spawner. Exactly one spawner runs per data folder; the caller holds that folder's lock.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Config {
    /// A folder of the spawner's own below the data folder (`DATA_DIR/sandbox`): made if absent, 0700, holds the disks of `/tmp`.
    pub folder: PathBuf,
    /// Short name made from the data folder's path, `[a-z0-9]{1,16}`: names cgroups, so that two servers on one host do not meet,
    /// and the next start finds what a killed one left.
    pub name: String,
    /// What makes sandboxes.
    pub engine: Engine,
    /// Walls that may be absent. Any other wall this host cannot give makes [`start`](crate::start()) fail.
    pub accept_missing: Vec<Wall>,
    /// The way out of sandboxes that are launched with [`Network::Egress`](crate::Network); none if there shall be no such sandbox.
    pub egress: Option<Egress>,
    /// Folders of the host that sandboxes may have. One that cannot be shown makes [`start`](crate::start()) fail.
    pub shares: Vec<Share>,
}
