//! A root file system being built from layers that nobody trusts.
//!
//! Every path is looked up by the kernel inside the root (`RESOLVE_IN_ROOT`), as it will be when the image runs: a link that points
//! out of the root, by an absolute name or by `..`, leads to a place inside it. So links can stay as they are.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, RawMode, ResolveFlags, Timespec, Timestamps, chmodat, fchmod, fstat,
    futimens, linkat, mkdirat, openat, openat2, readlinkat, statat, symlinkat, unlinkat,
};
use rustix::io::Errno;

/// Folders in one another; deeper ones are nobody's file system, and what is that deep cannot be removed by simple means.
const DEPTH: usize = 255;
/// Work that entries may make beyond themselves, a step each: folders made on the way to one, names looked at by a whiteout.
pub(super) const STEPS: u64 = 4_000_000;
const FOLDER: Mode = Mode::from_raw_mode(0o755);

/// The root and what is known of it.
pub(super) struct Tree {
    root: OwnedFd,
    /// Parts of the root's own path.
    above: usize,
    /// Steps that are left.
    steps: u64,
    /// The folder that was used last: most entries follow others of the same folder.
    last: Option<(PathBuf, Arc<OwnedFd>)>,
    /// What the present layer has made: its own whiteouts do not concern it.
    made: Made,
}

/// What one layer has made.
#[derive(Default)]
struct Made {
    /// Files, folders and links, by number of the inode.
    inodes: HashSet<u64>,
    /// Second names, by the folder's number and the name: what they name may be an older layer's, whose own name is not made here.
    names: HashSet<(u64, OsString)>,
}

impl Made {
    fn has(&self, folder: &OwnedFd, name: &OsStr, inode: u64) -> io::Result<bool> {
        if self.inodes.contains(&inode) {
            return Ok(true);
        }
        Ok(!self.names.is_empty() && self.names.contains(&(fstat(folder)?.st_ino, name.to_owned())))
    }
}

/// A path of an archive, relative to the root: no `..`, no empty part.
///
/// # Errors
/// Why it cannot be one.
pub(super) fn inside(path: &[u8]) -> Result<PathBuf, &'static str> {
    if path.contains(&0) {
        return Err("holds a zero byte");
    }
    let parts = path.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".");
    let mut whole = PathBuf::new();
    for (depth, part) in parts.enumerate() {
        if part == b".." {
            return Err("leads out of the image");
        }
        if depth == DEPTH {
            return Err("lies too deep");
        }
        whole.push(OsStr::from_bytes(part));
    }
    Ok(whole)
}

