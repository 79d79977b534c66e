//! The way out of the sandboxes of one spawner.
//!
//! ```text
//! sandbox A  eth0 ── v1 ┐
//! sandbox B  eth0 ── v2 ┤ hub ── up ──── fg-NAME  host ──── eth0  world
//! sandbox C  eth0 ── v3 ┘ filters        filters
//! ```
//!
//! The **hub** is a network namespace without a process: the spawner's sockets in it keep it alive, and with them go its interfaces and
//! filters, the other ends of those interfaces, and, where the kernel knows owned tables, the host's filters. So nothing is left
//! of a spawner that was killed, and nobody has to know its name.
//!
//! Functions have no capability, so a sandbox's own routes are a wall too, and the nearest: what is closed has none, which fails at
//! once and is counted where the server can read it. The hub's filters say the same again, and hold without the routes.

mod filter;
mod link;
mod netlink;
mod others;
mod plan;
mod probe;
mod resolver;
mod rules;

use std::cell::RefCell;
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::netdevice::name_to_index;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use self::filter::{Owner, Table};
use self::link::{End, Routes, Way};
use self::netlink::{NetlinkError, Socket};
use self::plan::{Addresses, Plan};
use self::resolver::Watch;
use super::namespace::{self, HomeNetwork};
use crate::cidr::Cidr;
use crate::egress::{Egress, InvalidEgress};

pub use self::others::closed_ways;
pub(super) use self::plan::Lease;
pub(crate) use self::probe::probe;

/// The interface that a sandbox sees, and its number there: high, since some kernels put interfaces of their own into every namespace.
const INSIDE: &str = "eth0";
const INSIDE_INDEX: u32 = 64;
/// Numbers in the hub: the link to the host, and from where on those to sandboxes count.
const UPLINK_INDEX: u32 = 2;
const FIRST_INDEX: u32 = 1024;
/// What every network carries, where the host does not say.
const USUAL_MTU: u32 = 1500;
const LOOPBACK: u32 = 1;
const EVERYTHING: Cidr = Cidr::around(std::net::Ipv4Addr::UNSPECIFIED, 0);

