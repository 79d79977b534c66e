//! Base64 that is decoded where it stands: a package is most of what a request holds, and would else be there twice.

use std::ops::Range;

use base64::{
    DecodeError, DecodeSliceError, Engine as _,
    engine::{DecodePaddingMode, GeneralPurposeConfig, Simd},
};
use fungraph_store::BLOCK;

/// Characters that are decoded at once: whole groups of four, and few enough to stay in the fastest memory.
const PIECE: usize = 16 << 10;

/// Characters from which a text's bytes begin at a block's boundary in memory.
const LARGE: usize = 1 << 20;

/// A piece is longer than a block and its own bytes together, or these would run into what is not read yet.
const _: () = assert!(PIECE >= PIECE / 4 * 3 + BLOCK);

/// Decodes a text and puts its bytes where it stands; gives which of it they are now. Those of a large text begin at a block's boundary, so
/// that a disk can take them from there, and else where the text began. Line breaks are passed over: they are common where a shell
/// made the text. After an error the text is spoilt.
///
/// # Errors
/// It is not base64. Places in the text do not count line breaks.
pub(super) fn decode_in_place(text: &mut [u8]) -> Result<Range<usize>, DecodeError> {
    let whole = Simd::standard(GeneralPurposeConfig::new());
    // For all pieces but the last: only the last group of a text may be filled up.
    let within = Simd::standard(GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::RequireNone));
    let start = if text.len() < LARGE { 0 } else { text.as_ptr().align_offset(BLOCK) };
    let mut piece = [0; PIECE];
    let (mut read, mut written, mut before) = (0, start, 0);
    loop {
        let (filled, next) = gather(text, read, &mut piece);
        read = next;
        let is_last = text[read..].iter().all(|byte| is_break(*byte));
        let engine = if is_last { &whole } else { &within };
        // Never beyond what was read: these are three for every four of that.
        let length = match engine.decode_slice(&piece[..filled], &mut text[written..read]) {
            Ok(length) => length,
            Err(DecodeSliceError::DecodeError(DecodeError::InvalidPadding)) if !is_last => {
                // Its last group is filled up, and that is no place for it.
                let place = piece.iter().position(|byte| *byte == b'=').unwrap_or(PIECE);
                return Err(DecodeError::InvalidByte(before + place, b'='));
            }
            Err(DecodeSliceError::DecodeError(error)) => return Err(in_whole(&error, before)),
            Err(DecodeSliceError::OutputSliceTooSmall) => unreachable!("bytes are fewer than their characters"),
        };
        written += length;
        before += filled;
        if is_last {
            return Ok(start..written);
        }
    }
}

/// Fills a piece with what comes next, without line breaks; gives how much that was, and where to go on.
fn gather(text: &[u8], from: usize, piece: &mut [u8; PIECE]) -> (usize, usize) {
    let next = &text[from..text.len().min(from + PIECE)];
    if memchr::memchr2(b'\n', b'\r', next).is_none() {
        piece[..next.len()].copy_from_slice(next);
        return (next.len(), from + next.len());
    }
    let (mut filled, mut read) = (0, from);
    while let Some(byte) = text.get(read).filter(|_| filled < PIECE) {
        if !is_break(*byte) {
            piece[filled] = *byte;
            filled += 1;
        }
        read += 1;
    }
    (filled, read)
}

fn is_break(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

/// The error of a piece with the place it has in the whole.
fn in_whole(error: &DecodeError, before: usize) -> DecodeError {
    match *error {
        DecodeError::InvalidByte(place, byte) => DecodeError::InvalidByte(before + place, byte),
        DecodeError::InvalidLastSymbol { offset, symbol, symbol_value } => {
            DecodeError::InvalidLastSymbol { offset: before + offset, symbol, symbol_value }
        }
        DecodeError::InvalidLength(length) => DecodeError::InvalidLength(before + length),
        DecodeError::InvalidPadding => DecodeError::InvalidPadding,
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    /// What the library makes of the whole text at once.
    fn check(text: &[u8]) {
        let plain: Vec<u8> = text.iter().copied().filter(|byte| !is_break(*byte)).collect();
        let mut buffer = text.to_vec();
        let decoded = decode_in_place(&mut buffer).map(|bytes| buffer[bytes].to_vec());
        let shown = String::from_utf8_lossy(&text[..text.len().min(60)]);
        assert_eq!(decoded, STANDARD.decode(plain), "{} characters, {shown:?}", text.len());
    }

    #[test]
    fn texts_of_every_length_around_a_piece() {
        for length in (0..70).chain(PIECE / 4 * 3 - 5..PIECE / 4 * 3 + 5).chain([PIECE / 2 * 3, 5 * PIECE + 1]) {
            let bytes: Vec<u8> = (0..length).map(|place| (place * 31 % 251) as u8).collect();
            let text = STANDARD.encode(bytes);
            check(text.as_bytes());
            for width in [1, 76, PIECE - 1, PIECE] {
                let lines: Vec<&[u8]> = text.as_bytes().chunks(width).collect();
                check(&lines.join(&b"\r\n"[..]));
                check(&[&lines.join(&b"\n"[..])[..], b"\n\n"].concat());
            }
        }
    }

    #[test]
    fn bytes_of_a_large_text_begin_where_a_disk_can_take_them() {
        for length in [LARGE / 4 * 3 - 3, LARGE / 4 * 3, LARGE] {
            let bytes: Vec<u8> = (0..length).map(|place| (place * 31 % 251) as u8).collect();
            let encoded = STANDARD.encode(&bytes);
            for shift in [0, 1, 7, BLOCK - 1] {
                let mut buffer = [&vec![b'A'; shift][..], encoded.as_bytes()].concat();
                let text = &mut buffer[shift..];
                let found = decode_in_place(text).expect("it is base64");
                let decoded = &text[found];
                assert_eq!(decoded, bytes, "{length} bytes, {shift} further");
                assert!(encoded.len() < LARGE || decoded.as_ptr().addr() % BLOCK == 0);
            }
        }
    }

    #[test]
    fn what_is_no_base64_is_refused_as_the_library_does() {
        let long = STANDARD.encode(vec![7; 2 * PIECE]);
        for bad in ["=", "Q", "QQ", "QQ=", "QR==", "QQ==QQ==", "Q\n", "Q*==", " ", "QQ= =", "====", "\n\n"] {
            check(bad.as_bytes());
            check(format!("{bad}{long}").as_bytes());
            check(format!("{long}{bad}").as_bytes());
        }
        let mut padded = long.into_bytes();
        padded[PIECE - 1] = b'=';
        check(&padded);
        // In the middle of a large one.
        let large = STANDARD.encode(vec![7; LARGE]).into_bytes();
        for (place, byte) in [(LARGE / 2, b'*'), (LARGE / 2 + 1, b'='), (LARGE / 2 + 2, 0x80)] {
            let mut broken = large.clone();
            broken[place] = byte;
            check(&broken);
        }
    }
}
