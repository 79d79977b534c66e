//! Where an archive is read from: the memory that its request is in, or the file that it was fetched into.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};

/// Bytes that a scan looks at in one piece.
const PIECE: usize = 128 << 10;

/// Bytes that can be read from any place.
#[derive(Debug)]
pub(super) enum Source<'a> {
    Memory(Cursor<&'a [u8]>),
    File(BufReader<File>),
}

impl<'a> Source<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self::Memory(Cursor::new(bytes))
    }
}

impl Source<'_> {
    /// Shows all bytes from the first one on, in pieces. Each begins with the last `overlap` of the one before, so that what is shorter
    /// than that is seen whole, and is seen once. Stops where `look` fails.
    pub(super) fn scan(&mut self, overlap: usize, mut look: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        self.seek(SeekFrom::Start(0))?;
        let mut piece = vec![0; overlap + PIECE];
        let mut kept = 0;
        loop {
            let read = self.read(&mut piece[kept..])?;
            if read == 0 {
                return Ok(());
            }
            let end = kept + read;
            look(&piece[..end])?;
            kept = end.min(overlap);
            piece.copy_within(end - kept..end, 0);
        }
    }

    /// The last bytes, no more than `most`, and how many there are altogether.
    pub(super) fn tail(&mut self, most: u64) -> io::Result<(Vec<u8>, u64)> {
        let length = self.seek(SeekFrom::End(0))?;
        self.seek(SeekFrom::Start(length.saturating_sub(most)))?;
        let mut tail = Vec::new();
        self.take(most).read_to_end(&mut tail)?;
        Ok((tail, length))
    }
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Memory(bytes) => bytes.read(buffer),
            Self::File(file) => file.read(buffer),
        }
    }
}

impl Seek for Source<'_> {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        match self {
            Self::Memory(bytes) => bytes.seek(position),
            Self::File(file) => file.seek(position),
        }
    }
}
