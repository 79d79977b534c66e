//! Numbers, texts and fields of one message.

use std::ops::Range;

use super::BadGob;

/// Where some bytes of a message lie in it: so that a payload of megabytes is handed on without a copy.
pub(in crate::programs::go) type Bytes = Range<usize>;

/// Reads a message from its front to its end.
#[derive(Clone, Debug)]
pub(in crate::programs::go) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// What to do with a field once it was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::programs::go) enum Field {
    /// Its value was read.
    Read,
    /// It is of no interest: the walk passes over it.
    Pass,
}

impl<'a> Reader<'a> {
    pub(in crate::programs::go) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bytes read so far.
    pub(in crate::programs::go) fn at(&self) -> usize {
        self.at
    }

    /// Bytes that are left.
    pub(super) fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The next bytes, and where they lie.
    pub(in crate::programs::go) fn take(&mut self, length: u64) -> Result<Bytes, BadGob> {
        let length = usize::try_from(length).ok().filter(|length| *length <= self.left()).ok_or(BadGob::Short)?;
        let taken = self.at..self.at + length;
        self.at = taken.end;
        Ok(taken)
    }

    /// A number without sign: itself where it fits seven bits, else the negated count of its bytes and then those.
    pub(in crate::programs::go) fn uint(&mut self) -> Result<u64, BadGob> {
        let first = self.byte()?;
        if first < 0x80 {
            return Ok(first.into());
        }
        let count = first.wrapping_neg();
        if count > 8 {
            return Err(BadGob::LongNumber);
        }
        let range = self.take(count.into())?;
        Ok(self.bytes[range].iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// A number with sign: the sign is the lowest bit, and says that the others are complemented.
    pub(in crate::programs::go) fn int(&mut self) -> Result<i64, BadGob> {
        let raw = self.uint()?;
        let magnitude = (raw >> 1).cast_signed();
        Ok(if raw & 1 == 1 { !magnitude } else { magnitude })
    }

    /// A text or a slice of bytes.
    pub(in crate::programs::go) fn bytes(&mut self) -> Result<Bytes, BadGob> {
        let length = self.uint()?;
        self.take(length)
    }

    /// The same as a text, as much of it as the first `most` bytes are; what is no UTF-8 in it is replaced.
    pub(in crate::programs::go) fn text(&mut self, most: usize) -> Result<String, BadGob> {
        let bytes = &self.bytes[self.bytes()?];
        Ok(String::from_utf8_lossy(&bytes[..bytes.len().min(most)]).into_owned())
    }

    /// How many elements follow; each takes a byte at least, so there are no more than bytes.
    pub(super) fn count(&mut self) -> Result<usize, BadGob> {
        let count = self.uint()?;
        usize::try_from(count).ok().filter(|count| *count <= self.left()).ok_or(BadGob::Short)
    }

    fn byte(&mut self) -> Result<u8, BadGob> {
        let byte = *self.bytes.get(self.at).ok_or(BadGob::Short)?;
        self.at += 1;
        Ok(byte)
    }
}

/// Walks over the fields of a struct: `take` gets the number of each that is there and reads its value.
pub(in crate::programs::go) fn fields<'a>(
    reader: &mut Reader<'a>,
    mut take: impl FnMut(usize, &mut Reader<'a>) -> Result<(), BadGob>,
) -> Result<(), BadGob> {
    // Numbers are told as the distance from the one before, and the first is counted from -1; 0 ends the struct.
    let mut next = 0_usize;
    loop {
        let distance = reader.uint()?;
        if distance == 0 {
            return Ok(());
        }
        let distance = usize::try_from(distance).map_err(|_| BadGob::UnknownField)?;
        next = next.checked_add(distance).ok_or(BadGob::UnknownField)?;
        take(next - 1, reader)?;
    }
}
