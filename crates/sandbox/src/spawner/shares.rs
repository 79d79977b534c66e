//! The folders that the operator gives away, and how one of them, or a part of it, is opened for a sandbox.
//!
//! Functions may write to such a folder, so nothing in it is trusted: a part is looked up without following links, without
//! leaving the folder, and without crossing into another mount. Where two shares overlap, one function could put a link where the
//! other share begins; so links in the operator's own paths are followed once, at the start, and never again.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, fstatfs, openat2};

use super::idmap::{self, Twin};
use super::mounts;
use crate::launch::User;
use crate::share::{Mount, Share};

/// Kinds of file systems that are given away most likely and cannot show files under other owners, or could not before.
const KINDS: [(u64, &str); 7] = [
    (0x6969, "NFS"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB"),
    (0x6573_5546, "FUSE"),
    (0x0102_1997, "9p"),
    (0x794c_7630, "overlayfs"),
    (0x00c3_6400, "Ceph"),
];

/// Why a share cannot be shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShareError {
    #[error("no mount has the name {name:?}")]
    Unknown { name: String },
    #[error("the folder {} of the mount {name:?} cannot be opened", path.display())]
    Gone { name: String, path: PathBuf, source: io::Error },
    #[error("{folder:?} in the folder {} of the mount {name:?} cannot be opened", path.display())]
    Folder { name: String, path: PathBuf, folder: String, source: io::Error },
    #[error("the folder {} of the mount {name:?} cannot be shown with other owners{}", path.display(), on(*.kind))]
    Owners { name: String, path: PathBuf, kind: Option<&'static str>, source: io::Error },
    #[error("the folder {} of the mount {name:?} cannot be shown", path.display())]
    Show { name: String, path: PathBuf, source: io::Error },
}

fn on(kind: Option<&'static str>) -> String {
    kind.map(|kind| format!(" (it is on {kind})")).unwrap_or_default()
}

impl ShareError {
    /// What the author of a function may know: nothing of the host but the name that the operator gave.
    pub(super) fn told(&self) -> String {
        match self {
            ShareError::Unknown { name } => format!("there is no mount named '{name}' on this server"),
            ShareError::Gone { name, .. } => {
                format!(
                    "the folder of the mount '{name}' is not there; the operator of this server has to bring it back"
                )
            }
            ShareError::Folder { name, folder, source, .. } => {
                let why = match source.kind() {
                    io::ErrorKind::NotFound => "there is no such folder",
                    io::ErrorKind::NotADirectory => "it is no folder",
                    // ELOOP, for a link; EXDEV, for another mount or a way out.
                    _ => "it is not reached through folders alone: links, and what is mounted below, are not followed",
                };
                format!("mount_share_path '{folder}' of the mount '{name}' cannot be used: {why}")
            }
            ShareError::Owners { name, .. } | ShareError::Show { name, .. } => {
                format!("the mount '{name}' cannot be shown; the operator of this server finds the cause in its log")
            }
        }
    }

    /// What was found, for the operator.
    pub(crate) fn why(&self) -> String {
        super::chain(self)
    }

    /// What the operator can do about it.
    pub(crate) fn remedy(&self) -> &'static str {
        match self {
            ShareError::Gone { .. } | ShareError::Folder { .. } => {
                "make the folder, or take the mount out of the settings"
            }
            ShareError::Owners { .. } => {
                "use Linux 5.12 or newer and a folder on a file system with idmapped mounts, such as ext4, xfs or btrfs"
            }
            ShareError::Unknown { .. } | ShareError::Show { .. } => "take the mount out of the settings",
        }
    }
}

/// The operator's folders.
#[derive(Debug)]
pub(super) struct Shares {
    list: Vec<Share>,
}

/// A folder that is about to be shown in one sandbox: its mount, which is nowhere yet.
pub(super) struct Opened {
    pub(super) tree: OwnedFd,
}

impl Shares {
    /// Finds each folder and shows it once, nowhere, to see that it can be done.
    pub(super) fn prepare(list: &[Share]) -> Result<Shares, ShareError> {
        let list = list.iter().map(|share| {
            let share = found(share)?;
            open_for_nobody(&share)?;
            Ok(share)
        });
        Ok(Shares { list: list.collect::<Result<_, _>>()? })
    }

    /// Opens what `mount` asks for, whose files belong inside to `user`, an id of the host.
    pub(super) fn open(&self, mount: &Mount, user: User) -> Result<Opened, ShareError> {
        let share = self.list.iter().find(|share| share.name == mount.share);
        let share = share.ok_or_else(|| ShareError::Unknown { name: mount.share.clone() })?;
        let folder = part(share, open(share)?, &mount.folder)?;
        clone(share, &folder, User { uid: mount.uid, gid: mount.gid }, user)
    }
}