impl Tree {
    /// Of an empty folder, in so many steps ([`STEPS`]).
    pub(super) fn open(folder: &Path, steps: u64) -> io::Result<Self> {
        let root = openat(CWD, folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let above = parts(&root)?;
        Ok(Self { root, above, steps, last: None, made: Made::default() })
    }

    /// What is made from here on belongs to another layer.
    pub(super) fn next_layer(&mut self) {
        self.made = Made::default();
    }

    /// A folder; one that is there stays.
    pub(super) fn folder(&mut self, path: &Path) -> io::Result<()> {
        let Some((parent, name)) = self.place(path)? else { return Ok(()) };
        match new_folder(&parent, &name) {
            Ok(()) => {}
            Err(Errno::EXIST) if is_folder(&parent, &name)? => {}
            Err(Errno::EXIST) => {
                self.clear_place(&parent, &name)?;
                new_folder(&parent, &name)?;
            }
            Err(errno) => return Err(errno.into()),
        }
        let stat = statat(&*parent, &name, AtFlags::SYMLINK_NOFOLLOW)?;
        self.made.inodes.insert(stat.st_ino);
        Ok(())
    }

    /// A file, empty.
    pub(super) fn file(&mut self, path: &Path, executable: bool) -> io::Result<File> {
        let (parent, name) = self.place(path)?.ok_or(Errno::ISDIR)?;
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(if executable { 0o755 } else { 0o644 });
        let file = match openat(&*parent, &name, flags, mode) {
            Err(Errno::EXIST) => {
                self.clear_place(&parent, &name)?;
                openat(&*parent, &name, flags, mode)?
            }
            opened => opened?,
        };
        // Whatever the umask is.
        fchmod(&file, mode)?;
        self.made.inodes.insert(fstat(&file)?.st_ino);
        Ok(file.into())
    }

    /// A link, as it is.
    pub(super) fn link(&mut self, path: &Path, target: &[u8]) -> io::Result<()> {
        let (parent, name) = self.place(path)?.ok_or(Errno::ISDIR)?;
        if let Err(errno) = symlinkat(target, &*parent, &name) {
            if errno != Errno::EXIST {
                return Err(errno.into());
            }
            self.clear_place(&parent, &name)?;
            symlinkat(target, &*parent, &name)?;
        }
        self.made.inodes.insert(statat(&*parent, &name, AtFlags::SYMLINK_NOFOLLOW)?.st_ino);
        Ok(())
    }

    /// A second name of a file that is there.
    pub(super) fn second_name(&mut self, path: &Path, of: &Path) -> io::Result<()> {
        let (there, old) = self.place_that_exists(of)?.ok_or(Errno::ISDIR)?;
        let (parent, name) = self.place(path)?.ok_or(Errno::ISDIR)?;
        if let Err(errno) = linkat(&*there, &old, &*parent, &name, AtFlags::empty()) {
            if errno != Errno::EXIST {
                return Err(errno.into());
            }
            let same = statat(&*parent, &name, AtFlags::SYMLINK_NOFOLLOW)?.st_ino;
            if same != statat(&*there, &old, AtFlags::SYMLINK_NOFOLLOW)?.st_ino {
                self.clear_place(&parent, &name)?;
                linkat(&*there, &old, &*parent, &name, AtFlags::empty())?;
            }
        }
        self.made.names.insert((fstat(&*parent)?.st_ino, name));
        Ok(())
    }

    /// Takes away what an earlier layer has put there.
    pub(super) fn white_out(&mut self, path: &Path) -> io::Result<()> {
        let Some((parent, name)) = self.place_that_exists(path)? else { return Ok(()) };
        self.last = None;
        remove(&parent, &name, &self.made, &mut self.steps).map(|_| ())
    }

    /// Takes away what earlier layers have put into a folder.
    pub(super) fn white_out_inside(&mut self, path: &Path) -> io::Result<()> {
        self.last = None;
        match self.resolve(path) {
            Ok(folder) => remove_inside(&folder, &self.made, &mut self.steps).map(|_| ()),
            Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// The folder of a path, made where it is missing, and the last part; nothing for the root itself.
    fn place(&mut self, path: &Path) -> io::Result<Option<(Arc<OwnedFd>, OsString)>> {
        let Some(name) = path.file_name() else { return Ok(None) };
        let parent = path.parent().unwrap_or(Path::new(""));
        if let Some((_, folder)) = self.last.as_ref().filter(|(last, _)| last == parent) {
            return Ok(Some((Arc::clone(folder), name.to_owned())));
        }
        let folder = Arc::new(self.make(parent)?);
        self.last = Some((parent.to_owned(), Arc::clone(&folder)));
        Ok(Some((folder, name.to_owned())))
    }

    fn place_that_exists(&self, path: &Path) -> io::Result<Option<(Arc<OwnedFd>, OsString)>> {
        let Some(name) = path.file_name() else { return Ok(None) };
        match self.resolve(path.parent().unwrap_or(Path::new(""))) {
            Ok(folder) => Ok(Some((Arc::new(folder), name.to_owned()))),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    fn make(&mut self, path: &Path) -> io::Result<OwnedFd> {
        match self.resolve(path) {
            Err(Errno::NOENT) => {}
            other => return self.shallow(other?),
        }
        // Not by recursion: a path may have hundreds of parts.
        let mut whole = PathBuf::new();
        for part in path {
            let above = self.resolve(&whole).map_err(io::Error::from).and_then(|folder| self.shallow(folder))?;
            match new_folder(&above, part) {
                Ok(()) => step(&mut self.steps)?,
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno.into()),
            }
            whole.push(part);
        }
        let folder = self.resolve(path)?;
        self.shallow(folder)
    }

    /// A folder that something is put into: not too deep where it really is, since links lead to places far below their own.
    fn shallow(&self, folder: OwnedFd) -> io::Result<OwnedFd> {
        match parts(&folder) {
            Ok(parts) if parts <= self.above + DEPTH => Ok(folder),
            Ok(_) | Err(Errno::NAMETOOLONG) => {
                Err(io::Error::new(io::ErrorKind::InvalidFilename, "links lead it too deep"))
            }
            Err(errno) => Err(errno.into()),
        }
    }

    fn resolve(&self, path: &Path) -> Result<OwnedFd, Errno> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        openat2(&self.root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS)
    }

    /// Reads a small file of the root; `None` where there is none.
    pub(super) fn read(&self, path: &Path, most: u64) -> io::Result<Option<Vec<u8>>> {
        use io::Read as _;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let file = match openat2(&self.root, path, flags, Mode::empty(), resolve) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        };
        let mut bytes = Vec::new();
        if !file.metadata()?.is_file() {
            return Ok(None);
        }
        file.take(most).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// Whatever has this name goes, whichever layer it is of.
    fn clear_place(&mut self, parent: &OwnedFd, name: &OsStr) -> io::Result<()> {
        self.last = None;
        remove(parent, name, &Made::default(), &mut self.steps).map(|_| ())
    }
}

/// Parts of the path of an open folder.
fn parts(folder: &OwnedFd) -> Result<usize, Errno> {
    let path = readlinkat(CWD, format!("/proc/self/fd/{}", folder.as_raw_fd()), Vec::new())?;
    Ok(path.to_bytes().split(|byte| *byte == b'/').filter(|part| !part.is_empty()).count())
}

fn step(left: &mut u64) -> io::Result<()> {
    *left = left.checked_sub(1).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidFilename, "folders that no entry names, or whiteouts, are too much work")
    })?;
    Ok(())
}

