//! Uploaded code below `<folder>/code/`: the bytes as they came, and the tree an instance sees.
//!
//! ```text
//! code/<digest>/package           as uploaded, mode 0600
//! code/<digest>/zip/              tree of a zip: needs nothing but the bytes
//! code/<digest>/inline-<name>/    tree of inline code or a jar: the file name counts too, here as a hash
//! code/<digest>/merged/           code and dependencies in one tree; the digest is of what they are, in order
//! code/<digest>/conflicts         which files of it had to give way to others
//! code/<digest>/<tree>.bytes      what a tree takes of the disk, once somebody asked
//! code/.new-<uuid>/               being made, or being removed; swept by the next open
//! ```
//!
//! A package is built in a `.new-` folder, brought to disk and renamed into place, so whatever has its final name is
//! whole. Equal content is stored once. Trees belong to the server and are read-only to everybody else, so that one
//! tree can be bound into every instance.

mod archive;
mod arrival;
mod beside;
mod bundle;
mod direct;
pub(crate) mod disk;
mod error;
mod footprint;
mod likeness;
mod links;
mod merge;
mod name;
mod pins;
mod plan;
mod settling;
mod source;
#[cfg(test)]
mod tests;
mod unpack;

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fungraph_model::{CodePackage, CodeType, Dependency, Digest, FunctionVersion, limits};
use sha2::{Digest as _, Sha512};
use tokio::sync::Semaphore;

pub use arrival::Arrival;
pub use bundle::Bundled;
pub use direct::BLOCK;
pub use error::PackageError;
pub use footprint::Tree;
pub use pins::Pin;

use crate::images::turns::{Turn, Turns};
use archive::Content;
use beside::Beside;
use error::{during, fault};
use likeness::{Likeness, Likes};
use pins::{Begun, Pins};
use source::Source;

const PACKAGE: &str = "package";
/// The unpacked one before it has its place.
const TREE: &str = "tree";
/// Bytes from which it pays to hash a package while it is written.
const LARGE: u64 = 1 << 20;
const MERGED: &str = "merged";
const CONFLICTS: &str = "conflicts";
/// Unpacking is disk and processor work; more at once than this only makes each slower.
const AT_ONCE: usize = 4;
/// Packages of one name that may be on their way at a time: each takes a few gigabytes of the disk at most, before anything can say that
/// there is no room for it.
const ON_THE_WAY: usize = 8;
/// How long another one waits.
const PATIENCE: Duration = Duration::from_secs(300);

/// Limits of a package (contract: limits.md, "Code and storage").
#[derive(Clone, Copy, Debug)]
pub struct PackageLimits {
    /// Bytes of inline code.
    pub inline_bytes: usize,
    /// Bytes of a zip or jar as uploaded.
    pub package_bytes: usize,
    /// Bytes of all unpacked files together, counted as they are written.
    pub unpacked_bytes: u64,
    /// Bytes of a dependency as uploaded.
    pub dependency_bytes: usize,
    /// Bytes of code, or of a dependency, that is fetched from elsewhere.
    pub fetched_bytes: u64,
    /// Entries of an archive.
    pub entries: usize,
    /// Files, folders and links of code and dependencies together.
    pub merged_entries: usize,
    /// Unpacked bytes up to which any ratio of packing is believed.
    pub ratio_floor: u64,
    /// How many times the size of the archive its content may be, beyond the floor.
    pub ratio: u64,
}

impl Default for PackageLimits {
    fn default() -> Self {
        Self {
            inline_bytes: limits::INLINE_CODE_BYTES,
            package_bytes: limits::PACKAGE_BYTES,
            unpacked_bytes: limits::UNPACKED_BYTES,
            dependency_bytes: limits::DEPENDENCY_BYTES,
            fetched_bytes: limits::FETCHED_BYTES,
            entries: limits::PACKAGE_ENTRIES,
            merged_entries: limits::MERGED_ENTRIES,
            ratio_floor: 64 << 20,
            ratio: 200,
        }
    }
}