/// Why there is no way out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NetworkError {
    /// The settings cannot be.
    #[error("the settings of the network cannot be")]
    Settings(#[source] InvalidEgress),
    /// The kernel refused.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// The system refused.
    #[error("cannot {step}")]
    System {
        /// What was being done.
        step: &'static str,
        /// What it said.
        source: io::Error,
    },
    /// A setting of the kernel cannot be changed.
    #[error("cannot write {value} to {path}")]
    Kernel {
        /// The file.
        path: String,
        /// What it should hold.
        value: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The table of an earlier spawner is still somebody's.
    #[error("another process holds the table of filters {table}")]
    Held {
        /// Its name.
        table: String,
        /// What the kernel said.
        source: NetlinkError,
    },
    /// Others have all addresses for the link.
    #[error("the host has routes into every part of {subnet}: choose another range with sandbox.egress_subnet")]
    Taken {
        /// The range.
        subnet: Cidr,
    },
    /// As many sandboxes as the range has addresses.
    #[error("every address for sandboxes is in use")]
    Full,
}

fn step<E: Into<io::Error>>(step: &'static str) -> impl FnOnce(E) -> NetworkError {
    move |source| NetworkError::System { step, source: source.into() }
}

/// The hub, and the host's half of it.
#[derive(Debug)]
pub(crate) struct Hub {
    /// In the hub.
    links: Socket,
    /// On the host.
    host_links: Socket,
    /// On the host; the table is this socket's.
    host_filters: Socket,
    host_table: Table,
    interface: String,
    plan: Plan,
    mtu: u32,
    addresses: Rc<RefCell<Addresses>>,
    /// The routes of every sandbox.
    routes: Vec<(Cidr, Way)>,
    /// What they lead nowhere anyway.
    closed: Vec<Cidr>,
    opened: Vec<Cidr>,
    watch: Watch,
    resolv_conf: PathBuf,
}

impl Hub {
    /// Makes it all; on failure nothing is left. `name` is the spawner's, `resolv_conf` a file of ours that is kept up to date.
    pub(super) fn make(
        name: &str,
        egress: &Egress,
        home: &HomeNetwork,
        resolv_conf: PathBuf,
    ) -> Result<Hub, NetworkError> {
        egress.check().map_err(NetworkError::Settings)?;
        let (interface, table) = (interface_name(name), format!("fungraph-{name}"));
        let (host, host_filters) = (Socket::route()?, Socket::netfilter()?);
        sweep(&interface, &table, &host, &host_filters)?;
        let found = Routes::read(&host)?;
        let mtu = outward_mtu(&host, &found)?;
        let (_namespace, opened) = home.visit_new(open_hub).map_err(step("make a network namespace"))?;
        let (links, filters) = opened?;
        let up = End { name: rules::UPLINK, index: UPLINK_INDEX, mtu };
        links.request(&[link::pair(up, End { name: &interface, index: 0, mtu }, home.as_fd())])?;
        let plan = join_host(&host, &interface, egress, &found, hash(name))?;
        links.request(&[
            link::raise(LOOPBACK),
            link::address(UPLINK_INDEX, plan.hub),
            link::route(Cidr::single(plan.host), Way::Link(UPLINK_INDEX)),
            link::route(EVERYTHING, Way::Gateway(plan.host)),
        ])?;
        if let Err(error) = rules::of_hub(&plan, egress, true).make(&filters, Owner::Namespace) {
            rules::of_hub(&plan, egress, false).make(&filters, Owner::Namespace)?;
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "this kernel cannot limit the connections of a function (modprobe nft_connlimit): one can fill the host's table"
            );
        }
        let host_table = rules::of_host(&table, &interface, &plan);
        host_table.make(&host_filters, Owner::Socket)?;
        let addresses = Addresses::new(egress.subnet);
        let watch = Watch::new(&egress.resolv_conf);
        let routes = sandbox_routes(&plan, egress);
        let (closed, opened) = (egress.closed().collect(), egress.opened().collect());
        let mut hub = Hub {
            links,
            host_links: host,
            host_filters,
            host_table,
            interface,
            plan,
            mtu,
            addresses,
            routes,
            closed,
            opened,
            watch,
            resolv_conf,
        };
        hub.follow_resolvers()?;
        closed_ways().iter().for_each(|sentence| tracing::warn!("{sentence}"));
        Ok(hub)
    }

    /// The file to show as `/etc/resolv.conf`. Its names change with the host's; its addresses never do, so that a sandbox that
    /// has an older one asks the new resolvers too.
    pub(super) fn resolv_conf(&mut self) -> Result<&Path, NetworkError> {
        self.follow_resolvers()?;
        Ok(&self.resolv_conf)
    }

    /// Leaves the connections to this port over loopback to themselves.
    pub(super) fn leave_untracked(&mut self, port: u16) -> Result<(), NetworkError> {
        Ok(self.host_table.replace(&self.host_filters, rules::OWN, rules::own(port))?)
    }

    fn follow_resolvers(&mut self) -> Result<(), NetworkError> {
        let Some(resolvers) = self.watch.look() else { return Ok(()) };
        let rules = rules::names(&self.interface, &self.plan, &resolvers.servers);
        self.host_table.replace(&self.host_filters, rules::NAMES, rules)?;
        // Another file under the same name: those who have the old one mounted keep it whole.
        let draft = self.resolv_conf.with_extension("draft");
        fs::write(&draft, resolvers.inside(self.plan.name_servers()))
            .and_then(|()| fs::rename(&draft, &self.resolv_conf))
            .map_err(step("write the sandboxes' resolv.conf"))?;
        tracing::debug!(resolvers = ?resolvers.servers, "names are resolved by these");
        Ok(())
    }

    /// Gives the network namespace of a process an interface, addresses and routes. The kernel takes all of it back when the namespace
    /// ends, in its own time.
    pub(super) fn connect(&self, pid: u32, home: &HomeNetwork) -> Result<Lease, NetworkError> {
        let namespace = namespace::of_process(pid).map_err(step("open the network of a sandbox"))?;
        let inside = home.visit(&namespace, open_inside).map_err(step("enter the network of a sandbox"))??;
        let lease = self.plug(&namespace)?;
        let mut requests = vec![
            link::raise(LOOPBACK),
            link::raise(INSIDE_INDEX),
            link::address(INSIDE_INDEX, lease.address),
            link::route(Cidr::single(self.plan.hub), Way::Link(INSIDE_INDEX)),
        ];
        requests.extend(self.routes.iter().map(|(to, way)| link::route(*to, *way)));
        // The host refuses those itself, whichever it has by then; without a route that shows at once, and can be explained.
        let own = link::addresses(&self.host_links)?;
        let own = own.into_iter().filter(|address| !self.is_closed(*address));
        requests.extend(own.map(|address| link::route(Cidr::single(address), Way::Nowhere)));
        inside.request(&requests)?;
        Ok(lease)
    }

    /// Whether the routes of every sandbox lead nowhere for it. A route of its own would tell the function that the host has it.
    fn is_closed(&self, address: std::net::Ipv4Addr) -> bool {
        let within = |ranges: &[Cidr]| ranges.iter().any(|range| range.contains(&Cidr::single(address)));
        within(&self.closed) && !within(&self.opened)
    }

    /// Makes the pair of interfaces. Those of a sandbox that just ended may still be there, so a few addresses are tried.
    fn plug(&self, namespace: &fs::File) -> Result<Lease, NetworkError> {
        const ATTEMPTS: u32 = 64;
        let inside = End { name: INSIDE, index: INSIDE_INDEX, mtu: self.mtu };
        let mut passed_over = Vec::new();
        for _ in 0..ATTEMPTS {
            let lease = Addresses::take(&self.addresses).ok_or(NetworkError::Full)?;
            let (name, index) = (format!("v{}", lease.number), FIRST_INDEX + lease.number);
            let outside = End { name: &name, index, mtu: self.mtu };
            let way = link::route(Cidr::single(lease.address), Way::Link(index));
            match self.links.request(&[link::pair(outside, inside, namespace.as_fd()), way]) {
                Ok(()) => return Ok(lease),
                Err(error) if error.is(libc::EEXIST) => passed_over.push(lease),
                Err(error) => return Err(error.into()),
            }
        }
        Err(NetworkError::Full)
    }
}

