//! Where segments lie and how a record looks; writer and reader share nothing else.

use std::fs::{self, DirBuilder};
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use fungraph_model::{CallRecord, FunctionKey, RequestId};
use jiff::Timestamp;

use super::{ink, record};

const MARK: &str = "=== ";
/// Longer than any header; a longer line is none.
const HEADER_BYTES: u64 = 512;
/// Stands for the request id where the server itself has something to say.
const NOBODY: &str = "-";

/// The logs of a data folder.
pub(super) fn root(folder: &Path) -> PathBuf {
    folder.join("logs")
}

/// The segments of one function.
pub(super) fn folder(root: &Path, function: &FunctionKey) -> PathBuf {
    root.join(part(&function.project.0)).join(part(&function.package)).join(part(&function.name))
}

/// A name as one part of a path. Names are checked long before; this only makes sure that none can be more than that.
fn part(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    name.chars().map(|c| if plain(c) { c.to_string() } else { format!("%{:X}", u32::from(c)) }).collect()
}

/// The name that a part of a path stands for. Names that are checked hold nothing that takes more than two digits.
pub(super) fn name(part: &str) -> String {
    let mut pieces = part.split('%');
    let mut name = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let digits = piece.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match digits {
            Some(byte) => {
                name.push(char::from(byte));
                name.push_str(&piece[2..]);
            }
            None => {
                name.push('%');
                name.push_str(piece);
            }
        }
    }
    name
}

/// A folder that only the server can read, with missing parents: functions may print secrets.
pub(super) fn make_private(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

pub(super) fn file_name(number: u32) -> String {
    format!("{number:08}.log")
}

/// Numbers of the segments in a folder, oldest first; none where there is no folder.
pub(super) fn numbers(folder: &Path) -> io::Result<Vec<u32>> {
    let entries = match fs::read_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut numbers = Vec::new();
    for entry in entries {
        numbers.extend(number(&entry?.path()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// The number of a segment, `None` for any other file.
pub(super) fn number(path: &Path) -> Option<u32> {
    path.file_name()?.to_str()?.strip_suffix(".log")?.parse().ok()
}

/// The line before a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) started: Timestamp,
    /// `None` for a note of the server.
    pub(super) request: Option<RequestId>,
    pub(super) version: String,
    /// Bytes of the text.
    pub(super) length: u64,
    /// The call's numbers; `None` for a note, and in segments from before there were any.
    pub(super) call: Option<CallRecord>,
}

impl Header {
    fn parse(line: &[u8]) -> Option<Self> {
        let line = std::str::from_utf8(line).ok()?.strip_prefix(MARK)?.strip_suffix('\n')?;
        let mut fields = line.split(' ');
        Some(Self {
            started: fields.next()?.parse().ok()?,
            request: match fields.next()? {
                NOBODY => None,
                id => Some(RequestId::parse(id)?),
            },
            version: fields.next()?.to_owned(),
            length: fields.next()?.parse().ok()?,
            call: if fields.clone().all(|word| word.contains('=')) { record::parse(fields) } else { return None },
        })
    }
}

/// Adds a whole record to `buffer`; text that ends within a line gets the end of the line, which is not counted.
pub(super) fn write(
    buffer: &mut Vec<u8>,
    started: Timestamp,
    request: Option<RequestId>,
    version: &str,
    text: &[u8],
    call: Option<&CallRecord>,
) {
    buffer.extend_from_slice(MARK.as_bytes());
    ink::microsecond(buffer, started);
    buffer.push(b' ');
    match request {
        Some(request) => buffer.extend_from_slice(request.text().as_bytes()),
        None => buffer.extend_from_slice(NOBODY.as_bytes()),
    }
    for (index, word) in version.split(char::is_whitespace).enumerate() {
        buffer.push(if index == 0 { b' ' } else { b'_' });
        buffer.extend_from_slice(word.as_bytes());
    }
    buffer.push(b' ');
    ink::number(buffer, text.len());
    if let Some(call) = call {
        record::write(buffer, call);
    }
    buffer.push(b'\n');
    buffer.extend_from_slice(text);
    if text.last() != Some(&b'\n') {
        buffer.push(b'\n');
    }
}

/// Walks over the records of one segment.
#[derive(Debug)]
pub(super) struct Records<R> {
    file: BufReader<R>,
    /// Where the next record starts, if there is one.
    at: u64,
    length: u64,
}

impl<R: Read + Seek> Records<R> {
    /// `length` is where to stop, however the file grows.
    pub(super) fn new(file: R, length: u64) -> Self {
        Self { file: BufReader::with_capacity(64 << 10, file), at: 0, length }
    }

    /// Where the last whole record ends, once there is no next.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Goes to the start of a record.
    pub(super) fn seek(&mut self, at: u64) -> io::Result<()> {
        self.at = at;
        self.file.seek(io::SeekFrom::Start(at)).map(|_| ())
    }

    /// The next record: its start, its header, and its text if `wanted` says so. `None` at the end and at a torn
    /// record; lines that belong to no record are passed over.
    pub(super) fn next(&mut self, wanted: impl Fn(&Header) -> bool) -> io::Result<Option<(u64, Header, Vec<u8>)>> {
        loop {
            let mut line = Vec::new();
            let read = (&mut self.file).take(HEADER_BYTES).read_until(b'\n', &mut line)? as u64;
            if read == 0 || self.at + read > self.length {
                return Ok(None);
            }
            let start = self.at;
            let Some(header) = Header::parse(&line) else {
                if line.last() != Some(&b'\n') && read < HEADER_BYTES {
                    return Ok(None);
                }
                self.at += read;
                continue;
            };
            let Some(text) = self.text(start + read, &header, &wanted)? else { return Ok(None) };
            return Ok(Some((start, header, text)));
        }
    }

    /// Reads or skips the text at `start` and the end of its last line; `None` if the file ends before.
    fn text(&mut self, start: u64, header: &Header, wanted: &impl Fn(&Header) -> bool) -> io::Result<Option<Vec<u8>>> {
        // The length is only believed once the file is known to be that long.
        let end = start.saturating_add(header.length);
        if end > self.length {
            return Ok(None);
        }
        let mut text = Vec::new();
        if wanted(header) {
            (&mut self.file).take(header.length).read_to_end(&mut text)?;
        } else {
            self.skip_to_last(header.length)?;
            (&mut self.file).take(header.length.min(1)).read_to_end(&mut text)?;
        }
        let open_line = text.last() != Some(&b'\n');
        if open_line && (end == self.length || self.file.read(&mut [0])? == 0) {
            return Ok(None);
        }
        self.at = end + u64::from(open_line);
        Ok(Some(text))
    }

    fn skip_to_last(&mut self, length: u64) -> io::Result<()> {
        let skip = i64::try_from(length.saturating_sub(1)).map_err(io::Error::other)?;
        self.file.seek_relative(skip)
    }
}
