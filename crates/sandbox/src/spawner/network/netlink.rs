//! Netlink, as far as it is needed: messages of attributes out, acknowledgements back, one after another and without threads.
//!
//! Links, addresses and routes (rtnetlink) and filters (nf_tables) speak the same frame, so one encoder serves both. Nothing has to be
//! installed on the host for it.

use std::cell::Cell;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};

/// `nlmsghdr`: length, kind, flags, sequence, port.
const HEADER: usize = 16;
/// The kernel answers before `send` returns; this is for a kernel that does not.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Every message is a request.
const REQUEST: u16 = 0x01;
/// Flag: more of the same answer follows, or all of it is asked for.
const MULTI: u16 = 0x02;
const ACK: u16 = 0x04;
const DUMP: u16 = 0x300;
/// Flag of a request to make something: it is no error if it exists, and is replaced.
pub(crate) const REPLACE: u16 = 0x100;
/// Flag of a request to make something: it must not exist.
pub(crate) const EXCLUSIVE: u16 = 0x200;
/// Flag: make it.
pub(crate) const CREATE: u16 = 0x400;
/// Flag: behind what is there.
pub(crate) const APPEND: u16 = 0x800;

/// Kinds of answers.
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// Flag on an error: attributes follow, among them a text.
const ERROR_ATTRIBUTES: u16 = 0x200;
const ERROR_TEXT: u16 = 1;

/// Upper bits of an attribute's kind; the first says that it holds attributes.
const NESTED: u16 = 0x8000;
const KIND: u16 = 0x3fff;

/// The kernel refused, or could not be asked.
#[derive(Debug, thiserror::Error)]
#[error("cannot {step}{}", .hint.as_ref().map_or_else(String::new, |hint| format!(" ({hint})")))]
pub(crate) struct NetlinkError {
    /// What was asked for.
    pub(crate) step: &'static str,
    /// The kernel's own words, where it has some.
    pub(crate) hint: Option<String>,
    /// What it said.
    #[source]
    pub(crate) source: io::Error,
}

impl NetlinkError {
    pub(crate) fn is(&self, errno: i32) -> bool {
        self.source.raw_os_error() == Some(errno)
    }
}

fn failed<E: Into<io::Error>>(step: &'static str) -> impl FnOnce(E) -> NetlinkError {
    move |source| NetlinkError { step, hint: None, source: source.into() }
}

/// Attributes, and what stands before them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Payload(Vec<u8>);

impl Payload {
    /// The fixed structure that a kind of message starts with.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> &mut Payload {
        self.0.extend_from_slice(bytes);
        self.pad()
    }

    pub(crate) fn bytes(&mut self, kind: u16, value: &[u8]) -> &mut Payload {
        let length = u16::try_from(4 + value.len()).expect("attributes are small");
        self.0.extend_from_slice(&length.to_ne_bytes());
        self.0.extend_from_slice(&kind.to_ne_bytes());
        self.0.extend_from_slice(value);
        self.pad()
    }

    /// A number as rtnetlink has it.
    pub(crate) fn number(&mut self, kind: u16, value: u32) -> &mut Payload {
        self.bytes(kind, &value.to_ne_bytes())
    }

    /// A number as netfilter has it.
    pub(crate) fn big_endian(&mut self, kind: u16, value: u32) -> &mut Payload {
        self.bytes(kind, &value.to_be_bytes())
    }

    pub(crate) fn text(&mut self, kind: u16, value: &str) -> &mut Payload {
        self.bytes(kind, &[value.as_bytes(), &[0]].concat())
    }

    pub(crate) fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Payload)) -> &mut Payload {
        let mut inner = Payload::default();
        fill(&mut inner);
        self.bytes(kind | NESTED, &inner.0)
    }

    /// Puts what another one holds behind.
    pub(crate) fn append(&mut self, other: &Payload) -> &mut Payload {
        self.raw(&other.0)
    }

    #[cfg(test)]
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.0
    }

    fn pad(&mut self) -> &mut Payload {
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// For errors, a verb phrase.
    pub(crate) step: &'static str,
    kind: u16,
    flags: u16,
    pub(crate) payload: Payload,
}

impl Message {
    pub(crate) fn new(step: &'static str, kind: u16, flags: u16) -> Message {
        Message { step, kind, flags, payload: Payload::default() }
    }

    /// Appends it to what is sent.
    fn encode(&self, flags: u16, sequence: u32, packet: &mut Vec<u8>) {
        let length = u32::try_from(HEADER + self.payload.0.len()).expect("messages are small");
        packet.extend_from_slice(&length.to_ne_bytes());
        packet.extend_from_slice(&self.kind.to_ne_bytes());
        packet.extend_from_slice(&(self.flags | flags | REQUEST).to_ne_bytes());
        packet.extend_from_slice(&sequence.to_ne_bytes());
        packet.extend_from_slice(&0_u32.to_ne_bytes());
        packet.extend_from_slice(&self.payload.0);
    }
}

