//! Looks into an unpacked image: the kernel keeps every path inside, whatever its links say.

use std::fs;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use fungraph_model::Language;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2, readlinkat};

use super::super::kind::Kind;
use super::super::program::is_native_elf;
use crate::java;

/// Where interpreters of images lie whose `PATH` does not say so; `*` stands for any name.
pub(super) const USUAL: [&str; 8] = [
    "/usr/local/bin",
    "/usr/bin",
    "/bin",
    "/opt/*/bin",
    "/opt/*/*/bin",
    "/usr/local/*/bin",
    "/usr/lib/jvm/*/bin",
    "/usr/lib/jvm/*/jre/bin",
];

/// A root file system, looked at from outside.
pub(super) struct Inside {
    root: OwnedFd,
    /// Its real path.
    path: PathBuf,
}

/// A program, its links resolved.
pub(super) struct Found {
    /// Its path in the image.
    pub(super) inside: PathBuf,
    /// And here.
    pub(super) outside: PathBuf,
}

impl Inside {
    pub(super) fn open(tree: &Path) -> Result<Self, rustix::io::Errno> {
        let root = openat(CWD, tree, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let path = real(&root)?;
        Ok(Self { root, path })
    }

    /// Where a path of the image really is; no link leads out.
    fn resolve(&self, path: &Path) -> Option<PathBuf> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let found = openat2(&self.root, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve).ok()?;
        real(&found).ok()
    }

    pub(super) fn program(&self, path: &Path, kind: &Kind) -> Option<Found> {
        let outside = self.resolve(path)?;
        let inside = Path::new("/").join(outside.strip_prefix(&self.path).ok()?);
        let named = inside.file_name().and_then(|name| name.to_str()).is_some_and(|name| kind.is_program_name(name));
        let file = fs::symlink_metadata(&outside).ok()?;
        let runs = file.is_file() && file.permissions().mode() & 0o111 != 0;
        // A JRE cannot compile the bootstrap.
        let complete = kind.language != Language::Java || java::home(&outside).join("bin/javac").exists();
        (named && runs && complete && is_native_elf(&outside)).then_some(Found { inside, outside })
    }

    /// The folders that a pattern means, as paths of the image.
    fn expand(&self, pattern: &str) -> Vec<PathBuf> {
        let mut all = vec![PathBuf::from("/")];
        for part in pattern.split('/').filter(|part| !part.is_empty()) {
            all = match part {
                "*" => all.iter().flat_map(|folder| self.folders(folder)).collect(),
                part => all.into_iter().map(|folder| folder.join(part)).collect(),
            };
        }
        all
    }

    fn folders(&self, path: &Path) -> Vec<PathBuf> {
        let entries = self.resolve(path).and_then(|outside| fs::read_dir(outside).ok());
        let mut names: Vec<_> = entries.into_iter().flatten().flatten().map(|entry| entry.file_name()).collect();
        names.sort();
        names.into_iter().map(|name| path.join(name)).collect()
    }
}

/// The path of something that is open.
fn real(open: &OwnedFd) -> Result<PathBuf, rustix::io::Errno> {
    let path = readlinkat(CWD, format!("/proc/self/fd/{}", open.as_raw_fd()), Vec::new())?;
    Ok(std::ffi::OsString::from_vec(path.into_bytes()).into())
}

/// The image's own order first, then the usual places; a JDK is also where `JAVA_HOME` says.
pub(super) fn places(root: &Inside, env: &[(String, String)]) -> Vec<PathBuf> {
    let value = |wanted: &str| env.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    let path = value("PATH").unwrap_or_default().split(':').filter(|folder| folder.starts_with('/'));
    let java = value("JAVA_HOME").filter(|home| home.starts_with('/')).map(|home| Path::new(home).join("bin"));
    let usual = USUAL.iter().flat_map(|pattern| root.expand(pattern));
    path.map(PathBuf::from).chain(java).chain(usual).filter(|path| path.as_os_str().as_bytes().len() < 4096).collect()
}
