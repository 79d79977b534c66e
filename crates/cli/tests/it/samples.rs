//! The contract's samples, and ours in the same form, through the real server: `tests/contract/samples/*`, read as their README says, and
//! `tests/samples/*`.
//!
//! Every sample is here: it runs, or it is in [`NOT_YET`] with the reason. A new folder in neither place fails.

mod asynchronous;
pub(crate) mod csharp;
mod expect;
pub(crate) mod fixture;
mod gateway;
pub(crate) mod go;
pub(crate) mod instances;
pub(crate) mod java;
mod matcher;
mod page;
mod play;

use std::collections::BTreeSet;
use std::fs;
use std::thread;

use crate::harness::{Server, repository};
use crate::images::registry::Registry;
use crate::signed::Client;
use fixture::Fixture;
use play::Play;

/// The contract's samples, and ours.
pub(crate) const FOLDERS: [&str; 2] = ["tests/contract/samples", "tests/samples"];

/// What the names of samples begin with that run.
const RUNNING: [&str; 9] = ["py-", "js-", "java-", "php-", "csharp-", "go-", "custom-", "http-", "image-"];

/// Samples that wait for something, and for what.
const NOT_YET: &[(&str, &str)] = &[];

/// Runtimes that no package of Debian 12 brings: where the host cannot run one, creating a function for it has to say what to install.
pub(crate) const RARE: &[&str] = &["PHP7.3"];

fn all() -> BTreeSet<String> {
    let read = |folder| fs::read_dir(repository(folder)).expect("the samples are part of the repository");
    let folders = FOLDERS.into_iter().flat_map(read).flatten();
    let folders = folders.filter(|entry| entry.path().join("fixture.json").exists());
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
    page::waiting(&RUNNING);
    for name in all.iter().filter(|name| !waits(name)) {
        assert!(RUNNING.iter().any(|prefix| name.starts_with(prefix)), "{name} neither runs nor waits");
        // Reading it looks for keys that nobody knows.
        Fixture::read(name);
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

#[test]
fn csharp() {
    let (_folder, settings) = csharp::settings();
    run_with("csharp-", &["--config", &settings]);
}

#[test]
fn go() {
    run("go-");
}

#[test]
fn custom() {
    run("custom-");
}

#[test]
fn http() {
    run("http-");
}

#[test]
fn php() {
    run("php-");
}

#[test]
fn image() {
    let registry = Registry::start();
    let program = fs::read(registry.program()).expect("it is built");
    let fixtures = fixtures("image-");
    fixtures.iter().for_each(|fixture| fixture.push(&registry, &program));
    let server = Server::start(&registry.settings("").each_ref().map(String::as_str));
    play(&server, &fixtures, |_| true);
    assert_eq!(server.stop(), Some(0));
    page::passed("image-", &fixtures);
}

/// Runs every sample of a language on every runtime it names.
fn run(prefix: &str) {
    run_with(prefix, &[]);
}

/// The same on a server with more arguments.
fn run_with(prefix: &str, arguments: &[&str]) {
    let server = Server::start(arguments);
    let fixtures = fixtures(prefix);
    play(&server, &fixtures, |_| true);
    assert_eq!(server.stop(), Some(0));
    page::passed(prefix, &fixtures);
}

/// Runs every sample of a language that names this runtime, on a server of the test's.
pub(crate) fn run_on(server: &Server, prefix: &str, runtime: &str) {
    play(server, &fixtures(prefix), |name| name == runtime);
}

fn fixtures(prefix: &str) -> Vec<Fixture> {
    let names = all().into_iter().filter(|name| name.starts_with(prefix) && !waits(name));
    names.map(|name| Fixture::read(&name)).collect()
}

/// One after the other: what an instance shares with the next call is read off the processes of the server. Only those that are called
/// asynchronously are played at the same time, since their attempts are seconds apart.
fn play(server: &Server, fixtures: &[Fixture], on: impl Fn(&str) -> bool) {
    let client = Client::of(server);
    let runtimes = |fixture: &Fixture| -> Vec<String> {
        let all = fixture.runtimes().into_iter();
        all.filter(|runtime| on(runtime)).collect()
    };
    let plays: Vec<(&Fixture, String)> = fixtures
        .iter()
        .flat_map(|fixture| runtimes(fixture).into_iter().map(move |runtime| (fixture, runtime)))
        .collect();
    assert!(!plays.is_empty(), "nothing was played");
    let run = |(fixture, runtime): &(&Fixture, String)| -> Vec<String> {
        let faults = Play::new(server, &client, fixture, runtime).run().into_iter();
        faults.map(|fault| format!("{} on {runtime}: {fault}", fixture.name)).collect()
    };
    let (queued, direct): (Vec<_>, Vec<_>) = plays.iter().partition(|(fixture, _)| fixture.is_asynchronous());
    let mut faults: Vec<String> = direct.into_iter().flat_map(run).collect();
    thread::scope(|scope| {
        let queued: Vec<_> = queued.into_iter().map(|play| scope.spawn(|| run(play))).collect();
        queued.into_iter().for_each(|play| faults.extend(play.join().expect("it was played")));
    });
    assert!(faults.is_empty(), "{} faults in {} plays:\n{}", faults.len(), plays.len(), faults.join("\n"));
    assert!(!server.log().contains("panicked"), "{}", server.log());
}
