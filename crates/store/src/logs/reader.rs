//! Reading logs, with no server needed and while one writes.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use fungraph_model::{CallRecord, FunctionKey, RequestId};
use jiff::Timestamp;

use super::segment::{self, Header, Records};
use super::{LogError, during};

/// Which records to read.
#[derive(Clone, Debug, Default)]
pub struct LogFilter {
    /// Only of this version.
    pub version: Option<String>,
    /// Only of this call.
    pub request: Option<RequestId>,
    /// Only the last so many calls of what matches, and what was kept between and after them that is no call.
    pub last: Option<usize>,
}

impl LogFilter {
    fn takes(&self, header: &Header) -> bool {
        self.request.is_none_or(|wanted| header.request == Some(wanted))
            && self.version.as_ref().is_none_or(|wanted| header.version == *wanted)
    }
}

/// The log of one call, as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecord {
    /// When the call started.
    pub started: Timestamp,
    /// The call; `None` for a note of the server, such as about dropped logs.
    pub request: Option<RequestId>,
    /// The version that ran.
    pub version: String,
    /// Its numbers; `None` for a note, and in logs from before they were kept.
    pub call: Option<CallRecord>,
    /// All it printed, which may be anything.
    pub text: Vec<u8>,
}

impl LogRecord {
    /// Whether it is of a call. Others are notes of the server, initializers of reserved instances, and what an instance printed
    /// at its end.
    #[must_use]
    pub fn is_call(&self) -> bool {
        is_call(self.request, self.call.as_ref(), &self.text)
    }
}

/// Calls from before their numbers were kept begin with a line of the platform.
fn is_call(request: Option<RequestId>, call: Option<&CallRecord>, text: &[u8]) -> bool {
    let started = |request: RequestId| {
        let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
        String::from_utf8_lossy(first).contains(&format!(" Start invoke request '{request}'"))
    };
    call.is_some() || request.is_some_and(started)
}

/// Records of one function, oldest first. Holds one record in memory at a time.
#[derive(Debug)]
pub struct LogReader {
    filter: LogFilter,
    /// Segments still to read, each from a position.
    segments: VecDeque<(PathBuf, u64)>,
    current: Option<(PathBuf, Records<File>)>,
}

/// Opens the logs of a function below a data folder; a function without logs has no records.
///
/// What is written after this call may or may not be seen; a record that is being written is left out.
///
/// # Errors
/// [`LogError::Io`] where the folder cannot be read.
pub fn read(folder: &Path, function: &FunctionKey, filter: LogFilter) -> Result<LogReader, LogError> {
    let home = segment::folder(&segment::root(folder), function);
    let numbers = segment::numbers(&home).map_err(during("read the folder", &home))?;
    let mut segments: VecDeque<_> =
        numbers.into_iter().map(|number| (home.join(segment::file_name(number)), 0)).collect();
    if let Some(last) = filter.last {
        skip_all_but(&mut segments, &filter, last)?;
    }
    Ok(LogReader { filter, segments, current: None })
}

/// Whether a function has logs below a data folder.
#[must_use]
pub fn exist(folder: &Path, function: &FunctionKey) -> bool {
    segment::folder(&segment::root(folder), function).exists()
}

/// Leaves the segments, and the position in the first of them, from which `last` calls match; all where there are fewer.
fn skip_all_but(segments: &mut VecDeque<(PathBuf, u64)>, filter: &LogFilter, last: usize) -> Result<(), LogError> {
    let mut missing = last;
    let mut kept = VecDeque::new();
    while let Some((path, _)) = segments.pop_back().filter(|_| missing > 0) {
        let starts = starts(&path, filter, missing).map_err(during("read", &path))?;
        missing -= starts.len();
        let first = starts.front().filter(|_| missing == 0);
        kept.push_front((path, first.copied().unwrap_or(0)));
    }
    *segments = kept;
    Ok(())
}

/// Where the last `most` matching calls of a segment start.
fn starts(path: &Path, filter: &LogFilter, most: usize) -> io::Result<VecDeque<u64>> {
    let mut starts = VecDeque::new();
    let Some(mut records) = open(path, 0)? else { return Ok(starts) };
    let unclear = |header: &Header| header.call.is_none() && filter.takes(header);
    while let Some((start, header, text)) = records.next(unclear)? {
        if filter.takes(&header) && is_call(header.request, header.call.as_ref(), &text) {
            starts.push_back(start);
        }
        if starts.len() > most {
            starts.pop_front();
        }
    }
    Ok(starts)
}

/// `None` where the segment has left meanwhile.
fn open(path: &Path, at: u64) -> io::Result<Option<Records<File>>> {
    let file = match File::open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let length = file.metadata()?.len();
    let mut records = Records::new(file, length);
    records.seek(at)?;
    Ok(Some(records))
}

impl LogReader {
    pub(super) fn of_segment(path: PathBuf, filter: LogFilter) -> Self {
        Self { filter, segments: VecDeque::from([(path, 0)]), current: None }
    }

    fn advance(&mut self) -> Result<Option<LogRecord>, LogError> {
        loop {
            if let Some((path, records)) = &mut self.current {
                let filter = &self.filter;
                while let Some((_, header, text)) =
                    records.next(|header| filter.takes(header)).map_err(during("read", path))?
                {
                    if filter.takes(&header) {
                        let Header { started, request, version, call, .. } = header;
                        return Ok(Some(LogRecord { started, request, version, call, text }));
                    }
                }
            }
            let Some((path, at)) = self.segments.pop_front() else { return Ok(None) };
            self.current = open(&path, at).map_err(during("open", &path))?.map(|records| (path, records));
        }
    }
}

impl Iterator for LogReader {
    type Item = Result<LogRecord, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.advance().transpose();
        if !matches!(next, Some(Ok(_))) {
            // Nothing can be believed of the rest after an error.
            self.segments.clear();
            self.current = None;
        }
        next
    }
}
