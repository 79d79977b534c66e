//! The help is the first documentation anybody reads: a change to it is a change to look at.

use crate::harness::fungraph;

#[track_caller]
fn shows(name: &str, args: &[&str]) {
    let run = fungraph(args);
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    insta::assert_snapshot!(name, run.out);
}

#[test]
fn help_of_the_program() {
    shows("help", &["--help"]);
}

#[test]
fn help_of_serve() {
    shows("serve", &["serve", "--help"]);
}

#[test]
fn help_of_invoke() {
    shows("invoke", &["invoke", "--help"]);
}

#[test]
fn help_of_async() {
    for (name, args) in [("async", &["async", "--help"][..]), ("async-list", &["async", "list", "--help"])] {
        shows(name, args);
    }
}

#[test]
fn help_of_replay() {
    shows("replay", &["replay", "--help"]);
}

#[test]
fn help_of_logs() {
    shows("logs", &["logs", "--help"]);
}

#[test]
fn help_of_why() {
    shows("why", &["why", "--help"]);
}

#[test]
fn help_of_top() {
    shows("top", &["top", "--help"]);
}

#[test]
fn help_of_accounts() {
    for (name, args) in [
        ("env", &["env", "--help"][..]),
        ("project", &["project", "--help"]),
        ("user", &["user", "--help"]),
        ("user-grant", &["user", "grant", "--help"]),
        ("key", &["key", "--help"]),
    ] {
        shows(name, args);
    }
}

#[test]
fn help_of_triggers() {
    shows("triggers", &["triggers", "--help"]);
}

#[test]
fn help_of_runtimes() {
    shows("runtimes", &["runtimes", "--help"]);
}

#[test]
fn version_is_the_package_s() {
    let run = fungraph(&["--version"]);
    assert_eq!((run.code, run.out), (0, format!("fungraph {}\n", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn wrong_usage_ends_with_2_and_names_the_near_word() {
    let run = fungraph(&["doctr"]);
    assert_eq!(run.code, 2);
    assert!(run.err.contains("a similar subcommand exists: 'doctor'"), "{}", run.err);
    assert_eq!(fungraph(&["serve", "--auth", "maybe"]).code, 2);
    assert_eq!(fungraph(&[]).code, 2);
}

#[test]
fn commands_that_are_not_built_are_not_listed() {
    let help = fungraph(&["--help"]).out;
    let commands = help.split("Commands:").nth(1).and_then(|rest| rest.split("Options:").next()).expect("two headings");
    let names: Vec<&str> = commands.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let expected = [
        "serve", "invoke", "async", "replay", "logs", "why", "top", "triggers", "doctor", "runtimes", "env", "project",
        "user", "key",
    ];
    assert_eq!(names, expected);
}