/// Code and dependencies in one folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// Its name: the digest of what went into it.
    pub digest: Digest,
    /// A line for each file or folder that gave way to another one, in no more than a few hundred lines.
    pub conflicts: Vec<String>,
}

/// The packages of one data folder. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Packages {
    shelf: Arc<Shelf>,
}

#[derive(Debug)]
struct Shelf {
    root: PathBuf,
    limits: PackageLimits,
    places: Arc<Semaphore>,
    /// Archives that are being read by somebody, by their project.
    bundles: Turns,
    /// Archives whose entries are in memory, by their project.
    opened: Turns,
    /// Packages that come, or are laid out, and that nothing names yet, by their project.
    on_the_way: Turns,
    pins: Arc<Pins>,
    likes: Likes,
}

/// A look for packages that nothing uses, which has begun.
#[derive(Debug)]
pub struct Collection {
    packages: Packages,
    begun: Begun,
}

impl Packages {
    /// Opens the packages below a data folder and removes what a crash left half-made.
    ///
    /// # Errors
    /// [`PackageError::Io`] where the folder cannot be made or read.
    pub fn open(folder: &Path, limits: PackageLimits) -> Result<Self, PackageError> {
        let root = folder.join("code");
        disk::make_folder(&root).map_err(during("make the folder", &root))?;
        disk::sweep(&root).map_err(during("clean the folder", &root))?;
        let places = Arc::new(Semaphore::new(AT_ONCE));
        let (bundles, opened, on_the_way) = (Turns::default(), Turns::default(), Turns::default());
        let (pins, likes) = (Arc::default(), Likes::default());
        Ok(Self { shelf: Arc::new(Shelf { root, limits, places, bundles, opened, on_the_way, pins, likes }) })
    }

    /// Checks, stores and unpacks code; code that is there already costs one hash.
    ///
    /// When this returns, bytes and tree are on disk, and stay at least as long as the pin. The work runs to its end even if the caller
    /// stops waiting.
    ///
    /// # Errors
    /// [`PackageError::Refused`] with the text for the client, or what the system said; nothing half-made stays.
    pub async fn put(
        &self,
        code_type: CodeType,
        filename: &str,
        bytes: Bytes,
    ) -> Result<(CodePackage, Pin), PackageError> {
        check_size(&self.shelf.limits, code_type, bytes.len())?;
        let filename = filename.to_owned();
        self.blocking(move |shelf| shelf.put(code_type, &filename, bytes)).await
    }

    /// The same for a dependency, which has rules of its own (contract: runtimes.md section 2).
    ///
    /// # Errors
    /// As [`Packages::put`].
    pub async fn put_dependency(&self, filename: &str, bytes: Bytes) -> Result<(CodePackage, Pin), PackageError> {
        let most = self.shelf.limits.dependency_bytes;
        if bytes.len() > most {
            return Err(fault::dependency_too_large(bytes.len(), most));
        }
        let filename = filename.to_owned();
        self.blocking(move |shelf| {
            archive::check_dependency(Source::of(&bytes), &shelf.limits)?;
            shelf.put(CodeType::Zip, &filename, bytes)
        })
        .await
    }

    /// A place for a package that is fetched from elsewhere, piece by piece.
    ///
    /// # Errors
    /// [`PackageError::DiskFull`] or [`PackageError::Io`].
    pub async fn arrive(&self) -> Result<Arrival, PackageError> {
        let shelf = Arc::clone(&self.shelf);
        run(move || Arrival::new(&shelf.root, shelf.limits.fetched_bytes)).await
    }

    /// As [`Packages::put`] for code that has arrived.
    ///
    /// # Errors
    /// As there.
    pub async fn keep(
        &self,
        code_type: CodeType,
        filename: &str,
        arrived: Arrival,
    ) -> Result<(CodePackage, Pin), PackageError> {
        let filename = filename.to_owned();
        self.blocking(move |shelf| shelf.keep(code_type, filename, arrived)).await
    }

