//! Frames of PROTOCOL.md, as bytes. Pure: no socket is touched here.

use bytes::{Buf, Bytes, BytesMut};

/// Bytes of a header.
pub(crate) const HEADER: usize = 12;
/// Most bytes of a payload.
const PAYLOAD: usize = 16 << 20;
/// Form of an INVOKE for whose answer nobody waits.
const ASYNCHRONOUS: u8 = 2;
/// Bytes of the request id that stands before every event.
const ID: usize = 36;

/// What comes from the platform.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Load the function that this JSON object describes.
    Load(Bytes),
    /// Run the initializer for this call.
    Initialize(Call),
    /// Call the function.
    Invoke(Call),
    /// Leave in order.
    Stop,
}

/// One call; of an initializer, the event is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// Its number in this instance.
    pub(crate) number: u32,
    /// Its request id.
    pub(crate) id: String,
    /// The alias that its caller used, if any.
    pub(crate) alias: Option<String>,
    /// The event, as the caller sent it.
    pub(crate) event: Bytes,
    /// Whether it came by the queue, so that nobody waits for the answer.
    pub(crate) is_async: bool,
}

/// What goes to the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Hello = 65,
    Loaded = 66,
    Initialized = 67,
    Result = 68,
    Failed = 69,
    Log = 70,
    Stopped = 71,
}

/// How the value of a RESULT is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Form {
    /// Nothing was returned.
    Nothing = 0,
    /// Text as it is.
    #[allow(dead_code, reason = "a form of the protocol; which forms occur is for the kinds of programs to say")]
    Text = 1,
    /// Bytes that may be anything.
    Bytes = 3,
}

/// Bytes from the platform that are no frame: it would be a fault of ours.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame of kind {kind} with {length} bytes, which the platform never sends")]
pub(crate) struct BadFrame {
    kind: u8,
    length: usize,
}

/// The twelve bytes before a payload of `length`.
pub(crate) fn header(kind: Kind, call: u32, code: u16, form: u8, length: usize) -> [u8; HEADER] {
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    let mut bytes = [0; HEADER];
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    bytes[4..8].copy_from_slice(&call.to_le_bytes());
    bytes[8..10].copy_from_slice(&code.to_le_bytes());
    bytes[10] = kind as u8;
    bytes[11] = form;
    bytes
}

/// Takes the first frame, if all of it is there; else makes room for it.
pub(crate) fn take(buffer: &mut BytesMut) -> Result<Option<Order>, BadFrame> {
    let Some(&[l0, l1, l2, l3, c0, c1, c2, c3, _, _, kind, form]) = buffer.first_chunk::<HEADER>() else {
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
    let number = u32::from_le_bytes([c0, c1, c2, c3]);
    order(kind, form, number, payload).ok_or(BadFrame { kind, length }).map(Some)
}

fn order(kind: u8, form: u8, number: u32, payload: Bytes) -> Option<Order> {
    Some(match kind {
        1 => Order::Load(payload),
        2 => Order::Initialize(call(number, 0, payload)?),
        3 => Order::Invoke(call(number, form, payload)?),
        4 => Order::Stop,
        5 => Order::Invoke(call_by_alias(number, form, payload)?),
        _ => return None,
    })
}

fn call(number: u32, form: u8, mut payload: Bytes) -> Option<Call> {
    let id = std::str::from_utf8(payload.get(..ID)?).ok()?.to_owned();
    payload.advance(ID);
    Some(Call { number, id, alias: None, event: payload, is_async: form == ASYNCHRONOUS })
}

/// The alias stands before the event, after a byte with its length.
fn call_by_alias(number: u32, form: u8, payload: Bytes) -> Option<Call> {
    let mut call = call(number, form, payload)?;
    let end = 1 + usize::from(*call.event.first()?);
    let alias = std::str::from_utf8(call.event.get(1..end)?).ok()?.to_owned();
    call.event.advance(end);
    Some(Call { alias: Some(alias), ..call })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REQUEST: &str = "11111111-2222-3333-4444-555555555555";

    fn frame(kind: u8, call: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = header(Kind::Log, call, 0, 0, payload.len()).to_vec();
        bytes[10] = kind;
        bytes.extend_from_slice(payload);
        bytes
    }

    #[test]
    fn a_frame_in_pieces_is_taken_once_it_is_whole() {
        let whole = frame(3, 7, format!("{REQUEST}{{}}").as_bytes());
        let mut buffer = BytesMut::new();
        for byte in &whole[..whole.len() - 1] {
            buffer.extend_from_slice(&[*byte]);
            assert_eq!(take(&mut buffer), Ok(None));
        }
        buffer.extend_from_slice(&whole[whole.len() - 1..]);
        buffer.extend_from_slice(&frame(4, 0, b""));
        let event = Bytes::from_static(b"{}");
        let call = Call { number: 7, id: REQUEST.to_owned(), alias: None, event, is_async: false };
        assert_eq!(take(&mut buffer), Ok(Some(Order::Invoke(call.clone()))));
        assert_eq!(take(&mut buffer), Ok(Some(Order::Stop)));
        assert_eq!(take(&mut buffer), Ok(None));
        buffer.extend_from_slice(&frame(5, 7, format!("{REQUEST}\x04prod{{}}").as_bytes()));
        let by_alias = Call { alias: Some("prod".to_owned()), ..call.clone() };
        assert_eq!(take(&mut buffer), Ok(Some(Order::Invoke(by_alias))));
        let mut queued = frame(3, 7, format!("{REQUEST}{{}}").as_bytes());
        queued[11] = ASYNCHRONOUS;
        buffer.extend_from_slice(&queued);
        assert_eq!(take(&mut buffer), Ok(Some(Order::Invoke(Call { is_async: true, ..call }))));
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        for bytes in [
            frame(9, 0, b""),
            frame(6, 1, b"abcd"),
            frame(3, 1, b"too short"),
            frame(5, 1, REQUEST.as_bytes()),
            frame(5, 1, format!("{REQUEST}\x05prod").as_bytes()),
            b"HTTP/1.1 200 OK\r\n".to_vec(),
        ] {
            assert!(take(&mut BytesMut::from(&bytes[..])).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn headers_are_those_of_the_protocol() {
        let expected = [0x70, 0x11, 1, 0, 9, 0, 0, 0, 0xA2, 0x0F, 69, 3];
        assert_eq!(header(Kind::Failed, 9, 4002, Form::Bytes as u8, 70_000), expected);
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
