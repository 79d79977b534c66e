//! The life of a server seen from outside: start, ready, refuse a second one, end.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::process::Command;

use rustix::process::{Signal, kill_process};

use crate::harness::{Server, fungraph, fungraph_with, instances, open_folder, server_pid};

#[test]
fn one_line_on_standard_output_says_where() {
    let server = Server::start(&[]);
    let port = server.endpoint().strip_prefix("http://127.0.0.1:").expect("the address asked for");
    assert!(port.parse::<u16>().is_ok_and(|port| port > 0), "{port}");
    assert_eq!(server.request("GET", "/healthz", &[], "").status, 200);
    assert_eq!(server.request("GET", "/readyz", &[], "").status, 200);
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn credentials_are_private_complete_and_stay_the_same() {
    let home = open_folder();
    let data = home.path().join("data");
    let first = Server::start_on(&data, &[]);
    let known = first.credentials();
    assert_eq!(known["endpoint"], first.endpoint());
    assert_eq!(known["region"], "local");
    for (name, length) in [("domain_id", 32), ("project_id", 32), ("access_key", 20), ("secret_key", 40)] {
        assert_eq!(known[name].as_str().map(str::len), Some(length), "{name}");
    }
    assert_eq!(fs::metadata(data.join("credentials.json")).expect("it is there").mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(&data).expect("it is there").mode() & 0o777, 0o700);
    assert!(!first.log().contains(known["secret_key"].as_str().expect("a text")), "the key is in the log");
    assert_eq!(first.stop(), Some(0));

    let second = Server::start_on(&data, &[]);
    let again = second.credentials();
    assert_eq!(again["endpoint"], second.endpoint(), "the endpoint is written anew");
    for name in ["domain_id", "project_id", "access_key", "secret_key"] {
        assert_eq!(again[name], known[name], "{name}");
    }
    assert_eq!(second.stop(), Some(0));
}

/// How nice the threads of a process are.
fn niceness(process: u32) -> BTreeSet<i32> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).expect("it runs").flatten();
    let stats = threads.filter_map(|thread| fs::read_to_string(thread.path().join("stat")).ok());
    // What follows the name, which may hold anything, begins with the third field.
    let nice = |stat: String| stat.rsplit_once(") ")?.1.split(' ').nth(16)?.parse().ok();
    stats.filter_map(nice).collect()
}

#[test]
fn the_server_goes_before_its_functions_and_nothing_else_of_it_does() {
    let own = *niceness(std::process::id()).first().expect("this test runs");
    let home = open_folder();
    let unchanged = home.path().join("settings.toml");
    fs::write(&unchanged, "[server]\nprecedence = 0\n").expect("write");
    for (settings, steps) in [(None, 5), (Some(unchanged.display().to_string()), 0)] {
        let settings: Vec<&str> = settings.iter().flat_map(|file| ["--config", file.as_str()]).collect();
        let server = Server::start(&[&["--auth", "off"], settings.as_slice()].concat());
        server.create("f", "Python3.9", "def handler(event, context):\n    return 'here'\n");
        assert_eq!(server.request("POST", &server.invocations("f"), &[], "{}").text(), "here");
        // None can go before -20.
        assert_eq!(niceness(server.pid()), BTreeSet::from([(own - steps).max(-20)]));
        assert_eq!(niceness(server.spawner()), BTreeSet::from([own]));
        for instance in instances(server.spawner()) {
            // A blank one may have gone meanwhile.
            assert!(niceness(instance).iter().all(|nice| *nice == own), "{:?}", niceness(instance));
        }
        assert_eq!(server.stop(), Some(0));
    }
}

#[test]
fn a_folder_in_use_is_refused_with_the_process_that_uses_it() {
    let server = Server::start(&[]);
    let data = server.data().display().to_string();
    fungraph(&["serve", "--listen", "127.0.0.1:0", "--data-dir", &data]).fails(
        3,
        &format!(
            "fungraph: the data folder {data} is in use by process {}; stop that server, or choose another folder with \
             --data-dir\n",
            server.pid()
        ),
    );
    assert_eq!(server.request("GET", "/readyz", &[], "").status, 200, "the first one does not mind");
}

#[test]
fn a_port_in_use_is_refused() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("it is bound").to_string();
    let home = tempfile::tempdir().expect("a folder");
    let run = fungraph(&["serve", "--listen", &address, "--data-dir", &home.path().join("data").display().to_string()]);
    assert_eq!(run.code, 3, "{}", run.err);
    let expected = format!(
        "fungraph: the address {address} is in use; stop what listens there, or choose another with --listen, such as \
         127.0.0.1:0\n"
    );
    assert!(run.err.ends_with(&expected), "{}", run.err);
}

#[test]
fn the_server_is_not_root_and_its_spawner_is() {
    let server = Server::start(&[]);
    assert_ne!(owner(server.pid()), 0);
    assert_eq!(owner(server.spawner()), 0);
}

fn owner(process: u32) -> u32 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:")).expect("the kernel writes it");
    line.split_whitespace().next().and_then(|uid| uid.parse().ok()).expect("a number")
}

