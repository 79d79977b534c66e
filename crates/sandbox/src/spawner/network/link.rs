//! Interfaces, addresses and routes as rtnetlink wants them said.

use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::netlink::{self, CREATE, EXCLUSIVE, Message, NetlinkError, Payload, REPLACE, Socket};
use crate::cidr::Cidr;

const NEW_LINK: u16 = 16;
const DELETE_LINK: u16 = 17;
const GET_LINK: u16 = 18;
const NEW_ADDRESS: u16 = 20;
const DELETE_ADDRESS: u16 = 21;
const GET_ADDRESS: u16 = 22;
const NEW_ROUTE: u16 = 24;
const GET_ROUTE: u16 = 26;

const LINK_NAME: u16 = 3;
const LINK_MTU: u16 = 4;
const LINK_INFO: u16 = 18;
const LINK_NAMESPACE: u16 = 28;
const LINK_SEND_QUEUES: u16 = 31;
const LINK_RECEIVE_QUEUES: u16 = 32;
const INFO_KIND: u16 = 1;
const INFO_DATA: u16 = 2;
const VETH_PEER: u16 = 1;

const ADDRESS_LOCAL: u16 = 2;

const ROUTE_TO: u16 = 1;
const ROUTE_INTERFACE: u16 = 4;
const ROUTE_GATEWAY: u16 = 5;
const ROUTE_PREFERRED_SOURCE: u16 = 7;

const TABLE_MAIN: u8 = 254;
const TABLE_LOCAL: u8 = 255;
/// Made by an administrator, so that routing programs leave it alone.
const PROTOCOL_STATIC: u8 = 4;
const SCOPE_UNIVERSE: u8 = 0;
const SCOPE_LINK: u8 = 253;
const ROUTE_UNICAST: u8 = 1;
const ROUTE_LOCAL: u8 = 2;
const ROUTE_THROW: u8 = 9;

/// One end of a pair of interfaces.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End<'a> {
    pub(crate) name: &'a str,
    /// Given rather than asked for afterwards, where the maker knows that it is free. 0: the kernel's choice.
    pub(crate) index: u32,
    /// Largest packet.
    pub(crate) mtu: u32,
}

impl End<'_> {
    fn write(&self, payload: &mut Payload, up: u32) {
        payload.raw(&link_header(self.index, up)).text(LINK_NAME, self.name).number(LINK_MTU, self.mtu);
        // One queue each: by default there is one for every processor, which is memory for nothing here.
        payload.number(LINK_SEND_QUEUES, 1).number(LINK_RECEIVE_QUEUES, 1);
    }
}

const UP: u32 = libc::IFF_UP as u32;

fn link_header(index: u32, up: u32) -> Vec<u8> {
    let family = [0_u8; 4];
    [&family[..], &index.to_ne_bytes(), &up.to_ne_bytes(), &up.to_ne_bytes()].concat()
}

/// A pair of interfaces: one where the socket belongs, up from its start; its peer, down, in another network namespace.
pub(crate) fn pair(here: End<'_>, there: End<'_>, namespace: BorrowedFd<'_>) -> Message {
    let mut message = Message::new("make a pair of interfaces", NEW_LINK, CREATE | EXCLUSIVE);
    here.write(&mut message.payload, UP);
    message.payload.nest(LINK_INFO, |info| {
        info.text(INFO_KIND, "veth").nest(INFO_DATA, |data| {
            data.nest(VETH_PEER, |peer| {
                // An end cannot be raised before it has another, and this one is made first.
                there.write(peer, 0);
                peer.number(LINK_NAMESPACE, namespace.as_raw_fd().cast_unsigned());
            });
        });
    });
    message
}

/// Raises an interface; 1 is always the loopback.
pub(crate) fn raise(index: u32) -> Message {
    let mut message = Message::new("raise an interface", NEW_LINK, 0);
    message.payload.raw(&link_header(index, UP));
    message
}

/// Removes an interface, and its peer with it.
pub(crate) fn remove(name: &str) -> Message {
    let mut message = Message::new("remove an interface", DELETE_LINK, 0);
    message.payload.raw(&link_header(0, 0)).text(LINK_NAME, name);
    message
}

