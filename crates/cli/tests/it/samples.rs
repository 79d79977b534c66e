//! The contract's samples through the real server: `tests/contract/samples/*`, read as their README says, and ours in the same form:
//! `tests/samples/*`.
//!
//! Every sample is here: it runs, or it is in [`NOT_YET`] with the reason. A new folder in neither place fails.

mod expect;
mod fixture;
pub(crate) mod instances;
pub(crate) mod java;
mod matcher;
mod play;

use std::collections::BTreeSet;
use std::fs;

use crate::harness::Server;
use crate::signed::Client;
use fixture::Fixture;
use play::Play;

/// Samples that wait for something, and for what.
const NOT_YET: &[(&str, &str)] = &[
    ("custom-bash-echo", "Custom runtime"),
    ("custom-bash-env", "Custom runtime"),
    ("custom-bash-error", "Custom runtime"),
    ("custom-crash", "Custom runtime"),
    ("custom-missing-bootstrap", "Custom runtime"),
    ("go-context", "Go runtime"),
    ("go-echo", "Go runtime"),
    ("go-failures", "Go runtime"),
    ("http-node-server", "HTTP functions"),
    ("http-python-slow-start", "HTTP functions"),
    ("js-async-job", "asynchronous queue"),
    ("js-dependency", "dependencies"),
    ("php-exception", "PHP runtime"),
    ("php-gateway", "PHP runtime"),
    ("php-hello", "PHP runtime"),
    ("py-dependency", "dependencies"),
];

/// Samples whose `http` expectation waits for the gateway of triggers; all else of them is compared.
const HTTP_NOT_YET: &[&str] = &[
    "java-gateway",
    "js-binary-body",
    "js-gateway-router",
    "py-binary-body",
    "py-gateway-json",
    "py-gateway-no-status",
];

fn all() -> BTreeSet<String> {
    let folders =
        fixture::folders().into_iter().flat_map(|folder| fs::read_dir(folder).expect("it is part of the repository"));
    let folders = folders.flatten().filter(|entry| entry.path().join("fixture.json").exists());
    folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

fn waits(name: &str) -> bool {
    NOT_YET.iter().any(|(waiting, _)| *waiting == name)
}

#[test]
fn every_sample_is_known() {
    let all = all();
    let gone: Vec<_> = NOT_YET.iter().filter(|(name, _)| !all.contains(*name)).collect();
    assert!(gone.is_empty(), "listed and not there: {gone:?}");
    for name in all.iter().filter(|name| !waits(name)) {
        assert!(["py-", "js-", "java-"].iter().any(|prefix| name.starts_with(prefix)), "{name} neither runs nor waits");
        let fixture = Fixture::read(name);
        assert_eq!(fixture.has_http(), HTTP_NOT_YET.contains(&name.as_str()), "{name}: the list of `http` is wrong");
    }
}

#[test]
fn python() {
    run("py-");
}

#[test]
fn node() {
    run("js-");
}

#[test]
fn java() {
    run("java-");
}

/// Runs every sample of a language on every runtime it names. One after the other: what an instance shares with the next
/// call is read off the processes of the server.
fn run(prefix: &str) {
    let server = Server::start(&[]);
    let client = Client::of(&server);
    let mut faults = Vec::new();
    let mut played = 0;
    for name in all().into_iter().filter(|name| name.starts_with(prefix) && !waits(name)) {
        let fixture = Fixture::read(&name);
        for runtime in fixture.runtimes() {
            let play = Play { server: &server, client: &client, fixture: &fixture, runtime: &runtime };
            faults.extend(play.run().into_iter().map(|fault| format!("{name} on {runtime}: {fault}")));
            played += 1;
        }
    }
    assert!(faults.is_empty(), "{} faults in {played} plays:\n{}", faults.len(), faults.join("\n"));
    assert!(!server.log().contains("panicked"), "{}", server.log());
    assert_eq!(server.stop(), Some(0));
}
