//! The port that a program serves at: which one, and how it is waited for.

use std::{
    collections::hash_map::RandomState,
    hash::BuildHasher as _,
    io,
    net::{Ipv4Addr, SocketAddrV4, TcpListener},
    time::Duration,
};

use tokio::{net::TcpStream, time::sleep};

/// Ports to choose from: below those that the kernel gives to connections, since one that is tried again and again from among
/// those would sooner or later connect to itself.
const PORTS: std::ops::Range<u16> = 20_000..30_000;
/// Ports that are tried.
const TRIES: u16 = 100;
/// How soon a closed port is tried again: at first, and later.
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

    /// Waits until it takes a connection, on which nothing is said.
    pub(super) async fn opens(self) {
        let mut pause = SOON;
        loop {
            if let Ok(stream) = TcpStream::connect(self.address()).await
                && stream.local_addr().ok() != stream.peer_addr().ok()
            {
                return;
            }
            sleep(pause).await;
            pause = (pause * 5 / 4).min(LATER);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_chosen_port_is_free_and_opens_once_somebody_listens() {
        let port = Port::choose().expect("one of a hundred is free");
        let waits = tokio::spawn(port.opens());
        let listener = tokio::net::TcpListener::bind(port.address()).await.expect("it is free");
        listener.accept().await.expect("a connection");
        waits.await.expect("it is open");
    }
}
