//! Percent-encoding (RFC 3986, section 2.1) as the signature needs it: decoded once, `+` is a plus sign.

use std::borrow::Cow;

use memchr::{memchr, memchr_iter};

/// A `%` that two hexadecimal digits do not follow, or bytes that are no UTF-8 where text is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed percent-encoding")]
pub(crate) struct Malformed;

/// Decodes every `%XX`.
pub(crate) fn decode(text: &str) -> Result<Cow<'_, [u8]>, Malformed> {
    let mut rest = text.as_bytes();
    let Some(mut at) = memchr(b'%', rest) else { return Ok(Cow::Borrowed(rest)) };
    let mut decoded = Vec::with_capacity(rest.len());
    loop {
        decoded.extend_from_slice(&rest[..at]);
        decoded.push(byte(&rest[at..]).ok_or(Malformed)?);
        rest = &rest[at + 3..];
        match memchr(b'%', rest) {
            Some(next) => at = next,
            None => break,
        }
    }
    decoded.extend_from_slice(rest);
    Ok(Cow::Owned(decoded))
}

/// The byte that `%XX` stands for, at the beginning of a text.
fn byte(escape: &[u8]) -> Option<u8> {
    let digit = |at: usize| escape.get(at).and_then(|digit| char::from(*digit).to_digit(16));
    let (high, low) = (digit(1)?, digit(2)?);
    Some(u8::try_from(high * 16 + low).expect("two hexadecimal digits fit a byte"))
}

/// Decodes every `%XX` to a text.
pub(crate) fn decode_text(text: &str) -> Result<Cow<'_, str>, Malformed> {
    match decode(text)? {
        Cow::Borrowed(_) => Ok(Cow::Borrowed(text)),
        Cow::Owned(bytes) => String::from_utf8(bytes).map(Cow::Owned).map_err(|_| Malformed),
    }
}

/// Whether every `%` is followed by two hexadecimal digits.
pub(crate) fn is_well_formed(text: &str) -> bool {
    let text = text.as_bytes();
    memchr_iter(b'%', text).all(|at| byte(&text[at..]).is_some())
}

/// What the signature keeps as it is: letters, digits, `-._~`.
const KEPT: [bool; 256] = {
    let mut kept = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        kept[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        byte += 1;
    }
    kept
};

/// Writes bytes as they are where the signature keeps them, else as `%XX` with upper-case digits.
pub(crate) fn encode(mut bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    loop {
        let kept = bytes.iter().position(|byte| !KEPT[usize::from(*byte)]).unwrap_or(bytes.len());
        out.extend_from_slice(&bytes[..kept]);
        let Some((byte, rest)) = bytes[kept..].split_first() else { return };
        out.extend_from_slice(&[b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        bytes = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_once_and_keeps_plus_signs() {
        for (text, expected) in
            [("plain", "plain"), ("a%3Ab%3a", "a:b:"), ("a+b%2B", "a+b+"), ("%2525", "%25"), ("", "")]
        {
            assert_eq!(decode(text).expect(text), expected.as_bytes());
        }
    }

    #[test]
    fn refuses_broken_escapes() {
        for text in ["%", "%4", "%zz", "a%2", "%%41", "%+1"] {
            assert_eq!(decode(text), Err(Malformed), "{text}");
            assert!(!is_well_formed(text), "{text}");
        }
        assert_eq!(decode_text("%ff"), Err(Malformed));
    }
}
