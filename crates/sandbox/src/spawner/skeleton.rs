//! Root folders with a mount point for everything a launch wants to see, kept and used again.
//!
//! The root of a user namespace may not make folders in a file system that is not its own, so mount points must be there before.
//! Launches of one runtime have the same ones: a skeleton is made once per set of targets, with the host's `/usr` and our `/etc`
//! mounted in it, and a launch only adds what is its own.
//!
//! A root of its own, an image, is laid under such a folder instead of the host's `/usr`: what is above has the mount points, so
//! no link of an image can lead a mount elsewhere, and the image itself is not changed.

use std::collections::{HashMap, VecDeque};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::mounts;
use super::staging::{HOSTS, NO_RESOLVER, Staging};
use crate::launch::Launch;

/// Folders every root has.
const FOLDERS: [&str; 8] = ["dev", "etc", "home/snuser", "opt/function", "proc", "run", "tmp", "usr"];
/// Links into `/usr`, or folders of their own where a distribution has not merged them.
const BESIDE_USR: [&str; 6] = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"];

/// Folders of a root above an image.
const FOLDERS_OF_IMAGES: [&str; 6] = ["dev", "etc", "home/snuser", "opt/function", "proc", "tmp"];
/// Skeletons that come with functions, not with runtimes, which are kept: those with an image or with mount points. A launch that
/// misses one makes it in a millisecond.
const MOST_OWN: usize = 64;

/// What makes two roots the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Shape {
    /// Bind targets and whether each is a folder, sorted.
    targets: Vec<(String, bool)>,
    links: Vec<(String, String)>,
    image: Option<Image>,
    /// Whether a function may have it for itself.
    is_own: bool,
}

/// A folder with a root file system, which may be another one tomorrow under the same path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Image {
    path: PathBuf,
    device: u64,
    inode: u64,
}

/// A root with its mount points. Its folders go when nobody has it any more, and not before: the kernel takes along what a running
/// sandbox has mounted on a folder that is removed.
#[derive(Debug)]
pub(super) struct Skeleton {
    pub(super) root: PathBuf,
    /// Where an image and what is above it are.
    layers: Option<PathBuf>,
}

impl Drop for Skeleton {
    fn drop(&mut self) {
        discard(&self.root, self.layers.as_deref());
    }
}

/// The skeletons made so far: one per runtime in practice, and one per image and set of mount points that was used lately.
#[derive(Debug, Default)]
pub(super) struct Skeletons {
    made: HashMap<Shape, Rc<Skeleton>>,
    /// Those that come with functions, the oldest first.
    own: VecDeque<Shape>,
    /// Names are never used twice.
    count: u64,
}

impl Skeletons {
    /// The skeleton for this launch, to be held as long as it runs. A source that does not exist is an error that names it.
    pub(super) fn get(&mut self, staging: &Staging, launch: &Launch) -> io::Result<Rc<Skeleton>> {
        let shape = shape_of(launch)?;
        if let Some(skeleton) = self.made.get(&shape) {
            return Ok(Rc::clone(skeleton));
        }
        let name = self.count.to_string();
        self.count += 1;
        let root = staging.path("roots").join(&name);
        fs::create_dir(&root)?;
        let layers = shape.image.as_ref().map(|_| staging.path("images").join(&name));
        // From here on it is taken down whatever happens.
        let skeleton = Rc::new(Skeleton { root, layers });
        match (&shape.image, &skeleton.layers) {
            (Some(image), Some(layers)) => lay_image(&skeleton.root, layers, image, &shape)?,
            _ => fill(&skeleton.root, &staging.path("etc"), &shape)?,
        }
        if shape.is_own {
            if self.own.len() >= MOST_OWN {
                self.own.pop_front().and_then(|oldest| self.made.remove(&oldest));
            }
            self.own.push_back(shape.clone());
        }
        self.made.insert(shape, Rc::clone(&skeleton));
        Ok(skeleton)
    }
}

