//! Numbers and texts as gob writes them.

/// A number without sign.
pub(in crate::programs::go) fn put_uint(out: &mut Vec<u8>, number: u64) {
    if let Ok(small @ 0..0x80) = u8::try_from(number) {
        out.push(small);
        return;
    }
    let bytes = number.to_be_bytes();
    let digits = &bytes[number.leading_zeros() as usize / 8..];
    // One to eight of them.
    out.push((digits.len() as u8).wrapping_neg());
    out.extend_from_slice(digits);
}

/// A text, or a slice of bytes.
pub(in crate::programs::go) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_uint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}
