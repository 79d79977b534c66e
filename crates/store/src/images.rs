//! Container images below `<folder>/images/`: pulled from registries once, unpacked, and kept by their digest.
//!
//! ```text
//! images/<digest>/root/        the root file system, read-only to everybody else
//! images/<digest>/image.json   what the image says of itself
//! images/blobs/<digest>        a layer that is whole and waits to be unpacked
//! images/blobs/<digest>.part   one that is being brought, or whose download broke off: the next one goes on
//! images/none/                 what functions of images have in place of a code package
//! images/.new-<uuid>/          being made, or being removed; swept by the next open
//! ```
//!
//! The digest is that of the image's manifest, which names every layer by its own: equal images are there once. All of it is the work
//! of an unprivileged process, and no byte of an image is parsed by anybody else. Owners, devices, set-uid bits and extended attributes
//! are left out: whoever runs the image owns nothing in it and may read all of it.

mod config;
mod download;
mod error;
mod layer;
mod registry;
#[cfg(test)]
mod tests;
mod tree;
mod users;

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use fungraph_model::Digest;
use oci_client::Reference;
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedMutexGuard, Semaphore};

pub use config::ImageConfig;
pub use error::ImageError;
pub use registry::{Credentials, read_credentials};

use crate::packages::disk;
use download::Blob;
use error::{during, unusable};
use layer::{Allowance, LayerError, Packing};
use registry::{Found, Registry};
use tree::Tree;

const BLOBS: &str = "blobs";
const NONE: &str = "none";
const ROOT: &str = "root";
const CONFIG: &str = "image.json";
/// Unpacking is disk and processor work; more at once than this only makes each slower.
const AT_ONCE: usize = 2;
/// How often the log tells how far a pull is.
const PROGRESS: Duration = Duration::from_secs(5);
/// A layer that nobody asked for again is not kept longer.
const PART_KEPT: Duration = Duration::from_secs(24 * 3600);

/// Limits of an image (contract: limits.md, "Code and storage").
#[derive(Clone, Copy, Debug)]
pub struct ImageLimits {
    /// Bytes of its layers as they come.
    pub packed_bytes: u64,
    /// Bytes of its layers unpacked, with what archives add.
    pub unpacked_bytes: u64,
    /// Files, folders, links and everything else in its layers.
    pub entries: u64,
    /// Layers.
    pub layers: usize,
    /// Bytes of its configuration.
    pub config_bytes: u64,
    /// Pause before a download that broke off is gone on with; it grows.
    pub pause: Duration,
}

impl Default for ImageLimits {
    fn default() -> Self {
        Self {
            packed_bytes: 10 << 30,
            unpacked_bytes: 10 << 30,
            entries: 1_000_000,
            layers: 500,
            config_bytes: 4 << 20,
            pause: Duration::from_millis(200),
        }
    }
}

/// Where images may come from, and how.
#[derive(Clone, Debug, Default)]
pub struct ImageSettings {
    /// Registries, by host and port; none named means that all are allowed.
    pub registries: Vec<String>,
    /// Registries that are asked without TLS, by host and port.
    pub insecure: Vec<String>,
    /// Accounts.
    pub credentials: Credentials,
}

/// An image that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// SHA-256 of its manifest, 64 hexadecimal characters.
    pub digest: Digest,
    /// Bytes of its layers as they came.
    pub size: u64,
    /// What it says of itself.
    pub config: ImageConfig,
}

/// An image that cannot be removed while this lives.
#[derive(Debug)]
pub struct Held {
    /// The image.
    pub image: Image,
    _hold: Hold,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    size: u64,
    config: ImageConfig,
}

/// The images of one data folder. Cheap to clone.
#[derive(Clone)]
pub struct Images {
    shelf: Arc<Shelf>,
}

struct Shelf {
    root: PathBuf,
    settings: ImageSettings,
    limits: ImageLimits,
    /// Made when it is first wanted: most servers never ask a registry.
    registry: OnceLock<Registry>,
    places: Arc<Semaphore>,
    /// One at a time works on a digest.
    turns: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    held: Arc<Mutex<HashMap<String, usize>>>,
}

#[derive(Debug)]
struct Hold {
    digest: String,
    held: Arc<Mutex<HashMap<String, usize>>>,
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(&self.digest) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.digest);
            }
        }
    }
}

