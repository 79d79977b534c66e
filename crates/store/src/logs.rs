//! The full log of every call, below `<folder>/logs/`, readable with `less` and with [`read`].
//!
//! ```text
//! logs/<project>/<package>/<name>/00000001.log
//! === 2026-01-02T03:04:05.678901Z 4f7c…-… latest 27 us=12,31,2,0,0,0,0,66,9 start=warm end=0 memory=22516072/128
//! (27 bytes, as the function printed them)
//! ```
//!
//! A call only appends to a queue in memory; one thread writes what gathered there, a few times a second. When the
//! disk cannot keep up, logs are dropped, counted, and the file says so: a call never waits for its log. Logs are
//! not synced: they survive a crash of the server but not always a power loss.
//!
//! Oldest segments leave first when a function, or all together, hold more than their limit. The logs of a deleted
//! function go with it ([`Logs::remove`]), and what its instances print afterwards is not kept: it is no business of the next
//! function of that name.

pub mod ink;
mod queue;
mod reader;
mod record;
mod removed;
mod search;
mod segment;
mod shelf;
#[cfg(test)]
mod tests;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use fungraph_model::{CallRecord, FunctionKey, FunctionVersion, RequestId};
use jiff::Timestamp;
use tokio::sync::watch;

pub use reader::{LogFilter, LogReader, LogRecord, exist, read};
pub use search::{Found, find};

use queue::Queue;

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub struct LogLimits {
    /// Bytes after which a function gets a new segment.
    pub segment_bytes: u64,
    /// Bytes kept of one function; the segment being written always stays.
    pub function_bytes: u64,
    /// Bytes kept of all functions.
    pub total_bytes: u64,
    /// Bytes that may wait to be written; beyond, logs are dropped and counted.
    pub queue_bytes: usize,
    /// Most files held open.
    pub open_files: usize,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self {
            segment_bytes: 8 << 20,
            function_bytes: 64 << 20,
            total_bytes: 4 << 30,
            queue_bytes: 32 << 20,
            open_files: 64,
        }
    }
}

/// The log of one call, put together by the thread that writes it: nothing is done before an answer that can be done behind it.
pub trait LogText: fmt::Debug + Send + 'static {
    /// About how many bytes it takes while it waits.
    fn size(&self) -> usize;
    /// Adds it to `out`, which may hold something already.
    fn write(&self, out: &mut Vec<u8>);
}

#[cfg(test)]
impl LogText for bytes::Bytes {
    fn size(&self) -> usize {
        self.len()
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
}

/// The log of one call.
#[derive(Debug)]
pub struct LogEntry {
    /// The version that ran.
    pub function: Arc<FunctionVersion>,
    /// The call.
    pub request: RequestId,
    /// When it started.
    pub started: Timestamp,
    /// Its numbers.
    pub call: Option<CallRecord>,
    /// All of its lines.
    pub text: Box<dyn LogText>,
}

/// Logs that cannot be kept or read. Texts are for the operator.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file system refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// Verb phrase of what was being done.
        action: &'static str,
        /// File or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// For `map_err`: a failure while doing `action` to `path`.
fn during(action: &'static str, path: &Path) -> impl Fn(std::io::Error) -> LogError {
    move |source| LogError::Io { action, path: path.to_owned(), source }
}

/// Takes logs; cheap to clone. Dropping the last one lets the writer finish what waits, without being waited for.
#[derive(Clone, Debug)]
pub struct Logs {
    handle: Arc<Handle>,
}

#[derive(Debug)]
struct Handle {
    root: PathBuf,
    queue: Arc<Queue>,
    done: watch::Receiver<u64>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl Logs {
    /// Opens the logs below a data folder and starts the thread that writes them.
    ///
    /// # Errors
    /// [`LogError::Io`] where the folder cannot be made or the thread not started.
    pub fn open(folder: &Path, limits: LogLimits) -> Result<Self, LogError> {
        let root = segment::root(folder);
        segment::make_private(&root).map_err(during("make the folder", &root))?;
        let queue = Arc::new(Queue::new(limits.queue_bytes));
        let (report, done) = watch::channel(0);
        let work = Arc::clone(&queue);
        let path = root.clone();
        let thread = std::thread::Builder::new()
            .name("logs".to_owned())
            .spawn(move || writer::run(&work, &report, &path, limits))
            .map_err(during("start the thread that writes", &root))?;
        Ok(Self { handle: Arc::new(Handle { root, queue, done, thread: Mutex::new(Some(thread)) }) })
    }

    /// Hands a log over. Never waits: when too much is waiting already, the log is dropped and counted.
    pub fn append(&self, entry: LogEntry) {
        self.handle.queue.append(entry);
    }

    /// Logs dropped since the start, because the queue was full or the disk refused.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.handle.queue.dropped()
    }

    /// Removes all logs of a deleted function. What was appended before this call goes, what is appended later stays, but for what comes
    /// under this `func_id`, which is dropped. The future resolves when they are gone, and need not be waited for.
    pub fn remove(&self, function: &FunctionKey, func_id: &str) -> impl Future<Output = ()> + use<> {
        let mark = self.handle.queue.remove(function.clone(), Some(func_id.to_owned()));
        let logs = self.clone();
        async move { logs.wait(mark).await }
    }

    /// The same for a function that no longer exists, by whatever id: a server that was killed while it deleted one leaves its logs.
    pub async fn clear(&self, function: &FunctionKey) {
        let mark = self.handle.queue.remove(function.clone(), None);
        self.wait(mark).await;
    }

    /// Whether there are logs of a function.
    #[must_use]
    pub fn has(&self, function: &FunctionKey) -> bool {
        segment::folder(&self.handle.root, function).exists()
    }

    /// Every function that has logs. Reads folders: not for the path of a call.
    #[must_use]
    pub fn functions(&self) -> Vec<FunctionKey> {
        search::functions(&self.handle.root)
    }

    /// Returns when everything appended before is in its file, where a reader sees it.
    pub async fn flush(&self) {
        let mark = self.handle.queue.hurry();
        self.wait(mark).await;
    }

    /// Writes what waits and ends the writer; later appends are dropped.
    pub async fn close(&self) {
        self.handle.queue.close();
        let thread = self.handle.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else { return };
        if !matches!(tokio::task::spawn_blocking(move || thread.join()).await, Ok(Ok(()))) {
            tracing::error!("the thread that writes logs ended by a panic");
        }
    }

    /// The channel closes when the writer has ended; then there is nothing left to wait for.
    async fn wait(&self, mark: u64) {
        let mut done = self.handle.done.clone();
        let _ = done.wait_for(|written| *written >= mark).await;
    }
}
