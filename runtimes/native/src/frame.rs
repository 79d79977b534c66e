//! Frames of PROTOCOL.md, as bytes: those that this bootstrap has to do with. Pure: no socket is touched here.

use bytes::{Buf, Bytes, BytesMut};

/// Bytes of a header.
pub(crate) const HEADER: usize = 12;
/// Most bytes of a payload.
const PAYLOAD: usize = 16 << 20;

/// What comes from the platform, which hands calls to the program itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Load the function that this JSON object describes.
    Load(Bytes),
    /// Leave in order.
    Stop,
}

/// What goes to the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Hello = 65,
    Loaded = 66,
    Failed = 69,
    Log = 70,
    Stopped = 71,
}

/// Bytes from the platform that are no frame: it would be a fault of ours.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame of kind {kind} with {length} bytes, which the platform never sends")]
pub(crate) struct BadFrame {
    kind: u8,
    length: usize,
}

/// The twelve bytes before a payload of `length`. No frame belongs to a call.
pub(crate) fn header(kind: Kind, code: u16, length: usize) -> [u8; HEADER] {
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    let mut bytes = [0; HEADER];
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    bytes[8..10].copy_from_slice(&code.to_le_bytes());
    bytes[10] = kind as u8;
    bytes
}

/// Takes the first frame, if all of it is there; else makes room for it.
pub(crate) fn take(buffer: &mut BytesMut) -> Result<Option<Order>, BadFrame> {
    let Some(&[l0, l1, l2, l3, _, _, _, _, _, _, kind, _]) = buffer.first_chunk::<HEADER>() else {
        return Ok(None);
    };
    let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    if length > PAYLOAD {
        return Err(BadFrame { kind, length });
    }
    if buffer.len() < HEADER + length {
        buffer.reserve(HEADER + length - buffer.len());
        return Ok(None);
    }
    let mut payload = buffer.split_to(HEADER + length).freeze();
    payload.advance(HEADER);
    match kind {
        1 => Ok(Some(Order::Load(payload))),
        4 => Ok(Some(Order::Stop)),
        _ => Err(BadFrame { kind, length }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = header(Kind::Log, 0, payload.len()).to_vec();
        bytes[10] = kind;
        bytes.extend_from_slice(payload);
        bytes
    }

    #[test]
    fn a_frame_in_pieces_is_taken_once_it_is_whole() {
        let whole = frame(1, b"{}");
        let mut buffer = BytesMut::new();
        for byte in &whole[..whole.len() - 1] {
            buffer.extend_from_slice(&[*byte]);
            assert_eq!(take(&mut buffer), Ok(None));
        }
        buffer.extend_from_slice(&whole[whole.len() - 1..]);
        buffer.extend_from_slice(&frame(4, b""));
        assert_eq!(take(&mut buffer), Ok(Some(Order::Load(Bytes::from_static(b"{}")))));
        assert_eq!(take(&mut buffer), Ok(Some(Order::Stop)));
        assert_eq!(take(&mut buffer), Ok(None));
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        for bytes in [frame(9, b""), frame(3, b"a call"), b"HTTP/1.1 200 OK\r\n".to_vec()] {
            assert!(take(&mut BytesMut::from(&bytes[..])).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn headers_are_those_of_the_protocol() {
        let expected = [0x70, 0x11, 1, 0, 0, 0, 0, 0, 0xA1, 0x0F, 69, 0];
        assert_eq!(header(Kind::Failed, 4001, 70_000), expected);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_frame_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut buffer = BytesMut::from(&bytes[..]);
            while let Ok(Some(_)) = take(&mut buffer) {}
            // Never more room than one frame may take, however much was announced.
            prop_assert!(buffer.capacity() <= HEADER + PAYLOAD + bytes.len());
        }
    }
}
