//! The OCI bundle of one launch: `config.json` for libcontainer, or for any other OCI program.
//!
//! What is mounted from the host is not in it: the spawner puts that together under the bundle's root before, which is faster and
//! makes those mounts unchangeable for the sandbox.

use std::path::Path;

use serde_json::{Value, json};

use super::oci;
use crate::cgroup::share;
use crate::launch::{Launch, Network};

/// Host ids per sandbox, as many as a user namespace usually has.
pub(super) const IDS_PER_SANDBOX: u32 = 65_536;

/// Who reads the bundle.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reader<'a> {
    /// libcontainer: filters and the function's start are the executor's.
    Embedded,
    /// An OCI program: it puts the filters on and starts our init, which starts the function.
    Program {
        /// `linux.seccomp`.
        seccomp: &'a Value,
        /// What is to be shown late, by its place inside.
        late: &'a [(&'a str, &'a Path)],
    },
}

/// What of the limits the host can give, and where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Controllers {
    pub(super) memory: bool,
    pub(super) swap: bool,
    pub(super) cpu: bool,
    pub(super) pids: bool,
}

/// Parts of `/proc` that tell about the host or steer it.
const MASKED: [&str; 11] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/kallsyms",
    "/proc/kcore",
    "/proc/keys",
    "/proc/kmsg",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
];
const READ_ONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// The text of `config.json`.
pub(super) fn config(
    launch: &Launch,
    root: &str,
    cgroups_path: &str,
    first_id: u32,
    controllers: Controllers,
    reader: Reader<'_>,
) -> Value {
    let mut namespaces = vec!["pid", "ipc", "uts", "mount", "cgroup", "user"];
    if launch.network != Network::Host {
        namespaces.push("network");
    }
    let namespaces: Vec<Value> = namespaces.into_iter().map(|kind| json!({ "type": kind })).collect();
    let ids = json!([{ "containerID": 0, "hostID": first_id, "size": IDS_PER_SANDBOX }]);
    let mut config = json!({
        "ociVersion": "1.0.2",
        "process": process(launch),
        // Absolute cgroupsPath below: with a user namespace libcontainer otherwise insists on systemd.
        "root": { "path": root, "readonly": true },
        "hostname": launch.hostname,
        "mounts": mounts(),
        "linux": {
            "namespaces": namespaces,
            "uidMappings": ids.clone(),
            "gidMappings": ids,
            "cgroupsPath": cgroups_path,
            "resources": resources(launch, controllers),
            "maskedPaths": MASKED,
            "readonlyPaths": READ_ONLY,
        },
    });
    if let Reader::Program { seccomp, late } = reader {
        config["process"]["args"] = json!(oci::arguments(launch));
        config["process"]["env"] = json!([]);
        config["linux"]["seccomp"] = seccomp.clone();
        // What fills the late folder must still arrive; these programs cut off what they are not told to leave connected.
        config["linux"]["rootfsPropagation"] = json!("rslave");
        let late = late.iter().map(|(place, source)| {
            json!({ "destination": place, "type": "bind", "source": source, "options": ["rbind", "rslave"] })
        });
        if let Some(mounts) = config["mounts"].as_array_mut() {
            mounts.extend(late);
        }
    }
    config
}

fn process(launch: &Launch) -> Value {
    let env: Vec<String> = launch.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let files = launch.limits.open_files;
    json!({
        "terminal": false,
        "user": { "uid": launch.user.uid, "gid": launch.user.gid, "umask": 0o022 },
        "args": launch.args,
        "env": env,
        "cwd": launch.cwd,
        "capabilities": { "bounding": [], "effective": [], "permitted": [], "inheritable": [], "ambient": [] },
        // Never RLIMIT_AS: V8 and the JVM reserve far more address space than they use.
        "rlimits": [
            { "type": "RLIMIT_NOFILE", "soft": files, "hard": files },
            { "type": "RLIMIT_CORE", "soft": 0, "hard": 0 },
        ],
        "noNewPrivileges": true,
    })
}

fn mounts() -> Value {
    json!([
        { "destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"] },
        { "destination": "/dev", "type": "tmpfs", "source": "dev", "options": ["nosuid", "noexec", "mode=755", "size=64k"] },
        { "destination": "/dev/shm", "type": "tmpfs", "source": "shm",
          "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=64m"] },
    ])
}