impl std::fmt::Debug for Images {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Images").field("root", &self.shelf.root).finish_non_exhaustive()
    }
}

impl Images {
    /// Opens the images below a data folder and removes what a crash left half-made.
    ///
    /// # Errors
    /// [`ImageError::Io`] where the folder cannot be made or read.
    pub fn open(folder: &Path, settings: ImageSettings, limits: ImageLimits) -> Result<Self, ImageError> {
        let root = folder.join("images");
        for folder in [&root, &root.join(BLOBS), &root.join(NONE)] {
            disk::make_folder(folder).map_err(during("make the folder", folder))?;
        }
        disk::sweep(&root).map_err(during("clean the folder", &root))?;
        Ok(Self {
            shelf: Arc::new(Shelf {
                root,
                settings,
                limits,
                registry: OnceLock::new(),
                places: Arc::new(Semaphore::new(AT_ONCE)),
                turns: Mutex::default(),
                held: Arc::default(),
            }),
        })
    }

    /// Brings an image: asks its registry which one the name means, and for its layers where they are not here. A name with a digest
    /// whose image is here asks nobody.
    ///
    /// If the caller stops waiting, the download stops and is gone on with by the next pull; unpacking runs to its end.
    ///
    /// # Errors
    /// [`ImageError::Refused`] with the text for the client, or what the system said; nothing half-made is ever used.
    pub async fn pull(&self, name: &str) -> Result<Held, ImageError> {
        let reference = registry::reference(name, &self.shelf.settings)?;
        if let Some(digest) = reference.digest().and_then(|digest| digest.strip_prefix("sha256:")) {
            let hold = self.hold(digest);
            if let Some(image) = self.shelf.kept(digest) {
                return Ok(Held { image, _hold: hold });
            }
        }
        let registry = self.shelf.registry()?;
        let found = registry.find(&reference).await?;
        let digest = sha256(&found.digest)?.to_owned();
        let hold = self.hold(&digest);
        let turn = self.shelf.turn(&digest).await;
        if let Some(image) = self.shelf.kept(&digest) {
            return Ok(Held { image, _hold: hold });
        }
        let begun = Instant::now();
        let image = self.bring(registry, &reference, found, &digest, turn).await?;
        tracing::info!(image = name, digest, took_ms = begun.elapsed().as_millis(), "image pulled");
        Ok(Held { image, _hold: hold })
    }

    /// The root file system of an image that was pulled. Relative if the data folder is.
    #[must_use]
    pub fn root_of(&self, digest: &Digest) -> PathBuf {
        self.shelf.home(&digest.0).join(ROOT)
    }

    /// An empty folder.
    #[must_use]
    pub fn no_code(&self) -> PathBuf {
        self.shelf.root.join(NONE)
    }

    /// Removes images that nobody uses, and layers that nobody asked for again; returns how many images.
    ///
    /// # Errors
    /// [`ImageError::Io`]; what was removed until then stays removed.
    pub async fn collect(&self, live: &HashSet<Digest>) -> Result<usize, ImageError> {
        let (shelf, live) = (Arc::clone(&self.shelf), live.clone());
        blocking(move || shelf.collect(&live)).await
    }

    fn hold(&self, digest: &str) -> Hold {
        let held = Arc::clone(&self.shelf.held);
        *held.lock().unwrap_or_else(PoisonError::into_inner).entry(digest.to_owned()).or_default() += 1;
        Hold { digest: digest.to_owned(), held }
    }

    async fn bring(
        &self,
        registry: &Registry,
        reference: &Reference,
        found: Found,
        digest: &str,
        turn: OwnedMutexGuard<()>,
    ) -> Result<Image, ImageError> {
        let plan = Plan::of(&found, &self.shelf.limits)?;
        let mut progress = Progress::new(reference.whole(), plan.size);
        // Other images may have the same ones, and remove them when they are done.
        let parts = plan.layers.iter().chain([&plan.config]);
        let holds: Vec<Hold> = parts.map(|part| self.hold(&part.digest)).collect();
        let config = self.blob(registry, reference, &plan.config, &mut progress).await?;
        let bytes = tokio::fs::read(&config).await.map_err(during("read", &config))?;
        let config = config::parse(&bytes)?;
        for layer in &plan.layers {
            self.blob(registry, reference, layer, &mut progress).await?;
        }
        let place = Arc::clone(&self.shelf.places).acquire_owned().await.expect("the semaphore is never closed");
        let (shelf, digest) = (Arc::clone(&self.shelf), digest.to_owned());
        blocking(move || {
            let (_place, _turn) = (place, turn);
            let image = shelf.put(&digest, &plan, config)?;
            holds.into_iter().for_each(|hold| shelf.drop_blob(hold));
            Ok(image)
        })
        .await
    }

