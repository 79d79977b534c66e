//! Who resolves names on this host, and what that is inside a sandbox.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::plan::RESOLVERS;

/// Where systemd-resolved names the resolvers behind its stub.
const BEHIND_THE_STUB: &str = "/run/systemd/resolve/resolv.conf";
/// Its stub. It answers on the loopback interface only, so no translation reaches it.
const STUBS: [Ipv4Addr; 2] = [Ipv4Addr::new(127, 0, 0, 53), Ipv4Addr::new(127, 0, 0, 54)];
/// Docker's resolver inside a container. It is reached by a translation of what the container itself sends, which ours is not, and
/// nothing tells what is behind it.
const DOCKERS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);

/// What a `resolv.conf` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Resolvers {
    /// The first few IPv4 addresses.
    pub(super) servers: Vec<Ipv4Addr>,
    /// Lines on search domains and options.
    rest: Vec<String>,
}

impl Resolvers {
    fn parse(text: &str) -> Resolvers {
        let mut found = Resolvers::default();
        let mut named = false;
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match (words.next(), words.next()) {
                (Some("nameserver"), Some(address)) => {
                    named = true;
                    if let Ok(IpAddr::V4(address)) = address.parse() {
                        found.servers.push(address);
                    }
                }
                (Some("search" | "domain" | "options"), Some(_)) => found.rest.push(line.trim().to_owned()),
                _ => {}
            }
        }
        if !named {
            // What the C library does then.
            found.servers.push(Ipv4Addr::LOCALHOST);
        }
        found.servers.truncate(RESOLVERS as usize);
        found
    }

    /// What the sandboxes' `resolv.conf` says: the same under other addresses.
    pub(super) fn inside(&self, addresses: impl Iterator<Item = Ipv4Addr>) -> String {
        // At least one: without, the C library would ask the sandbox's own loopback and wait.
        let addresses = addresses.take(self.servers.len().max(1));
        let servers = addresses.map(|address| format!("nameserver {address}\n"));
        let rest = self.rest.iter().map(|line| format!("{line}\n"));
        servers.chain(rest).collect()
    }
}

/// The host's resolvers, looked at again when their files change.
#[derive(Debug)]
pub(super) struct Watch {
    file: PathBuf,
    behind_the_stub: PathBuf,
    seen: Option<[Stamp; 2]>,
}

/// Enough of a file to notice that it is another or was written.
type Stamp = Option<(u64, u64, i64, i64)>;

impl Watch {
    pub(super) fn new(file: &Path) -> Watch {
        Watch { file: file.to_owned(), behind_the_stub: BEHIND_THE_STUB.into(), seen: None }
    }

    /// What is said now, if anything changed since the last look.
    pub(super) fn look(&mut self) -> Option<Resolvers> {
        let now = [stamp(&self.file), stamp(&self.behind_the_stub)];
        if self.seen == Some(now) {
            return None;
        }
        self.seen = Some(now);
        Some(self.read())
    }

    fn read(&self) -> Resolvers {
        let read = |path: &Path| -> io::Result<Resolvers> { Ok(Resolvers::parse(&fs::read_to_string(path)?)) };
        let mut found = match read(&self.file) {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%error, file = %self.file.display(), "cannot read who resolves names");
                Resolvers::parse("")
            }
        };
        if found.servers.iter().any(|server| STUBS.contains(server)) {
            if let Ok(behind) = read(&self.behind_the_stub) {
                found.servers = behind.servers;
            }
            found.servers.retain(|server| !STUBS.contains(server));
        }
        let from_docker = found.servers.contains(&DOCKERS);
        found.servers.retain(|server| *server != DOCKERS);
        if from_docker && found.servers.is_empty() {
            tracing::warn!(
                file = %self.file.display(),
                "Docker's resolver 127.0.0.11 cannot be asked from functions, and there is no other: they cannot resolve names; \
                 see docs/howto/network.md"
            );
        } else if found.servers.is_empty() {
            tracing::warn!(file = %self.file.display(), "no resolver with an IPv4 address: functions cannot resolve names");
        }
        found
    }
}

fn stamp(path: &Path) -> Stamp {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.ino(), metadata.size(), metadata.mtime(), metadata.mtime_nsec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_search_and_options_are_read() {
        let text = "# a remark\nnameserver 10.0.0.2\n nameserver\t2001:db8::1\nnameserver 192.0.2.1 # why\n\
                    search a.example b.example\noptions ndots:2 edns0\nsortlist 1.2.3.4\nnameserver\nnameserver x\n";
        let found = Resolvers::parse(text);
        assert_eq!(found.servers, [Ipv4Addr::new(10, 0, 0, 2), Ipv4Addr::new(192, 0, 2, 1)]);
        let inside = found.inside((1..).map(|number| Ipv4Addr::new(169, 254, 0, number)));
        let expected =
            "nameserver 169.254.0.1\nnameserver 169.254.0.2\nsearch a.example b.example\noptions ndots:2 edns0\n";
        assert_eq!(inside, expected);
    }

    #[test]
    fn no_server_is_loopback_and_only_foreign_ones_are_none() {
        assert_eq!(Resolvers::parse("search x\n").servers, [Ipv4Addr::LOCALHOST]);
        let foreign = Resolvers::parse("nameserver ::1\n");
        assert!(foreign.servers.is_empty());
        assert_eq!(foreign.inside([Ipv4Addr::BROADCAST].into_iter()), "nameserver 255.255.255.255\n");
        assert_eq!(Resolvers::parse(&"nameserver 192.0.2.1\n".repeat(9)).servers.len(), 3);
    }

    #[test]
    fn a_stub_is_looked_behind_and_changes_are_noticed() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, behind) = (folder.path().join("resolv.conf"), folder.path().join("behind"));
        fs::write(&file, "nameserver 127.0.0.53\nsearch x\n").expect("it is written");
        let mut watch = Watch { file: file.clone(), behind_the_stub: behind.clone(), seen: None };
        assert!(watch.look().expect("it is new").servers.is_empty());
        assert!(watch.look().is_none());
        fs::write(&behind, "nameserver 192.0.2.7\nsearch y\n").expect("it is written");
        let found = watch.look().expect("it changed");
        assert_eq!((found.servers, found.rest), (vec![Ipv4Addr::new(192, 0, 2, 7)], vec!["search x".to_owned()]));
        fs::write(&file, "nameserver 192.0.2.8\n").expect("it is written");
        assert_eq!(watch.look().expect("it changed").servers, [Ipv4Addr::new(192, 0, 2, 8)]);
        fs::write(&file, "nameserver 127.0.0.11\nnameserver 192.0.2.9\n").expect("it is written");
        assert_eq!(watch.look().expect("it changed").servers, [Ipv4Addr::new(192, 0, 2, 9)]);
        fs::write(&file, "nameserver 127.0.0.11\n").expect("it is written");
        assert!(watch.look().expect("it changed").servers.is_empty());
        fs::remove_file(&file).expect("it is removed");
        assert_eq!(watch.look().expect("it changed").servers, [Ipv4Addr::LOCALHOST]);
    }
}
