//! The few kinds of mount the spawner makes, all within its own mount namespace.

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind_recursive, mount_change, unmount,
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
    restrict(target).inspect_err(|_| detach(target))
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

#[allow(unsafe_code)]
fn restrict(target: &Path) -> io::Result<()> {
    let path = CString::new(target.as_os_str().as_bytes())?;
    // SAFETY: mount_attr is plain data, for which all zeros is a value.
    let mut attributes: libc::mount_attr = unsafe { std::mem::zeroed() };
    attributes.attr_set = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
    attributes.propagation = libc::MS_PRIVATE;
    let flags = libc::AT_RECURSIVE;
    // SAFETY: the path ends in NUL, and the size given is that of the structure; both outlive the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            flags,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
