//! Settings are checked before anything is made, and errors say where and what instead.

use std::fs;

use crate::harness::{fungraph, fungraph_in, fungraph_with};

#[track_caller]
fn refused(settings: &str, expected: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("fungraph.toml"), settings).expect("write");
    let run = fungraph_in(folder.path(), &["serve", "--config", "fungraph.toml", "--data-dir", "data"]);
    run.fails(2, &format!("fungraph: {expected}\n"));
    assert!(!folder.path().join("data").exists(), "nothing is made before the settings are known to be good");
}

#[test]
fn an_unknown_key_names_file_line_and_the_nearest_one() {
    refused(
        "[pool]\nidle_secs = 1\n",
        "fungraph.toml:2: there is no setting pool.idle_secs; did you mean pool.idle_seconds?",
    );
}

#[test]
fn a_value_out_of_range_names_the_range() {
    refused(
        "[server]\ndrain_seconds = 99999\n",
        "fungraph.toml:2: server.drain_seconds = 99999 is not possible: it must be a whole number from 0 to 3600",
    );
}

#[test]
fn a_time_zone_must_be_one_of_the_hosts() {
    refused(
        "[triggers]\ntime_zone = \"Nowhere/Land\"\n",
        "fungraph.toml:2: triggers.time_zone = \"Nowhere/Land\" is not possible: it must be a time zone that this host knows, \
         such as UTC or Europe/Prague",
    );
}

#[test]
fn kata_is_refused_with_the_reason() {
    refused(
        "[sandbox]\nengine = \"kata\"\n",
        "fungraph.toml:2: sandbox.engine = \"kata\" is not possible: Kata Containers has had no OCI command line since \
         version 2, so it cannot be driven; use \"embedded\", \"crun\" or \"runc\"",
    );
}

#[test]
fn a_missing_file_says_which_flag_named_it() {
    fungraph(&["serve", "--config", "/nowhere/fungraph.toml"]).fails(
        2,
        "fungraph: cannot read the configuration file /nowhere/fungraph.toml; check the path given with --config or \
         FUNGRAPH_CONFIG: No such file or directory (os error 2)\n",
    );
}

#[test]
fn no_signatures_are_for_loopback_only() {
    fungraph(&["serve", "--auth", "off", "--listen", "0.0.0.0:0"]).fails(
        2,
        "fungraph: --auth (FUNGRAPH_AUTH): server.auth = false is not possible: without signatures everybody who reaches \
         0.0.0.0:0 could run code here; keep it on, or listen on a loopback address such as 127.0.0.1:0\n",
    );
}

#[test]
fn variables_stand_for_flags_and_flags_win() {
    let print = |args: &[&str]| {
        let run = fungraph_with(args, |command| {
            command.env("FUNGRAPH_LISTEN", "127.0.0.1:1").env("FUNGRAPH_AUTH", "off");
        });
        assert_eq!((run.code, run.err.as_str()), (0, ""));
        run.out
    };
    let variables = print(&["serve", "--print-config"]);
    assert!(variables.contains("listen = \"127.0.0.1:1\"") && variables.contains("auth = false"), "{variables}");
    let flags = print(&["serve", "--print-config", "--listen", "127.0.0.1:2"]);
    assert!(flags.contains("listen = \"127.0.0.1:2\""), "{flags}");
}

#[test]
fn printed_settings_are_a_file_of_settings() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = fungraph(&["serve", "--print-config"]).out;
    fs::write(folder.path().join("all.toml"), &first).expect("write");
    let second = fungraph_in(folder.path(), &["serve", "--print-config", "--config", "all.toml"]);
    assert_eq!((second.code, second.out), (0, first));
}
