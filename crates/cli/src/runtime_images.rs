//! Runtimes in container images of the operator's (`runtimes."NAME".image`): brought before the server is ready, since it must not call itself
//! so while it refuses a runtime that it will have.
//!
//! What a name meant and what was found in it is written down. So the next start asks no program again, and where a registry does not answer it goes on
//! with what is here.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fungraph_instance::interpreters::InImage;
use fungraph_instance::{Interpreter, Interpreters, SandboxLauncher};
use fungraph_model::{Digest, Runtime};
use fungraph_store::images::Held;
use fungraph_store::{ImageError, Images, InUse};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use crate::config::{RuntimeImage, Settings};
use crate::exit::Stop;

/// Its name below the data folder.
const FILE: &str = "runtime-images.json";

/// What was found in an image for a runtime.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Record {
    runtime: String,
    /// As the operator wrote it.
    image: String,
    digest: String,
    /// Inside.
    program: PathBuf,
    version: (u16, u16, u16),
}

/// What was found at the last start.
struct Records(Vec<Record>);

impl Records {
    /// Of a data folder; a file that is not there, or that another version wrote, says nothing.
    fn read(folder: &Path) -> Self {
        let text = fs::read(folder.join(FILE)).unwrap_or_default();
        Self(serde_json::from_slice(&text).unwrap_or_default())
    }

    fn of(&self, wanted: &RuntimeImage) -> Option<&Record> {
        let runtime = wanted.runtime.name();
        self.0.iter().find(|record| record.runtime == runtime && record.image == wanted.image)
    }

    fn write(&self, folder: &Path) {
        let written = serde_json::to_vec_pretty(&self.0).map_err(std::io::Error::from).and_then(|text| {
            let new = folder.join(format!(".{FILE}.new"));
            fs::write(&new, text)?;
            fs::rename(&new, folder.join(FILE))
        });
        if let Err(error) = written {
            tracing::warn!(%error, "what was found in the images of runtimes could not be written down; the next start finds it again");
        }
    }
}

/// Gives runtimes the interpreters that the last start found for them, for those who only want to show them; returns what no start has
/// seen yet.
pub(crate) fn recall(settings: &Settings, folder: Option<&Path>, interpreters: &mut Interpreters) -> Vec<RuntimeImage> {
    let Some(folder) = folder else { return settings.runtimes.images.clone() };
    let records = Records::read(folder);
    let mut unseen = Vec::new();
    for wanted in &settings.runtimes.images {
        match records.of(wanted) {
            Some(record) => {
                let tree = folder.join("images").join(&record.digest).join("root");
                let image = InImage { name: wanted.image.clone(), tree, env: Vec::new() };
                interpreters.assign(wanted.runtime, remembered(record, image, wanted.runtime, interpreters));
            }
            None => unseen.push(wanted.clone()),
        }
    }
    unseen
}

fn remembered(record: &Record, image: InImage, runtime: Runtime, interpreters: &Interpreters) -> Interpreter {
    interpreters.remembered(Arc::new(image), runtime.language(), record.program.clone(), record.version)
}

/// Who brings the images at a start.
pub(crate) struct Start<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) images: &'a Images,
    pub(crate) launcher: &'a SandboxLauncher,
}

