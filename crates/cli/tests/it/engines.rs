//! The real server with each engine that makes sandboxes, and without its program.

use std::fs;
use std::process::Command;

use crate::harness::{Run, Server, fungraph, open_folder};

/// Counts its calls; libcontainer's sandboxes have three filters, those of an OCI program one.
const CODE: &str = "calls = []\ndef handler(event, context):\n    calls.append(1)\n    status = open('/proc/self/status').read()\n    \
                    return '%d %s' % (len(calls), status.split('Seccomp_filters:')[1].split()[0])\n";

fn calls_with(engine: &str, filters: u32) {
    let home = open_folder();
    let settings = home.path().join("settings.toml");
    let text = format!("[sandbox]\nengine = \"{engine}\"\n[server]\nauth = false\n");
    fs::write(&settings, text).expect("write");
    let server = Server::start_on(&home.path().join("data"), &["--config", &settings.display().to_string()]);
    server.create("f", "Python3.9", CODE);
    for call in 1..=3 {
        let answer = server.request("POST", &server.invocations("f"), &[], "{}");
        assert_eq!((answer.status, answer.text()), (200, format!("{call} {filters}")), "{engine}: {}", server.log());
    }
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn crun_serves_a_cold_call_and_warm_ones() {
    calls_with("crun", 1);
}

#[test]
fn runc_serves_a_cold_call_and_warm_ones() {
    calls_with("runc", 1);
}

/// Runs the binary in a mount namespace of its own where what crun and runc would be is no program.
fn without_programs(words: &str) -> Run {
    let hide = "for p in $(which -a crun runc) /usr/bin/crun /usr/sbin/runc; do mount --bind /dev/null $p; done";
    let script = format!("{hide}; exec {} {words}", env!("CARGO_BIN_EXE_fungraph"));
    let output = Command::new("unshare").args(["--mount", "sh", "-c", &script]).output().expect("util-linux is there");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Run { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

#[test]
fn an_engine_that_is_not_installed_is_told_with_its_package() {
    let home = open_folder();
    for engine in ["crun", "runc"] {
        let settings = home.path().join("settings.toml");
        fs::write(&settings, format!("[sandbox]\nengine = \"{engine}\"\n")).expect("write");
        let told = format!(
            "sandbox.engine = \"{engine}\" needs the program {engine}, which is neither in PATH nor in /usr/sbin or /usr/bin; \
             install it (the package {engine} of Debian, Ubuntu or Fedora), or use \"embedded\""
        );
        let arguments =
            format!("--config {} --data-dir {}/data --listen 127.0.0.1:0", settings.display(), home.path().display());
        let served = without_programs(&format!("serve {arguments}"));
        assert_eq!((served.code, served.out.as_str()), (2, ""), "{}", served.err);
        assert_eq!(served.err, format!("fungraph: {told}\n"));
        assert!(!home.path().join("data").exists(), "nothing was begun");
        let doctor = without_programs(&format!("doctor {arguments}"));
        assert_eq!(doctor.code, 1, "{}", doctor.err);
        assert!(doctor.out.contains(&format!("  MISSING  engine             {told}\n")), "{}", doctor.out);
    }
}

#[test]
fn doctor_tells_the_engine_and_its_version() {
    let home = open_folder();
    let data = home.path().join("data").display().to_string();
    for (engine, version) in [("embedded", "libcontainer"), ("crun", "crun version "), ("runc", "runc version ")] {
        let settings = home.path().join("settings.toml");
        fs::write(&settings, format!("[sandbox]\nengine = \"{engine}\"\n")).expect("write");
        let config = settings.display().to_string();
        let run = fungraph(&["doctor", "--config", &config, "--listen", "127.0.0.1:0", "--data-dir", &data]);
        assert_eq!(run.code, 0, "{}", run.out);
        assert!(run.out.contains(&format!("  ok       engine             {engine}: {version}")), "{}", run.out);
    }
}