#[test]
fn a_lost_spawner_ends_the_server_with_4() {
    let home = open_folder();
    let data = home.path().join("data");
    let server = Server::start_on(&data, &[]);
    kill_process(server_pid(server.spawner()), Signal::KILL).expect("it runs");
    assert_eq!(server.wait(), Some(4));
    assert_eq!(Server::start_on(&data, &[]).stop(), Some(0), "the next start sweeps what the spawner left");
}

#[test]
fn a_killed_server_takes_its_spawner_along_and_can_start_again() {
    let home = open_folder();
    let data = home.path().join("data");
    let server = Server::start_on(&data, &[]);
    server.signal(Signal::KILL);
    assert_eq!(server.wait(), None, "it was killed, and its spawner left by itself");
    assert_eq!(Server::start_on(&data, &[]).stop(), Some(0));
}

#[test]
fn beyond_loopback_plain_http_is_warned_of_and_the_endpoint_can_be_reached() {
    let server = Server::start(&["--listen", "0.0.0.0:0"]);
    assert!(server.log().contains("plain HTTP on 0.0.0.0:"), "{}", server.log());
    let endpoint = server.credentials()["endpoint"].as_str().expect("a text").to_owned();
    assert!(endpoint.starts_with("http://127.0.0.1:"), "{endpoint}");
}

#[test]
fn without_root_it_says_what_to_do() {
    let home = tempfile::tempdir().expect("a folder");
    let run = fungraph_with(&["serve", "--data-dir", &home.path().display().to_string()], |command| {
        std::os::unix::process::CommandExt::uid(command, 65_534);
    });
    run.fails(
        2,
        "fungraph: functions run in sandboxes, and making them takes root: run this again with sudo. One small process \
         stays root; the server gives it up before it takes the first call\n",
    );
}

#[test]
fn a_folder_that_the_server_s_user_cannot_reach_is_refused() {
    let home = tempfile::tempdir().expect("a folder");
    let closed = home.path().canonicalize().expect("it exists");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).expect("chmod");
    let data = closed.join("data").display().to_string();
    let run = fungraph(&["serve", "--listen", "127.0.0.1:0", "--data-dir", &data]);
    assert_eq!(run.code, 2, "{}", run.err);
    assert!(
        run.err.contains(&format!("who cannot enter {}; choose a data folder elsewhere", closed.display())),
        "{}",
        run.err
    );
}

#[test]
fn a_folder_with_other_things_is_no_data_folder() {
    let home = open_folder();
    fs::write(home.path().join("letter.txt"), "dear").expect("write");
    let data = home.path().display().to_string();
    fungraph(&["serve", "--listen", "127.0.0.1:0", "--data-dir", &data]).fails(
        2,
        &format!(
            "fungraph: {data} holds other things and is no data folder of fungraph; choose an empty or new one with \
             --data-dir\n"
        ),
    );
    assert_eq!(fs::read_dir(home.path()).expect("it is there").count(), 1, "nothing is added");
}

#[test]
fn another_user_takes_over_what_the_one_before_had() {
    let home = open_folder();
    let data = home.path().join("data");
    assert_eq!(Server::start_on(&data, &[]).stop(), Some(0));
    let settings = home.path().join("settings.toml");
    fs::write(&settings, "[server]\nuser = \"64700:64701\"\n").expect("write");
    let server = Server::start_on(&data, &["--config", &settings.display().to_string()]);
    assert_eq!(owner(server.pid()), 64_700);
    assert_eq!(server.stop(), Some(0));
    assert_eq!(fs::metadata(data.join("fungraph.db")).expect("it is there").uid(), 64_700);
}

/// A small file system, gone when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Self {
        let place = open_folder();
        let mount = ["-t", "tmpfs", "-o", "size=64m,mode=0755", "fungraph-test"];
        let done = Command::new("mount").args(mount).arg(place.path()).status().expect("mount is there");
        assert!(done.success());
        Self(place)
    }

    /// Leaves not one byte.
    fn fill(&self) -> PathBuf {
        let filler = self.0.path().join("filler");
        let mut file = fs::File::create(&filler).expect("a name fits");
        let mut size = 1 << 20;
        while size > 0 {
            if file.write(&vec![1; size]).is_err() {
                size /= 2;
            }
        }
        filler
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

#[test]
fn on_a_full_disk_it_says_that_space_is_wanted_and_starts_when_there_is_some() {
    let disk = SmallDisk::mount();
    let data = disk.0.path().join("data");
    assert_eq!(Server::start_on(&data, &[]).stop(), Some(0));
    let filler = disk.fill();
    let run = fungraph(&["serve", "--listen", "127.0.0.1:0", "--data-dir", &data.display().to_string()]);
    assert_ne!(run.code, 0, "{}", run.err);
    assert!(run.err.contains("No space left on device") && run.err.contains("free some space"), "{}", run.err);
    assert!(!run.err.contains("modprobe"), "{}", run.err);
    fs::remove_file(filler).expect("it is ours");
    assert_eq!(Server::start_on(&data, &[]).stop(), Some(0));
}
