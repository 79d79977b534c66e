//! Folders of the host that sandboxes may have: the operator lists them by name, and a sandbox only ever names one.

use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::launch::{InvalidLaunch, check_own_target};
use crate::wall::{WallState, missing};

/// A folder that the operator gives away. Travels to the spawner once, at its start: nothing that comes later can name a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// The name by which sandboxes ask for it.
    pub name: String,
    /// An absolute path of the host. What is mounted below it is not shown.
    pub path: PathBuf,
    /// Whether nobody can write to it from inside.
    pub read_only: bool,
}

/// A share as one sandbox wants it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// One of the launch's [`mount_points`](crate::Launch::mount_points).
    pub place: String,
    /// Name of the share.
    pub share: String,
    /// A folder of the share, relative to it; empty for all of it. It is reached without following any link.
    pub folder: String,
    /// Whom files belong to in the host's eyes that belong to the sandbox's user inside: 1 to 65534.
    pub uid: u32,
    /// The same for its group.
    pub gid: u32,
}

impl Mount {
    pub(crate) fn check(&self) -> Result<(), InvalidLaunch> {
        check_own_target(&self.place)?;
        if [self.uid, self.gid].iter().any(|id| !(1..=65_534).contains(id)) {
            return Err(InvalidLaunch::User);
        }
        let plain = |part: Component<'_>| matches!(part, Component::Normal(_));
        if self.folder.contains('\0') || !Path::new(&self.folder).components().all(plain) {
            return Err(InvalidLaunch::Folder { folder: self.folder.clone() });
        }
        Ok(())
    }
}

/// Whether sandboxes of this host can have a share. It is tried, without showing it anywhere.
pub fn inspect_share(share: &Share) -> WallState {
    if !rustix::process::geteuid().is_root() {
        return missing(
            "this process is not root",
            "start the server as root: it keeps one small process as root and gives up root itself",
        );
    }
    match crate::spawner::try_share(share) {
        Ok(()) => WallState::Available,
        Err(error) => missing(error.why(), error.remedy()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_names_a_folder_below_a_share_and_nobody_is_root() {
        let good =
            Mount { place: "/mnt/data".into(), share: "data".into(), folder: "team/a".into(), uid: 1003, gid: 1003 };
        assert_eq!(good.check(), Ok(()));
        assert_eq!(Mount { folder: String::new(), ..good.clone() }.check(), Ok(()));
        for folder in ["/team", "..", "a/../..", "./a", "a\0b"] {
            let bad = Mount { folder: folder.into(), ..good.clone() };
            assert_eq!(bad.check(), Err(InvalidLaunch::Folder { folder: folder.into() }));
        }
        for (uid, gid) in [(0, 1), (1, 0), (65_535, 1)] {
            assert_eq!(Mount { uid, gid, ..good.clone() }.check(), Err(InvalidLaunch::User));
        }
        assert!(Mount { place: "/etc/x".into(), ..good }.check().is_err());
    }
}
