//! The two tables of filters: in the hub, which knows the sandboxes, and on the host, which knows only the hub.
//!
//! The hub decides what may leave. The host keeps the hub from itself, since only the host knows all its own addresses, lends it its
//! address, and hands questions for names to its resolvers. Rules are tried in their order, and the first that decides is the last.

use std::net::{Ipv4Addr, SocketAddrV4};

use super::filter::{Hook, Rule, Table, Transport};
use super::plan::Plan;
use crate::cidr::Cidr;
use crate::egress::{Egress, NEVER, UNLESS_LISTED};

/// The hub's end of the link to the host.
pub(super) const UPLINK: &str = "up";
/// The chain that leaves the server's connections alone.
pub(super) const OWN: &str = "own";
/// The chain that follows the host's resolvers.
pub(super) const NAMES: &str = "names";
const DNS: u16 = 53;
/// Connections that one sandbox can have at once. Each has an entry in the kernel's table, which the host shares with everybody.
pub(super) const MOST_CONNECTIONS: u32 = 4096;
const CONNECTIONS: &str = "connections";

fn rule() -> Rule {
    Rule::default()
}

/// The table of the hub. Not every kernel can limit connections.
pub(super) fn of_hub(plan: &Plan, egress: &Egress, limited: bool) -> Table {
    Table {
        name: "fungraph".to_owned(),
        sets: if limited { vec![CONNECTIONS] } else { Vec::new() },
        chains: vec![
            ("input", Hook::Input, hub_input()),
            ("forward", Hook::Forward, hub_forward(plan, egress, limited)),
            ("leaving", Hook::TranslateLeaving, vec![rule().leaving_by(UPLINK).masquerade()]),
        ],
    }
}

/// Nothing listens in the hub; to ask it is a mistake that is told at once.
fn hub_input() -> Vec<Rule> {
    vec![rule().known().accept(), rule().prohibit()]
}

fn hub_forward(plan: &Plan, egress: &Egress, limited: bool) -> Vec<Rule> {
    let to = |range: &Cidr| rule().to(*range);
    let mut rules = vec![
        rule().known().accept(),
        rule().invalid().discard(),
        // Nothing begins outside.
        rule().arriving_by(UPLINK).discard(),
        // What does not leave by the link to the host is for another sandbox.
        rule().not_leaving_by(UPLINK).prohibit(),
    ];
    if limited {
        // Refused here, it has an entry neither in the hub's table nor in the host's.
        rules.push(rule().of_sender_with_over(MOST_CONNECTIONS, CONNECTIONS).prohibit());
    }
    for protocol in [Transport::Udp, Transport::Tcp] {
        rules.push(rule().to(plan.names()).asking_port(protocol, DNS).accept());
    }
    rules.extend(NEVER.iter().chain([&egress.subnet]).map(|range| to(range).prohibit()));
    rules.extend(egress.allow.iter().map(|range| to(range).accept()));
    rules.extend(UNLESS_LISTED.iter().map(|range| to(range).prohibit()));
    rules
}

/// The table of the host, which only concerns itself with one interface.
pub(super) fn of_host(name: &str, interface: &str, plan: &Plan) -> Table {
    Table {
        name: name.to_owned(),
        sets: Vec::new(),
        chains: vec![
            (OWN, Hook::Sent, Vec::new()),
            (NAMES, Hook::TranslateArriving, Vec::new()),
            ("input", Hook::Input, host_input(interface, plan)),
            ("forward", Hook::Forward, host_forward(interface, plan)),
            ("resolver", Hook::TranslateInput, resolver(interface, plan)),
            ("leaving", Hook::TranslateLeaving, vec![rule().from(Cidr::single(plan.hub)).masquerade()]),
        ],
    }
}

/// Both directions are sent by this host.
pub(super) fn own(port: u16) -> Vec<Rule> {
    let sent = || rule().leaving_by("lo");
    vec![sent().asking_port(Transport::Tcp, port).untracked(), sent().tcp_from_port(port).untracked()]
}

/// Each address for names is one of the host's resolvers.
pub(super) fn names(interface: &str, plan: &Plan, resolvers: &[Ipv4Addr]) -> Vec<Rule> {
    let mut rules = Vec::new();
    for (address, resolver) in plan.name_servers().zip(resolvers) {
        for protocol in [Transport::Udp, Transport::Tcp] {
            let asked = rule().arriving_by(interface).to(Cidr::single(address)).asking_port(protocol, DNS);
            rules.push(asked.redirect_to(SocketAddrV4::new(*resolver, DNS)));
        }
    }
    rules
}

/// The host's own addresses, whichever they are: by their original destination, so that nothing that another program of this host
/// translates (a published port of a container) is taken for a question for a name.
fn host_input(interface: &str, plan: &Plan) -> Vec<Rule> {
    let arriving = || rule().arriving_by(interface);
    // All that arrives at the host passes here, and nearly all is of no concern.
    let foreign = rule().not_arriving_by(interface).accept();
    vec![foreign, arriving().originally_to(plan.names()).accept(), arriving().tcp().reset(), arriving().prohibit()]
}

fn host_forward(interface: &str, plan: &Plan) -> Vec<Rule> {
    let arriving = || rule().arriving_by(interface);
    vec![
        rule().leaving_by(interface).known().accept(),
        rule().leaving_by(interface).discard(),
        arriving().known().accept(),
        // A question for a name that no resolver was found for.
        arriving().to(plan.names()).prohibit(),
        arriving().originally_to(plan.names()).accept(),
        arriving().translated().prohibit(),
        arriving().accept(),
    ]
}

/// Resolvers on loopback often answer nobody but loopback.
fn resolver(interface: &str, plan: &Plan) -> Vec<Rule> {
    let loopback = Cidr::around(Ipv4Addr::LOCALHOST, 8);
    vec![rule().arriving_by(interface).originally_to(plan.names()).to(loopback).disguise_as(Ipv4Addr::LOCALHOST)]
}
