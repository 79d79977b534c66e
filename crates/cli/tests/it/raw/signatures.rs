//! Who may call. Each refusal is one request that would have run a function, changed in one place.

use serde_json::{Value, json};

use super::create;
use crate::harness::{Answer, Server};
use crate::signed::{Client, Signable, date, hash};

/// Counts its calls, so that a refused one that ran all the same is seen.
const COUNTER: &str = "calls = []\n\ndef handler(event, context):\n    calls.append(1)\n    return len(calls)\n";

/// A server with that function.
struct Scene {
    server: Server,
    client: Client,
}

impl Scene {
    fn new() -> Self {
        let server = Server::start(&[]);
        let client = Client::of(&server);
        create(&client, "counter", COUNTER);
        Self { server, client }
    }

    /// A call, not signed yet.
    fn call(&self) -> Signable {
        self.client.request("POST", &self.client.functions("/counter/invocations"), r#"{"n": 1}"#)
    }

    /// The same, signed.
    fn signed(&self) -> Signable {
        self.client.sign(self.call())
    }

    /// All cases are refused with 401, and none of them ran.
    fn refuses(self, cases: Vec<(&str, Signable)>) {
        for (name, request) in cases {
            refused(name, &request.send());
        }
        let answer = self.signed().send();
        assert_eq!((answer.status, answer.text().as_str()), (200, "1"), "a refused call ran");
        assert!(!self.server.log().contains(&self.client.secret_key), "the secret key is in the log");
    }
}

fn refused(name: &str, answer: &Answer) {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    assert_eq!((answer.status, &body["error_code"]), (401, &json!("APIGW.0301")), "{name}: {}", answer.text());
    let id = answer.header("x-request-id");
    assert!(id.is_some() && body["request_id"].as_str() == id, "{name}: {}", answer.text());
    let message = body["error_msg"].as_str().unwrap_or_default();
    assert!(message.len() > 20, "{name} does not say what to do: {message:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"), "{name}");
}

fn authorization(request: &Signable) -> String {
    request.header("authorization").expect("it is signed")
}

#[test]
fn wrong_credentials_are_refused() {
    let scene = Scene::new();
    let other = |change: fn(&mut Client)| {
        let mut client = scene.client.clone();
        change(&mut client);
        client.sign(scene.call())
    };
    let cases = vec![
        ("no credentials", scene.call()),
        ("an unknown key", other(|client| client.access_key = "NOBODYS0000000000001".to_owned())),
        ("an empty key", other(|client| client.access_key.clear())),
        ("a wrong secret", other(|client| client.secret_key = "0".repeat(40))),
        ("the secret in lower case", other(|client| client.secret_key = client.secret_key.to_lowercase() + "x")),
        ("an unknown token", scene.call().with("X-Auth-Token", "made-up")),
    ];
    scene.refuses(cases);
}

#[test]
fn wrong_signatures_are_refused() {
    let scene = Scene::new();
    let signed = scene.signed();
    let value = authorization(&signed);
    let (head, signature) = value.split_once("Signature=").expect("a signature");
    let flipped = if signature.starts_with('0') { "1" } else { "0" };
    let with = |value: String| signed.clone().set("Authorization", &value);
    let cases = vec![
        ("one digit changed", with(format!("{head}Signature={flipped}{}", &signature[1..]))),
        ("one digit less", with(format!("{head}Signature={}", &signature[1..]))),
        ("one digit more", with(format!("{value}0"))),
        ("an empty signature", with(format!("{head}Signature="))),
        ("a signature that is no hex", with(format!("{head}Signature={}", "z".repeat(64)))),
        ("no signature", with(head.trim_end_matches(", ").to_owned())),
        ("another algorithm", with(value.replace("SDK-HMAC-SHA256", "SDK-HMAC-SM3"))),
        ("no algorithm", with(value.replace("SDK-HMAC-SHA256 ", ""))),
        ("no list of headers", with(value.replace("SignedHeaders=", "Signed="))),
        ("an empty list of headers", scene.client.sign_headers(scene.call(), &[])),
        ("no words at all", with(String::new())),
        ("two of them", signed.clone().with("Authorization", &value)),
        ("a scheme of others", with("Bearer abc".to_owned())),
    ];
    scene.refuses(cases);
}

#[test]
fn wrong_dates_are_refused() {
    let scene = Scene::new();
    let at = |seconds| scene.client.sign(scene.call().set("X-Sdk-Date", &date(seconds)));
    let written = |text: &str| scene.client.sign(scene.call().set("X-Sdk-Date", text));
    let names = ["content-type", "host", "x-project-id"];
    let cases = vec![
        ("sixteen minutes ago", at(-16 * 60)),
        ("sixteen minutes ahead", at(16 * 60)),
        ("last year", at(-365 * 24 * 3600)),
        ("no date", scene.client.sign(scene.call().without("X-Sdk-Date"))),
        ("a date taken away", scene.signed().without("X-Sdk-Date")),
        ("another date than the signed one", scene.signed().set("X-Sdk-Date", &date(60))),
        ("a date that is not signed", scene.client.sign_headers(scene.call(), &names)),
        ("two dates", scene.client.sign(scene.call().with("X-Sdk-Date", &date(0)))),
        ("a second date after signing", scene.signed().with("X-Sdk-Date", &date(0))),
        ("another form of date", written("2026-01-02T03:04:05Z")),
        ("a day that is none", written("20260231T030405Z")),
        ("no time", written("")),
    ];
    scene.refuses(cases);
}