    /// As [`Packages::put_dependency`] for one that has arrived.
    ///
    /// # Errors
    /// As there.
    pub async fn keep_dependency(&self, filename: &str, arrived: Arrival) -> Result<(CodePackage, Pin), PackageError> {
        let filename = filename.to_owned();
        self.blocking(move |shelf| {
            archive::check_dependency(arrived.source()?, &shelf.limits)?;
            shelf.keep(CodeType::Zip, filename, arrived)
        })
        .await
    }

    /// Lays `dependencies` over `code`, in their order. What is there already costs nothing.
    ///
    /// # Errors
    /// [`PackageError::Refused`] where the whole is too large, or a link leads out of it; [`PackageError::Missing`].
    pub async fn merge(&self, code: &CodePackage, dependencies: &[Dependency]) -> Result<(Merged, Pin), PackageError> {
        let (code, dependencies) = (code.clone(), dependencies.to_vec());
        self.blocking(move |shelf| shelf.merge(&code, &dependencies)).await
    }

    /// SHA-512 of bytes, as packages are named by.
    #[must_use]
    pub fn digest(bytes: &[u8]) -> Digest {
        digest(bytes)
    }

    /// The folder that instances of a version see: its code, or what that was merged into.
    #[must_use]
    pub fn tree_of(&self, version: &FunctionVersion) -> PathBuf {
        match &version.merged {
            Some(digest) => self.shelf.home(&digest.0).join(MERGED),
            None => self.tree(&version.code),
        }
    }

    /// The bytes as they were uploaded.
    ///
    /// # Errors
    /// [`PackageError::Missing`] where they are gone.
    pub async fn bytes(&self, package: &CodePackage) -> Result<Bytes, PackageError> {
        let package = package.clone();
        self.blocking(move |shelf| {
            let bytes = fs::read(shelf.package(&package.digest)).map_err(|e| shelf.unreadable(&package, e))?;
            Ok(Bytes::from(bytes))
        })
        .await
    }

    /// The stored file, for streaming; opening it is quick enough for an async context.
    ///
    /// # Errors
    /// As [`Packages::bytes`].
    pub fn open_file(&self, package: &CodePackage) -> Result<File, PackageError> {
        File::open(self.shelf.package(&package.digest)).map_err(|e| self.shelf.unreadable(package, e))
    }

    /// The unpacked folder: folders 0755, files 0644 or 0755, no setuid bits, links only within. Relative if the data
    /// folder is. It is there for every package that [`Packages::put`] returned and no collection removed.
    #[must_use]
    pub fn tree(&self, package: &CodePackage) -> PathBuf {
        self.shelf.tree(package)
    }

    /// What these folders take of the disk together, each counted once.
    ///
    /// # Errors
    /// [`PackageError::Io`].
    pub async fn take(&self, trees: HashSet<Tree>) -> Result<u64, PackageError> {
        self.blocking(move |shelf| {
            trees.iter().try_fold(0, |sum: u64, tree| Ok(sum.saturating_add(shelf.takes(tree)?)))
        })
        .await
    }

    /// Begins to look for packages that nothing uses. Only afterwards may it be asked what is in use.
    pub async fn collection(&self) -> Collection {
        Collection { begun: self.shelf.pins.begin().await, packages: self.clone() }
    }

    /// The turn to bring a package, to be held from before it comes until something that is stored names it.
    ///
    /// # Errors
    /// [`PackageError::Busy`] where others of this name had them all for longer than anybody waits.
    pub async fn way(&self, name: &str) -> Result<Turn, PackageError> {
        let turn = self.shelf.on_the_way.take(name.to_owned(), ON_THE_WAY);
        tokio::time::timeout(PATIENCE, turn).await.map_err(|_| PackageError::Busy)
    }

    /// Waits until somebody lets go of a package that nothing names.
    pub async fn let_go(&self) {
        self.shelf.pins.let_go().await;
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shelf) -> Result<T, PackageError> + Send + 'static,
    ) -> Result<T, PackageError> {
        let place = Arc::clone(&self.shelf.places).acquire_owned().await.expect("the semaphore is never closed");
        let shelf = Arc::clone(&self.shelf);
        run(move || {
            let _place = place;
            work(&shelf)
        })
        .await
    }
}