impl Drop for Hub {
    /// Only in an orderly end: takes the link away at once rather than with the namespace.
    fn drop(&mut self) {
        if let Err(error) = self.links.request(&[link::remove(rules::UPLINK)]) {
            tracing::debug!(error = &error as &dyn std::error::Error, "cannot remove the link to the hub");
        }
    }
}

/// What every sandbox routes where. Closed ranges go nowhere; more exact routes within them are the exceptions.
fn sandbox_routes(plan: &Plan, egress: &Egress) -> Vec<(Cidr, Way)> {
    let hub = Way::Gateway(plan.hub);
    let closed = egress.closed().map(|range| (range, Way::Nowhere));
    let opened = egress.opened().chain([plan.names()]).map(|range| (range, hub));
    [(EVERYTHING, hub)].into_iter().chain(closed).chain(opened).collect()
}

/// What a killed spawner of the same name left: its interface for a moment, and the table where the kernel knows no owners.
fn sweep(interface: &str, table: &str, links: &Socket, filters: &Socket) -> Result<(), NetworkError> {
    match links.request(&[link::remove(interface)]) {
        Err(error) if !error.is(libc::ENODEV) => return Err(error.into()),
        _ => {}
    }
    remove_table(table, filters)
}

/// The owner of a table is a socket, and what a killed spawner had begun to launch may hold a copy of that for a moment.
fn remove_table(table: &str, filters: &Socket) -> Result<(), NetworkError> {
    const ORPHANS_END_WITHIN: Duration = Duration::from_secs(1);
    const PAUSE: Duration = Duration::from_millis(10);
    let deadline = Instant::now() + ORPHANS_END_WITHIN;
    loop {
        match Table::remove(table, filters) {
            Err(error) if error.is(libc::EPERM) && Instant::now() < deadline => thread::sleep(PAUSE),
            Err(error) if error.is(libc::EPERM) => {
                return Err(NetworkError::Held { table: table.to_owned(), source: error });
            }
            removed => return Ok(removed?),
        }
    }
}

/// In the hub, right after it came to be. Much is inherited from the host, where other programs may have opened it.
fn open_hub() -> Result<(Socket, Socket), NetworkError> {
    const IPV4: &str = "/proc/sys/net/ipv4";
    kernel_setting(format!("{IPV4}/ip_forward"), "1")?;
    for scope in ["all", "default"] {
        // A packet whose sender is not reached by where it came from is dropped: no sandbox speaks as another.
        kernel_setting(format!("{IPV4}/conf/{scope}/rp_filter"), "1")?;
        for closed in ["route_localnet", "send_redirects", "accept_redirects", "accept_source_route", "proxy_arp"] {
            kernel_setting(format!("{IPV4}/conf/{scope}/{closed}"), "0")?;
        }
        // The hub's one address is on the link to the host, and the sandboxes ask for it on theirs.
        answer_for_addresses(scope)?;
        without_ipv6(scope)?;
    }
    // Every refusal is told, however many there are: who is not told waits.
    kernel_setting(format!("{IPV4}/icmp_ratemask"), "0")?;
    Ok((Socket::route()?, Socket::netfilter()?))
}

/// In a sandbox, before it has an interface.
fn open_inside() -> Result<Socket, NetworkError> {
    without_ipv6("default")?;
    Ok(Socket::route()?)
}