    /// Brings one blob, or waits for who is bringing it.
    async fn blob(
        &self,
        registry: &Registry,
        reference: &Reference,
        part: &Part,
        progress: &mut Progress,
    ) -> Result<PathBuf, ImageError> {
        let _turn = self.shelf.turn(&part.digest).await;
        let path = self.shelf.blob(&part.digest);
        let digest = format!("sha256:{}", part.digest);
        let blob =
            Blob { image: reference, digest: &digest, size: part.size, path: &path, pause: self.shelf.limits.pause };
        blob.download(registry.client(reference), |bytes| progress.came(bytes)).await?;
        Ok(path)
    }
}

/// What an image consists of, checked.
struct Plan {
    config: Part,
    layers: Vec<Part>,
    /// Bytes of the layers.
    size: u64,
}

struct Part {
    digest: String,
    size: u64,
    packing: Packing,
}

impl Plan {
    fn of(found: &Found, limits: &ImageLimits) -> Result<Self, ImageError> {
        let manifest = &found.manifest;
        if manifest.layers.len() > limits.layers {
            let (has, most) = (manifest.layers.len(), limits.layers);
            return Err(unusable(format!(
                "The image has {has} layers, and {most} are allowed. Build it in fewer steps"
            )));
        }
        let size = |size: i64| u64::try_from(size).map_err(|_| unusable("The image has a layer of no size".to_owned()));
        let mut layers = Vec::new();
        let mut all = 0_u64;
        for layer in &manifest.layers {
            let packing = Packing::of(&layer.media_type).ok_or_else(|| {
                unusable(format!(
                    "The image has a layer of the kind '{}', and only tar archives are unpacked here, plain or packed with gzip or zstd",
                    registry::shown(&layer.media_type)
                ))
            })?;
            let part = Part { digest: sha256(&layer.digest)?.to_owned(), size: size(layer.size)?, packing };
            all = all.saturating_add(part.size);
            layers.push(part);
        }
        if all > limits.packed_bytes {
            return Err(unusable(format!(
                "The image has more than {} MB. Leave out what it does not need",
                limits.packed_bytes >> 20
            )));
        }
        let config = &manifest.config;
        let config =
            Part { digest: sha256(&config.digest)?.to_owned(), size: size(config.size)?, packing: Packing::None };
        if config.size > limits.config_bytes {
            return Err(unusable("The configuration of the image is too large".to_owned()));
        }
        Ok(Self { config, layers, size: all })
    }
}

impl Shelf {
    fn registry(&self) -> Result<&Registry, ImageError> {
        if let Some(registry) = self.registry.get() {
            return Ok(registry);
        }
        let new = Registry::new(&self.settings)?;
        Ok(self.registry.get_or_init(|| new))
    }

