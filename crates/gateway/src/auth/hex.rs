//! Lower-case hexadecimal text of a SHA-256 and back, without an allocation.

/// The 64 digits of a hash.
pub(super) fn encode(hash: &[u8; 32]) -> [u8; 64] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 64];
    for (at, byte) in hash.iter().enumerate() {
        text[2 * at] = DIGITS[usize::from(byte >> 4)];
        text[2 * at + 1] = DIGITS[usize::from(byte & 15)];
    }
    text
}

/// Reads 64 digits of either case; `None` for anything else.
pub(super) fn decode(text: &str) -> Option<[u8; 32]> {
    let text: &[u8; 64] = text.as_bytes().try_into().ok()?;
    let mut hash = [0; 32];
    // Looked at once, at the end: what is no digit has more than 15.
    let mut all = 0;
    for (at, byte) in hash.iter_mut().enumerate() {
        let (high, low) = (VALUES[usize::from(text[2 * at])], VALUES[usize::from(text[2 * at + 1])]);
        all |= high | low;
        *byte = high << 4 | low;
    }
    (all < 16).then_some(hash)
}

/// What each byte stands for; 255 where it is no digit.
const VALUES: [u8; 256] = {
    let mut values = [u8::MAX; 256];
    let mut value = 0;
    while value < 16 {
        let digit = b"0123456789abcdef"[value as usize];
        values[digit as usize] = value;
        values[digit.to_ascii_uppercase() as usize] = value;
        value += 1;
    }
    values
};

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
