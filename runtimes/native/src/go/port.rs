//! The port that a program serves at: which one, and when it does.

use std::{
    collections::hash_map::RandomState,
    hash::BuildHasher as _,
    io,
    net::{Ipv4Addr, SocketAddrV4, TcpListener},
    time::Duration,
};

use tokio::{net::TcpSocket, time::sleep};

/// Ports to choose from: below those that the kernel gives to connections, since one that is tried again and again from among
/// those would sooner or later connect to itself.
const PORTS: std::ops::Range<u16> = 20_000..30_000;
/// Ports that are tried.
const TRIES: u16 = 100;
/// How soon a closed port is looked at again: at first, and later.
const SOON: Duration = Duration::from_micros(500);
const LATER: Duration = Duration::from_millis(25);

/// A port on the loopback interface.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Port(u16);

impl Port {
    /// One that is free. Where instances share the host's network, each needs a port of its own; so it is a random one.
    pub(super) fn choose() -> io::Result<Self> {
        let count = PORTS.end - PORTS.start;
        let random = u16::try_from(RandomState::new().hash_one(0) % u64::from(count)).unwrap_or_default();
        let mut last = io::ErrorKind::AddrInUse.into();
        for step in 0..TRIES {
            let port = Self(PORTS.start + (random + step) % count);
            match TcpListener::bind(port.address()) {
                Ok(_) => return Ok(port),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    pub(crate) fn number(self) -> u16 {
        self.0
    }

    pub(super) fn address(self) -> SocketAddrV4 {
        SocketAddrV4::new(Ipv4Addr::LOCALHOST, self.0)
    }

    /// Waits until somebody listens there.
    pub(super) async fn opens(self) {
        let mut pause = SOON;
        while !self.is_open() {
            sleep(pause).await;
            pause = (pause * 5 / 4).min(LATER);
        }
    }

    /// Whether somebody listens there. It is not connected to for that: the first connection that a program gets is the platform's, and
    /// may be the only one that it takes. An address that may be used again is in use for nobody but for those who want one that is
    /// listened at; Go's listeners are of the kind that we do not stand in the way of.
    fn is_open(self) -> bool {
        let bound = TcpSocket::new_v4().and_then(|socket| {
            socket.set_reuseaddr(true)?;
            socket.bind(self.address().into())
        });
        bound.is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_is_open_once_somebody_listens_and_gets_no_connection_of_ours() {
        let port = Port::choose().expect("one of a hundred is free");
        assert!(!port.is_open());
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("it is new");
        socket.bind(port.address().into()).expect("looking at it left it free");
        assert!(!port.is_open(), "nobody listens yet");
        let listener = socket.listen(1).expect("nobody else does");
        port.opens().await;
        let listener = listener.into_std().expect("it is idle");
        assert_eq!(listener.accept().expect_err("nobody came").kind(), io::ErrorKind::WouldBlock);
    }
}
