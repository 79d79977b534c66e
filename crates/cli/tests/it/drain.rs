//! Ending a server while it works.

use rustix::process::Signal;

use crate::harness::{Server, request};

const SLOW: &str = "import time\ndef handler(event, context):\n    time.sleep(event['seconds'])\n    return 'slept'\n";

#[test]
fn a_call_in_flight_finishes() {
    let server = Server::start(&["--auth", "off"]);
    server.create("slow", "Python3.9", SLOW);
    let (endpoint, path) = (server.endpoint().to_owned(), server.invocations("slow"));
    let call = std::thread::spawn(move || request(&endpoint, "POST", &path, &[], r#"{"seconds": 1.5}"#));
    server.wait_for_instance();
    assert_eq!(server.stop(), Some(0));
    let answer = call.join().expect("no panic");
    assert_eq!((answer.status, answer.text()), (200, "slept".to_owned()));
}

#[test]
fn a_second_signal_does_not_wait() {
    let server = Server::start(&["--auth", "off"]);
    server.create("slow", "Python3.9", SLOW);
    let (endpoint, path) = (server.endpoint().to_owned(), server.invocations("slow"));
    let call = std::thread::spawn(move || {
        std::panic::catch_unwind(|| request(&endpoint, "POST", &path, &[], r#"{"seconds": 25}"#))
    });
    server.wait_for_instance();
    server.signal(Signal::TERM);
    crate::harness::wait_for("the begin of the drain", || server.log().contains("finishing what runs").then_some(()));
    server.signal(Signal::INT);
    assert_eq!(server.wait(), Some(1));
    assert!(call.join().expect("no panic of its own").is_err(), "the call was cut off");
}
