//! Segments on disk: which one a function writes to, and which leave when there are too many bytes.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fungraph_model::FunctionKey;

use super::{LogLimits, segment};

/// Functions whose newest segment is remembered without a file being open; others are looked up again.
const REMEMBERED: usize = 10_000;

/// All segments of a data folder. Only the writer's thread has it.
#[derive(Debug)]
pub(super) struct Shelf {
    root: PathBuf,
    limits: LogLimits,
    newest: HashMap<FunctionKey, Newest>,
    open: usize,
    clock: u64,
    total: u64,
}

/// The segment a function writes to.
#[derive(Debug)]
struct Newest {
    number: u32,
    size: u64,
    file: Option<File>,
    used: u64,
}

impl Shelf {
    pub(super) fn new(root: &Path, limits: LogLimits) -> Self {
        let mut shelf = Self { root: root.to_owned(), limits, newest: HashMap::new(), open: 0, clock: 0, total: 0 };
        shelf.total = shelf.segments().iter().map(|(_, size, _)| size).sum();
        shelf
    }

    /// Appends whole records; after an error the file ends where it ended before.
    pub(super) fn write(&mut self, function: &FunctionKey, records: &[u8]) -> io::Result<()> {
        self.make_room(function);
        let limit = self.limits.segment_bytes;
        let mut newest = match self.newest.remove(function) {
            Some(newest) => newest,
            None => self.look_up(function)?,
        };
        self.open -= usize::from(newest.file.is_some());
        if newest.size > 0 && newest.size + records.len() as u64 > limit {
            newest = Newest { number: newest.number + 1, size: 0, file: None, used: 0 };
            self.trim(function, newest.number)?;
        }
        let written = append(&self.root, function, &mut newest, records);
        self.clock += 1;
        newest.used = self.clock;
        if written.is_ok() {
            newest.size += records.len() as u64;
            self.total += records.len() as u64;
        }
        self.open += usize::from(newest.file.is_some());
        self.newest.insert(function.clone(), newest);
        written?;
        if self.total > self.limits.total_bytes { self.shrink() } else { Ok(()) }
    }

    /// Removes all logs of a function.
    pub(super) fn remove(&mut self, function: &FunctionKey) -> io::Result<()> {
        self.forget(function);
        let folder = segment::folder(&self.root, function);
        for number in segment::numbers(&folder)? {
            self.delete(&folder.join(segment::file_name(number)))?;
        }
        drop_empty(&self.root, &folder);
        Ok(())
    }

    /// Bytes that fit into the function's newest segment; all of a new one where none was looked up.
    pub(super) fn room(&self, function: &FunctionKey) -> u64 {
        let used = self.newest.get(function).map_or(0, |newest| newest.size);
        self.limits.segment_bytes.saturating_sub(used)
    }

    /// Finds where the last run stopped and cuts off a record it did not finish.
    fn look_up(&mut self, function: &FunctionKey) -> io::Result<Newest> {
        let folder = segment::folder(&self.root, function);
        let Some(number) = segment::numbers(&folder)?.pop() else {
            return Ok(Newest { number: 1, size: 0, file: None, used: 0 });
        };
        let file = OpenOptions::new().read(true).write(true).open(folder.join(segment::file_name(number)))?;
        let length = file.metadata()?.len();
        let mut records = segment::Records::new(&file, length);
        while records.next(|_| false)?.is_some() {}
        let size = records.at();
        if size < length {
            file.set_len(size)?;
            self.total = self.total.saturating_sub(length - size);
        }
        Ok(Newest { number, size, file: None, used: 0 })
    }

    /// Removes the oldest segments of a function until the rest and a full new one are within its limit.
    fn trim(&mut self, function: &FunctionKey, next: u32) -> io::Result<()> {
        let folder = segment::folder(&self.root, function);
        let paths =
            segment::numbers(&folder)?.into_iter().filter(|n| *n < next).map(|n| folder.join(segment::file_name(n)));
        let mut kept = self.limits.segment_bytes;
        for path in paths.rev() {
            kept += fs::metadata(&path)?.len();
            if kept > self.limits.function_bytes {
                self.delete(&path)?;
            }
        }
        Ok(())
    }

    /// Removes the oldest segments of all until a tenth of the limit is free, so that this is rare.
    fn shrink(&mut self) -> io::Result<()> {
        let mut segments = self.segments();
        self.total = segments.iter().map(|(_, size, _)| size).sum();
        segments.sort_unstable();
        let goal = self.limits.total_bytes / 10 * 9;
        // What is being written may be in any of them; all are looked up again afterwards.
        self.newest.clear();
        self.open = 0;
        for (_, _, path) in segments {
            if self.total <= goal {
                break;
            }
            self.delete(&path)?;
            if let Some(folder) = path.parent() {
                drop_empty(&self.root, folder);
            }
        }
        Ok(())
    }

    fn delete(&mut self, path: &Path) -> io::Result<()> {
        let size = fs::metadata(path)?.len();
        fs::remove_file(path)?;
        self.total = self.total.saturating_sub(size);
        Ok(())
    }

    /// Time of the last change, size and path of every segment. What vanishes or cannot be read meanwhile is left out.
    fn segments(&self) -> Vec<(SystemTime, u64, PathBuf)> {
        let mut folders = vec![self.root.clone()];
        let mut found = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let Ok(about) = entry.metadata() else { continue };
                let path = entry.path();
                if about.is_dir() {
                    folders.push(path);
                } else if segment::number(&path).is_some() {
                    found.push((about.modified().unwrap_or(SystemTime::UNIX_EPOCH), about.len(), path));
                }
            }
        }
        found
    }

    /// Closes the file used longest ago if one more would be too many, and bounds what is remembered.
    fn make_room(&mut self, function: &FunctionKey) {
        if self.newest.len() >= REMEMBERED {
            self.newest.retain(|_, newest| newest.file.is_some());
        }
        let is_open = self.newest.get(function).is_some_and(|newest| newest.file.is_some());
        if self.open < self.limits.open_files.max(1) || is_open {
            return;
        }
        let oldest = self.newest.values_mut().filter(|newest| newest.file.is_some()).min_by_key(|newest| newest.used);
        if let Some(newest) = oldest {
            newest.file = None;
            self.open -= 1;
        }
    }

    fn forget(&mut self, function: &FunctionKey) {
        let known = self.newest.remove(function);
        self.open -= usize::from(known.is_some_and(|newest| newest.file.is_some()));
    }

    #[cfg(test)]
    pub(super) fn open_files(&self) -> usize {
        self.newest.values().filter(|newest| newest.file.is_some()).count()
    }
}

fn append(root: &Path, function: &FunctionKey, newest: &mut Newest, records: &[u8]) -> io::Result<()> {
    let file = match &mut newest.file {
        Some(file) => file,
        none => none.insert(open(&segment::folder(root, function), newest.number)?),
    };
    file.write_all(records).inspect_err(|_| {
        // Half a record at the end would swallow the one after it.
        let _ = file.set_len(newest.size);
    })
}

fn open(folder: &Path, number: u32) -> io::Result<File> {
    segment::make_private(folder)?;
    OpenOptions::new().append(true).create(true).mode(0o600).open(folder.join(segment::file_name(number)))
}

/// Removes a folder and those above it, up to the root, as long as they are empty.
fn drop_empty(root: &Path, folder: &Path) {
    let below = folder.ancestors().take_while(|folder| *folder != root);
    for folder in below {
        if fs::remove_dir(folder).is_err() {
            break;
        }
    }
}