fn resources(launch: &Launch, controllers: Controllers) -> Value {
    let limits = &launch.limits;
    let mut resources = json!({});
    if controllers.memory {
        resources["memory"] = json!({ "limit": limits.memory_bytes });
        if controllers.swap {
            // Memory and swap together: no swap at all.
            resources["memory"]["swap"] = json!(limits.memory_bytes);
        }
    }
    if controllers.cpu {
        // libcontainer turns shares into a weight on cgroup v2.
        resources["cpu"] = json!({ "shares": share::shares(limits.cpu_millicores) });
        if limits.cpu_quota {
            resources["cpu"]["period"] = json!(share::PERIOD_US);
            resources["cpu"]["quota"] = json!(share::quota_us(limits.cpu_millicores));
        }
    }
    if controllers.pids {
        // One more for the init, which is ours.
        resources["pids"] = json!({ "limit": limits.pids.saturating_add(1) });
    }
    resources
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch::{Limits, User};

    fn launch(network: Network, cpu_quota: bool) -> Launch {
        Launch {
            id: "a".into(),
            root: None,
            user: User::FUNCTION,
            binds: vec![],
            late: None,
            mount_points: vec![],
            links: vec![],
            args: vec!["/bin/true".into()],
            env: vec![("A".into(), "x=y".into())],
            cwd: "/".into(),
            hostname: "h".into(),
            limits: Limits {
                memory_bytes: 128 << 20,
                cpu_millicores: 300,
                cpu_quota,
                pids: 1024,
                open_files: 2048,
                tmp_bytes: 512 << 20,
            },
            network,
        }
    }

    const ALL: Controllers = Controllers { memory: true, swap: true, cpu: true, pids: true };
    const NONE: Controllers = Controllers { memory: false, swap: false, cpu: false, pids: false };

    #[test]
    fn a_bundle_is_one_that_libcontainer_reads() {
        let value = config(&launch(Network::None, true), "/r", "/g/a", 7, ALL, Reader::Embedded);
        let spec: oci_spec::runtime::Spec = serde_json::from_value(value.clone()).expect("it is a bundle");
        assert_eq!(spec.process().as_ref().and_then(|process| process.env().clone()), Some(vec!["A=x=y".to_owned()]));
        assert_eq!(value["linux"]["namespaces"].as_array().map(Vec::len), Some(7));
        assert_eq!(value["linux"]["uidMappings"][0]["hostID"], 7);
    }

    #[test]
    fn limits_follow_the_formula_and_the_host() {
        let full =
            config(&launch(Network::None, true), "/r", "/g/a", 7, ALL, Reader::Embedded)["linux"]["resources"].take();
        assert_eq!(full["cpu"], json!({ "shares": 307, "period": 100_000, "quota": 30_000 }));
        assert_eq!(full["memory"], json!({ "limit": 128 << 20, "swap": 128 << 20 }));
        let weight =
            config(&launch(Network::None, false), "/r", "/g/a", 7, ALL, Reader::Embedded)["linux"]["resources"]["cpu"]
                .take();
        assert_eq!(weight, json!({ "shares": 307 }));
        assert_eq!(
            config(&launch(Network::None, true), "/r", "/g/a", 7, NONE, Reader::Embedded)["linux"]["resources"],
            json!({})
        );
    }

    #[test]
    fn an_oci_program_starts_the_init_with_all_the_function_has() {
        let seccomp = json!({ "defaultAction": "SCMP_ACT_ALLOW" });
        let reader = Reader::Program { seccomp: &seccomp, late: &[] };
        let value = config(&launch(Network::None, true), "/r", "/g/a", 7, ALL, reader);
        let spec: oci_spec::runtime::Spec = serde_json::from_value(value.clone()).expect("it is a bundle");
        assert!(spec.linux().as_ref().is_some_and(|linux| linux.seccomp().is_some()));
        assert_eq!(value["process"]["args"], json!(["/proc/self/fd/5", "A@@@", "/bin/true", "", "A=x=y"]));
        assert_eq!(value["process"]["env"], json!([]));
    }

    #[test]
    fn the_hosts_network_is_no_namespace() {
        let namespaces =
            config(&launch(Network::Host, false), "/r", "/g/a", 7, ALL, Reader::Embedded)["linux"]["namespaces"].take();
        assert!(!namespaces.to_string().contains("network"));
    }
}