/// The largest packet of an interface.
pub(crate) fn mtu(socket: &Socket, index: u32) -> Result<Option<u32>, NetlinkError> {
    let mut message = Message::new("read the interfaces", GET_LINK, 0);
    message.payload.raw(&link_header(0, 0));
    let entries = socket.dump(&message)?;
    let header = link_header(0, 0).len();
    let is_it = |entry: &&Vec<u8>| entry.get(4..).and_then(netlink::number) == Some(index);
    let attributes = entries.iter().find(is_it).and_then(|entry| entry.get(header..)).unwrap_or_default();
    Ok(netlink::attributes(attributes)
        .find(|(kind, _)| *kind == LINK_MTU)
        .and_then(|(_, value)| netlink::number(value)))
}

/// Gives an interface an address of its own, without a route to any neighbour.
pub(crate) fn address(index: u32, address: Ipv4Addr) -> Message {
    own_address(Message::new("give an interface an address", NEW_ADDRESS, CREATE | EXCLUSIVE), index, address)
}

/// Takes it back.
pub(crate) fn no_address(index: u32, address: Ipv4Addr) -> Message {
    own_address(Message::new("take an address from an interface", DELETE_ADDRESS, 0), index, address)
}

fn own_address(mut message: Message, index: u32, address: Ipv4Addr) -> Message {
    let header = [&[family(), 32, 0, SCOPE_UNIVERSE][..], &index.to_ne_bytes()].concat();
    message.payload.raw(&header).bytes(ADDRESS_LOCAL, &address.octets());
    message
}

/// The addresses of a namespace's interfaces, but for loopback's; the first few, since some hosts have thousands.
pub(crate) fn addresses(socket: &Socket) -> Result<Vec<Ipv4Addr>, NetlinkError> {
    const FEW: usize = 64;
    let mut message = Message::new("read the addresses", GET_ADDRESS, 0);
    message.payload.raw(&[family(), 0, 0, 0, 0, 0, 0, 0]);
    let entries = socket.dump(&message)?;
    let address = |entry: &Vec<u8>| {
        let local = netlink::attributes(entry.get(8..)?).find(|(kind, _)| *kind == ADDRESS_LOCAL)?.1;
        Some(Ipv4Addr::from(*local.first_chunk::<4>()?)).filter(|address| !address.is_loopback())
    };
    Ok(entries.iter().filter_map(address).take(FEW).collect())
}

/// Where packets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// To whoever has the address at the other end of this interface.
    Link(u32),
    /// The same, but the route must not be there yet: so that of two who want it one gets it.
    ClaimedLink(u32, Ipv4Addr),
    /// Through a router that a route leads to.
    Gateway(Ipv4Addr),
    /// Nowhere: "network is unreachable", and the kernel counts it as such.
    Nowhere,
}

/// Adds a route, or points it elsewhere.
pub(crate) fn route(to: Cidr, way: Way) -> Message {
    let flags = if matches!(way, Way::ClaimedLink(..)) { EXCLUSIVE } else { REPLACE };
    let mut message = Message::new("add a route", NEW_ROUTE, CREATE | flags);
    let (scope, kind) = match way {
        Way::Link(_) | Way::ClaimedLink(..) => (SCOPE_LINK, ROUTE_UNICAST),
        Way::Gateway(_) => (SCOPE_UNIVERSE, ROUTE_UNICAST),
        Way::Nowhere => (SCOPE_UNIVERSE, ROUTE_THROW),
    };
    message.payload.raw(&route_header(to.length(), scope, kind));
    if to.length() > 0 {
        message.payload.bytes(ROUTE_TO, &to.first().octets());
    }
    match way {
        Way::Link(index) => message.payload.number(ROUTE_INTERFACE, index),
        Way::ClaimedLink(index, source) => {
            message.payload.number(ROUTE_INTERFACE, index).bytes(ROUTE_PREFERRED_SOURCE, &source.octets())
        }
        Way::Gateway(address) => message.payload.bytes(ROUTE_GATEWAY, &address.octets()),
        Way::Nowhere => &mut message.payload,
    };
    message
}

