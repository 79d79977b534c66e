//! Filters of other programs that are in the way: a packet passes only if every table of the host lets it.
//!
//! Docker and most firewalls drop by default what passes through the host, or what arrives at it. They are the operator's, so we change
//! nothing and say what is to be done. Only a policy can be told without understanding rules: a chain that accepts by default and ends
//! in a rule that refuses (firewalld's), and whatever filters what arrives at the host, are not seen.

use std::collections::BTreeSet;

use super::netlink::{self, Message, NetlinkError, Socket};

const GET_CHAINS: u16 = (10 << 8) | 4;
const TABLE: u16 = 1;
const NAME: u16 = 3;
const HOOK: u16 = 4;
const POLICY: u16 = 5;
const HOOK_NUMBER: u16 = 1;

const FORWARD: u32 = 2;
const DROP: u32 = 0;
/// Families that see IPv4.
const FAMILIES: [(u8, &str); 2] = [(1, "inet"), (2, "ip")];

/// What to look at if functions reach nothing although they have `egress`: chains of this host's nf_tables that drop by default what
/// passes through it. Empty too where they cannot be read. Chains whose last rule refuses, filters of what arrives at the host, and tables
/// of the older iptables-legacy are not seen.
pub fn closed_ways() -> Vec<String> {
    let found = dropping().unwrap_or_else(|error| {
        tracing::debug!(error = &error as &dyn std::error::Error, "other programs' filters cannot be read");
        BTreeSet::new()
    });
    let sentence = |chain: String| {
        format!(
            "chain {chain} drops what passes through this host unless a rule in it allows that; functions then need one: \
             see docs/howto/network.md"
        )
    };
    found.into_iter().map(sentence).collect()
}

fn dropping() -> Result<BTreeSet<String>, NetlinkError> {
    let mut message = Message::new("list the chains of filters", GET_CHAINS, 0);
    message.payload.raw(&[0; 4]);
    let chains = Socket::netfilter()?.dump(&message)?;
    Ok(chains.iter().filter_map(|chain| name_if_dropping(chain)).collect())
}

fn name_if_dropping(chain: &[u8]) -> Option<String> {
    let (header, attributes) = chain.split_first_chunk::<4>()?;
    let (_, family) = FAMILIES.iter().find(|(number, _)| *number == header[0])?;
    let find = |bytes, kind| netlink::attributes(bytes).find(|(found, _)| *found == kind).map(|(_, value)| value);
    let number = |value: &[u8]| Some(u32::from_be_bytes(*value.first_chunk()?));
    let hook = number(find(find(attributes, HOOK)?, HOOK_NUMBER)?)?;
    let policy = number(find(attributes, POLICY)?)?;
    let name = |kind| find(attributes, kind).map(netlink::plain);
    (hook == FORWARD && policy == DROP).then_some(format!("{family} {} {}", name(TABLE)?, name(NAME)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spawner::network::netlink::Payload;

    fn chain(family: u8, hook: u32, policy: u32) -> Vec<u8> {
        let mut payload = Payload::default();
        payload.raw(&[family, 0, 0, 0]).text(TABLE, "filter").text(NAME, "FORWARD").nest(HOOK, |inner| {
            inner.big_endian(HOOK_NUMBER, hook);
        });
        payload.big_endian(POLICY, policy);
        payload.as_slice().to_vec()
    }

    #[test]
    fn only_what_drops_what_passes_is_told() {
        assert_eq!(name_if_dropping(&chain(2, FORWARD, DROP)), Some("ip filter FORWARD".to_owned()));
        assert_eq!(name_if_dropping(&chain(1, FORWARD, DROP)), Some("inet filter FORWARD".to_owned()));
        assert_eq!(name_if_dropping(&chain(2, FORWARD, 1)), None);
        assert_eq!(name_if_dropping(&chain(2, 1, DROP)), None);
        assert_eq!(name_if_dropping(&chain(10, FORWARD, DROP)), None);
        assert_eq!(name_if_dropping(&[2, 0, 0]), None);
    }
}