impl Collection {
    /// Removes all packages but those in use and those that somebody has in his hands, or had since this began; returns how many.
    ///
    /// # Errors
    /// [`PackageError::Io`]; what was removed until then stays removed.
    pub async fn remove_all_but(self, used: HashSet<Digest>) -> Result<usize, PackageError> {
        let Self { packages, begun } = self;
        packages.blocking(move |shelf| shelf.collect(&used, &begun)).await
    }
}

async fn run<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PackageError> + Send + 'static,
) -> Result<T, PackageError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(ended) => std::panic::resume_unwind(ended.try_into_panic().unwrap_or_else(|e| Box::new(e.to_string()))),
    }
}

impl Shelf {
    fn put(&self, code_type: CodeType, filename: &str, bytes: Bytes) -> Result<(CodePackage, Pin), PackageError> {
        let size = bytes.len() as u64;
        let likeness = Likeness::of(&mut Source::of(&bytes)).expect("memory can be read");
        let known = |digest| CodePackage { code_type, filename: filename.to_owned(), size, digest };
        if self.may_be_there(size, likeness) {
            let package = known(digest(&bytes));
            return self.take_in(package, likeness, |_| self.lay_out_bytes(code_type, filename, bytes));
        }
        // Its digest takes about as long as the disk does.
        let (digest, laid_out) = std::thread::scope(|scope| {
            let hashed = bytes.clone();
            let digest = Beside::begin(scope, move || digest(&hashed));
            let laid_out = self.lay_out_bytes(code_type, filename, bytes);
            (digest.end(), laid_out)
        });
        // Where it was there already nothing has to be laid out, and a disk without room for it is no reason to refuse it.
        self.take_in(known(digest), likeness, |_| laid_out)
    }

    /// Has a package where it belongs; `lay_out` brings it where it is not there yet.
    fn take_in(
        &self,
        package: CodePackage,
        likeness: Likeness,
        lay_out: impl FnOnce(&CodePackage) -> Result<disk::Staging, PackageError>,
    ) -> Result<(CodePackage, Pin), PackageError> {
        let pin = self.pins.pin(&package.digest.0);
        if !self.has(&package) {
            self.move_in(&package, &lay_out(&package)?)?;
        }
        if package.size >= LARGE {
            self.likes.add(likeness);
        }
        Ok((package, pin))
    }

    /// Lays out bytes that are in memory. Whoever is done with them last frees them, and that is while others wait for the disk.
    fn lay_out_bytes(&self, code_type: CodeType, filename: &str, bytes: Bytes) -> Result<disk::Staging, PackageError> {
        let staging = disk::Staging::new(&self.root).map_err(during("make a folder in", &self.root))?;
        let written = bytes.clone();
        let write = move |path: &Path| write_package(path, written).map_err(during("write", path));
        let unpack = |tree: &Path| {
            let content = Content { code_type, filename, size: bytes.len() as u64, source: Source::of(&bytes) };
            archive::lay_out(content, tree, &self.limits)?;
            drop(bytes);
            Ok(())
        };
        self.lay_out(&staging, write, unpack)?;
        Ok(staging)
    }

    /// Whether this code may have been stored already: then it is worth to find that out before anything is written. After a start nothing
    /// is known of what was stored before.
    fn may_be_there(&self, size: u64, likeness: Likeness) -> bool {
        size < LARGE || self.likes.have(likeness)
    }

    fn keep(
        &self,
        code_type: CodeType,
        filename: String,
        arrived: Arrival,
    ) -> Result<(CodePackage, Pin), PackageError> {
        let mut source = arrived.source()?;
        let likeness = Likeness::of(&mut source).map_err(during("read", &self.root))?;
        let (staging, size, digest) = arrived.into_parts();
        let package = CodePackage { code_type, filename, size, digest };
        self.take_in(package, likeness, |package| {
            let content = Content { code_type, filename: &package.filename, size, source };
            self.lay_out(&staging, |_| Ok(()), |tree| archive::lay_out(content, tree, &self.limits))?;
            Ok(staging)
        })
    }

