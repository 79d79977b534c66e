//! What sandboxes reach of the world outside: the settings, and whether this host can do it.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::cidr::Cidr;

/// Outgoing traffic through a filter, as one spawner offers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Egress {
    /// Addresses that only sandboxes and the link to them have; /16 to /20. Its lower half is seen in sandboxes alone and may be the
    /// same for every spawner of a host; of its upper half each spawner takes eight addresses, which the host then routes to it.
    pub subnet: Cidr,
    /// Ranges to open that are closed otherwise, such as a private network with a database in it.
    pub allow: Vec<Cidr>,
    /// Where the host says who resolves names: `/etc/resolv.conf`.
    pub resolv_conf: PathBuf,
    /// Whether to fail where the host cannot do it, rather than to go on without.
    pub required: bool,
}

/// What no setting opens: this host, the addresses of nobody, and of many at once.
pub(crate) const NEVER: [Cidr; 4] = [
    Cidr::around(Ipv4Addr::new(0, 0, 0, 0), 8),
    Cidr::around(Ipv4Addr::new(127, 0, 0, 0), 8),
    Cidr::around(Ipv4Addr::new(224, 0, 0, 0), 4),
    Cidr::around(Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// What is not the public internet, and so is closed unless it is listed.
pub(crate) const UNLESS_LISTED: [Cidr; 8] = [
    Cidr::around(Ipv4Addr::new(10, 0, 0, 0), 8),
    Cidr::around(Ipv4Addr::new(100, 64, 0, 0), 10),
    // The metadata services of nearly every cloud.
    Cidr::around(Ipv4Addr::new(169, 254, 0, 0), 16),
    Cidr::around(Ipv4Addr::new(172, 16, 0, 0), 12),
    Cidr::around(Ipv4Addr::new(192, 0, 0, 0), 24),
    Cidr::around(Ipv4Addr::new(192, 168, 0, 0), 16),
    Cidr::around(Ipv4Addr::new(198, 18, 0, 0), 15),
    // Azure's: a public address by its number, but each virtual machine meets its own host there.
    Cidr::single(Ipv4Addr::new(168, 63, 129, 16)),
];

/// Ranges that may be listed; each is a route in every sandbox.
pub(crate) const MOST_ALLOWED: usize = 64;

/// What is wrong with an [`Egress`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEgress {
    /// The subnet is too small or needlessly large.
    #[error("{subnet} must have a length from 16 to 20: sandboxes and their links share it")]
    Size {
        /// As given.
        subnet: Cidr,
    },
    /// The subnet holds addresses that others have.
    #[error(
        "{subnet} is not a range that functions could do without: take one in 10.0.0.0/8, 100.64.0.0/10, 169.254.0.0/16, \
         172.16.0.0/12, 192.168.0.0/16 or 198.18.0.0/15"
    )]
    Public {
        /// As given.
        subnet: Cidr,
    },
    /// A range that nothing opens.
    #[error("{range} cannot be opened: {other} is never reached from a function")]
    Never {
        /// As given.
        range: Cidr,
        /// What it lies in.
        other: Cidr,
    },
    /// A range within our own.
    #[error("{range} cannot be opened: it lies within the sandboxes' own range {subnet} (egress_subnet)")]
    Own {
        /// As given.
        range: Cidr,
        /// The own range.
        subnet: Cidr,
    },
    /// More than can be.
    #[error("{count} ranges are more than the {MOST_ALLOWED} that can be opened; join some")]
    Many {
        /// How many.
        count: usize,
    },
}

impl Egress {
    /// Link-local, as functions have it on other platforms too: nothing that a function may reach can have these addresses, no network
    /// routes them, and of the range itself this part is far from the metadata services and from what is known to be used on hosts.
    pub const DEFAULT_SUBNET: Cidr = Cidr::around(Ipv4Addr::new(169, 254, 192, 0), 18);

    /// The defaults: the public internet, with the host's resolver, and no failure without.
    pub fn new() -> Egress {
        Egress {
            subnet: Egress::DEFAULT_SUBNET,
            allow: Vec::new(),
            resolv_conf: "/etc/resolv.conf".into(),
            required: false,
        }
    }