/// Sets when a file was changed last: Python trusts its byte code by that.
pub(super) fn changed_at(file: &File, seconds: u64) -> io::Result<()> {
    let time = Timespec { tv_sec: i64::try_from(seconds).unwrap_or(0), tv_nsec: 0 };
    Ok(futimens(file, &Timestamps { last_access: time, last_modification: time })?)
}

/// Open to everybody, whatever the umask is.
fn new_folder(parent: &OwnedFd, name: &OsStr) -> Result<(), Errno> {
    mkdirat(parent, name, FOLDER)?;
    chmodat(parent, name, FOLDER, AtFlags::empty())
}

fn is_folder(parent: &OwnedFd, name: &OsStr) -> io::Result<bool> {
    Ok(kind(statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode) == FileType::Directory)
}

fn kind(mode: RawMode) -> FileType {
    FileType::from_raw_mode(mode)
}

/// Removes one name with all below it, except what is to be kept; says whether it is gone.
fn remove(parent: &OwnedFd, name: &OsStr, keep: &Made, steps: &mut u64) -> io::Result<bool> {
    step(steps)?;
    let stat = match statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(true),
        Err(errno) => return Err(errno.into()),
    };
    let kept = keep.has(parent, name, stat.st_ino)?;
    if kind(stat.st_mode) == FileType::Directory {
        let folder = openat(parent, name, OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
        let empty = remove_inside(&folder, keep, steps)?;
        if empty && !kept {
            unlinkat(parent, name, AtFlags::REMOVEDIR)?;
        }
        return Ok(empty && !kept);
    }
    if !kept {
        unlinkat(parent, name, AtFlags::empty())?;
    }
    Ok(!kept)
}

/// Removes all that is in a folder, except what is to be kept; says whether it is empty now.
fn remove_inside(folder: &OwnedFd, keep: &Made, steps: &mut u64) -> io::Result<bool> {
    let mut names = Vec::new();
    let readable = openat(folder, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    for entry in Dir::read_from(&readable)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(OsString::from_vec(name.to_vec()));
        }
    }
    let mut empty = true;
    for name in names {
        empty &= remove(folder, &name, keep, steps)?;
    }
    Ok(empty)
}
