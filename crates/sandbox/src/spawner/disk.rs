//! `/tmp` as a disk of its own: a hard limit that is not charged to memory.
//!
//! A template per size is made once by mkfs and kept. Each sandbox gets a copy of it, which is a few dozen kilobytes since holes
//! stay holes, behind a loop device. The copy loses its name at once and the device clears itself, so a killed spawner leaves
//! nothing. No journal and lazy tables: the disk never outlives its sandbox, so there is nothing to recover.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{Mode, OFlags, SeekFrom, copy_file_range, fstatvfs, ftruncate, open, seek};
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

/// Where the templates are and how to make one.
#[derive(Debug)]
pub(super) struct Disks {
    folder: PathBuf,
    mkfs: PathBuf,
    loop_control: OwnedFd,
}

/// The disk of one sandbox. Dropping it throws the contents away, written or not.
#[derive(Debug)]
pub(super) struct Disk {
    /// Its root. Held open, it keeps the file system alive beyond the sandbox: otherwise the kernel would write everything out
    /// that is about to be forgotten, and the dying process would wait for it.
    root: OwnedFd,
}

/// Why there is no disk.
#[derive(Debug, thiserror::Error)]
#[error("{step}: {source}")]
pub(super) struct DiskError {
    step: &'static str,
    source: io::Error,
}

