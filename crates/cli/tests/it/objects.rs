//! Code and dependencies that come from an object store: a stand-in for one on loopback, which can do everything wrong.

use std::collections::HashMap;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::dependencies::zip;
use crate::harness::{Server, fungraph_with, open_folder, read_head, stand_in, wait_for};
use crate::raw::{base64, python};

const KEY_WORD: &str = "hidden-key-of-the-store";

/// Objects by their paths, each as the whole bytes of an answer. The heads of all requests are kept.
#[derive(Clone, Default)]
pub(crate) struct Store {
    answers: Arc<Mutex<HashMap<String, Vec<u8>>>>,
    asked: Arc<Mutex<Vec<String>>>,
    pub(crate) address: String,
}

impl Store {
    pub(crate) fn start() -> Self {
        let store = Self::default();
        let serving = store.clone();
        Self { address: stand_in(move |stream| serving.serve(stream)), ..store }
    }

    fn serve(&self, mut stream: TcpStream) {
        let Some(head) = read_head(&mut stream) else { return };
        let path = head.split([' ', '?']).nth(1).unwrap_or_default().to_owned();
        self.asked.lock().expect("no panic").push(head);
        let answer = self.answers.lock().expect("no panic").get(&path).cloned();
        let answer = answer.unwrap_or_else(|| self::answer("404 Not Found", "", b"<Error>secret of the store</Error>"));
        // Whoever asked may have heard enough.
        let _gone = stream.write_all(&answer);
    }

    pub(crate) fn put(&self, path: &str, answer: Vec<u8>) {
        self.answers.lock().expect("no panic").insert(path.to_owned(), answer);
    }

    pub(crate) fn put_object(&self, path: &str, bytes: &[u8]) {
        self.put(path, answer("200 OK", "", bytes));
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no panic").clone()
    }

    /// A server that fetches from this store; `more` stands in `[obs]` too.
    fn server(&self, more: &str) -> (TempDir, Server) {
        let home = open_folder();
        let settings = home.path().join("settings.toml");
        let text = format!("[obs]\nendpoint = \"http://{}\"\n{more}\n[server]\nauth = false\n", self.address);
        std::fs::write(&settings, text).expect("it is written");
        let server = Server::start(&["--config", &settings.display().to_string()]);
        (home, server)
    }
}

fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

#[track_caller]
fn done(server: &Server, method: &str, rest: &str, body: &Value) -> Value {
    let answer = server.ask(method, rest, body);
    assert_eq!(answer.status, 200, "{method} {rest}: {}", answer.text());
    serde_json::from_slice(&answer.body).expect("JSON")
}

/// Body of a function whose code is elsewhere.
fn elsewhere(name: &str, link: &str) -> Value {
    let mut body = python(name, "");
    (body["code_type"], body["code_url"], body["func_code"]) = (json!("obs"), json!(link), Value::Null);
    body
}

#[track_caller]
fn says(server: &Server, name: &str, expected: &str) {
    let answer = server.ask("POST", &format!("/functions/{name}/invocations"), &json!({}));
    assert_eq!((answer.status, answer.text().as_str()), (200, expected));
}

fn program(word: &str) -> Vec<u8> {
    zip(&[("index.py", &format!("def handler(event, context):\n    return '{word}'\n"))])
}

