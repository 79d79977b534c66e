//! Container images below `<folder>/images/`: pulled from registries once, unpacked, and kept by their digest.
//!
//! ```text
//! images/<digest>/root/        the root file system, read-only to everybody else
//! images/<digest>/image.json   what the image says of itself
//! images/blobs/<digest>        a layer that is whole and waits to be unpacked
//! images/blobs/<digest>.<registry>.part   one that is being brought, or whose download broke off: the next one goes on
//! images/none/                 what functions of images have in place of a code package
//! images/.new-<uuid>/          being made, or being removed; swept by the next open
//! ```
//!
//! The digest is that of the image's manifest, which names every layer by its own: equal images are there once. All of it is the work
//! of an unprivileged process, and no byte of an image is parsed by anybody else. Owners, devices, set-uid bits and extended attributes
//! are left out: whoever runs the image owns nothing in it and may read all of it.

mod allowance;
mod ask;
mod clearing;
mod config;
mod credentials;
mod download;
mod error;
mod layer;
mod pax;
mod plan;
mod pull;
mod registry;
mod room;
mod shelf;
#[cfg(test)]
mod tests;
mod tree;
pub(crate) mod turns;
mod users;
mod zstd;

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use fungraph_model::Digest;
use tokio::sync::Semaphore;

pub use config::ImageConfig;
pub use credentials::{Credentials, read_credentials};
pub use error::ImageError;
pub use registry::check_name;
pub use room::{InUse, Moment};

use pull::Pulling;
use registry::Registry;
use shelf::Shelf;
use turns::Hold;

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
    /// Bytes of disk that all images take together, with those that are being pulled.
    pub total_bytes: u64,
    /// The same of those that one project's functions use; 0 for all.
    pub project_bytes: u64,
    /// How long an image stays that no function uses, where nobody wants its room.
    pub unused: Duration,
    /// How long what a broken pull left stays.
    pub left: Duration,
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
            total_bytes: 50 << 30,
            project_bytes: 20 << 30,
            unused: Duration::from_secs(24 * 3600),
            left: Duration::from_secs(24 * 3600),
        }
    }
}

/// Where images may come from, and how.
#[derive(Clone, Debug, Default)]
pub struct ImageSettings {
    /// Registries, by host and port; none named means that all on public addresses are allowed.
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
pub struct Held {
    /// The image.
    pub image: Image,
    shelf: Arc<Shelf>,
    _hold: Hold,
}

impl Drop for Held {
    fn drop(&mut self) {
        // Whoever asks from here on which images are in use sees the function that it was held for.
        self.shelf.room.used(&self.image.digest.0);
    }
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Held").field(&self.image).finish()
    }
}

/// The images of one data folder. Cheap to clone.
#[derive(Clone)]
pub struct Images {
    shelf: Arc<Shelf>,
    settings: Arc<ImageSettings>,
    /// Made when it is first wanted: most servers never ask a registry.
    registry: Arc<OnceLock<Registry>>,
    places: Arc<Semaphore>,
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
        Ok(Self {
            shelf: Arc::new(Shelf::open(folder.join("images"), limits)?),
            settings: Arc::new(settings),
            registry: Arc::default(),
            places: Arc::new(Semaphore::new(pull::AT_ONCE)),
        })
    }

    /// The present moment, to be taken before it is asked which images are in use.
    #[must_use]
    pub fn now(&self) -> Moment {
        self.shelf.room.now()
    }

    /// Brings an image: asks its registry which one the name means, and for its layers where they are not here. The registry is asked
    /// each time, also for a name with a digest: whether an image is given to whoever asks is its registry's to say, not ours.
    ///
    /// If the caller stops waiting, the download stops and is gone on with by the next pull; unpacking runs to its end.
    ///
    /// # Errors
    /// [`ImageError::Refused`] with the text for the client, or what the system said; nothing half-made is ever used.
    pub async fn pull(&self, name: &str, in_use: InUse) -> Result<Held, ImageError> {
        let reference = registry::reference(name)?;
        if !in_use.is_by_operator() {
            registry::check_allowed(&reference, &self.settings)?;
        }
        let talk = self.registry()?.talk(&reference, in_use.is_by_operator());
        let found = registry::find(&talk).await?;
        let hold = self.shelf.holds.hold(&found.digest);
        if let Some(image) = self.shelf.kept(&found.digest) {
            return Ok(Held::new(&self.shelf, image, hold));
        }
        let begun = Instant::now();
        let pulling = Pulling { shelf: &self.shelf, places: &self.places, talk: &talk, in_use, hold };
        let held = pulling.bring(&found).await?;
        tracing::info!(image = name, digest = found.digest, took_ms = begun.elapsed().as_millis(), "image pulled");
        Ok(held)
    }

    /// An image that was pulled before, without a question to anybody; only for who had it from its registry then.
    #[must_use]
    pub fn recall(&self, digest: &Digest) -> Option<Held> {
        let hold = self.shelf.holds.hold(&digest.0);
        let image = self.shelf.kept(&digest.0)?;
        Some(Held::new(&self.shelf, image, hold))
    }

    /// The root file system of an image that was pulled. Relative if the data folder is.
    #[must_use]
    pub fn root_of(&self, digest: &Digest) -> PathBuf {
        self.shelf.tree(&digest.0)
    }

    /// An empty folder.
    #[must_use]
    pub fn no_code(&self) -> PathBuf {
        self.shelf.no_code()
    }

    /// Removes images that no function has used for long, and layers that nobody asked for again; returns how many images.
    ///
    /// # Errors
    /// [`ImageError::Io`]; what was removed until then stays removed.
    pub async fn collect(&self, live: &HashSet<Digest>) -> Result<usize, ImageError> {
        let (shelf, live) = (Arc::clone(&self.shelf), live.clone());
        blocking(move || shelf.collect(&live)).await
    }

    fn registry(&self) -> Result<&Registry, ImageError> {
        if let Some(registry) = self.registry.get() {
            return Ok(registry);
        }
        let new = Registry::new(&self.settings)?;
        Ok(self.registry.get_or_init(|| new))
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

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes everything");
        text
    })
}