    /// Waits until nobody else works on a digest.
    async fn turn(&self, digest: &str) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            Arc::clone(turns.entry(digest.to_owned()).or_default())
        };
        turn.lock_owned().await
    }

    fn home(&self, digest: &str) -> PathBuf {
        self.root.join(digest)
    }

    fn blob(&self, digest: &str) -> PathBuf {
        self.root.join(BLOBS).join(digest)
    }

    /// An image that is here.
    fn kept(&self, digest: &str) -> Option<Image> {
        let text = fs::read(self.home(digest).join(CONFIG)).ok()?;
        // One that another version of this program wrote differently is brought anew.
        let Kept { size, config } = serde_json::from_slice(&text).ok()?;
        Some(Image { digest: Digest(digest.to_owned()), size, config })
    }

    /// Unpacks the layers, which are here, and gives the image its place.
    fn put(&self, digest: &str, plan: &Plan, config: ImageConfig) -> Result<Image, ImageError> {
        let staging = disk::Staging::new(&self.root).map_err(during("make a folder in", &self.root))?;
        let new = staging.path().join("image");
        let root = new.join(ROOT);
        disk::make_folder(&root).map_err(during("make the folder", &root))?;
        self.unpack(plan, &root)?;
        let kept = Kept { size: plan.size, config };
        let text = serde_json::to_vec(&kept).map_err(|error| during("write", &new)(error.into()))?;
        fs::write(new.join(CONFIG), text).map_err(during("write", &new))?;
        disk::settle_all(&new).map_err(during("bring to disk", &new))?;
        let home = self.home(digest);
        if home.exists() {
            // What is there could not be read.
            fs::rename(&home, staging.path().join("old")).map_err(during("move away", &home))?;
        }
        fs::rename(&new, &home).map_err(during("move an image to", &home))?;
        Ok(Image { digest: Digest(digest.to_owned()), size: plan.size, config: kept.config })
    }

    /// A layer was unpacked: it goes, unless another pull counts on it.
    fn drop_blob(&self, hold: Hold) {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.get(&hold.digest) == Some(&1) {
            // An image may have the same layer twice.
            let _gone = fs::remove_file(self.blob(&hold.digest));
        }
        drop(held);
        drop(hold);
    }

    fn unpack(&self, plan: &Plan, root: &Path) -> Result<(), ImageError> {
        let mut tree = Tree::open(root, tree::STEPS).map_err(during("open", root))?;
        let mut allowance = Allowance::new(self.limits);
        for layer in &plan.layers {
            let path = self.blob(&layer.digest);
            layer::unpack(&path, layer.packing, &mut tree, &mut allowance).map_err(|error| match error {
                LayerError::Io(source) => during("unpack a layer into", root)(source),
                LayerError::Bad(why) => unusable(format!("The image cannot be unpacked: {why}")),
                error @ LayerError::TooLarge(_) => unusable(format!("{error}. Leave out what it does not need")),
            })?;
        }
        users::complete(&mut tree).map_err(during("write the users of", root))
    }

    fn collect(&self, live: &HashSet<Digest>) -> Result<usize, ImageError> {
        let failed = during("collect unused images in", &self.root);
        let mut removed = 0;
        for entry in fs::read_dir(&self.root).map_err(&failed)? {
            let name = entry.map_err(&failed)?.file_name();
            let Some(name) = name.to_str().filter(|name| is_digest(name)) else { continue };
            if live.contains(&Digest(name.to_owned())) {
                continue;
            }
            let staging = disk::Staging::new(&self.root).map_err(&failed)?;
            // Held until it is moved: nobody can take it in between.
            let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            if !held.contains_key(name) {
                fs::rename(self.home(name), staging.path().join("old")).map_err(&failed)?;
                removed += 1;
            }
        }
        self.collect_blobs()?;
        Ok(removed)
    }

    fn collect_blobs(&self) -> Result<(), ImageError> {
        let folder = self.root.join(BLOBS);
        let failed = during("collect unused layers in", &folder);
        for entry in fs::read_dir(&folder).map_err(&failed)? {
            let entry = entry.map_err(&failed)?;
            let changed = entry.metadata().and_then(|file| file.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
            if changed.elapsed().is_ok_and(|age| age > PART_KEPT) {
                // Whoever is faster has removed it.
                let _gone = fs::remove_file(entry.path());
            }
        }
        Ok(())
    }
}

/// Tells the operator how far a pull is.
struct Progress {
    image: String,
    came: u64,
    of: u64,
    told: Instant,
}

impl Progress {
    fn new(image: String, of: u64) -> Self {
        tracing::info!(image, megabytes = of >> 20, "pulling an image");
        Self { image, came: 0, of, told: Instant::now() }
    }

    fn came(&mut self, bytes: u64) {
        self.came += bytes;
        if self.told.elapsed() >= PROGRESS {
            self.told = Instant::now();
            tracing::info!(image = self.image, megabytes = self.came >> 20, of = self.of >> 20, "pulling an image");
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ImageError> + Send + 'static,
) -> Result<T, ImageError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(ended) => std::panic::resume_unwind(ended.try_into_panic().unwrap_or_else(|e| Box::new(e.to_string()))),
    }
}

/// The hexadecimal part of a digest that becomes a file's name.
fn sha256(digest: &str) -> Result<&str, ImageError> {
    digest.strip_prefix("sha256:").filter(|hex| is_digest(hex)).ok_or_else(|| {
        unusable(format!(
            "The image names something by '{}', and only sha256 digests are known here",
            registry::shown(digest)
        ))
    })
}

fn is_digest(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes everything");
        text
    })
}