/// A netlink socket; it belongs to the network namespace it was opened in, wherever its owner goes.
#[derive(Debug)]
pub(crate) struct Socket {
    descriptor: OwnedFd,
    sequence: Cell<u32>,
}

impl Socket {
    /// For links, addresses and routes.
    pub(crate) fn route() -> Result<Socket, NetlinkError> {
        // It has the number 0, which is none.
        Socket::open(None)
    }

    /// For filters.
    pub(crate) fn netfilter() -> Result<Socket, NetlinkError> {
        Socket::open(Some(netlink::NETFILTER))
    }

    fn open(protocol: Option<Protocol>) -> Result<Socket, NetlinkError> {
        let step = "open a netlink socket";
        let descriptor = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)
            .map_err(failed(step))?;
        set_socket_timeout(&descriptor, Timeout::Recv, Some(ANSWER_WITHIN)).map_err(failed(step))?;
        ask_for_texts(&descriptor);
        Ok(Socket { descriptor, sequence: Cell::new(1) })
    }

    /// Sends requests in one packet and waits until each is acknowledged. All are tried; the first failure is told.
    pub(crate) fn request(&self, messages: &[Message]) -> Result<(), NetlinkError> {
        self.exchange(None, messages, None)
    }

    /// The same for requests that take effect together or not at all, between two marks.
    pub(crate) fn transaction(&self, begin: &Message, messages: &[Message], end: &Message) -> Result<(), NetlinkError> {
        self.exchange(Some(begin), messages, Some(end))
    }

    fn exchange(
        &self,
        begin: Option<&Message>,
        messages: &[Message],
        end: Option<&Message>,
    ) -> Result<(), NetlinkError> {
        let step = messages.first().map_or("ask the kernel", |message| message.step);
        let count = u32::try_from(messages.len()).expect("few messages");
        let first = self.numbers(count + 2) + 1;
        let mut packet = Vec::with_capacity(4096);
        if let Some(begin) = begin {
            begin.encode(0, first - 1, &mut packet);
        }
        for (message, sequence) in messages.iter().zip(first..) {
            message.encode(ACK, sequence, &mut packet);
        }
        if let Some(end) = end {
            end.encode(0, first + count, &mut packet);
        }
        send(&self.descriptor, &packet, SendFlags::empty()).map_err(failed(step))?;
        let (mut missing, mut result) = (count, Ok(()));
        while missing > 0 {
            self.receive(step, |answer| {
                // Anything else belongs to an exchange that was given up.
                let Some(index) = answer.sequence.checked_sub(first - 1).filter(|index| *index <= count + 1) else {
                    return Ok(true);
                };
                if answer.kind != ERROR {
                    return Ok(true);
                }
                // An error on the marks is one on the whole: what else comes is of no interest.
                let whole = index == 0 || index == count + 1;
                let step = if whole { step } else { messages[index as usize - 1].step };
                let outcome = answer.outcome(step);
                missing = if whole && outcome.is_err() { 0 } else { missing.saturating_sub(u32::from(!whole)) };
                if result.is_ok() {
                    result = outcome;
                }
                Ok(missing > 0)
            })?;
        }
        result
    }

    /// Sends one request for a list and gives the payloads of the answers.
    pub(crate) fn dump(&self, message: &Message) -> Result<Vec<Vec<u8>>, NetlinkError> {
        let sequence = self.numbers(1);
        let mut packet = Vec::new();
        message.encode(DUMP, sequence, &mut packet);
        send(&self.descriptor, &packet, SendFlags::empty()).map_err(failed(message.step))?;
        let (mut found, mut more) = (Vec::new(), true);
        while more {
            self.receive(message.step, |answer| {
                if answer.sequence != sequence {
                    return Ok(true);
                }
                match answer.kind {
                    ERROR => answer.outcome(message.step)?,
                    DONE => more = false,
                    _ => {
                        found.push(answer.payload.to_vec());
                        more = answer.flags & MULTI != 0;
                    }
                }
                Ok(more)
            })?;
        }
        Ok(found)
    }

    fn numbers(&self, count: u32) -> u32 {
        let first = self.sequence.get();
        // Far from the end: a spawner would have to launch for years.
        self.sequence.set(first.checked_add(count).unwrap_or(1));
        first
    }

    /// Takes one packet apart; `take` says whether it wants more of it.
    fn receive(
        &self,
        step: &'static str,
        mut take: impl FnMut(&Answer<'_>) -> Result<bool, NetlinkError>,
    ) -> Result<(), NetlinkError> {
        let mut buffer = [0_u8; 32 * 1024];
        let (_, length) = loop {
            match recv(&self.descriptor, &mut buffer, RecvFlags::empty()) {
                Ok(received) => break received,
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(failed(step)(errno)),
            }
        };
        let mut rest = &buffer[..length.min(buffer.len())];
        while let Some((answer, behind)) = Answer::parse(rest) {
            if !take(&answer)? {
                break;
            }
            rest = behind;
        }
        Ok(())
    }
}