/// On the host: addresses that nobody has, and the settings of one interface.
fn join_host(host: &Socket, interface: &str, egress: &Egress, found: &Routes, seed: u64) -> Result<Plan, NetworkError> {
    let asking = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
        .map_err(step("open a socket"))?;
    let index = name_to_index(&asking, interface).map_err(step("find the link to the hub"))?;
    let own = |name: &str| format!("/proc/sys/net/ipv4/conf/{interface}/{name}");
    forward_packets()?;
    kernel_setting(own("forwarding"), "1")?;
    kernel_setting(own("rp_filter"), "1")?;
    kernel_setting(own("send_redirects"), "0")?;
    kernel_setting(own("accept_redirects"), "0")?;
    // For resolvers on loopback; the host's filters let nothing else pass to it.
    kernel_setting(own("route_localnet"), "1")?;
    // The host's own `all` holds beside it: with up to 1 there it answers, as its address is on this interface.
    answer_for_addresses(interface)?;
    without_ipv6(interface)?;
    host.request(&[link::raise(index)])?;
    let taken: Vec<Cidr> = found.ranges.iter().copied().chain(found.own.iter().copied().map(Cidr::single)).collect();
    for plan in Plan::candidates(egress.subnet, &taken, seed) {
        host.request(&[link::address(index, plan.host)])?;
        match host.request(&[link::route(plan.block, Way::ClaimedLink(index, plan.host))]) {
            Ok(()) => return Ok(plan),
            // Somebody was faster.
            Err(error) if error.is(libc::EEXIST) => host.request(&[link::no_address(index, plan.host)])?,
            Err(error) => return Err(error.into()),
        }
    }
    Err(NetworkError::Taken { subnet: egress.subnet })
}

/// Without it the host passes nothing on. It stays on, as other programs may have come to need it by then.
fn forward_packets() -> Result<(), NetworkError> {
    const PATH: &str = "/proc/sys/net/ipv4/ip_forward";
    if fs::read_to_string(PATH).is_ok_and(|text| text.trim() == "1") {
        return Ok(());
    }
    kernel_setting(PATH.to_owned(), "1")?;
    tracing::info!("turned on net.ipv4.ip_forward, which the network of functions needs");
    Ok(())
}

fn kernel_setting(path: String, value: &'static str) -> Result<(), NetworkError> {
    fs::write(&path, value).map_err(|source| NetworkError::Kernel { path, value, source })
}

/// Hosts with several interfaces in one network restrict who answers to ARP, and what is inherited from them would leave ours silent.
fn answer_for_addresses(scope: &str) -> Result<(), NetworkError> {
    let settings = ["arp_ignore", "arp_filter", "arp_announce"];
    settings.iter().try_for_each(|name| kernel_setting(format!("/proc/sys/net/ipv4/conf/{scope}/{name}"), "0"))
}

/// A kernel without IPv6 has no such setting.
fn without_ipv6(scope: &str) -> Result<(), NetworkError> {
    match kernel_setting(format!("/proc/sys/net/ipv6/conf/{scope}/disable_ipv6"), "1") {
        Err(NetworkError::Kernel { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// That of the way to the world: a packet that fits a sandbox's interface then fits all the way to the host's.
fn outward_mtu(host: &Socket, found: &Routes) -> Result<u32, NetlinkError> {
    let mtu = found.outward.map(|index| link::mtu(host, index)).transpose()?.flatten();
    Ok(mtu.map_or(USUAL_MTU, |mtu| mtu.clamp(576, 65_535)))
}

/// At most 15 characters; a long name is shortened to its hash.
fn interface_name(name: &str) -> String {
    const PREFIX: &str = "fg-";
    const LONGEST: usize = 15 - PREFIX.len();
    if name.len() <= LONGEST {
        return format!("{PREFIX}{name}");
    }
    format!("{PREFIX}{:012x}", hash(name) & 0xffff_ffff_ffff)
}

/// FNV-1a: names differ in their last letters, and so do their hashes.
fn hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_are_named_after_their_spawner() {
        assert_eq!(interface_name("abc"), "fg-abc");
        let (one, two) = (interface_name("00c0ffee00c0ffee"), interface_name("00c0ffee00c0ffef"));
        assert!(one.len() == 15 && two.len() == 15 && one != two, "{one} {two}");
    }

    #[test]
    fn a_sandbox_reaches_resolvers_but_not_its_neighbours() {
        let egress = Egress { allow: vec!["10.1.0.0/16".parse().expect("a range")], ..Egress::new() };
        let plan = Plan::candidates(egress.subnet, &[], 0).next().expect("one is free");
        let routes = sandbox_routes(&plan, &egress);
        let way = |text: &str| {
            let address = Cidr::single(text.parse().expect("an address"));
            let matching = routes.iter().filter(|(to, _)| to.contains(&address));
            matching.max_by_key(|(to, _)| to.length()).map(|(_, way)| *way)
        };
        let hub = Some(Way::Gateway(plan.hub));
        assert_eq!((way("8.8.8.8"), way("10.1.2.3"), way(&plan.names().nth(0).to_string())), (hub, hub, hub));
        for closed in ["10.2.0.1", "169.254.169.254", "169.254.192.1", "192.168.0.1", "100.64.0.1", "172.31.0.1"] {
            assert_eq!(way(closed), Some(Way::Nowhere), "{closed}");
        }
        assert_eq!(way(&plan.host.to_string()), Some(Way::Nowhere));
    }
}
