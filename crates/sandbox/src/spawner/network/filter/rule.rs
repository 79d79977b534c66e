//! One rule of a filter: a list of expressions.
//!
//! What `nft` prints as `iifname "up" accept` is "load the name into register 1", "go on if it is `up`", "accept". There is one method
//! for each phrase.

use std::net::{Ipv4Addr, SocketAddrV4};

use super::Family;
use crate::cidr::Cidr;
use crate::spawner::network::netlink::Payload;

const LIST_ELEMENT: u16 = 1;
const EXPRESSION_NAME: u16 = 1;
const EXPRESSION_DATA: u16 = 2;

const DATA_VALUE: u16 = 1;
const DATA_VERDICT: u16 = 2;
const VERDICT_CODE: u16 = 1;

/// Register of verdicts, and two for values.
const VERDICT: u32 = 0;
const FIRST: u32 = 1;
const SECOND: u32 = 2;

/// Names of interfaces are compared in full.
const NAME_BYTES: usize = 16;

/// One rule: conditions, and at the end what is done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rule(Payload);

impl Rule {
    /// As a message holds them.
    pub(super) fn expressions(&self) -> &Payload {
        &self.0
    }

    fn expression(mut self, name: &str, data: impl FnOnce(&mut Payload)) -> Rule {
        self.0.nest(LIST_ELEMENT, |element| {
            element.text(EXPRESSION_NAME, name).nest(EXPRESSION_DATA, data);
        });
        self
    }

    fn load(self, what: &str, key: u32) -> Rule {
        self.expression(what, |data| {
            // Register and key have the same numbers in `meta`; `ct` has them too, and a direction that is left out.
            data.big_endian(1, FIRST).big_endian(2, key);
        })
    }

    fn load_bytes(self, base: u32, offset: u32, length: u32) -> Rule {
        self.expression("payload", |data| {
            data.big_endian(1, FIRST).big_endian(2, base).big_endian(3, offset).big_endian(4, length);
        })
    }

    fn compare(self, equal: bool, value: &[u8]) -> Rule {
        self.expression("cmp", |data| {
            data.big_endian(1, FIRST).big_endian(2, u32::from(!equal)).nest(3, |inner| {
                inner.bytes(DATA_VALUE, value);
            });
        })
    }

    fn mask(self, mask: &[u8; 4]) -> Rule {
        self.expression("bitwise", |data| {
            data.big_endian(1, FIRST).big_endian(2, FIRST).big_endian(3, 4);
            data.nest(4, |inner| {
                inner.bytes(DATA_VALUE, mask);
            });
            data.nest(5, |inner| {
                inner.bytes(DATA_VALUE, &[0; 4]);
            });
        })
    }

    fn in_range(self, range: Cidr) -> Rule {
        match range.length() {
            0 => self,
            32 => self.compare(true, &range.first().octets()),
            _ => self.mask(&range.mask().octets()).compare(true, &range.first().octets()),
        }
    }

    fn named(self, key: u32, equal: bool, name: &str) -> Rule {
        let mut bytes = [0; NAME_BYTES];
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        self.load("meta", key).compare(equal, &bytes)
    }

    /// It came in here.
    pub(crate) fn arriving_by(self, name: &str) -> Rule {
        self.named(6, true, name)
    }

    /// It came in anywhere but here.
    pub(crate) fn not_arriving_by(self, name: &str) -> Rule {
        self.named(6, false, name)
    }

    /// It leaves here.
    pub(crate) fn leaving_by(self, name: &str) -> Rule {
        self.named(7, true, name)
    }

    /// It leaves anywhere but here.
    pub(crate) fn not_leaving_by(self, name: &str) -> Rule {
        self.named(7, false, name)
    }

    /// It comes from there.
    pub(crate) fn from(self, range: Cidr) -> Rule {
        if range.length() == 0 { self } else { self.load_bytes(1, 12, 4).in_range(range) }
    }

    /// It goes there.
    pub(crate) fn to(self, range: Cidr) -> Rule {
        if range.length() == 0 { self } else { self.load_bytes(1, 16, 4).in_range(range) }
    }

    /// Before any translation, it went there.
    pub(crate) fn originally_to(self, range: Cidr) -> Rule {
        const DESTINATION: u32 = 20;
        self.expression("ct", |data| {
            data.big_endian(1, FIRST).big_endian(2, DESTINATION).bytes(3, &[0]);
        })
        .in_range(range)
    }

    /// Its sender has more connections than this; who has how many is kept in a set.
    pub(crate) fn of_sender_with_over(self, connections: u32, set: &str) -> Rule {
        const OVER: u32 = 1;
        self.load_bytes(1, 12, 4).expression("dynset", |data| {
            // The set, the operation "add", the register of the key, and what is kept for it.
            data.text(1, set).big_endian(3, 0).big_endian(4, FIRST).nest(7, |kept| {
                kept.text(EXPRESSION_NAME, "connlimit").nest(EXPRESSION_DATA, |limit| {
                    limit.big_endian(1, connections).big_endian(2, OVER);
                });
            });
        })
    }

    /// It is UDP, or TCP, to this port.
    pub(crate) fn asking_port(self, protocol: Transport, port: u16) -> Rule {
        self.load("meta", 16).compare(true, &[protocol as u8]).load_bytes(2, 2, 2).compare(true, &port.to_be_bytes())
    }

    /// It is TCP, from this port.
    pub(crate) fn tcp_from_port(self, port: u16) -> Rule {
        self.tcp().load_bytes(2, 0, 2).compare(true, &port.to_be_bytes())
    }