/// Errors then come with a text, and without the request repeated. Kernels before 4.12 know neither.
#[allow(unsafe_code)]
fn ask_for_texts(socket: &OwnedFd) {
    for option in [libc::NETLINK_EXT_ACK, libc::NETLINK_CAP_ACK] {
        let on: libc::c_int = 1;
        let size = libc::socklen_t::try_from(size_of_val(&on)).expect("a few bytes");
        // SAFETY: the option's value is one int, which lives until the call returns, and its size is given.
        unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_NETLINK, option, (&raw const on).cast(), size) };
    }
}

struct Answer<'a> {
    kind: u16,
    flags: u16,
    sequence: u32,
    payload: &'a [u8],
}

impl<'a> Answer<'a> {
    fn parse(bytes: &'a [u8]) -> Option<(Answer<'a>, &'a [u8])> {
        let length = number(bytes)? as usize;
        let (kind, flags) = (half(bytes.get(4..)?)?, half(bytes.get(6..)?)?);
        let sequence = number(bytes.get(8..)?)?;
        let payload = bytes.get(HEADER..length)?;
        Some((Answer { kind, flags, sequence, payload }, bytes.get(length.next_multiple_of(4)..).unwrap_or_default()))
    }

    /// What an acknowledgement says.
    fn outcome(&self, step: &'static str) -> Result<(), NetlinkError> {
        let code = number(self.payload).unwrap_or(0).cast_signed();
        if code == 0 {
            return Ok(());
        }
        let texts = self.payload.get(4 + HEADER..).filter(|_| self.flags & ERROR_ATTRIBUTES != 0).unwrap_or_default();
        let hint = attributes(texts).find(|(kind, _)| *kind == ERROR_TEXT).map(|(_, text)| plain(text));
        Err(NetlinkError { step, hint, source: io::Error::from_raw_os_error(code.saturating_neg()) })
    }
}

/// A text attribute without its end.
pub(crate) fn plain(text: &[u8]) -> String {
    String::from_utf8_lossy(text.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
}

/// Kind and value of each attribute.
pub(crate) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (length, kind) = (usize::from(half(bytes)?), half(bytes.get(2..)?)?);
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind & KIND, value))
    })
}

/// The first four bytes as a number of this machine.
pub(crate) fn number(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.first_chunk()?))
}

fn half(bytes: &[u8]) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_padded_and_read_back() {
        let mut payload = Payload::default();
        payload.text(3, "eth0").number(4, 1500).nest(18, |inner| {
            inner.text(1, "veth").bytes(2, &[]);
        });
        let bytes = &payload.0;
        assert_eq!(bytes.len(), 12 + 8 + 4 + 12 + 4);
        assert_eq!(&bytes[..12], [&9_u16.to_ne_bytes()[..], &3_u16.to_ne_bytes(), b"eth0\0\0\0\0"].concat());
        let read: Vec<(u16, &[u8])> = attributes(bytes).collect();
        assert_eq!(read[0], (3, &b"eth0\0"[..]));
        assert_eq!(read[1], (4, &1500_u32.to_ne_bytes()[..]));
        assert_eq!(attributes(read[2].1).collect::<Vec<_>>(), [(1, &b"veth\0"[..]), (2, &b""[..])]);
    }

    #[test]
    fn a_message_has_its_length_flags_and_number() {
        let mut message = Message::new("do it", 16, CREATE);
        message.payload.raw(&[7; 3]);
        let mut packet = Vec::new();
        message.encode(ACK, 9, &mut packet);
        assert_eq!(packet.len(), 20);
        let (answer, rest) = Answer::parse(&packet).expect("it is whole");
        assert_eq!((answer.kind, answer.flags, answer.sequence), (16, CREATE | ACK | REQUEST, 9));
        assert_eq!((answer.payload, rest), (&[7, 7, 7, 0][..], &[][..]));
    }

    #[test]
    fn broken_answers_are_no_answers() {
        for bytes in [&[][..], &[1; 8], &[200, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0], &[4; 16]] {
            assert!(Answer::parse(bytes).is_none());
        }
        assert_eq!(attributes(&[9, 0, 1, 0, 5]).count(), 0);
        assert_eq!(attributes(&[0, 0, 1, 0]).count(), 0);
    }

    #[test]
    fn the_kernel_explains_itself() {
        let socket = Socket::route().expect("everybody may open one");
        const REMOVE_LINK: u16 = 17;
        let mut message = Message::new("remove what has no name", REMOVE_LINK, 0);
        message.payload.raw(&[0; 16]);
        let error = socket.request(&[message]).expect_err("there is nothing to remove, or we may not");
        assert_eq!(error.step, "remove what has no name");
        assert!(error.source.raw_os_error().is_some());
    }
}