fn shape_of(launch: &Launch) -> io::Result<Shape> {
    let mut targets = Vec::new();
    for bind in launch.binds.iter().filter(|bind| !bind.is_below_usr()) {
        let source = fs::metadata(&bind.source)
            .map_err(|error| io::Error::new(error.kind(), format!("bind source {}: {error}", bind.source.display())))?;
        targets.push((bind.target.clone(), source.is_dir()));
    }
    targets.extend(launch.late_places().map(|target| (target.clone(), true)));
    targets.sort();
    let image = launch.root.as_deref().map(image_at).transpose()?;
    let is_own = image.is_some() || !launch.mount_points.is_empty();
    Ok(Shape { targets, links: launch.links.clone(), image, is_own })
}

fn image_at(path: &Path) -> io::Result<Image> {
    let found = fs::metadata(path)
        .and_then(|found| if found.is_dir() { Ok(found) } else { Err(io::ErrorKind::NotADirectory.into()) })
        .map_err(|error| io::Error::new(error.kind(), format!("root file system {}: {error}", path.display())))?;
    Ok(Image { path: path.to_owned(), device: found.dev(), inode: found.ino() })
}

fn lay_image(root: &Path, own: &Path, image: &Image, shape: &Shape) -> io::Result<()> {
    let (above, below) = (own.join("above"), own.join("below"));
    fs::create_dir_all(&below)?;
    for folder in FOLDERS_OF_IMAGES {
        fs::create_dir_all(above.join(folder))?;
    }
    fs::write(above.join("etc/hosts"), HOSTS)?;
    fs::write(above.join("etc/resolv.conf"), NO_RESOLVER)?;
    make_places(&above, shape)?;
    mounts::bind_read_only(&image.path, &below)?;
    mounts::lay_over(&above, &below, root)
        .map_err(|error| io::Error::new(error.kind(), format!("lay an image under a root (overlayfs): {error}")))
}

fn fill(root: &Path, etc: &Path, shape: &Shape) -> io::Result<()> {
    for folder in FOLDERS {
        fs::create_dir_all(root.join(folder))?;
    }
    mounts::bind_read_only(Path::new("/usr"), &root.join("usr"))?;
    mounts::bind_read_only(etc, &root.join("etc"))?;
    for name in BESIDE_USR {
        beside_usr(name, root)?;
    }
    make_places(root, shape)
}

/// Mount points and links.
fn make_places(root: &Path, shape: &Shape) -> io::Result<()> {
    for (target, is_folder) in &shape.targets {
        let path = inside(root, target);
        if *is_folder {
            fs::create_dir_all(&path)?;
        } else {
            make_parent(&path)?;
            File::create(&path)?;
        }
    }
    for (place, target) in &shape.links {
        let path = inside(root, place);
        make_parent(&path)?;
        symlink(target, &path)?;
    }
    Ok(())
}

fn beside_usr(name: &str, root: &Path) -> io::Result<()> {
    let host = Path::new("/").join(name);
    if let Ok(target) = fs::read_link(&host) {
        return symlink(target, root.join(name));
    }
    if host.is_dir() {
        fs::create_dir(root.join(name))?;
        mounts::bind_read_only(&host, &root.join(name))?;
    }
    Ok(())
}

fn make_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)
}

/// An absolute path inside, seen from here. It was checked to have no `..`.
pub(super) fn inside(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}

/// Whatever is mounted there goes first, so that only folders of our own are deleted.
fn discard(root: &Path, layers: Option<&Path>) {
    let inside = ["usr", "etc"].iter().chain(&BESIDE_USR).map(|name| root.join(name));
    let mounted: Vec<PathBuf> = match layers {
        Some(layers) => vec![root.to_owned(), layers.join("below")],
        None => inside.filter(|path| path.is_dir() && !path.is_symlink()).collect(),
    };
    for folder in mounted {
        let _not_mounted = rustix::mount::unmount(&folder, rustix::mount::UnmountFlags::DETACH);
    }
    for folder in [Some(root), layers].into_iter().flatten() {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, folder = %folder.display(), "cannot remove a root");
            }
            _ => {}
        }
    }
}