fn family() -> u8 {
    u8::try_from(libc::AF_INET).expect("it is 2")
}

fn route_header(length: u8, scope: u8, kind: u8) -> [u8; 12] {
    [family(), length, 0, 0, TABLE_MAIN, PROTOCOL_STATIC, scope, kind, 0, 0, 0, 0]
}

/// What a namespace routes, as far as it matters here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Routes {
    /// Ranges that are routed anywhere.
    pub(crate) ranges: Vec<Cidr>,
    /// Index of the interface that the rest of the world is behind.
    pub(crate) outward: Option<u32>,
    /// The namespace's own addresses, but for loopback.
    pub(crate) own: Vec<Ipv4Addr>,
}

impl Routes {
    pub(crate) fn read(socket: &Socket) -> Result<Routes, NetlinkError> {
        let mut message = Message::new("read the routes", GET_ROUTE, 0);
        message.payload.raw(&route_header(0, 0, 0));
        let mut routes = Routes::default();
        for entry in socket.dump(&message)? {
            routes.note(&entry);
        }
        Ok(routes)
    }

    fn note(&mut self, entry: &[u8]) {
        let Some((header, attributes)) = entry.split_first_chunk::<12>() else { return };
        let [_, length, _, _, table, _, _, kind, ..] = *header;
        let mut to = Ipv4Addr::UNSPECIFIED;
        let mut interface = None;
        for (attribute, value) in netlink::attributes(attributes) {
            match (attribute, value.first_chunk::<4>()) {
                (ROUTE_TO, Some(octets)) => to = Ipv4Addr::from(*octets),
                (ROUTE_INTERFACE, _) => interface = netlink::number(value),
                _ => {}
            }
        }
        match (table, kind) {
            (TABLE_LOCAL, ROUTE_LOCAL) if !to.is_loopback() && length == 32 => self.own.push(to),
            (TABLE_LOCAL, _) => {}
            (TABLE_MAIN, ROUTE_UNICAST) if length == 0 => self.outward = self.outward.or(interface),
            _ if length == 0 => {}
            _ => self.ranges.push(Cidr::around(to, length)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        text.parse().expect(text)
    }

    #[test]
    fn routes_are_read_as_they_are_written() {
        let mut routes = Routes::default();
        for message in [
            route(cidr("10.1.0.0/16"), Way::Gateway(Ipv4Addr::new(192, 0, 2, 1))),
            route(cidr("0.0.0.0/0"), Way::Link(7)),
            route(cidr("192.0.2.0/29"), Way::ClaimedLink(3, Ipv4Addr::new(192, 0, 2, 2))),
        ] {
            routes.note(message.payload.as_slice());
        }
        let expected =
            Routes { ranges: vec![cidr("10.1.0.0/16"), cidr("192.0.2.0/29")], outward: Some(7), own: vec![] };
        assert_eq!(routes, expected);
    }

    #[test]
    fn this_host_has_a_loopback_and_says_so() {
        // Whatever else it has: reading must work, and loopback is not among what is told.
        let routes = Routes::read(&Socket::route().expect("it opens")).expect("they are read");
        assert!(!routes.own.contains(&Ipv4Addr::LOCALHOST));
        let mtu = mtu(&Socket::route().expect("it opens"), 1).expect("it is read");
        assert!(mtu.is_some_and(|mtu| mtu >= 1280), "{mtu:?}");
    }

    #[test]
    fn a_route_says_what_kind_it_is() {
        let message = route(cidr("10.0.0.0/8"), Way::Nowhere);
        let bytes = message.payload.as_slice();
        assert_eq!(bytes[..12], [2, 8, 0, 0, 254, 4, 0, 9, 0, 0, 0, 0]);
        assert_eq!(netlink::attributes(&bytes[12..]).collect::<Vec<_>>(), [(ROUTE_TO, &[10, 0, 0, 0][..])]);
    }
}
