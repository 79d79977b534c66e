//! Lower-case hexadecimal text of a SHA-256 and back, without an allocation.

/// The 64 digits of a hash.
pub(super) fn encode(hash: &[u8; 32]) -> [u8; 64] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 64];
    for (pair, byte) in text.chunks_exact_mut(2).zip(hash) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    text
}

/// Reads 64 digits of either case; `None` for anything else.
pub(super) fn decode(text: &str) -> Option<[u8; 32]> {
    let text: &[u8; 64] = text.as_bytes().try_into().ok()?;
    let mut hash = [0; 32];
    for (byte, pair) in hash.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(hash)
}

fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        b'A'..=b'F' => Some(character - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let hash = std::array::from_fn(|i| u8::try_from(i * 8).expect("below 256"));
        let text = encode(&hash);
        let text = std::str::from_utf8(&text).expect("digits are ASCII");
        assert_eq!(decode(text), Some(hash));
        assert_eq!(decode(&text.to_uppercase()), Some(hash));
        for bad in ["", "0g", &text[1..], &text.replace('0', "x"), &format!("{text}0")] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }
}
