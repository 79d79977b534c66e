//! `fungraph doctor` on this host: what is there, and what is in the way.

use std::net::TcpListener;

use crate::harness::{Server, fungraph, open_folder};

#[test]
fn a_host_that_can_serve_is_well() {
    let home = open_folder();
    let data = home.path().join("data").display().to_string();
    let run = fungraph(&["doctor", "--listen", "127.0.0.1:0", "--data-dir", &data]);
    assert_eq!((run.code, run.err.as_str()), (0, ""), "{}", run.out);
    for heading in ["Host", "Walls around each function", "Interpreters", "Places"] {
        assert!(run.out.lines().any(|line| line == heading), "{}", run.out);
    }
    assert!(run.out.contains("Python3.9") && run.out.contains("Node.js18.15"), "{}", run.out);
    assert!(
        run.out.contains("own programs       run Go1.x, Custom, http, Custom Image: no interpreter is needed"),
        "{}",
        run.out
    );
    assert!(run.out.ends_with("All is well: `fungraph serve` can start.\n"), "{}", run.out);
    assert!(!home.path().join("data").exists(), "it changes nothing");
}

#[test]
fn a_folder_and_a_port_in_use_are_told() {
    let server = Server::start(&[]);
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("it is bound").to_string();
    let run = fungraph(&["doctor", "--listen", &address, "--data-dir", &server.data().display().to_string()]);
    assert_eq!((run.code, run.err.as_str()), (1, ""), "{}", run.out);
    assert!(run.out.contains(&format!("is in use by process {}", server.pid())), "{}", run.out);
    assert!(run.out.contains(&format!("BUSY     address            {address}: ")), "{}", run.out);
    assert!(run.out.ends_with("2 of these have to be looked at.\n"), "{}", run.out);
}
