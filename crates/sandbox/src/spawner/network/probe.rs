//! Whether this host can do it, tried where it leaves no trace: in a network namespace of its own that ends with the attempt.

use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::path::PathBuf;

use rustix::fs::{Access, access};

use super::filter::Owner;
use super::link::{self, End};
use super::plan::Plan;
use super::{NetworkError, USUAL_MTU, open_hub, rules, step};
use crate::egress::Egress;
use crate::spawner::namespace::HomeNetwork;
use crate::wall::WallState;

/// Tries everything but the change of the host. Called on a thread of its own, or where there is one only.
pub(crate) fn probe(egress: &Egress) -> WallState {
    if !rustix::process::geteuid().is_root() {
        return WallState::Missing {
            why: "this process is not root".to_owned(),
            remedy: "start the server as root: it keeps one small process as root and gives up root itself".to_owned(),
        };
    }
    match attempt(egress) {
        Ok(()) => WallState::Available,
        Err(error) => error.missing(),
    }
}

fn attempt(egress: &Egress) -> Result<(), NetworkError> {
    egress.check().map_err(NetworkError::Settings)?;
    let forward = PathBuf::from("/proc/sys/net/ipv4/ip_forward");
    let on = std::fs::read_to_string(&forward).is_ok_and(|text| text.trim() == "1");
    if !on {
        access(&forward, Access::WRITE_OK).map_err(|errno| NetworkError::Kernel {
            path: forward.display().to_string(),
            value: "1",
            source: errno.into(),
        })?;
    }
    let home = HomeNetwork::new().map_err(step("open the network namespace"))?;
    let (_, tried) = home.visit_new(|| in_a_namespace(egress)).map_err(step("make a network namespace"))?;
    tried
}

fn in_a_namespace(egress: &Egress) -> Result<(), NetworkError> {
    let (links, filters) = open_hub()?;
    let here = HomeNetwork::new().map_err(step("open the network namespace"))?;
    let end = |name| End { name, index: 0, mtu: USUAL_MTU };
    links.request(&[link::pair(end(rules::UPLINK), end("fg-probe"), here.as_fd())])?;
    let plan = Plan::candidates(egress.subnet, &[], 0).next().ok_or(NetworkError::Full)?;
    rules::of_hub(&plan, egress, false).make(&filters, Owner::Namespace)?;
    let mut host = rules::of_host("fungraph-probe", "fg-probe", &plan);
    host.make(&filters, Owner::Socket)?;
    host.replace(&filters, rules::OWN, rules::own(1))?;
    Ok(host.replace(&filters, rules::NAMES, rules::names("fg-probe", &plan, &[Ipv4Addr::LOCALHOST]))?)
}

impl NetworkError {
    /// For people: what was found, and what to do about it.
    pub(crate) fn missing(&self) -> WallState {
        WallState::Missing { why: crate::spawner::chain(self), remedy: self.remedy().to_owned() }
    }

    fn remedy(&self) -> &'static str {
        let code = match self {
            NetworkError::Netlink(error) => error.source.raw_os_error(),
            NetworkError::System { source, .. } | NetworkError::Kernel { source, .. } => source.raw_os_error(),
            NetworkError::Settings(_) | NetworkError::Taken { .. } | NetworkError::Full | NetworkError::Held { .. } => {
                None
            }
        };
        if matches!(code, Some(libc::EPERM | libc::EACCES)) {
            return "run where the network may be changed (CAP_NET_ADMIN; in a container, --privileged)";
        }
        match self {
            NetworkError::Settings(_) => "mend sandbox.egress_subnet and sandbox.egress_allow",
            NetworkError::Taken { .. } | NetworkError::Full => "choose another sandbox.egress_subnet",
            NetworkError::Held { .. } => "end what is left of an earlier server of this data folder, then start again",
            NetworkError::Kernel { .. } => "make /proc/sys writable (in a container, --privileged)",
            NetworkError::Netlink(error) if error.step.contains("interface") => {
                "modprobe veth, or boot a kernel with CONFIG_VETH"
            }
            NetworkError::Netlink(_) => {
                "modprobe nf_tables nft_ct nft_nat nft_masq nft_reject_ipv4, or boot a kernel with them"
            }
            NetworkError::System { .. } => "boot a kernel of a current distribution",
        }
    }
}
