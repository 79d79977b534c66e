//! Brings an image from its registry: its blobs to files, and from there into a tree.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fungraph_model::ErrorCode;
use tokio::sync::Semaphore;

use super::ask::Conversation;
use super::config::{self, ImageConfig};
use super::download::Blob;
use super::error::{ImageError, during};
use super::plan::{Part, Plan};
use super::registry::Found;
use super::room::{InUse, Pull};
use super::shelf::Shelf;
use super::turns::{Hold, Turn};
use super::{Held, Image};

/// Unpacking is disk and processor work; more at once than this only makes each slower.
pub(super) const AT_ONCE: usize = 2;
/// Pulls of one project at once: the others of it wait, and those of other projects do not.
const OF_PROJECT: usize = 2;
/// How often the log tells how far a pull is.
const PROGRESS: Duration = Duration::from_secs(5);

/// One pull.
pub(super) struct Pulling<'a> {
    pub(super) shelf: &'a Arc<Shelf>,
    pub(super) places: &'a Arc<Semaphore>,
    pub(super) talk: &'a Conversation<'a>,
    pub(super) in_use: InUse,
    /// The image's; its digest is that of the manifest.
    pub(super) hold: Hold,
}

impl Pulling<'_> {
    pub(super) async fn bring(self, found: &Found) -> Result<Held, ImageError> {
        let Self { shelf, places, talk, in_use, hold } = self;
        let plan = Plan::of(&found.manifest, &shelf.limits)?;
        let whose = in_use.project_name().to_owned();
        let few = shelf.turns.take(format!("pulls of {whose}"), OF_PROJECT).await;
        // What comes from another registry must not be waited for: it may never be whole.
        let registry = talk.image.resolve_registry();
        let turn = shelf.turns.take(format!("{} of {registry}", found.digest), 1).await;
        if let Some(image) = shelf.kept(&found.digest) {
            return Ok(Held::new(shelf, image, hold));
        }
        let (blobs, pull) = (Blobs::of(shelf, &plan), Pull::begin(Arc::clone(shelf), in_use));
        let (pull, config) = match prepare(shelf, talk, &plan, pull).await {
            Ok(prepared) => prepared,
            Err(error) => {
                blobs.end(&error);
                return Err(error);
            }
        };
        let own_place = shelf.turns.take(format!("place of {whose}"), 1).await;
        let place = Arc::clone(places).acquire_owned().await.expect("the semaphore is never closed");
        let alone = shelf.turns.take(found.digest.clone(), 1).await;
        let work = Unpacking { shelf: Arc::clone(shelf), plan, config, pull, blobs, hold };
        super::blocking(move || {
            // Whoever asked for it may have left; the turns end with the work.
            let _until_then = (few, turn, own_place, place, alone);
            work.run()
        })
        .await
    }
}

/// What is left to do, by one thread, once all is here.
struct Unpacking {
    shelf: Arc<Shelf>,
    plan: Plan,
    config: ImageConfig,
    pull: Pull,
    blobs: Blobs,
    hold: Hold,
}

impl Unpacking {
    fn run(self) -> Result<Held, ImageError> {
        let Self { shelf, plan, config, pull, blobs, hold } = self;
        // Another registry may have had it too, and sooner.
        let put = match shelf.kept(&hold.digest) {
            Some(image) => Ok(image),
            None => shelf.put(&hold.digest, &plan, config, &pull),
        };
        match put {
            Ok(image) => {
                blobs.discard();
                Ok(Held::new(&shelf, image, hold))
            }
            Err(error) => {
                blobs.end(&error);
                Err(error)
            }
        }
    }
}

/// The blobs of a plan. They stay where nobody says otherwise: the next pull goes on with them.
struct Blobs {
    shelf: Arc<Shelf>,
    holds: Vec<Hold>,
}

impl Blobs {
    fn of(shelf: &Arc<Shelf>, plan: &Plan) -> Self {
        let holds = plan.parts().map(|part| shelf.holds.hold(&part.digest)).collect();
        Self { shelf: Arc::clone(shelf), holds }
    }

    /// They go where the image itself is at fault: it will not be better tomorrow.
    fn end(self, error: &ImageError) {
        match error {
            ImageError::Refused(fault) if fault.code != ErrorCode::ImageNotRead => self.discard(),
            _ => {}
        }
    }

    fn discard(self) {
        let Self { shelf, holds } = self;
        holds.into_iter().for_each(|hold| shelf.drop_blob(hold));
    }
}

/// Takes the room that the blobs want, and brings them.
async fn prepare(
    shelf: &Shelf,
    talk: &Conversation<'_>,
    plan: &Plan,
    pull: Pull,
) -> Result<(Pull, ImageConfig), ImageError> {
    let wanted = plan.size.saturating_add(plan.config.size);
    // To make room may mean to delete a whole image.
    let pull = super::blocking(move || pull.take(wanted).map(|()| pull).map_err(ImageError::from)).await?;
    Ok((pull, fetch(shelf, talk, plan).await?))
}

/// Brings all blobs; gives what the configuration says.
async fn fetch(shelf: &Shelf, talk: &Conversation<'_>, plan: &Plan) -> Result<ImageConfig, ImageError> {
    let mut progress = Progress::new(talk.image.whole(), plan.size);
    blob(shelf, talk, &plan.config, &mut progress).await?;
    let path = shelf.blob(&plan.config.digest);
    let bytes = tokio::fs::read(&path).await.map_err(during("read", &path))?;
    let config = config::parse(&bytes)?;
    for layer in &plan.layers {
        blob(shelf, talk, layer, &mut progress).await?;
    }
    Ok(config)
}

/// Brings one blob, or waits for who is bringing it from the same registry.
async fn blob(shelf: &Shelf, talk: &Conversation<'_>, part: &Part, progress: &mut Progress) -> Result<(), ImageError> {
    let registry = talk.image.resolve_registry();
    let _turn: Turn = shelf.turns.take(format!("blob {} of {registry}", part.digest), 1).await;
    let (path, partial) = (shelf.blob(&part.digest), shelf.partial(&part.digest, registry));
    let blob = Blob { talk, part, path: &path, partial: &partial, pause: shelf.limits.pause };
    blob.download(|bytes| progress.came(bytes)).await
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

impl Held {
    pub(super) fn new(shelf: &Arc<Shelf>, image: Image, hold: Hold) -> Self {
        Self { image, shelf: Arc::clone(shelf), _hold: hold }
    }
}