#[test]
fn a_request_changed_after_signing_is_refused() {
    let scene = Scene::new();
    let change = |change: fn(&mut Signable)| {
        let mut request = scene.signed();
        change(&mut request);
        request
    };
    let token = |request: Signable| request.with("X-Security-Token", "t");
    let cases = vec![
        ("another body", change(|request| request.body = r#"{"n": 2}"#.to_owned())),
        ("no body", change(|request| request.body.clear())),
        ("a longer body", change(|request| request.body.push(' '))),
        ("another function", change(|request| request.path = request.path.replace("counter", "other"))),
        ("a query added", change(|request| request.path.push_str("?x=1"))),
        ("another content type", scene.signed().set("Content-Type", "text/plain")),
        ("a signed header taken away", scene.signed().without("X-Project-Id")),
        ("a signed header doubled", scene.signed().with("X-Project-Id", &scene.client.project)),
        ("a header that was never there", scene.client.sign_headers(scene.call(), &["host", "x-note", "x-sdk-date"])),
        ("a security token that is not signed", token(scene.signed())),
        ("a body without a hash", scene.client.sign(scene.call().with("X-Sdk-Content-Sha256", "UNSIGNED-PAYLOAD"))),
        ("the hash of another body", scene.client.sign(scene.call().with("X-Sdk-Content-Sha256", &hash("x")))),
    ];
    scene.refuses(cases);
}

#[test]
fn every_honest_form_is_accepted() {
    let scene = Scene::new();
    let client = &scene.client;
    let path = |function: &str| client.functions(&format!("/{function}/invocations"));
    let call = |path: &str, body: &str| client.request("POST", path, body);
    let urn = format!("urn:fss:local:{}:function:default:counter", client.project);
    let cases = vec![
        ("fourteen minutes ago", client.sign(scene.call().set("X-Sdk-Date", &date(-14 * 60)))),
        ("fourteen minutes ahead", client.sign(scene.call().set("X-Sdk-Date", &date(14 * 60)))),
        ("the date alone is signed", client.sign_headers(scene.call(), &["x-sdk-date"])),
        ("as the Go SDK signs", client.sign_headers(scene.call(), &["x-project-id", "x-sdk-date"])),
        ("names in another order and case", client.sign_headers(scene.call(), &["X-Sdk-Date", "Host", "Content-Type"])),
        ("a doubled header, signed", client.sign(scene.call().with("X-Note", "b").with("X-Note", "a"))),
        ("a header added after signing, not signed", scene.signed().with("X-Note", "x")),
        ("the hash of the body", client.sign(scene.call().with("X-Sdk-Content-Sha256", &hash(r#"{"n": 1}"#)))),
        ("no body", client.sign(call(&path("counter"), ""))),
        ("a URN with colons", client.sign(call(&path(&urn), "{}"))),
        ("a URN with %3A", client.sign(call(&path(&urn.replace(':', "%3A")), "{}"))),
        ("a path that ends in a slash", client.sign(call(&format!("{}/", path("counter")), "{}"))),
        ("a token beside a signature", scene.signed().with("X-Auth-Token", "made-up")),
    ];
    for (number, (name, request)) in cases.into_iter().enumerate() {
        let answer = request.send();
        assert_eq!((answer.status, answer.text()), (200, (number + 1).to_string()), "{name}");
    }
}

#[test]
fn a_known_key_in_another_project_is_forbidden() {
    let scene = Scene::new();
    let path = scene.client.functions("/counter/invocations").replace(&scene.client.project, &"0a".repeat(16));
    let answer = scene.client.call("POST", &path, "{}");
    let body: Value = serde_json::from_slice(&answer.body).expect("an envelope");
    assert_eq!((answer.status, &body["error_code"]), (403, &json!("FSS.0403")), "{}", answer.text());
    let urn = format!("urn%3Afss%3Alocal%3A{}%3Afunction%3Adefault%3Acounter", "0a".repeat(16));
    let answer = scene.client.call("POST", &scene.client.functions(&format!("/{urn}/invocations")), "{}");
    assert_eq!(answer.status, 403, "{}", answer.text());
}

#[test]
fn the_placeholder_project_is_the_only_one_of_the_key() {
    let scene = Scene::new();
    let path = scene.client.functions("/counter/invocations").replace(&scene.client.project, "%7Bproject_id%7D");
    let request = scene.client.request("POST", &path, "{}").without("X-Project-Id");
    let answer = scene.client.sign(request).send();
    assert_eq!((answer.status, answer.text().as_str()), (200, "1"));
}