#[test]
fn code_is_fetched_from_the_object_store() {
    let store = Store::start();
    store.put_object("/code/dir/first.zip", &program("first"));
    store.put_object("/code/second.zip", &program("second"));
    let secret = open_folder();
    let file = secret.path().join("secret");
    std::fs::write(&file, format!("{KEY_WORD}\n")).expect("it is written");
    let (_home, server) =
        store.server(&format!("access_key = \"KEY\"\nsecret_key_file = \"{}\"\nbuckets = [\"code\"]", file.display()));
    let link = "https://code.obs.region-1.example.com/dir/first.zip";
    let created = done(&server, "POST", "/functions", &elsewhere("f", link));
    assert_eq!((&created["code_type"], &created["code_url"]), (&json!("obs"), &json!(link)));
    assert_eq!(created["code_filename"], json!("first.zip"));
    says(&server, "f", "first");
    // Its bytes are as good as uploaded.
    let code = done(&server, "GET", "/functions/f/code", &Value::Null);
    assert_eq!((&code["code_url"], &code["digest"]), (&json!(link), &created["digest"]));
    let path = code["func_code"]["link"].as_str().expect("a link").strip_prefix(server.endpoint()).expect("our own");
    assert_eq!(server.request("GET", path, &[], "").body, program("first"));

    // A link that is signed is followed as it is, and kept without its signature.
    let update =
        json!({ "code_type": "obs", "func_code": { "link": "obs://code/second.zip?Signature=theirs&Expires=9" } });
    let updated = done(&server, "PUT", "/functions/f/code", &update);
    assert_eq!(updated["code_url"], json!("obs://code/second.zip"));
    says(&server, "f", "second");
    let asked = store.asked();
    assert!(asked[0].contains("X-Amz-Credential=KEY%2F") && asked[0].contains("X-Amz-Signature="), "{asked:?}");
    assert!(asked[1].starts_with("GET /code/second.zip?Signature=theirs&Expires=9 "), "{asked:?}");

    // Code that is sent takes the place of the link.
    let update = json!({ "code_type": "zip", "func_code": { "file": base64(&program("third")) } });
    assert_eq!(done(&server, "PUT", "/functions/f/code", &update)["code_url"], json!(""));
    assert_eq!(done(&server, "GET", "/functions/f/config", &Value::Null)["code_type"], json!("zip"));
    says(&server, "f", "third");
    let refused = server.ask("POST", "/functions", &elsewhere("g", "obs://private/a.zip"));
    assert!(refused.status == 400 && refused.text().contains("FSS.1010"), "{}", refused.text());
    assert!(asked.iter().all(|head| !head.contains(KEY_WORD)) && !server.log().contains(KEY_WORD));
    assert!(!server.log().contains("theirs"), "{}", server.log());
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_dependency_is_fetched_from_the_object_store() {
    let store = Store::start();
    store.put_object("/code/units.zip", &zip(&[("units.py", "KM = 1000\n")]));
    store.put_object("/code/bad.zip", &zip(&[("units.py~", "")]));
    let (_home, server) = store.server("");
    let body =
        |link: &str| json!({ "name": "units", "depend_type": "obs", "runtime": "Python3.9", "depend_link": link });
    let created = done(&server, "POST", "/dependencies/version", &body("obs://code/units.zip"));
    assert_eq!((&created["name"], &created["version"]), (&json!("units"), &json!(1)));
    let mut function = python("f", "import units\ndef handler(event, context):\n    return units.KM\n");
    function["depend_version_list"] = json!([created["id"]]);
    done(&server, "POST", "/functions", &function);
    says(&server, "f", "1000");
    let refused = server.ask("POST", "/dependencies/version", &body("obs://code/bad.zip"));
    assert!(refused.status == 400 && refused.text().contains("FSS.1024"), "{}", refused.text());
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn what_cannot_be_fetched_is_refused_and_nothing_stays() {
    let store = Store::start();
    let inner = Store::start();
    inner.put_object("/code/a.zip", &program("inner"));
    store.put_object("/code/text.zip", b"secret of the store");
    store.put_object("/code/out.zip", &zip(&[("../out.py", "")]));
    store.put("/code/broken.zip", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsecret of the store".to_vec());
    store.put("/code/large.zip", b"HTTP/1.1 200 OK\r\nContent-Length: 314572801\r\n\r\nsecret".to_vec());
    store.put("/code/failing.zip", answer("500 Internal Server Error", "", b"secret of the store"));
    store.put("/code/private.zip", answer("403 Forbidden", "", b"secret of the store"));
    let away = format!("Location: http://{}/code/a.zip\r\n", inner.address);
    store.put("/code/away.zip", answer("302 Found", &away, b""));
    let (_home, server) = store.server("link_hosts = [\"localhost:1\"]");
    for (name, link, status, code, word) in [
        ("no zip", "obs://code/text.zip", 400, "FSS.1011", "zip"),
        ("a name that leads out", "obs://code/out.zip", 400, "FSS.1011", ".."),
        ("cut short", "obs://code/broken.zip", 502, "FSS.0502", "broke off"),
        ("too large", "obs://code/large.zip", 413, "FSS.1071", "314572800"),
        ("failing", "obs://code/failing.zip", 502, "FSS.0502", "500"),
        ("private", "obs://code/private.zip", 404, "FSS.1054", "[obs]"),
        ("absent", "obs://code/absent.zip", 404, "FSS.1054", "does not exist"),
        ("sent elsewhere", "obs://code/away.zip", 502, "FSS.0502", "has not named"),
        ("another host", "https://example.com/a.zip", 400, "FSS.1010", "obs.link_hosts"),
        ("metadata", "http://169.254.169.254/a.zip", 400, "FSS.1010", "is not asked"),
        ("not public", "https://localhost:1/a.zip", 502, "FSS.0502", "no public address"),
        ("a file", "file:///etc/passwd", 400, "FSS.1010", "no link"),
        ("no link", "", 400, "FSS.1012", "code_url"),
        ("the key of another bucket", "obs://code/a%2F..%2F..%2Fcode2%2Fa.zip", 400, "FSS.1010", "'..'"),
    ] {
        let answer = server.ask("POST", "/functions", &elsewhere("f", link));
        let said = answer.text();
        assert!(
            answer.status == status && said.contains(code) && said.contains(word),
            "{name}: {} {said}",
            answer.status
        );
        assert!(!said.contains("secret"), "{name}: {said}");
    }
    assert!(inner.asked().is_empty());
    assert_eq!(done(&server, "GET", "/functions", &Value::Null)["count"], json!(0));
    assert_eq!(std::fs::read_dir(server.data().join("code")).expect("a folder").count(), 0);
    // An update that fails leaves the code as it is.
    server.create("g", "Python3.9", "def handler(event, context):\n    return 'own'\n");
    let refused =
        server.ask("PUT", "/functions/g/code", &json!({ "code_type": "obs", "code_url": "obs://code/absent.zip" }));
    assert_eq!(refused.status, 404, "{}", refused.text());
    says(&server, "g", "own");
    assert!(!server.log().contains("ERROR") && !server.log().contains("secret"), "{}", server.log());
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn what_is_fetched_and_over_the_quota_does_not_stay() {
    let store = Store::start();
    store.put_object("/code/hollow.zip", &zip(&[("hollow", &"x".repeat(6 << 20))]));
    let mut state = 1_u64;
    let mut letter = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b'A' + (state >> 59) as u8)
    };
    store.put_object("/code/large.zip", &zip(&[("large", &(0..3_000_000).map(&mut letter).collect::<String>())]));
    let (_home, server) = store.server("[limits]\ncode_mb_per_project = 1");
    let dependency =
        |link: &str| json!({ "name": "d", "depend_type": "obs", "runtime": "Python3.9", "depend_link": link });
    for link in ["obs://code/hollow.zip", "obs://code/large.zip"] {
        for (path, body) in [("/functions", elsewhere("f", link)), ("/dependencies/version", dependency(link))] {
            let refused = server.ask("POST", path, &body);
            assert!(refused.status == 403 && refused.text().contains("FSS.1042"), "{link}: {}", refused.text());
            let folder = server.data().join("code");
            wait_for("the end of what was refused", || {
                (std::fs::read_dir(&folder).expect("a folder").count() == 0).then_some(())
            });
        }
    }
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_slow_body_is_waited_for_no_longer_than_the_setting_says() {
    let store = Store::start();
    // It says that there is more and closes nothing: the stand-in has no more to send, and the test's client waits for the server.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let slow = Store { address: listener.local_addr().expect("an address").to_string(), ..store };
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for mut stream in listener.incoming().map_while(Result::ok) {
            let _gone = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nPK");
            open.push(stream);
        }
    });
    let (_home, server) = slow.server("fetch_seconds = 1");
    let answer = server.ask("POST", "/functions", &elsewhere("f", "obs://code/slow.zip"));
    let said = answer.text();
    assert!(answer.status == 504 && said.contains("FSS.0504") && said.contains("obs.fetch_seconds"), "{said}");
    assert_eq!(std::fs::read_dir(server.data().join("code")).expect("a folder").count(), 0);
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_server_without_an_object_store_fetches_nothing() {
    let server = Server::start(&["--auth", "off"]);
    let answer = server.ask("POST", "/functions", &elsewhere("f", "https://code.obs.region-1.example.com/a.zip"));
    let said = answer.text();
    assert!(answer.status == 400 && said.contains("FSS.1010") && said.contains("obs.endpoint"), "{said}");
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_secret_of_the_settings_is_not_printed() {
    let home = open_folder();
    let settings = home.path().join("settings.toml");
    let text = format!("[obs]\nendpoint = \"https://o\"\naccess_key = \"K\"\nsecret_key = \"{KEY_WORD}\"\n");
    std::fs::write(&settings, text).expect("it is written");
    let printed = fungraph_with(&["serve", "--print-config", "--config", &settings.display().to_string()], |_| {});
    assert!(printed.code == 0 && printed.out.contains("secret_key = \"******\""), "{}", printed.out);
    assert!(!printed.out.contains(KEY_WORD) && !printed.err.contains(KEY_WORD));
}
