//! Packages as clients write them: large, with escapes or line breaks in their text, and refused where it is no base64.

use std::fs;
use std::path::Path;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::dependencies::zip;
use crate::exports::sha512;
use crate::harness::{Answer, Server, open_folder, wait_for};
use crate::raw::{base64, python};
use crate::signed::Client;

/// A package whose text is too large to be parsed beside the calls, and which compression does not make small.
fn package() -> Vec<u8> {
    package_of(4_000_000)
}

/// Compression takes half of so many letters.
fn package_of(letters: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut letter = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b'A' + (state >> 60) as u8)
    };
    let noise: String = (0..letters).map(&mut letter).collect();
    zip(&[
        ("index.py", "def handler(event, context):\n    return open('/opt/function/code/noise').read()[:9]\n"),
        ("noise", &noise),
    ])
}

/// Sends the body of a creation whose `func_code.file` is this JSON text.
fn create(client: &Client, name: &str, file: &str) -> Answer {
    let mut body = python(name, "");
    (body["code_type"], body["func_code"]) = (json!("zip"), json!({ "file": "FILE" }));
    client.call("POST", &client.functions(""), &body.to_string().replace("\"FILE\"", file))
}

#[test]
fn packages_arrive_whole_however_their_text_is_written() {
    let server = Server::start(&[]);
    let client = Client::of(&server);
    let package = package();
    let text = base64(&package);
    assert!(text.len() > 2 << 20 && text.contains('/'), "{} characters", text.len());
    let lines: Vec<&str> = text.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).expect("ASCII")).collect();
    let digest = sha512(&package);
    for (name, file) in [
        ("plain", json!(text).to_string()),
        ("lines", json!(lines.join("\r\n")).to_string()),
        // As PHP writes JSON.
        ("escaped", json!(text).to_string().replace('/', "\\/")),
    ] {
        let answer = create(&client, name, &file);
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        let shown: Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert_eq!((&shown["digest"], &shown["code_size"]), (&json!(digest), &json!(package.len())), "{name}");
    }
    let called = client.call("POST", &client.functions("/plain/invocations"), "{}");
    assert_eq!((called.status, called.text().len()), (200, 9), "{}", called.text());
    for (name, file) in
        [("cut", &text[..text.len() - 3]), ("spoilt", &format!("{}*{}", &text[..70_000], &text[70_001..]))]
    {
        let answer = create(&client, name, &json!(file).to_string());
        assert_eq!(answer.status, 400, "{name}: {}", answer.text());
        assert!(answer.text().contains("func_code.file is not base64"), "{name}: {}", answer.text());
    }
    let half = &package[..package.len() / 2];
    assert_eq!(create(&client, "half", &json!(base64(half)).to_string()).status, 400, "it has no directory");
    assert_eq!(kept(server.data()), [digest], "what was refused leaves nothing");
    assert!(
        create(&client, "spoilt", &json!(format!("{}*", &text[..70_000])).to_string()).text().contains("offset 70000")
    );
    assert_eq!(server.stop(), Some(0));
}

/// Names of all that is below the folder of packages.
fn kept(data: &Path) -> Vec<String> {
    let entries = fs::read_dir(data.join("code")).expect("it is there");
    entries.map(|entry| entry.expect("it is there").file_name().into_string().expect("a name of ours")).collect()
}

#[test]
fn a_server_that_is_killed_while_it_keeps_a_package_leaves_none_that_is_not_whole() {
    let home = open_folder();
    let data = home.path().join("data");
    let package = package_of(24_000_000);
    let file = json!(base64(&package)).to_string();
    let server = Server::start_on(&data, &[]);
    let client = Client::of(&server);
    std::thread::scope(|scope| {
        // It is killed before it answers, or has answered: both must hold.
        let request = scope.spawn(|| std::panic::catch_unwind(|| create(&client, "killed", &file)));
        wait_for("the package", || (!kept(&data).is_empty()).then_some(()));
        server.signal(Signal::KILL);
        let _ = request.join();
    });
    server.wait();
    let server = Server::start_on(&data, &[]);
    for name in kept(&data) {
        // Nothing names it if the function was not stored, and then it may be gone by now.
        let stored = fs::read(data.join("code").join(&name).join("package"));
        assert!(stored.is_err() || stored.is_ok_and(|stored| sha512(&stored) == name), "{name} is not whole");
    }
    let answer = create(&Client::of(&server), "again", &file);
    assert_eq!(answer.status, 200, "{}", answer.text());
    wait_for("the end of what the first server began", || (kept(&data) == [sha512(&package)]).then_some(()));
    assert_eq!(server.stop(), Some(0));
}
