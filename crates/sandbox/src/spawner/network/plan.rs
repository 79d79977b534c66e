//! Who has which address.
//!
//! ```text
//! subnet, lower half     one address for each sandbox; the same in every hub, since none of them is seen outside
//! subnet, upper half     blocks of eight, one for each hub of a host
//!   block + 1            the host
//!   block + 2            the hub, for the host and for its sandboxes: what leaves it has this address
//!   block + 4 to 6       resolvers, which the host translates
//! ```

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::rc::Rc;

use crate::cidr::Cidr;

/// Length of a block.
const BLOCK: u8 = 29;
/// As many resolvers as the C library asks.
pub(super) const RESOLVERS: u32 = 3;

/// Addresses of one hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) block: Cidr,
    pub(super) host: Ipv4Addr,
    pub(super) hub: Ipv4Addr,
}

impl Plan {
    fn new(block: Cidr) -> Plan {
        Plan { block, host: block.nth(1), hub: block.nth(2) }
    }

    /// All that are left for a hub, in an order of its own: two that start at once seldom want the same.
    pub(super) fn candidates(subnet: Cidr, taken: &[Cidr], seed: u64) -> impl Iterator<Item = Plan> {
        let upper = subnet.halves().map_or(subnet, |(_, upper)| upper);
        let count = u32::try_from(upper.size() >> (32 - BLOCK)).unwrap_or(1);
        let first = u32::try_from(seed % u64::from(count)).unwrap_or(0);
        let block = move |number: u32| Cidr::around(upper.nth((first + number) % count * 8), BLOCK);
        // A route that leads to more than the whole range, as the default route does, is no claim on a part of it.
        let taken: Vec<Cidr> = taken.iter().filter(|range| subnet.contains(range)).copied().collect();
        (0..count).map(block).filter(move |block| !taken.iter().any(|range| range.overlaps(block))).map(Plan::new)
    }

    /// The range of the resolvers' addresses.
    pub(super) fn names(&self) -> Cidr {
        Cidr::around(self.block.nth(4), 30)
    }

    /// The addresses that sandboxes ask for names.
    pub(super) fn name_servers(&self) -> impl Iterator<Item = Ipv4Addr> {
        let block = self.block;
        (0..RESOLVERS).map(move |number| block.nth(4 + number))
    }
}

/// Addresses of the sandboxes of one hub.
#[derive(Debug)]
pub(super) struct Addresses {
    range: Cidr,
    last: u32,
    used: BTreeSet<u32>,
}

impl Addresses {
    pub(super) fn new(subnet: Cidr) -> Rc<RefCell<Addresses>> {
        let range = subnet.halves().map_or(subnet, |(lower, _)| lower);
        Rc::new(RefCell::new(Addresses { range, last: 0, used: BTreeSet::new() }))
    }

    /// The next free one, in turn: an address comes back as late as possible, when nothing answers its last owner any more.
    pub(super) fn take(addresses: &Rc<RefCell<Addresses>>) -> Option<Lease> {
        let mut inner = addresses.borrow_mut();
        let count = u32::try_from(inner.range.size()).ok()? - 1;
        let next =
            (0..count).map(|step| (inner.last + step) % count + 1).find(|number| !inner.used.contains(number))?;
        inner.last = next;
        inner.used.insert(next);
        Some(Lease { addresses: addresses.clone(), number: next, address: inner.range.nth(next) })
    }
}

/// The address of one sandbox, until it is dropped.
#[derive(Debug)]
pub(in crate::spawner) struct Lease {
    addresses: Rc<RefCell<Addresses>>,
    /// Of a kind among the sandboxes of a hub, from 1.
    pub(super) number: u32,
    pub(super) address: Ipv4Addr,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.addresses.borrow_mut().used.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        text.parse().expect(text)
    }

    #[test]
    fn blocks_are_in_the_upper_half_and_not_taken() {
        let subnet = cidr("10.0.0.0/20");
        let all: Vec<Plan> = Plan::candidates(subnet, &[cidr("0.0.0.0/0"), cidr("10.0.0.0/8")], 7).collect();
        assert_eq!(all.len(), 256);
        assert!(all.iter().all(|plan| cidr("10.0.8.0/21").contains(&plan.block)));
        assert_eq!(all[0].block, cidr("10.0.8.56/29"));
        assert_eq!((all[0].host, all[0].hub), (Ipv4Addr::new(10, 0, 8, 57), Ipv4Addr::new(10, 0, 8, 58)));
        assert_eq!(all[0].names(), cidr("10.0.8.60/30"));
        let names: Vec<String> = all[0].name_servers().map(|address| address.to_string()).collect();
        assert_eq!(names, ["10.0.8.60", "10.0.8.61", "10.0.8.62"]);
        let left: Vec<Plan> = Plan::candidates(subnet, &[cidr("10.0.8.0/22"), cidr("10.0.12.2/32")], 0).collect();
        assert_eq!((left.len(), left[0].block), (127, cidr("10.0.12.8/29")));
        assert_eq!(Plan::candidates(subnet, &[subnet], 0).count(), 0);
    }

    #[test]
    fn addresses_come_back_late() {
        let addresses = Addresses::new(cidr("10.0.0.0/20"));
        let first = Addresses::take(&addresses).expect("one is free");
        assert_eq!((first.number, first.address), (1, Ipv4Addr::new(10, 0, 0, 1)));
        drop(first);
        let rest: Vec<Lease> = std::iter::from_fn(|| Addresses::take(&addresses)).collect();
        assert_eq!((rest.len(), rest[0].number, rest[2046].number), (2047, 2, 1));
        assert!(rest.iter().all(|lease| cidr("10.0.0.0/21").contains(&Cidr::single(lease.address))));
        drop(rest);
        assert!(Addresses::take(&addresses).is_some());
    }
}
