//! The data folder: private, used by one server at a time, and handed to whom the server becomes.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rustix::fs::{AtFlags, CWD, FlockOperation, Gid, Uid, chownat, flock};
use rustix::io::Errno;

use crate::exit::Stop;
use crate::privileges::Identity;

/// The file that is locked while a server uses the folder, and that says whose folder it is.
const LOCK: &str = "fungraph.lock";
/// The spawner's own folder, which stays root's.
const SPAWNER: &str = "sandbox";

/// A data folder that is ours until this is dropped.
#[derive(Debug)]
pub(crate) struct DataFolder {
    path: PathBuf,
    _lock: File,
}

impl DataFolder {
    /// Makes the folder if it is not there, and locks it.
    ///
    /// # Errors
    /// It cannot be made, or another server uses it, whose process id is told.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let make = || DirBuilder::new().recursive(true).mode(0o700).create(path).and_then(|()| path.canonicalize());
        let path = make().map_err(|error| {
            Stop::usage(format!(
                "cannot use the data folder {}: {error}; choose another with --data-dir",
                path.display()
            ))
        })?;
        if !is_empty_or_ours(&path) {
            return Err(Stop::usage(format!(
                "{} holds other things and is no data folder of fungraph; choose an empty or new one with --data-dir",
                path.display()
            )));
        }
        let lock = lock(&path)?;
        Ok(Self { path, _lock: lock })
    }

    /// Absolute, without links.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A short name of its own for what the host shares between servers: cgroups, staging folders.
    pub(crate) fn short_name(&self) -> String {
        // FNV-1a: it only has to differ between folders of one host, and to stay the same over releases.
        let bytes = self.path.as_os_str().as_encoded_bytes();
        let hash = bytes
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
        format!("{hash:016x}")
    }

    /// Gives what root owns here to `identity`, except the spawner's folder.
    ///
    /// # Errors
    /// `identity` cannot reach the folder, or an owner cannot be changed.
    pub(crate) fn hand_over(&self, identity: Identity) -> anyhow::Result<()> {
        if let Some(closed) = self.path.ancestors().skip(1).find(|folder| !may_enter(folder, identity)) {
            return Err(Stop::usage(format!(
                "the server gives up root and becomes user {}, who cannot enter {}; choose a data folder elsewhere with \
                 --data-dir, or another user with the setting server.user",
                identity.uid,
                closed.display()
            )));
        }
        let before = fs::metadata(&self.path).map_or(0, |folder| folder.uid());
        // Of a folder that was handed over before, only what the start just wrote can be root's: with 100,000 functions
        // the whole tree is not worth looking through.
        let depth = if before == identity.uid { 1 } else { usize::MAX };
        give(&self.path, before, identity, depth)
            .with_context(|| format!("cannot give the data folder {} to user {}", self.path.display(), identity.uid))
    }
}

/// Whether a folder may be used: what is in it will be given to the server's user, so it must not be `/` or a home.
fn is_empty_or_ours(folder: &Path) -> bool {
    let ours = fs::symlink_metadata(folder.join(LOCK)).is_ok_and(|lock| lock.is_file());
    ours || fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}

/// Whether the mode of a folder lets somebody pass through it.
fn may_enter(folder: &Path, identity: Identity) -> bool {
    fs::metadata(folder).is_ok_and(|found| {
        let shift = match (found.uid() == identity.uid, found.gid() == identity.gid) {
            (true, _) => 6,
            (false, true) => 3,
            (false, false) => 0,
        };
        found.mode() >> shift & 1 == 1
    })
}

/// Gives what belongs to root or to the server's user of before.
fn give(path: &Path, before: u32, to: Identity, depth: usize) -> io::Result<()> {
    let found = fs::symlink_metadata(path)?;
    if found.is_dir() && depth > 0 {
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            if entry.file_name() != SPAWNER {
                give(&entry.path(), before, to, depth - 1)?;
            }
        }
    }
    // A second link may have been made by somebody else to a file that root keeps elsewhere.
    let ours = [0, before].contains(&found.uid()) && (found.is_dir() || found.nlink() == 1);
    if ours {
        let (uid, gid) = (Uid::from_raw(to.uid), Gid::from_raw(to.gid));
        chownat(CWD, path, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
    }
    Ok(())
}

fn lock(folder: &Path) -> anyhow::Result<File> {
    let path = folder.join(LOCK);
    let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
    let mut file = open.map_err(|error| {
        Stop::usage(format!("cannot use the data folder {}: {error}; choose another with --data-dir", folder.display()))
    })?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            return Err(Stop::busy(format!(
                "the data folder {} is in use by process {}; stop that server, or choose another folder with --data-dir",
                folder.display(),
                holder.trim()
            )));
        }
        Err(error) => return Err(error).context("cannot lock the data folder"),
    }
    let written = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
    written.with_context(|| format!("cannot write {}", path.display()))?;
    Ok(file)
}

/// The process that uses a folder, if one does; for `doctor`, which takes nothing.
pub(crate) fn holder(folder: &Path) -> Option<String> {
    let file = File::open(folder.join(LOCK)).ok()?;
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Err(Errno::WOULDBLOCK) => io::read_to_string(file).ok().map(|text| text.trim().to_owned()),
        _ => None,
    }
}