    /// It is TCP.
    pub(crate) fn tcp(self) -> Rule {
        self.load("meta", 16).compare(true, &[Transport::Tcp as u8])
    }

    /// It belongs to a connection that exists, or tells of an error on one.
    pub(crate) fn known(self) -> Rule {
        const ESTABLISHED_OR_RELATED: u32 = 2 | 4;
        self.state(ESTABLISHED_OR_RELATED)
    }

    /// It belongs to nothing, and starts nothing either.
    pub(crate) fn invalid(self) -> Rule {
        self.state(1)
    }

    /// Somebody translated its destination.
    pub(crate) fn translated(self) -> Rule {
        const STATUS: u32 = 2;
        const DESTINATION_TRANSLATED: u32 = 1 << 5;
        self.load("ct", STATUS).mask(&DESTINATION_TRANSLATED.to_ne_bytes()).compare(false, &[0; 4])
    }

    fn state(self, bits: u32) -> Rule {
        self.load("ct", 0).mask(&bits.to_ne_bytes()).compare(false, &[0; 4])
    }

    fn verdict(self, code: u32) -> Rule {
        self.expression("immediate", |data| {
            data.big_endian(1, VERDICT).nest(2, |inner| {
                inner.nest(DATA_VERDICT, |verdict| {
                    verdict.big_endian(VERDICT_CODE, code);
                });
            });
        })
    }

    /// It may pass.
    pub(crate) fn accept(self) -> Rule {
        self.verdict(1)
    }

    /// It disappears.
    pub(crate) fn discard(self) -> Rule {
        self.verdict(0)
    }

    /// No connection is looked for; it goes on.
    pub(crate) fn untracked(self) -> Rule {
        self.expression("notrack", |_| ())
    }

    /// Its sender is told that an administrator forbids it.
    pub(crate) fn prohibit(self) -> Rule {
        const ADMINISTRATIVELY_PROHIBITED: u8 = 13;
        self.expression("reject", |data| {
            data.big_endian(1, 0).bytes(2, &[ADMINISTRATIVELY_PROHIBITED]);
        })
    }

    /// Its sender's TCP is told that nobody listens.
    pub(crate) fn reset(self) -> Rule {
        self.expression("reject", |data| {
            data.big_endian(1, 1);
        })
    }

    /// It leaves under the address of the interface it leaves by.
    pub(crate) fn masquerade(self) -> Rule {
        self.expression("masq", |_| ())
    }

    /// It goes there instead.
    pub(crate) fn redirect_to(self, to: SocketAddrV4) -> Rule {
        let loaded = self.value(FIRST, &to.ip().octets()).value(SECOND, &to.port().to_be_bytes());
        loaded.expression("nat", |data| {
            let family = Family::Ipv4 as u32;
            data.big_endian(1, 1).big_endian(2, family).big_endian(3, FIRST).big_endian(5, SECOND);
        })
    }

    /// It comes from there instead.
    pub(crate) fn disguise_as(self, address: Ipv4Addr) -> Rule {
        self.value(FIRST, &address.octets()).expression("nat", |data| {
            data.big_endian(1, 0).big_endian(2, Family::Ipv4 as u32).big_endian(3, FIRST);
        })
    }

    fn value(self, register: u32, value: &[u8]) -> Rule {
        self.expression("immediate", |data| {
            data.big_endian(1, register).nest(2, |inner| {
                inner.bytes(DATA_VALUE, value);
            });
        })
    }
}

/// What has ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp = 6,
    Udp = 17,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spawner::network::netlink::{attributes, plain};

    /// The names of a rule's expressions.
    fn names(rule: &Rule) -> Vec<String> {
        let elements = attributes(rule.0.as_slice());
        let name =
            |element| attributes(element).find(|(kind, _)| *kind == EXPRESSION_NAME).map(|(_, name)| plain(name));
        elements.filter_map(|(_, element)| name(element)).collect()
    }

    #[test]
    fn rules_are_lists_of_expressions() {
        let rule = Rule::default().arriving_by("up").to("10.0.0.0/8".parse().expect("a range")).prohibit();
        assert_eq!(names(&rule), ["meta", "cmp", "payload", "bitwise", "cmp", "reject"]);
        let rule =
            Rule::default().asking_port(Transport::Udp, 53).redirect_to(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 53));
        assert_eq!(names(&rule), ["meta", "cmp", "payload", "cmp", "immediate", "immediate", "nat"]);
        assert_eq!(names(&Rule::default().known().accept()), ["ct", "bitwise", "cmp", "immediate"]);
    }

    #[test]
    fn a_range_of_everything_is_no_condition() {
        assert_eq!(Rule::default().to("0.0.0.0/0".parse().expect("a range")), Rule::default());
    }

    #[test]
    fn an_expression_is_encoded_as_the_kernel_reads_it() {
        let rule = Rule::default().discard();
        let (_, element) = attributes(rule.0.as_slice()).next().expect("one expression");
        let (_, data) = attributes(element).find(|(kind, _)| *kind == EXPRESSION_DATA).expect("its data");
        let parts: Vec<(u16, &[u8])> = attributes(data).collect();
        assert_eq!(parts[0], (1, &[0, 0, 0, 0][..]));
        let (kind, verdict) = attributes(parts[1].1).next().expect("a verdict");
        assert_eq!((kind, attributes(verdict).next()), (DATA_VERDICT, Some((VERDICT_CODE, &[0, 0, 0, 0][..]))));
    }
}
