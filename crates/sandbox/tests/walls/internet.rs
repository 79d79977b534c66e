//! A small internet: a network namespace behind the host, with a server in it; and a resolver of the host.
//!
//! It ends with this process, however that ends. Several may be on one host: each takes a few addresses that nobody has.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use self::link::{End, Routes, Way};
use self::namespace::HomeNetwork;
use self::netlink::{Message, NetlinkError, Socket};
use crate::cidr::Cidr;

#[allow(dead_code, unused_imports, reason = "not all of it is needed here")]
#[path = "../../src/spawner/network/link.rs"]
pub(crate) mod link;
#[allow(dead_code, reason = "not all of it is needed here")]
#[path = "../../src/spawner/namespace.rs"]
pub(crate) mod namespace;
#[allow(dead_code, unused_imports, reason = "not all of it is needed here")]
#[path = "../../src/spawner/network/netlink.rs"]
pub(crate) mod netlink;

/// What stands for the world: TEST-NET-3 is public by its number, and nobody's.
const WORLD: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 0);

/// A server that says who it sees, at a public address and at two private ones.
pub(crate) struct Internet {
    pub(crate) home: HomeNetwork,
    pub(crate) namespace: File,
    /// The host's address, which sandboxes are seen under.
    pub(crate) host: Ipv4Addr,
    pub(crate) public: SocketAddr,
    /// Both have routes from the host.
    pub(crate) private: [SocketAddr; 2],
}

impl Internet {
    /// One for all tests of this process.
    pub(crate) fn get() -> &'static Internet {
        static INTERNET: OnceLock<Internet> = OnceLock::new();
        INTERNET.get_or_init(Internet::new)
    }

    fn new() -> Internet {
        let home = HomeNetwork::new().expect("it has a namespace");
        let (namespace, links) = home.visit_new(|| Socket::route().expect("it opens")).expect("root may");
        let host_links = Socket::route().expect("it opens");
        let outside = format!("fi-{}", std::process::id());
        let end = |name, index| End { name, index, mtu: 1500 };
        links.request(&[link::pair(end("eth0", 2), end(&outside, 0), home.as_fd())]).expect("it is made");
        let index = rustix::net::netdevice::name_to_index(UdpSocket::bind("127.0.0.1:0").expect("a socket"), &outside);
        let index = index.expect("it is there");
        host_links.request(&[link::raise(index)]).expect("it is there");
        let (number, host) = claim(&host_links, index).expect("some addresses are free");
        let public = Cidr::around(WORLD, 24).nth(number * 4 + 2);
        let private = [Ipv4Addr::new(10, 213, 77, number as u8), Ipv4Addr::new(10, 214, 77, number as u8)];
        let route = |to| link::route(Cidr::single(to), Way::Gateway(public));
        host_links.request(&private.map(route)).expect("they are added");
        let mut requests = vec![link::raise(1), link::address(2, public)];
        requests.extend(private.map(|address| link::address(2, address)));
        requests.push(link::route(Cidr::single(host), Way::Link(2)));
        links.request(&requests).expect("it is connected");
        let serve = |address| {
            let listener = home.visit(&namespace, || TcpListener::bind((address, 0))).expect("root may");
            serve(listener.expect("a port"))
        };
        let (public, private) = (serve(public), private.map(serve));
        Internet { public, private, home, namespace, host }
    }

    /// A socket in it that hears everything that is sent to its public address.
    pub(crate) fn listen_udp(&self) -> UdpSocket {
        let bound = self.home.visit(&self.namespace, || UdpSocket::bind((self.public.ip(), 0)));
        bound.expect("root may").expect("a port")
    }
}

fn claim(links: &Socket, index: u32) -> Option<(u32, Ipv4Addr)> {
    let world = Cidr::around(WORLD, 24);
    let free = |number: &u32| {
        let host = world.nth(number * 4 + 1);
        let block = Cidr::around(world.nth(number * 4), 30);
        let claimed: Result<(), NetlinkError> = links
            .request(&[link::address(index, host)])
            .and_then(|()| links.request(&[link::route(block, Way::ClaimedLink(index, host))]));
        if claimed.is_err() {
            links.request(&[link::no_address(index, host)]).expect("it is ours");
        }
        claimed.is_ok()
    };
    (1..64).find(free).map(|number| (number, world.nth(number * 4 + 1)))
}

/// Says to everyone which address it sees.
fn serve(listener: TcpListener) -> SocketAddr {
    let address = listener.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        while let Ok((mut stream, peer)) = listener.accept() {
            let _gone = stream.write_all(peer.ip().to_string().as_bytes());
        }
    });
    address
}

/// The host's own addresses, but for loopback; not those that others who run these tests may take away at any moment.
pub(crate) fn host_addresses() -> Vec<Ipv4Addr> {
    let all = Routes::read(&Socket::route().expect("it opens")).expect("they are read").own;
    let passing = [Cidr::around(WORLD, 24), Cidr::around(Ipv4Addr::new(169, 254, 192, 0), 18)];
    let stays = |address: &Ipv4Addr| !passing.iter().any(|range| range.contains(&Cidr::single(*address)));
    all.into_iter().filter(stays).chain([Internet::get().host]).collect()
}

