//! Bytes that keep something as long as anybody has them: a body's share of the memory, say, though its client has left.

use bytes::Bytes;

struct Held<H> {
    bytes: Bytes,
    _held: H,
}

impl<H> AsRef<[u8]> for Held<H> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The same bytes, which keep `held` until the last who has some of them lets go.
pub fn held<H: Send + 'static>(bytes: Bytes, held: H) -> Bytes {
    Bytes::from_owner(Held { bytes, _held: held })
}
