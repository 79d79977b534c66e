//! The few kinds of mount the spawner makes, all within its own mount namespace.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, open};
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount, mount_bind,
    mount_bind_recursive, mount_change, move_mount, open_tree, unmount,
};
use rustix::thread::{UnshareFlags, unshare_unsafe};

/// Leaves the host's mounts: what is mounted from here on is seen by nobody else and ends with this process, however it ends.
/// What the host mounts and unmounts later still arrives, so that no disk is held that an operator wants to remove.
#[allow(unsafe_code)]
pub(super) fn leave_host_namespace() -> io::Result<()> {
    // SAFETY: only the mount namespace is unshared; the table of descriptors, which the function warns of, stays shared.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }?;
    mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)?;
    Ok(())
}

/// A small tmpfs for what the spawner itself keeps.
pub(super) fn staging(at: &Path) -> io::Result<()> {
    mount("fungraph", at, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, Some(c"mode=0755,size=64m"))?;
    mount_change(at, MountPropagationFlags::PRIVATE)?;
    Ok(())
}

/// A folder or file of the host with everything mounted below it, as it is.
pub(super) fn bind(source: &Path, target: &Path) -> io::Result<()> {
    Ok(mount_bind_recursive(source, target)?)
}

/// The same, and nobody can write to it, or use its devices and set-uid programs, not even the root of a sandbox's user namespace.
pub(super) fn bind_read_only(source: &Path, target: &Path) -> io::Result<()> {
    bind(source, target)?;
    let path = CString::new(target.as_os_str().as_bytes())?;
    set_attributes(CWD, &path, libc::AT_RECURSIVE, RESTRICTED, None).inspect_err(|_| detach(target))
}

/// One folder laid over another one: what both have is that of `upper`. Nobody can write to it. Both paths are ours, without the
/// characters that mean something in mount options.
pub(super) fn lay_over(upper: &Path, lower: &Path, target: &Path) -> io::Result<()> {
    let options = format!("lowerdir={}:{}", upper.display(), lower.display());
    let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV;
    mount("image", target, "overlay", flags, Some(CString::new(options)?.as_c_str()))?;
    mount_change(target, MountPropagationFlags::PRIVATE).inspect_err(|_| detach(target))?;
    Ok(())
}

/// Shows a folder at another place in a way that what is mounted upon it later also appears in the copies that other namespaces
/// made. What comes back names this mount, also when it is covered.
pub(super) fn share(folder: &Path, at: &Path) -> io::Result<OwnedFd> {
    mount_bind(folder, at)?;
    let shared = || {
        mount_change(at, MountPropagationFlags::SHARED)?;
        open(at, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
    };
    shared().map_err(Into::into).inspect_err(|_| detach(at))
}

/// A [shared](share) mount is from now on nobody else's matter: what is on it may go without going elsewhere.
pub(super) fn unshare(mount: &OwnedFd) -> io::Result<()> {
    set_attributes(mount, c"", libc::AT_EMPTY_PATH, 0, None)
}

/// Shows a folder of the host at a [shared](share) place. It is made unchangeable before it is there: what appears elsewhere is as
/// it was at that moment.
pub(super) fn attach_read_only(source: &Path, shared: &Path) -> io::Result<()> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    let tree = open_tree(CWD, source, flags)?;
    set_attributes(&tree, c"", libc::AT_EMPTY_PATH | libc::AT_RECURSIVE, RESTRICTED, None)?;
    attach(&tree, shared)
}

/// A mount of an open folder that is nowhere yet, without what is mounted below it.
pub(super) fn clone_one(folder: &OwnedFd) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    Ok(open_tree(folder, "", flags)?)
}

/// Has a mount that is nowhere yet show its files under the ids of a namespace; devices and set-uid programs are of no use in it.
pub(super) fn give_owners(tree: &OwnedFd, ids: BorrowedFd<'_>, read_only: bool) -> io::Result<()> {
    let restricted = if read_only { RESTRICTED } else { RESTRICTED & !libc::MOUNT_ATTR_RDONLY };
    set_attributes(tree, c"", libc::AT_EMPTY_PATH, restricted | libc::MOUNT_ATTR_IDMAP, Some(ids))
}

/// Puts a mount that is nowhere yet upon a [shared](share) place.
pub(super) fn attach(tree: &OwnedFd, shared: &Path) -> io::Result<()> {
    Ok(move_mount(tree, "", CWD, shared, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?)
}

/// Covers a folder with an empty one that shows of it only these mounts and links, under their names.
pub(super) fn show_only(folder: &Path, shown: &[PathBuf]) -> io::Result<()> {
    let (mut trees, mut links) = (Vec::new(), Vec::new());
    for path in shown {
        match std::fs::read_link(path) {
            Ok(target) => links.push((path, target)),
            Err(_no_link) => {
                let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
                trees.push((path, open_tree(CWD, path, flags)?));
            }
        }
    }
    mount("fungraph", folder, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, Some(c"mode=0755,size=1m"))?;
    for (path, tree) in trees {
        std::fs::create_dir(path)?;
        move_mount(&tree, "", CWD, path, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?;
    }
    for (path, target) in links {
        std::os::unix::fs::symlink(target, path)?;
    }
    Ok(())
}

/// A tmpfs for `/tmp`, where no disk can be had; it counts as memory of the sandbox.
pub(super) fn memory_tmp(at: &Path, bytes: u64, owner: u32) -> io::Result<()> {
    let options = format!("mode=1777,uid={owner},gid={owner},size={bytes}");
    let options = CString::new(options).expect("numbers hold no NUL");
    Ok(mount("tmp", at, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, Some(options.as_c_str()))?)
}

/// Takes a mount and all below it away from here; whoever still uses it keeps it.
pub(super) fn detach(at: &Path) {
    if let Err(errno) = unmount(at, UnmountFlags::DETACH) {
        tracing::warn!(%errno, at = %at.display(), "cannot unmount");
    }
}

/// Read-only, without devices and set-uid programs.
const RESTRICTED: u64 = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;

/// Makes a mount private, and what else is given; `ids` are for MOUNT_ATTR_IDMAP.
#[allow(unsafe_code)]
fn set_attributes(
    folder: impl AsFd,
    path: &CStr,
    flags: libc::c_int,
    attr_set: u64,
    ids: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    // SAFETY: mount_attr is plain data, for which all zeros is a value.
    let mut attributes: libc::mount_attr = unsafe { std::mem::zeroed() };
    attributes.attr_set = attr_set;
    attributes.propagation = libc::MS_PRIVATE;
    if let Some(ids) = ids {
        attributes.userns_fd = u64::from(ids.as_raw_fd().unsigned_abs());
    }
    // SAFETY: the path ends in NUL, and the size given is that of the structure; both outlive the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            folder.as_fd().as_raw_fd(),
            path.as_ptr(),
            flags,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