impl Start<'_> {
    /// Brings every image, finds the interpreters, and gives them to their runtimes. The images stay while what is returned lives.
    ///
    /// # Errors
    /// An image is neither here nor to be had, or has no interpreter that will do.
    pub(crate) async fn assign(&self, interpreters: &mut Interpreters) -> anyhow::Result<Vec<Held>> {
        let wanted = &self.settings.runtimes.images;
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let known = Records::read(Path::new("."));
        let (mut all, mut held) = (Vec::new(), Vec::new());
        for wanted in wanted {
            let record = known.of(wanted);
            let image = self.bring(wanted, record).await?;
            let interpreter = self.interpreter(wanted, &image, record, interpreters).await?;
            let (program, name, runtime) = (interpreter.program.display(), &wanted.image, wanted.runtime.name());
            tracing::info!("{interpreter} ({program} of the image {name}) runs {runtime}");
            all.push(Record {
                runtime: runtime.to_owned(),
                image: name.clone(),
                digest: image.image.digest.0.clone(),
                program: interpreter.program.clone(),
                version: interpreter.version,
            });
            interpreters.assign(wanted.runtime, interpreter);
            held.push(image);
        }
        Records(all).write(Path::new("."));
        Ok(held)
    }

    async fn bring(&self, wanted: &RuntimeImage, record: Option<&Record>) -> anyhow::Result<Held> {
        let here = || record.and_then(|record| self.images.recall(&Digest(record.digest.clone())));
        // A digest means one image for ever.
        if wanted.image.contains('@')
            && let Some(held) = here()
        {
            return Ok(held);
        }
        let limit = self.settings.images.pull;
        let pulled = timeout(limit, self.images.pull(&wanted.image, InUse::by_operator())).await;
        let why = match pulled {
            Ok(Ok(held)) => return Ok(held),
            Ok(Err(ImageError::Refused(fault))) => fault.message,
            Ok(Err(error)) => return Err(anyhow::Error::from(error).context(format!("cannot keep {}", wanted.image))),
            Err(_) => too_slow(limit),
        };
        match here() {
            Some(held) => {
                tracing::warn!(
                    "{}: what it meant at the last start is used, since it cannot be brought now: {why}",
                    setting(wanted)
                );
                Ok(held)
            }
            None => Err(Stop::failed(format!("{} cannot be brought: {why}", setting(wanted)))),
        }
    }

    async fn interpreter(
        &self,
        wanted: &RuntimeImage,
        held: &Held,
        record: Option<&Record>,
        interpreters: &Interpreters,
    ) -> anyhow::Result<Interpreter> {
        let (runtime, digest) = (wanted.runtime, &held.image.digest);
        let tree = self.images.root_of(digest);
        let image = InImage { name: wanted.image.clone(), tree, env: held.image.config.env.clone() };
        let strict = self.settings.runtimes.strict;
        // Settings and the host's libraries may have changed since, so only the search is spared.
        let found = match record.filter(|record| record.digest == digest.0) {
            Some(record) => vec![remembered(record, image, runtime, interpreters)],
            None => self.search(Arc::new(image), runtime, interpreters).await,
        };
        Interpreters::fitting(found, runtime, strict)
            .map_err(|why| Stop::usage(format!("{} is not possible: {why}", setting(wanted))))
    }

    async fn search(&self, image: Arc<InImage>, runtime: Runtime, interpreters: &Interpreters) -> Vec<Interpreter> {
        let mut found = Vec::new();
        for candidate in interpreters.candidates(&image, runtime.language()) {
            let printed = match candidate.to_ask() {
                None => None,
                Some(interpreter) => match self.launcher.ask_version(interpreter).await {
                    Ok(printed) => Some(printed),
                    Err(error) => {
                        let cause: &dyn std::error::Error = &error;
                        tracing::warn!(cause, image = image.name, "a program of the image did not tell its version");
                        continue;
                    }
                },
            };
            let program = candidate.program().to_owned();
            match candidate.known(printed.as_deref()) {
                Some(interpreter) => found.push(interpreter),
                None => {
                    let printed = printed.unwrap_or_default();
                    let (program, image) = (program.display(), &image.name);
                    tracing::warn!("{program} of the image {image} is not used: it prints no version but {printed:?}");
                }
            }
        }
        found
    }
}

fn setting(wanted: &RuntimeImage) -> String {
    format!("runtimes.\"{}\".image = \"{}\"", wanted.runtime.name(), wanted.image)
}

fn too_slow(limit: Duration) -> String {
    format!(
        "it was not here after {} seconds (images.pull_seconds). What came is kept: start again to go on",
        limit.as_secs()
    )
}