    /// Whether a package is there already. The caller has pinned it.
    fn has(&self, package: &CodePackage) -> bool {
        self.package(&package.digest).is_file() && self.tree(package).is_dir()
    }

    /// Unpacks a package beside itself. `write` writes the package where it is not there yet, `unpack` what is in it.
    fn lay_out(
        &self,
        staging: &disk::Staging,
        write: impl FnOnce(&Path) -> Result<(), PackageError> + Send,
        unpack: impl FnOnce(&Path) -> Result<(), PackageError>,
    ) -> Result<(), PackageError> {
        let (bytes, tree) = (staging.path().join(PACKAGE), staging.path().join(TREE));
        disk::make_folder(&tree).map_err(during("make the folder", &tree))?;
        // The bytes and the tree go to disk at the same time: waiting for it is most of the work.
        let (written, laid_out) = std::thread::scope(|scope| {
            let written = Beside::begin(scope, || write(&bytes));
            let laid_out = unpack(&tree).and_then(|()| disk::settle(&tree).map_err(during("bring to disk", &tree)));
            (written.end(), laid_out)
        });
        laid_out.and(written)
    }

    /// Moves what was laid out to where it belongs.
    fn move_in(&self, package: &CodePackage, staging: &disk::Staging) -> Result<(), PackageError> {
        let home = self.home(&package.digest.0);
        let moves = [
            (staging.path().join(PACKAGE), self.package(&package.digest)),
            (staging.path().join(TREE), self.tree(package)),
        ];
        self.place(&home, &moves).map_err(during("move code into", &home))
    }

    fn merge(&self, code: &CodePackage, dependencies: &[Dependency]) -> Result<(Merged, Pin), PackageError> {
        // Layers that nobody names any more, since somebody is faster, stay until they are merged.
        let layers_stay = std::iter::once(&code.digest).chain(dependencies.iter().map(|dependency| &dependency.digest));
        let layers_stay: Vec<Pin> = layers_stay.map(|digest| self.pins.pin(&digest.0)).collect();
        let of_code = merge::Layer { name: "the function".to_owned(), tree: self.tree(code), digest: &code.digest };
        let layers: Vec<_> = std::iter::once(of_code)
            .chain(dependencies.iter().map(|dependency| merge::Layer {
                name: format!("the dependency {} (version {})", dependency.name, dependency.version),
                tree: self.tree(&dependency.package()),
                digest: &dependency.digest,
            }))
            .collect();
        let digest = digest(merge::recipe(&tree_name(code.code_type, &code.filename), &layers).as_bytes());
        let pin = self.pins.pin(&digest.0);
        let home = self.home(&digest.0);
        let (tree_path, conflicts_path) = (home.join(MERGED), home.join(CONFLICTS));
        if !tree_path.is_dir() || !conflicts_path.is_file() {
            let staging = disk::Staging::new(&self.root).map_err(during("make a folder in", &self.root))?;
            let (new_tree, new_conflicts) = (staging.path().join(TREE), staging.path().join(CONFLICTS));
            let report = merge::merge(&layers, &new_tree, &self.limits)?;
            write_package(&new_conflicts, report.conflicts.join("\n").into())
                .map_err(during("write", &new_conflicts))?;
            disk::settle(&new_tree).map_err(during("bring to disk", &new_tree))?;
            self.place(&home, &[(new_conflicts, conflicts_path.clone()), (new_tree, tree_path)])
                .map_err(during("move code into", &home))?;
        }
        let conflicts = fs::read_to_string(&conflicts_path).map_err(during("read", &conflicts_path))?;
        let conflicts = conflicts.lines().map(|line| merge::in_words(line, &layers)).collect();
        // They are as much in use as they were: nobody need look.
        layers_stay.iter().for_each(Pin::named);
        Ok((Merged { digest, conflicts }, pin))
    }