impl DiskError {
    /// Nothing is wrong with this host but that there is no room.
    pub(super) fn is_full(&self) -> bool {
        matches!(self.source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}

fn at<E: Into<io::Error>>(step: &'static str) -> impl FnOnce(E) -> DiskError {
    move |source| DiskError { step, source: source.into() }
}

impl Disks {
    /// `folder` is on the disk that pays for what sandboxes write.
    pub(super) fn new(folder: &Path, mkfs: PathBuf) -> Result<Disks, DiskError> {
        fs::create_dir_all(folder).map_err(at("make the folder of /tmp disks"))?;
        let loop_control = open("/dev/loop-control", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
            .map_err(at("open /dev/loop-control"))?;
        Ok(Disks { folder: folder.to_owned(), mkfs, loop_control })
    }

    /// Makes a fresh disk of `bytes`, mounts it and gives it to `owner`.
    pub(super) fn mount_new(&self, bytes: u64, owner: u32, target: &Path) -> Result<Disk, DiskError> {
        let template = self.template(bytes, target)?;
        let image = self.copy(&template, bytes)?;
        self.attach_and_mount(&image, target)?;
        let root = open(target, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .map_err(at("open the disk of /tmp"))?;
        let disk = Disk { root };
        std::os::unix::fs::chown(target, Some(owner), Some(owner)).map_err(at("give /tmp to its user"))?;
        Ok(disk)
    }

    fn template(&self, bytes: u64, mount_point: &Path) -> Result<PathBuf, DiskError> {
        let path = self.folder.join(format!("tmp-1-{bytes}.ext4"));
        if !path.exists() {
            // Under another name until it is whole: a spawner killed meanwhile must not leave half a template.
            let draft = path.with_extension("draft");
            self.format(&draft, bytes)?;
            self.clear(&draft, mount_point)?;
            fs::rename(&draft, &path).map_err(at("keep the template of /tmp"))?;
        }
        Ok(path)
    }

    fn format(&self, path: &Path, bytes: u64) -> Result<(), DiskError> {
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)
            .map_err(at("make the template of /tmp"))?;
        ftruncate(&file, bytes).map_err(at("size the template of /tmp"))?;
        let mut command = Command::new(&self.mkfs);
        command.args(["-q", "-F", "-b", "4096", "-m", "0", "-i", "8192", "-O", "^has_journal,^resize_inode"]);
        command.args(["-E", "lazy_itable_init=1,nodiscard"]).arg(path).stdin(Stdio::null());
        let output = command.output().map_err(at("run mkfs.ext4"))?;
        if output.status.success() {
            return Ok(());
        }
        Err(at("run mkfs.ext4")(io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned())))
    }

    /// An empty `/tmp` is empty: mkfs makes `lost+found`.
    fn clear(&self, draft: &Path, mount_point: &Path) -> Result<(), DiskError> {
        let image = File::options().read(true).write(true).open(draft).map_err(at("open the template of /tmp"))?;
        self.attach_and_mount(&image, mount_point)?;
        let cleared = fs::remove_dir(mount_point.join("lost+found"))
            .and_then(|()| fs::set_permissions(mount_point, std::os::unix::fs::PermissionsExt::from_mode(0o1777)));
        unmount(mount_point, UnmountFlags::empty()).map_err(at("unmount the template of /tmp"))?;
        cleared.map_err(at("clear the template of /tmp"))
    }

    fn copy(&self, template: &Path, bytes: u64) -> Result<File, DiskError> {
        let from = File::open(template).map_err(at("open the template of /tmp"))?;
        let path = self.folder.join("tmp.img");
        let image = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)
            .map_err(at("make the disk of /tmp"))?;
        fs::remove_file(&path).map_err(at("unlink the disk of /tmp"))?;
        ftruncate(&image, bytes).map_err(at("size the disk of /tmp"))?;
        copy_data(&from, &image).map_err(at("copy the template of /tmp"))?;
        Ok(image)
    }

    fn attach_and_mount(&self, image: &File, target: &Path) -> Result<(), DiskError> {
        let (device, _open) = self.attach(image).map_err(at("attach a loop device"))?;
        // Deleted files give their blocks back to the host; nothing is written in the background, nor flushed for a crash.
        let options = c"discard,nobarrier,noinit_itable";
        mount(&device, target, "ext4", MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOATIME, Some(options))
            .map_err(at("mount the disk of /tmp"))
    }

    /// A loop device for the image, which clears itself when nothing uses it any more; so it is held until it is mounted.
    fn attach(&self, image: &File) -> io::Result<(PathBuf, OwnedFd)> {
        const ATTEMPTS: u32 = 64;
        for _ in 0..ATTEMPTS {
            let number = free_loop_device(&self.loop_control)?;
            let path = PathBuf::from(format!("/dev/loop{number}"));
            let device = open(&path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
            match configure_loop_device(&device, image) {
                // Someone else was given the same number and was faster.
                Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {}
                done => return done.map(|()| (path, device)),
            }
        }
        Err(io::Error::other("other programs take every free loop device"))
    }
}

impl Disk {
    /// Whether there is hardly a block left. ext4 refuses a large write while a few remain.
    pub(super) fn is_full(&self) -> bool {
        fstatvfs(&self.root).is_ok_and(|disk| disk.f_bavail < disk.f_blocks / 64)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Err(error) = forget_unwritten(&self.root) {
            tracing::debug!(%error, "the disk of /tmp is written out before it goes");
        }
    }
}

/// Copies what is not a hole.
fn copy_data(from: &File, to: &File) -> io::Result<()> {
    let mut position = 0;
    loop {
        let start = match seek(from, SeekFrom::Data(position)) {
            Ok(start) => start,
            Err(Errno::NXIO) => return Ok(()),
            Err(errno) => return Err(errno.into()),
        };
        let end = seek(from, SeekFrom::Hole(start))?;
        let (mut read, mut written) = (start, start);
        while read < end {
            let length = usize::try_from(end - read).unwrap_or(usize::MAX);
            if copy_file_range(from, Some(&mut read), to, Some(&mut written), length)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        position = end;
    }
}

// From linux/loop.h and linux/fs.h; libc has neither the requests nor the structures.
const LOOP_CTL_GET_FREE: libc::Ioctl = 0x4C82;
const LOOP_CONFIGURE: libc::Ioctl = 0x4C0A;
const LO_FLAGS_AUTOCLEAR: u32 = 4;
// The type of a request differs between C libraries.
const FS_IOC_SHUTDOWN: libc::Ioctl = 0x8004_587D_u32 as libc::Ioctl;
const SHUTDOWN_WITHOUT_FLUSH: u32 = 2;

#[repr(C)]
struct LoopConfig {
    fd: u32,
    block_size: u32,
    numbers: [u64; 5],
    number: u32,
    encryption: [u32; 2],
    flags: u32,
    names_and_keys: [u8; 64 + 64 + 32],
    init: [u64; 2],
    reserved: [u64; 8],
}

const _: () = assert!(size_of::<LoopConfig>() == 304);

#[allow(unsafe_code)]
fn free_loop_device(control: impl AsFd) -> io::Result<i32> {
    // SAFETY: the request takes no argument and only returns a number.
    match unsafe { libc::ioctl(control.as_fd().as_raw_fd(), LOOP_CTL_GET_FREE) } {
        number @ 0.. => Ok(number),
        _ => Err(io::Error::last_os_error()),
    }
}

#[allow(unsafe_code)]
fn configure_loop_device(device: &OwnedFd, image: &File) -> io::Result<()> {
    let config = LoopConfig {
        fd: image.as_raw_fd().cast_unsigned(),
        block_size: 4096,
        numbers: [0; 5],
        number: 0,
        encryption: [0; 2],
        flags: LO_FLAGS_AUTOCLEAR,
        names_and_keys: [0; 160],
        init: [0; 2],
        reserved: [0; 8],
    };
    // SAFETY: the structure is laid out as the kernel's struct loop_config (its size is checked above) and outlives the call.
    match unsafe { libc::ioctl(device.as_raw_fd(), LOOP_CONFIGURE, &raw const config) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[allow(unsafe_code)]
fn forget_unwritten(root: &OwnedFd) -> io::Result<()> {
    let how = SHUTDOWN_WITHOUT_FLUSH;
    // SAFETY: the request reads one u32, which outlives the call.
    match unsafe { libc::ioctl(root.as_raw_fd(), FS_IOC_SHUTDOWN, &raw const how) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{FileExt, MetadataExt};

    use super::*;

    #[test]
    fn holes_stay_holes_in_a_copy() {
        let folder = tempfile::tempdir().expect("a folder");
        let make = |name: &str| {
            let path = folder.path().join(name);
            File::options().read(true).write(true).create_new(true).open(path).expect("it is made")
        };
        let (from, to) = (make("from"), make("to"));
        for file in [&from, &to] {
            ftruncate(file, 64 << 20).expect("it is sized");
        }
        for position in [0, 10 << 20, (64 << 20) - 3] {
            from.write_all_at(b"abc", position).expect("it is written");
        }
        copy_data(&from, &to).expect("it is copied");
        for position in [0, 10 << 20, (64 << 20) - 3] {
            let mut text = [0; 3];
            to.read_exact_at(&mut text, position).expect("it is there");
            assert_eq!(&text, b"abc");
        }
        assert!(to.metadata().expect("it is there").blocks() * 512 < 1 << 20);
    }
}