/// Whether the host has a table of filters of that name.
pub(crate) fn has_table(name: &str) -> bool {
    const GET_TABLES: u16 = (10 << 8) | 1;
    let mut message = Message::new("list the tables", GET_TABLES, 0);
    message.payload.raw(&[0; 4]);
    let tables = Socket::netfilter().expect("it opens").dump(&message).expect("they are listed");
    let mut names = tables.iter().filter_map(|table| netlink::attributes(&table[4..]).find(|(kind, _)| *kind == 1));
    names.any(|(_, found)| netlink::plain(found) == name)
}

/// Makes the filter that Docker and most firewalls make, in the network namespace of this thread.
pub(crate) fn drop_what_passes(table: &str) {
    let request = |kind: u16, family: u8, part: u8| {
        let mut message = Message::new("make a filter", kind, netlink::CREATE);
        message.payload.raw(&[family, 0, 0, part]);
        message
    };
    let mut make_table = request(10 << 8, 2, 0);
    make_table.payload.text(1, table);
    let mut chain = request((10 << 8) | 3, 2, 0);
    chain.payload.text(1, table).text(3, "FORWARD").nest(4, |hook| {
        hook.big_endian(1, 2).big_endian(2, 0);
    });
    chain.payload.big_endian(5, 0).text(7, "filter");
    let socket = Socket::netfilter().expect("it opens");
    socket.transaction(&request(16, 0, 10), &[make_table, chain], &request(17, 0, 10)).expect("root may");
}

/// Resolves every name to one address, on loopback, and notes what it was asked.
pub(crate) struct Resolver {
    pub(crate) address: Ipv4Addr,
    asked: Arc<Mutex<VecDeque<String>>>,
}

impl Resolver {
    /// `part` tells apart the resolvers of one test.
    pub(crate) fn new(part: u8, answer: Ipv4Addr) -> Resolver {
        let [_, _, high, low] = std::process::id().to_be_bytes();
        let address = Ipv4Addr::new(127, 64 + part, high, low);
        let asked: Arc<Mutex<VecDeque<String>>> = Arc::default();
        let udp = UdpSocket::bind((address, 53)).expect("nobody else has it");
        let tcp = TcpListener::bind((address, 53)).expect("nobody else has it");
        let note = asked.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 1500];
            while let Ok((length, peer)) = udp.recv_from(&mut buffer) {
                let reply = reply(&buffer[..length], answer, &note);
                // As many resolvers do that are for their own host only.
                let own = if peer.ip().is_loopback() { reply } else { Vec::new() };
                udp.send_to(&own, peer).expect("it is sent");
            }
        });
        let note = asked.clone();
        std::thread::spawn(move || {
            while let Ok((mut stream, _)) = tcp.accept() {
                let mut length = [0; 2];
                let _gone = stream.read_exact(&mut length);
                let mut query = vec![0; u16::from_be_bytes(length).into()];
                let _gone = stream.read_exact(&mut query);
                let reply = reply(&query, answer, &note);
                let length = u16::try_from(reply.len()).expect("it is short").to_be_bytes();
                let _gone = stream.write_all(&[&length[..], &reply].concat());
            }
        });
        Resolver { address, asked }
    }

    pub(crate) fn was_asked(&self) -> Vec<String> {
        self.asked.lock().expect("nobody panicked").drain(..).collect()
    }
}

fn reply(query: &[u8], answer: Ipv4Addr, asked: &Mutex<VecDeque<String>>) -> Vec<u8> {
    let mut labels = Vec::new();
    let mut rest = &query[12..];
    while rest[0] != 0 {
        let (label, behind) = rest[1..].split_at(rest[0].into());
        labels.push(String::from_utf8_lossy(label).into_owned());
        rest = behind;
    }
    asked.lock().expect("nobody panicked").push_back(labels.join("."));
    let question = &query[12..query.len() - rest.len() + 5];
    let is_address = rest[1..3] == [0, 1];
    let count = u8::from(is_address);
    let mut reply = [&query[..2], &[0x81, 0x80, 0, 1, 0, count, 0, 0, 0, 0], question].concat();
    if is_address {
        reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        reply.extend(answer.octets());
    }
    reply
}

/// Connects, from wherever the thread is, and says what came of it.
pub(crate) fn connect(to: SocketAddr) -> String {
    let mut text = String::new();
    match TcpStream::connect_timeout(&to, Duration::from_secs(20)) {
        Ok(mut stream) => match stream.read_to_string(&mut text) {
            Ok(_) => format!("reached, {text}"),
            Err(error) => format!("reached, {error}"),
        },
        Err(error) => format!("{:?}", error.kind()),
    }
}