    /// The checks that need no look at the host.
    ///
    /// # Errors
    /// The first thing that cannot be.
    pub fn check(&self) -> Result<(), InvalidEgress> {
        let subnet = self.subnet;
        if !(16..=20).contains(&subnet.length()) {
            return Err(InvalidEgress::Size { subnet });
        }
        if !UNLESS_LISTED.iter().any(|range| range.contains(&subnet)) {
            return Err(InvalidEgress::Public { subnet });
        }
        if self.allow.len() > MOST_ALLOWED {
            return Err(InvalidEgress::Many { count: self.allow.len() });
        }
        for range in &self.allow {
            if let Some(other) = NEVER.iter().find(|never| never.contains(range)) {
                return Err(InvalidEgress::Never { range: *range, other: *other });
            }
            if subnet.contains(range) {
                return Err(InvalidEgress::Own { range: *range, subnet });
            }
        }
        Ok(())
    }

    /// The ranges that stay closed.
    pub(crate) fn closed(&self) -> impl Iterator<Item = Cidr> {
        let unless = UNLESS_LISTED.iter().filter(|range| !self.allow.iter().any(|allowed| allowed.contains(range)));
        NEVER.iter().chain(unless).copied().chain([self.subnet])
    }

    /// The listed ranges that lie within a closed one.
    pub(crate) fn opened(&self) -> impl Iterator<Item = Cidr> {
        let within = |range: &Cidr| UNLESS_LISTED.iter().any(|closed| closed.contains(range) && closed != range);
        self.allow.iter().copied().filter(within)
    }
}

impl Default for Egress {
    fn default() -> Egress {
        Egress::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        text.parse().expect(text)
    }

    fn with(subnet: &str, allow: &[&str]) -> Egress {
        Egress { subnet: cidr(subnet), allow: allow.iter().map(|text| cidr(text)).collect(), ..Egress::new() }
    }

    #[track_caller]
    fn check(subnet: &str, allow: &[&str], expected: &str) {
        let outcome = with(subnet, allow).check().map_or_else(|error| error.to_string(), |()| String::new());
        assert!(
            outcome.contains(expected) && outcome.is_empty() == expected.is_empty(),
            "{subnet} {allow:?}: {outcome}"
        );
    }

    #[test]
    fn settings_are_checked() {
        assert_eq!(Egress::new().check(), Ok(()));
        check("198.18.0.0/16", &["10.0.0.0/8", "0.0.0.0/0", "169.254.169.254/32"], "");
        check("10.9.0.0/21", &[], "16 to 20");
        check("10.0.0.0/8", &[], "16 to 20");
        check("203.0.0.0/16", &[], "could do without");
        check("127.1.0.0/16", &[], "could do without");
        check("169.254.192.0/18", &["127.0.0.1/32"], "127.0.0.0/8 is never reached");
        check("169.254.192.0/18", &["224.0.0.0/24"], "never reached");
        check("169.254.192.0/18", &["169.254.193.0/24"], "egress_subnet");
        check("169.254.192.0/18", &["10.0.0.0/8"; 65], "more than the 64");
    }

    #[test]
    fn a_listed_range_opens_what_it_covers_and_nothing_else() {
        let closed = |allow: &[&str]| with("169.254.192.0/18", allow).closed().collect::<Vec<_>>();
        let opened = |allow: &[&str]| with("169.254.192.0/18", allow).opened().collect::<Vec<_>>();
        assert_eq!(closed(&[]).len(), NEVER.len() + UNLESS_LISTED.len() + 1);
        assert!(!closed(&["10.0.0.0/8"]).contains(&cidr("10.0.0.0/8")));
        assert!(closed(&["10.1.0.0/16"]).contains(&cidr("10.0.0.0/8")));
        assert_eq!(opened(&["10.1.0.0/16", "10.0.0.0/8", "8.8.8.8/32"]), [cidr("10.1.0.0/16")]);
        let everything = closed(&["0.0.0.0/0"]);
        assert_eq!(everything, [&NEVER[..], &[cidr("169.254.192.0/18")]].concat());
    }
}
