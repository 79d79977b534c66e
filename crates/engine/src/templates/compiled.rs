//! Templates whose code is compiled: by a compiler of the host, when somebody first asks. Built files are no part of the repository.
//!
//! What runs a language compiles it, since its bootstrap needs a compiler too; for Go, whose programs nothing else runs, it is a toolchain
//! that the host may have.

use std::{
    collections::HashMap,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use fungraph_instance::{Interpreter, LaunchError, Launcher, Sources};
use tokio::{sync::Mutex as AsyncMutex, task::JoinHandle, time::Instant};

use super::archive;
use crate::{error::chain, panics};

/// A compiler that failed is asked again after this, and after twice as long each time it fails again, up to the second: what it lacked may be
/// there by then, and one that takes a minute to fail shall not be at it whenever somebody asks.
const AGAIN_AFTER: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(3600)];

/// What is compiled together.
pub(super) struct Project {
    pub(super) sources: Sources,
    /// The code packages, each with one of the files that are made, in their order.
    pub(super) packages: &'static [Package],
}

/// How a file that a compiler made becomes a code package.
pub(super) enum Package {
    /// It is one.
    Whole,
    /// In an archive, under this name, beside texts under theirs.
    In(&'static str, &'static [(&'static str, &'static str)]),
}

/// Why there is no code.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// This host has nothing that compiles it.
    Impossible,
    /// What compiles it failed, and is asked again after this.
    Failed(Duration),
    /// It is still being compiled.
    NotYet,
}

/// The code packages of a project, by one compiler.
#[derive(Default)]
enum Code {
    /// Nobody has asked.
    #[default]
    Unknown,
    /// In the order of the project.
    Made(Arc<[Bytes]>),
    /// There are none, and nobody tries before then.
    Failed { until: Instant, pause: Duration },
}

/// The packages; or until when there are none.
type Made = Result<Arc<[Bytes]>, Instant>;

type Cell = Arc<AsyncMutex<Code>>;
type Turn = Arc<AsyncMutex<()>>;

/// What has been compiled, or cannot be.
pub(crate) struct Compiled {
    compiler: Arc<dyn Launcher>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    of: HashMap<(Arc<Interpreter>, &'static str), Cell>,
    /// One compiler works on a project at a time: each takes a processor, and memory that no pool counts.
    turns: HashMap<&'static str, Turn>,
}

/// Code that somebody asked for.
pub(super) enum Asked {
    /// There it is.
    Known(Bytes),
    /// It is the package of this place, once the project is compiled.
    Compiled(JoinHandle<Made>, usize),
    /// This host has no compiler for it.
    Impossible,
}

impl Asked {
    /// The code. Waits for it until then, and no longer.
    ///
    /// # Errors
    /// There is none, or none yet.
    pub(super) async fn code(self, until: Instant) -> Result<Bytes, Missing> {
        let (task, place) = match self {
            Self::Known(code) => return Ok(code),
            Self::Impossible => return Err(Missing::Impossible),
            Self::Compiled(task, place) => (task, place),
        };
        let made = tokio::time::timeout_at(until, task).await.map_err(|_| Missing::NotYet)?;
        // A task has no other end while the server runs.
        let packages = made.map_err(|_| Missing::NotYet)?;
        let packages = packages.map_err(|until| Missing::Failed(until.saturating_duration_since(Instant::now())))?;
        packages.get(place).cloned().ok_or(Missing::Impossible)
    }
}

impl Compiled {
    pub(crate) fn by(compiler: Arc<dyn Launcher>) -> Self {
        Self { compiler, known: Mutex::default() }
    }

    /// The code package of that place in a project. The work begins now, in a task of its own, which ends by itself: whoever asks may
    /// leave, and would make the next one begin again.
    pub(super) fn ask(&self, interpreter: Arc<Interpreter>, project: &'static Project, place: usize) -> Asked {
        let (cell, turn) = self.place(&interpreter, project);
        let compiler = Arc::clone(&self.compiler);
        let work = async move { packages(&cell, &turn, &*compiler, &interpreter, project).await };
        Asked::Compiled(tokio::spawn(work), place)
    }

    fn place(&self, interpreter: &Arc<Interpreter>, project: &Project) -> (Cell, Turn) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let name = project.sources.name;
        let cell = Arc::clone(known.of.entry((Arc::clone(interpreter), name)).or_default());
        (cell, Arc::clone(known.turns.entry(name).or_default()))
    }
}

/// What is known, or what the compiler makes now. That it can make nothing is told each time it tried.
async fn packages(
    cell: &AsyncMutex<Code>,
    turn: &AsyncMutex<()>,
    compiler: &dyn Launcher,
    interpreter: &Arc<Interpreter>,
    project: &'static Project,
) -> Made {
    let mut code = cell.lock().await;
    let before = match &*code {
        Code::Made(packages) => return Ok(Arc::clone(packages)),
        Code::Failed { until, .. } if *until > Instant::now() => return Err(*until),
        Code::Failed { pause, .. } => *pause,
        Code::Unknown => Duration::ZERO,
    };
    let _turn = turn.lock().await;
    let making = pin!(make(compiler, interpreter, project));
    let failed = |why: String| LaunchError { of: project.sources.name.to_owned(), told: None, source: why.into() };
    match panics(making).await.unwrap_or_else(|why| Err(failed(why))) {
        Ok(packages) => {
            *code = Code::Made(Arc::clone(&packages));
            Ok(packages)
        }
        Err(error) => {
            let pause = (before * 2).clamp(AGAIN_AFTER[0], AGAIN_AFTER[1]);
            let until = Instant::now() + pause;
            *code = Code::Failed { until, pause };
            let (cause, seconds) = (chain(&error), pause.as_secs());
            tracing::warn!(
                cause,
                "templates that this would have compiled are left out, and tried again after {seconds} seconds"
            );
            Err(until)
        }
    }
}

async fn make(
    compiler: &dyn Launcher,
    interpreter: &Arc<Interpreter>,
    project: &'static Project,
) -> Result<Arc<[Bytes]>, LaunchError> {
    packed(project, compiler.compile(interpreter, &project.sources).await?).await
}

/// Makes packages of files; a program of Go takes some time.
async fn packed(project: &'static Project, files: Vec<Vec<u8>>) -> Result<Arc<[Bytes]>, LaunchError> {
    let pack = move || project.packages.iter().zip(files).map(|(package, file)| package.of(file)).collect();
    let packed = tokio::task::spawn_blocking(pack).await;
    packed.map_err(|error| LaunchError { of: project.sources.name.to_owned(), told: None, source: error.into() })
}

impl Package {
    fn of(&self, file: Vec<u8>) -> Bytes {
        match self {
            Self::Whole => file.into(),
            Self::In(name, texts) => {
                let texts = texts.iter().map(|(name, text)| (*name, text.as_bytes()));
                archive(std::iter::once((*name, file.as_slice())).chain(texts)).into()
            }
        }
    }
}

#[cfg(test)]
mod tests;