    /// Renames finished things into place; where another put was faster, its equal result stays. The folder is pinned: no collection takes
    /// it between its making and the renames.
    fn place(&self, home: &Path, moves: &[(PathBuf, PathBuf)]) -> io::Result<()> {
        disk::make_folder(home)?;
        for (from, to) in moves {
            match fs::rename(from, to) {
                Err(e) if matches!(e.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists) => {}
                result => result?,
            }
        }
        File::open(home)?.sync_all()?;
        File::open(&self.root)?.sync_all()
    }

    fn collect(&self, used: &HashSet<Digest>, begun: &Begun) -> Result<usize, PackageError> {
        let failed = during("collect unused code in", &self.root);
        let used: HashSet<&str> = used.iter().map(|digest| digest.0.as_str()).collect();
        let mut removed = 0;
        for entry in fs::read_dir(&self.root).map_err(&failed)? {
            let name = entry.map_err(&failed)?.file_name();
            let Some(name) = name.to_str().filter(|name| is_digest(name) && !used.contains(name)) else { continue };
            let staging = disk::Staging::new(&self.root).map_err(&failed)?;
            // Until it is moved: nobody can pin it in between.
            let pins = begun.lock();
            if !pins.spares(name) {
                fs::rename(self.home(name), staging.path().join(PACKAGE)).map_err(&failed)?;
                removed += 1;
            }
            drop(pins);
        }
        Ok(removed)
    }

    fn tree(&self, package: &CodePackage) -> PathBuf {
        self.home(&package.digest.0).join(tree_name(package.code_type, &package.filename))
    }

    fn home(&self, digest: &str) -> PathBuf {
        self.root.join(digest)
    }

    fn package(&self, digest: &Digest) -> PathBuf {
        self.home(&digest.0).join(PACKAGE)
    }

    fn unreadable(&self, package: &CodePackage, source: io::Error) -> PackageError {
        match source.kind() {
            io::ErrorKind::NotFound => PackageError::Missing { digest: package.digest.clone() },
            _ => during("read", &self.package(&package.digest))(source),
        }
    }
}

fn check_size(limits: &PackageLimits, code_type: CodeType, size: usize) -> Result<(), PackageError> {
    match code_type {
        CodeType::Inline if size > limits.inline_bytes => Err(fault::inline_too_large(size, limits.inline_bytes)),
        CodeType::Zip | CodeType::Jar if size > limits.package_bytes => {
            Err(fault::package_too_large(size, limits.package_bytes))
        }
        _ => Ok(()),
    }
}

fn write_package(path: &Path, bytes: Bytes) -> io::Result<()> {
    let mut file = disk::create_file(path, 0o600)?;
    let written = direct::write(&file, &bytes)?;
    file.write_all(&bytes[written..])?;
    drop(bytes);
    file.sync_all()
}

fn digest(bytes: &[u8]) -> Digest {
    Digest(hex(&Sha512::digest(bytes)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes everything");
        text
    })
}

fn is_digest(name: &str) -> bool {
    name.len() == 128 && name.bytes().all(|b| b.is_ascii_hexdigit())
}

/// What a package is laid out as. One that came from elsewhere is a zip, or a jar where its name says so.
fn layout(code_type: CodeType, filename: &str) -> CodeType {
    match code_type {
        CodeType::Object if filename.ends_with(".jar") => CodeType::Jar,
        CodeType::Object => CodeType::Zip,
        other => other,
    }
}

fn tree_name(code_type: CodeType, filename: &str) -> String {
    let code_type = layout(code_type, filename);
    match code_type {
        CodeType::Zip | CodeType::Image | CodeType::Object => code_type.name().to_owned(),
        CodeType::Inline | CodeType::Jar => {
            format!("{}-{}", code_type.name(), hex(&Sha512::digest(filename)[..16]))
        }
    }
}