/// Tries a share as [`Shares::prepare`] does.
pub(crate) fn try_share(share: &Share) -> Result<(), ShareError> {
    open_for_nobody(&found(share)?).map(|_| ())
}

/// The share with its path as it is without links.
fn found(share: &Share) -> Result<Share, ShareError> {
    let path = share.path.canonicalize();
    let path = path.map_err(|source| gone(share, source))?;
    Ok(Share { path, ..share.clone() })
}

fn open_for_nobody(share: &Share) -> Result<Opened, ShareError> {
    // Two ids that differ, or nothing would have to be shown differently.
    clone(share, &open(share)?, User::FUNCTION, User { uid: 0x6000_0000, gid: 0x6000_0000 })
}

fn gone(share: &Share, source: io::Error) -> ShareError {
    ShareError::Gone { name: share.name.clone(), path: share.path.clone(), source }
}

const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

fn open(share: &Share) -> Result<OwnedFd, ShareError> {
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    openat2(CWD, &share.path, FOLDER, Mode::empty(), resolve).map_err(|errno| gone(share, errno.into()))
}

fn part(share: &Share, whole: OwnedFd, folder: &str) -> Result<OwnedFd, ShareError> {
    if folder.is_empty() {
        return Ok(whole);
    }
    let resolve =
        ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
    openat2(&whole, Path::new(folder), FOLDER, Mode::empty(), resolve).map_err(|errno| ShareError::Folder {
        name: share.name.clone(),
        path: share.path.clone(),
        folder: folder.to_owned(),
        source: errno.into(),
    })
}

fn clone(share: &Share, folder: &OwnedFd, stored: User, host: User) -> Result<Opened, ShareError> {
    let (name, path) = (share.name.clone(), share.path.clone());
    let twin = |stored, host| Twin { stored, host };
    let ids = idmap::namespace(twin(stored.uid, host.uid), twin(stored.gid, host.gid));
    let ids = match ids {
        Ok(ids) => ids,
        Err(source) => return Err(ShareError::Show { name, path, source }),
    };
    let tree = match mounts::clone_one(folder) {
        Ok(tree) => tree,
        Err(source) => return Err(ShareError::Show { name, path, source }),
    };
    match mounts::give_owners(&tree, ids.as_fd(), share.read_only) {
        Ok(()) => Ok(Opened { tree }),
        Err(source) => Err(ShareError::Owners { name, path, kind: kind_of(folder), source }),
    }
}

fn kind_of(folder: &OwnedFd) -> Option<&'static str> {
    // An O_PATH descriptor is enough for it.
    let found = fstatfs(folder).ok()?.f_type;
    let found = u64::from_ne_bytes(found.to_ne_bytes()) & 0xffff_ffff;
    KINDS.into_iter().find(|(kind, _)| *kind == found).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(path: &Path) -> Share {
        Share { name: "data".into(), path: path.to_owned(), read_only: false }
    }

    #[test]
    fn parts_are_reached_through_folders_of_the_share_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("share");
        std::fs::create_dir_all(path.join("team/a")).expect("it is made");
        std::fs::create_dir(folder.path().join("secret")).expect("it is made");
        std::fs::write(path.join("file"), "x").expect("it is written");
        for (name, target) in [("up", ".."), ("away", "/etc"), ("inside", "team"), ("magic", "/proc/self/root")] {
            std::os::unix::fs::symlink(target, path.join(name)).expect("it is linked");
        }
        let share = share(&path);
        let part = |folder: &str| part(&share, open(&share).expect("it is there"), folder);
        for good in ["", "team", "team/a"] {
            part(good).expect(good);
        }
        for (bad, expected) in [
            ("up", "links"),
            ("up/secret", "links"),
            ("away", "links"),
            ("inside", "links"),
            ("inside/a", "links"),
            ("magic/etc", "links"),
            ("../secret", "links"),
            ("/etc", "links"),
            ("missing", "no such folder"),
            ("file", "no folder"),
        ] {
            let error = part(bad).expect_err(bad);
            assert!(error.told().contains(expected), "{bad}: {}", error.told());
            assert!(!error.told().contains(folder.path().to_str().expect("text")), "it tells nothing of the host");
        }
    }

    #[test]
    fn a_link_that_is_put_where_a_share_begins_is_not_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, link) = (folder.path().join("share"), folder.path().join("link"));
        std::fs::create_dir(&path).expect("it is made");
        std::os::unix::fs::symlink(&path, &link).expect("it is linked");
        let found = found(&share(&link)).expect("the operator's own link is followed");
        assert_eq!(found.path, path.canonicalize().expect("it is there"));
        std::fs::remove_dir(&path).expect("it is ours");
        assert!(matches!(open(&found), Err(ShareError::Gone { .. })));
        std::os::unix::fs::symlink("/etc", &path).expect("it is linked");
        assert!(matches!(open(&found), Err(ShareError::Gone { .. })), "what it was replaced by is not it");
    }
}
