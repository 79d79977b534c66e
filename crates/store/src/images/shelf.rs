//! The folder of images: where everything is, what is there, and how an image gets its place.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fungraph_model::Digest;
use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use super::allowance::Allowance;
use super::config::ImageConfig;
use super::error::{ImageError, during, unusable};
use super::layer::{self, LayerError};
use super::plan::{Plan, is_digest};
use super::room::{Pull, Room};
use super::tree::{self, Tree};
use super::turns::{Hold, Holds, Turns};
use super::{Image, ImageLimits, users};
use crate::packages::disk;

const BLOBS: &str = "blobs";
const NONE: &str = "none";
const ROOT: &str = "root";
const CONFIG: &str = "image.json";

/// The folder, and who works in it.
pub(super) struct Shelf {
    pub(super) root: PathBuf,
    pub(super) limits: ImageLimits,
    pub(super) room: Room,
    pub(super) turns: Turns,
    pub(super) holds: Holds,
}

/// What is written down of an image.
#[derive(Serialize, Deserialize)]
struct Kept {
    size: u64,
    config: ImageConfig,
    /// What it takes on disk; earlier versions did not write it.
    disk: Option<u64>,
}

impl Shelf {
    /// Opens the folder and removes what a crash left half-made.
    pub(super) fn open(root: PathBuf, limits: ImageLimits) -> Result<Self, ImageError> {
        for folder in [&root, &root.join(BLOBS), &root.join(NONE)] {
            disk::make_folder(folder).map_err(during("make the folder", folder))?;
        }
        disk::sweep(&root).map_err(during("clean the folder", &root))?;
        let images = images(&root).map_err(during("read the folder", &root))?;
        let room = Room::new(limits.total_bytes, limits.project_bytes, images);
        Ok(Self { root, limits, room, turns: Turns::default(), holds: Holds::default() })
    }

    pub(super) fn home(&self, digest: &str) -> PathBuf {
        self.root.join(digest)
    }

    pub(super) fn tree(&self, digest: &str) -> PathBuf {
        self.home(digest).join(ROOT)
    }

    pub(super) fn no_code(&self) -> PathBuf {
        self.root.join(NONE)
    }

    pub(super) fn blobs(&self) -> PathBuf {
        self.root.join(BLOBS)
    }

    pub(super) fn blob(&self, digest: &str) -> PathBuf {
        self.blobs().join(digest)
    }

    /// A blob that a registry has begun to send.
    pub(super) fn partial(&self, digest: &str, registry: &str) -> PathBuf {
        let registry = super::hex(&sha2::Sha256::digest(registry)[..8]);
        self.blobs().join(format!("{digest}.{registry}.part"))
    }

    /// An image that is here; it counts as used.
    pub(super) fn kept(&self, digest: &str) -> Option<Image> {
        let file = File::open(self.home(digest).join(CONFIG)).ok()?;
        // One that another version of this program wrote differently is brought anew.
        let Kept { size, config, .. } = serde_json::from_reader(io::BufReader::new(&file)).ok()?;
        // The next server orders them by that; nothing is lost if it cannot be written.
        let _not_written = file.set_modified(SystemTime::now());
        self.room.used(digest);
        Some(Image { digest: Digest(digest.to_owned()), size, config })
    }

    /// Unpacks the layers, which are here, and gives the image its place.
    pub(super) fn put(&self, digest: &str, plan: &Plan, config: ImageConfig, pull: &Pull) -> Result<Image, ImageError> {
        let staging = disk::Staging::new(&self.root).map_err(during("make a folder in", &self.root))?;
        let new = staging.path().join("image");
        let root = new.join(ROOT);
        disk::make_folder(&root).map_err(during("make the folder", &root))?;
        let disk = self.unpack(plan, &root, pull)?;
        let kept = Kept { size: plan.size, config, disk: Some(disk) };
        let text = serde_json::to_vec(&kept).map_err(|error| during("write", &new)(error.into()))?;
        fs::write(new.join(CONFIG), text).map_err(during("write", &new))?;
        disk::settle_all(&new).map_err(during("bring to disk", &new))?;
        let home = self.home(digest);
        if home.exists() {
            // What is there could not be read.
            fs::rename(&home, staging.path().join("old")).map_err(during("move away", &home))?;
        }
        fs::rename(&new, &home).map_err(during("move an image to", &home))?;
        // Functions will name it: it must not be gone after a power failure when they are not.
        File::open(&self.root).and_then(|root| root.sync_all()).map_err(during("bring to disk", &self.root))?;
        self.room.keep(digest, disk);
        Ok(Image { digest: Digest(digest.to_owned()), size: plan.size, config: kept.config })
    }

    /// A blob is of no use any more: it goes, unless another pull counts on it.
    pub(super) fn drop_blob(&self, hold: Hold) {
        let held = self.holds.lock();
        if held.get(&hold.digest) == Some(&1) {
            // An image may have the same layer twice.
            let _gone = fs::remove_file(self.blob(&hold.digest));
        }
        drop(held);
        drop(hold);
    }

    /// Gives what it takes on disk.
    fn unpack(&self, plan: &Plan, root: &Path, pull: &Pull) -> Result<u64, ImageError> {
        let failed = |error| match error {
            LayerError::Io(source) => during("unpack a layer into", root)(source),
            LayerError::NoRoom(no_room) => no_room.into(),
            LayerError::Bad(why) => unusable(format!("The image cannot be unpacked: {why}")),
            error @ LayerError::TooLarge(_) => unusable(format!("{error}. Leave out what it does not need")),
        };
        let mut tree = Tree::open(root, tree::STEPS).map_err(during("open", root))?;
        let mut allowance = Allowance::new(self.limits, pull);
        for layer in &plan.layers {
            let path = self.blob(&layer.digest);
            layer::unpack(&path, layer.packing, &mut tree, &mut allowance).map_err(failed)?;
        }
        users::complete(&mut tree).map_err(|error| failed(layer::placed(error, b"etc/passwd")))?;
        Ok(allowance.disk())
    }
}

/// What is there, with its bytes on disk and when it was used last.
fn images(root: &Path) -> io::Result<Vec<(String, u64, SystemTime)>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(root)? {
        let Some(digest) = entry?.file_name().to_str().filter(|name| is_digest(name)).map(str::to_owned) else {
            continue;
        };
        let home = root.join(&digest);
        let file = home.join(CONFIG);
        let last = fs::metadata(&file).and_then(|file| file.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
        let kept: Option<Kept> = fs::read(&file).ok().and_then(|text| serde_json::from_slice(&text).ok());
        // One that cannot be measured is no reason not to start.
        let disk = kept.and_then(|kept| kept.disk).unwrap_or_else(|| measure(&home).unwrap_or(0));
        all.push((digest, disk, last));
    }
    Ok(all)
}

/// What a folder takes on disk.
fn measure(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let found = entry.metadata()?;
        bytes += found.blocks() * 512;
        if found.is_dir() {
            bytes += measure(&entry.path())?;
        }
    }
    Ok(bytes)
}
