//! Zstandard as layers use it: a file may be of several frames, and of frames that are to be passed over (RFC 8878, section 3).

use std::io::{self, BufRead, Read};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// Reads all frames as one.
pub(super) struct Frames<R> {
    source: R,
    /// Of the frame that is being read.
    decoder: Option<Box<FrameDecoder>>,
}

impl<R: BufRead> Frames<R> {
    pub(super) fn new(source: R) -> Self {
        Self { source, decoder: None }
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let decoder = match &mut self.decoder {
                Some(decoder) => decoder,
                None => match next(&mut self.source)? {
                    Some(decoder) => self.decoder.insert(Box::new(decoder)),
                    None => return Ok(0),
                },
            };
            while decoder.can_collect() == 0 && !decoder.is_finished() {
                decoder
                    .decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1))
                    .map_err(io::Error::other)?;
            }
            match decoder.read(buffer)? {
                0 => self.decoder = None,
                read => return Ok(read),
            }
        }
    }
}

/// The next frame that holds something; `None` at the end.
fn next(mut source: impl BufRead) -> io::Result<Option<FrameDecoder>> {
    while !source.fill_buf()?.is_empty() {
        let mut decoder = FrameDecoder::new();
        match decoder.init(&mut source) {
            Ok(()) => return Ok(Some(decoder)),
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                let passed = io::copy(&mut (&mut source).take(length.into()), &mut io::sink())?;
                if passed < length.into() {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            Err(error) => return Err(io::Error::other(error)),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    fn frame(text: &str) -> Vec<u8> {
        compress_to_vec(text.as_bytes(), CompressionLevel::Fastest)
    }

    fn read(bytes: &[u8]) -> io::Result<String> {
        let mut text = String::new();
        Frames::new(bytes).read_to_string(&mut text).map(|_| text)
    }

    #[test]
    fn all_frames_are_one_text() {
        let skipped = [&0x184D_2A50_u32.to_le_bytes()[..], &3_u32.to_le_bytes(), b"xyz"].concat();
        let whole = [skipped.clone(), frame("one "), frame(""), skipped, frame("two")].concat();
        assert_eq!(read(&whole).expect("it is whole"), "one two");
        assert_eq!(read(b"").expect("nothing is nothing"), "");
    }

    #[test]
    fn what_breaks_off_or_is_something_else_is_an_error() {
        let two = [frame("one "), frame("two")].concat();
        let skipped = [&0x184D_2A50_u32.to_le_bytes()[..], &9_u32.to_le_bytes(), b"xyz"].concat();
        for bad in [&two[..two.len() - 3], b"text", &[&two[..], b"text"].concat(), &skipped] {
            assert!(read(bad).is_err());
        }
    }
}
