//! Who may wish of the kernel that processors stay awake.

use std::fs::{self, File};
use std::path::Path;

use crate::harness::{Server, fungraph, instances, open_folder, wait_for};

const DEVICE: &str = "/dev/cpu_dma_latency";

/// How often a process has the device open.
fn holds(process: u32) -> usize {
    let open = fs::read_dir(format!("/proc/{process}/fd")).expect("it runs").flatten();
    open.filter(|entry| fs::read_link(entry.path()).is_ok_and(|target| target == Path::new(DEVICE))).count()
}

/// Whether this host's kernel listens to such a wish.
fn is_heard() -> bool {
    let driver = fs::read_to_string("/sys/devices/system/cpu/cpuidle/current_driver").unwrap_or_default();
    !matches!(driver.trim(), "" | "none") && File::options().write(true).open(DEVICE).is_ok()
}

#[test]
fn the_server_alone_holds_the_device() {
    let server = Server::start(&["--auth", "off"]);
    server.create("f", "Python3.9", "def handler(event, context):\n    return 1\n");
    assert_eq!(server.request("POST", &server.invocations("f"), &[], "{}").status, 200);
    assert_eq!(holds(server.pid()), usize::from(is_heard()));
    assert_eq!(holds(server.spawner()), 0);
    let running = wait_for("an instance", || Some(instances(server.spawner())).filter(|all| !all.is_empty()));
    for instance in running {
        assert_eq!(holds(instance), 0);
    }
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_host_whose_processors_may_sleep_is_left_alone() {
    let home = open_folder();
    let config = home.path().join("fungraph.toml");
    fs::write(&config, "[server]\nstay_awake = \"no\"\n").expect("write");
    let config = config.display().to_string();
    let server = Server::start(&["--config", &config]);
    assert_eq!(holds(server.pid()), 0);
    assert_eq!(server.stop(), Some(0));

    let data = home.path().join("data").display().to_string();
    let doctor = fungraph(&["doctor", "--config", &config, "--listen", "127.0.0.1:0", "--data-dir", &data]);
    let told = "  ok       stay awake         processors sleep between calls, as the settings say\n";
    assert!(doctor.out.contains(told), "{}", doctor.out);
}
