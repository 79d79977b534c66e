//! One typed message with its descriptors in or out of a `SOCK_SEQPACKET` socket.
//!
//! Packets keep their borders and a closed peer reads as an empty packet, so there is no framing to get wrong.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::message::{MAX_DESCRIPTORS, MAX_MESSAGE_BYTES};

/// Why a message did not get through.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChannelError {
    #[error("the socket failed")]
    Socket(#[source] io::Error),
    #[error("a message of {bytes} bytes is over the limit of {MAX_MESSAGE_BYTES}")]
    TooLarge { bytes: usize },
    #[error("a message is not what was agreed")]
    Garbled(#[source] serde_json::Error),
    #[error("a message was cut short")]
    Truncated,
}

impl ChannelError {
    /// Whether a non-blocking socket had nothing to give or no room.
    pub(crate) fn would_block(&self) -> bool {
        matches!(self, ChannelError::Socket(error) if error.kind() == io::ErrorKind::WouldBlock)
    }
}

/// The bytes of a message, ready to go.
pub(crate) fn encode(message: &impl Serialize) -> Result<Vec<u8>, ChannelError> {
    let bytes = serde_json::to_vec(message).map_err(ChannelError::Garbled)?;
    if bytes.len() > MAX_MESSAGE_BYTES {
        return Err(ChannelError::TooLarge { bytes: bytes.len() });
    }
    Ok(bytes)
}

/// Sends encoded bytes and descriptors as one packet.
pub(crate) fn send_encoded(
    socket: impl AsFd,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> Result<(), ChannelError> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() {
        let pushed = control.push(SendAncillaryMessage::ScmRights(descriptors));
        debug_assert!(pushed, "no message carries more than MAX_DESCRIPTORS");
    }
    loop {
        // NOSIGNAL: a closed peer is an error to handle, not the end of this process.
        match sendmsg(&socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL) {
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(ChannelError::Socket(errno.into())),
        }
    }
}

/// Sends one message.
pub(crate) fn send(
    socket: impl AsFd,
    message: &impl Serialize,
    descriptors: &[BorrowedFd<'_>],
) -> Result<(), ChannelError> {
    send_encoded(socket, &encode(message)?, descriptors)
}

/// Receives one message; none when the peer is gone. Descriptors arrive close-on-exec: all, or none where there is no room for them.
pub(crate) fn receive<M: DeserializeOwned>(
    socket: impl AsFd,
    buffer: &mut Vec<u8>,
) -> Result<Option<(M, Vec<OwnedFd>)>, ChannelError> {
    receive_with(socket, buffer, RecvFlags::CMSG_CLOEXEC)
}

/// The same, and an error that [`would_block`](ChannelError::would_block) where no message is there yet.
pub(crate) fn receive_now<M: DeserializeOwned>(
    socket: impl AsFd,
    buffer: &mut Vec<u8>,
) -> Result<Option<(M, Vec<OwnedFd>)>, ChannelError> {
    receive_with(socket, buffer, RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT)
}

fn receive_with<M: DeserializeOwned>(
    socket: impl AsFd,
    buffer: &mut Vec<u8>,
    flags: RecvFlags,
) -> Result<Option<(M, Vec<OwnedFd>)>, ChannelError> {
    buffer.resize(MAX_MESSAGE_BYTES, 0);
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        match recvmsg(&socket, &mut [IoSliceMut::new(buffer)], &mut control, flags) {
            Ok(received) => break received,
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::CONNRESET) => return Ok(None),
            Err(errno) => return Err(ChannelError::Socket(errno.into())),
        }
    };
    let mut descriptors = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    if received.bytes == 0 {
        return Ok(None);
    }
    if received.flags.contains(ReturnFlags::TRUNC) {
        return Err(ChannelError::Truncated);
    }
    if received.flags.contains(ReturnFlags::CTRUNC) {
        // This process has no room for one more. The message can still be answered or done without; which are left nobody could say.
        descriptors.clear();
    }
    let message = serde_json::from_slice(&buffer[..received.bytes]).map_err(ChannelError::Garbled)?;
    Ok(Some((message, descriptors)))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    use super::*;
    use crate::message::Request;

    fn pair() -> (OwnedFd, OwnedFd) {
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).expect("a socket pair")
    }

    #[test]
    fn descriptors_travel_with_a_message() {
        let (here, there) = pair();
        let (mut kept, sent) = UnixStream::pair().expect("a socket pair");
        send(&here, &Request::Kill { number: 7 }, &[sent.as_fd()]).expect("it is sent");
        let (message, mut descriptors) =
            receive::<Request>(&there, &mut Vec::new()).expect("it is well formed").expect("the peer lives");
        assert!(matches!(message, Request::Kill { number: 7 }));
        kept.write_all(b"x").expect("the other end is open");
        let mut byte = [0];
        UnixStream::from(descriptors.remove(0)).read_exact(&mut byte).expect("it is the same socket");
        assert_eq!(byte, *b"x");
    }

    #[test]
    fn a_closed_peer_is_the_end_and_rubbish_is_an_error() {
        let (here, there) = pair();
        send_encoded(&here, b"{\"Nonsense\":1}", &[]).expect("it is sent");
        assert!(matches!(receive::<Request>(&there, &mut Vec::new()), Err(ChannelError::Garbled(_))));
        drop(here);
        assert!(receive::<Request>(&there, &mut Vec::new()).expect("an end is not an error").is_none());
    }

    #[test]
    fn a_huge_message_is_refused_before_it_is_sent() {
        let message = Reply { reason: "x".repeat(MAX_MESSAGE_BYTES) };
        assert!(matches!(encode(&message), Err(ChannelError::TooLarge { .. })));
    }

    #[derive(Serialize)]
    struct Reply {
        reason: String,
    }
}
