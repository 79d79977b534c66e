//! Frames of `PROTOCOL.md`, as bytes. Pure: no socket is touched here.

/// Bytes of a header.
pub(crate) const HEADER_BYTES: usize = 12;
/// Most bytes of a payload; more is garbage on the socket.
pub(crate) const PAYLOAD_BYTES: usize = 16 << 20;
/// Form of a FAILED after which the process ends by itself.
pub(crate) const LEAVING: u8 = 1;
/// Form of FAILED after which the process ends, of a call that no program has seen: it may go to another instance.
pub(crate) const NOT_BEGUN: u8 = 2;
/// Form of an INVOKE for whose answer nobody waits.
pub(crate) const ASYNCHRONOUS: u8 = 2;
/// Version of the protocol that HELLO must name.
pub(crate) const VERSION: u64 = 1;

/// What a frame is. Numbers below 64 go to the bootstrap, the others come from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Load the function.
    Load = 1,
    /// Run the initializer.
    Initialize = 2,
    /// Call the handler.
    Invoke = 3,
    /// Leave in order.
    Stop = 4,
    /// Call the handler for a caller who used an alias.
    InvokeAs = 5,
    /// The bootstrap runs.
    Hello = 65,
    /// The function is loaded.
    Loaded = 66,
    /// The initializer returned.
    Initialized = 67,
    /// The handler returned.
    Result = 68,
    /// Loading, initializer or handler failed.
    Failed = 69,
    /// Whole log lines.
    Log = 70,
    /// The bootstrap is about to exit.
    Stopped = 71,
    /// The bootstrap takes no more calls, and exits when those that run have ended.
    Leaving = 72,
}

impl Kind {
    fn read(byte: u8) -> Option<Self> {
        [
            Self::Load,
            Self::Initialize,
            Self::Invoke,
            Self::Stop,
            Self::InvokeAs,
            Self::Hello,
            Self::Loaded,
            Self::Initialized,
            Self::Result,
            Self::Failed,
            Self::Log,
            Self::Stopped,
            Self::Leaving,
        ]
        .into_iter()
        .find(|kind| *kind as u8 == byte)
    }
}

/// The twelve bytes before every payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Bytes of payload that follow.
    pub length: u32,
    /// Call the frame belongs to; 0 for none.
    pub call: u32,
    /// Inner code of a failure.
    pub code: u16,
    /// What the frame is.
    pub kind: Kind,
    /// How a result was written; of a failure, 1 where the process is leaving, else 0.
    pub form: u8,
}

/// Bytes that are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadFrame {
    /// The length is beyond the limit.
    #[error("a frame of {length} bytes, more than the limit")]
    TooLong {
        /// What the header said.
        length: u32,
    },
    /// No such kind.
    #[error("a frame of unknown kind {kind}")]
    UnknownKind {
        /// What the header said.
        kind: u8,
    },
}

/// A text with its length in a byte before it; what does not fit is left out.
pub(crate) fn short_text(text: &str) -> Vec<u8> {
    let text = text.as_bytes();
    let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
    [&[length], &text[..length.into()]].concat()
}

impl FrameHeader {
    /// A header without code and form.
    #[must_use]
    pub fn new(kind: Kind, call: u32, length: usize) -> Self {
        let length = u32::try_from(length).expect("payloads are checked against their limit before they are framed");
        Self { length, call, code: 0, kind, form: 0 }
    }

    /// Writes it down, little endian.
    #[must_use]
    pub fn encode(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..4].copy_from_slice(&self.length.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.call.to_le_bytes());
        bytes[8..10].copy_from_slice(&self.code.to_le_bytes());
        bytes[10] = self.kind as u8;
        bytes[11] = self.form;
        bytes
    }

    pub(crate) fn decode(bytes: [u8; HEADER_BYTES]) -> Result<Self, BadFrame> {
        let [l0, l1, l2, l3, c0, c1, c2, c3, code0, code1, kind, form] = bytes;
        let length = u32::from_le_bytes([l0, l1, l2, l3]);
        let kind = Kind::read(kind).ok_or(BadFrame::UnknownKind { kind })?;
        if length as usize > PAYLOAD_BYTES {
            return Err(BadFrame::TooLong { length });
        }
        Ok(Self {
            length,
            call: u32::from_le_bytes([c0, c1, c2, c3]),
            code: u16::from_le_bytes([code0, code1]),
            kind,
            form,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_survive_the_wire() {
        let header = FrameHeader { length: 70_000, call: 9, code: 4002, kind: Kind::Failed, form: 3 };
        assert_eq!(header.encode(), [0x70, 0x11, 1, 0, 9, 0, 0, 0, 0xA2, 0x0F, 69, 3]);
        assert_eq!(FrameHeader::decode(header.encode()), Ok(header));
    }

    #[test]
    fn garbage_is_noticed() {
        assert_eq!(FrameHeader::decode(*b"HTTP/1.1 200"), Err(BadFrame::UnknownKind { kind: b'0' }));
        let long = FrameHeader { length: u32::MAX, ..FrameHeader::new(Kind::Log, 0, 0) };
        assert_eq!(FrameHeader::decode(long.encode()), Err(BadFrame::TooLong { length: u32::MAX }));
    }
}
