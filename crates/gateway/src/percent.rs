//! Percent-encoding (RFC 3986, section 2.1) as the signature needs it: decoded once, `+` is a plus sign.

use std::borrow::Cow;

/// A `%` that two hexadecimal digits do not follow, or bytes that are no UTF-8 where text is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed percent-encoding")]
pub(crate) struct Malformed;

/// Decodes every `%XX`.
pub(crate) fn decode(text: &str) -> Result<Cow<'_, [u8]>, Malformed> {
    if !text.contains('%') {
        return Ok(Cow::Borrowed(text.as_bytes()));
    }
    let mut decoded = Vec::with_capacity(text.len());
    for_each_byte(text, |byte| decoded.push(byte))?;
    Ok(Cow::Owned(decoded))
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
    !text.contains('%') || for_each_byte(text, |_| ()).is_ok()
}

/// Writes a byte as it is where the signature keeps it (letters, digits, `-._~`), else as `%XX` with upper-case digits.
pub(crate) fn encode(byte: u8, out: &mut Vec<u8>) {
    if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
        out.push(byte);
    } else {
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        out.extend([b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}

/// Hands over each decoded byte.
pub(crate) fn for_each_byte(text: &str, mut visit: impl FnMut(u8)) -> Result<(), Malformed> {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let mut digit = || bytes.next().and_then(|b| char::from(b).to_digit(16)).ok_or(Malformed);
            let (high, low) = (digit()?, digit()?);
            visit(u8::try_from(high * 16 + low).expect("two hexadecimal digits fit a byte"));
        } else {
            visit(byte);
        }
    }
    Ok(())
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
