//! The gateway over real sockets, on a real engine.

mod absent;
mod accounts;
mod async_calls;
mod bounds;
mod client;
mod rights;
mod server;
mod untaken;

use std::time::Duration;

use client::{Request, read};
use fungraph_gateway::{Auth, Config};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use server::Server;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const HELLO: &str = r#"{"func_name":"hello","package":"default","runtime":"Python3.9","timeout":3,"handler":"index.handler",
    "memory_size":128,"code_type":"inline","func_code":{"file":"ZGVmIGhhbmRsZXIoZXZlbnQsIGNvbnRleHQpOiByZXR1cm4gMQ=="},
    "strategy_config":{"concurrency":2,"concurrent_num":1},"xrole":"agency"}"#;

impl Server {
    fn path(&self, rest: &str) -> String {
        format!("/v2/{}/fgs/functions{rest}", self.credentials.project_id)
    }

    async fn ask(&self, method: &str, rest: &str, body: &str) -> client::Answer {
        Request::new(method, &self.path(rest), body).signed(&self.credentials).send(self.address).await
    }
}

#[tokio::test]
async fn a_function_lives_and_dies() {
    let server = Server::start(Config::default()).await;
    let made = server.ask("POST", "", HELLO).await;
    assert_eq!(made.status, 200, "{}", made.text());
    assert_eq!(made.headers["content-type"], "application/json");
    let urn = made.json()["func_urn"].as_str().expect("a URN").to_owned();
    assert!(urn.ends_with(":function:default:hello:latest"), "{urn}");
    assert_eq!(made.json()["xrole"], "agency");
    assert_eq!(server.ask("POST", "", HELLO).await.refusal(), "409 FSS.1061");

    let shown = server.ask("GET", &format!("/{urn}/config"), "").await;
    assert_eq!((shown.status, &shown.json()["digest"]), (200, &made.json()["digest"]));
    let encoded = urn.replace(':', "%3A");
    assert_eq!(server.ask("GET", &format!("/{encoded}/config/"), "").await.status, 200);
    let list = server.ask("GET", "?maxitems=10&marker=0", "").await.json();
    assert_eq!((&list["count"], &list["functions"][0]["func_urn"]), (&1.into(), &urn.clone().into()));
    assert_eq!(server.ask("GET", "?maxitems=-1", "").await.refusal(), "400 FSS.0400");

    let update =
        r#"{"func_name":"hello","runtime":"Python3.9","timeout":"7","handler":"index.handler","memory_size":256}"#;
    let updated = server.ask("PUT", "/hello/config", update).await;
    assert_eq!((updated.status, &updated.json()["timeout"]), (200, &7.into()), "{}", updated.text());

    let code = server.ask("GET", "/hello/code", "").await.json();
    assert_eq!(code["func_code"]["file"], "ZGVmIGhhbmRsZXIoZXZlbnQsIGNvbnRleHQpOiByZXR1cm4gMQ==");
    let link = code["func_code"]["link"].as_str().and_then(|link| link.strip_prefix("http://test")).expect("our host");
    let file = Request::new("GET", link, "").send(server.address).await;
    assert_eq!((file.status, file.text()), (200, "def handler(event, context): return 1"));
    assert!(file.headers["content-disposition"].starts_with("attachment; filename*=UTF-8''"));

    let gone = server.ask("DELETE", "/hello", "").await;
    assert_eq!((gone.status, gone.body.len(), gone.headers.contains_key("content-type")), (204, 0, false));
    assert_eq!(server.ask("GET", "/hello/config", "").await.refusal(), "404 FSS.1051");
    // A link works as long as somebody has the code.
    let code_is_gone = async {
        while Request::new("GET", link, "").send(server.address).await.status == 200 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), code_is_gone).await.expect("nobody has the code any more");
    assert_eq!(Request::new("GET", link, "").send(server.address).await.refusal(), "404 FSS.0404");
    server.stop().await;
}

#[tokio::test]
async fn calls_carry_their_headers_also_when_the_platform_fails() {
    let server = Server::start(Config::default()).await;
    let missing = server.ask("POST", "/nobody/invocations", "{}").await;
    assert_eq!(missing.refusal(), "404 FSS.0404");
    assert_eq!(missing.headers["x-request-id"], missing.headers["x-cff-request-id"]);
    assert!(!missing.headers.contains_key("x-func-err-code"));

    assert_eq!(server.ask("POST", "", HELLO).await.status, 200);
    for version in ["v0", "v1"] {
        let call = Request::new("POST", &server.path("/hello/invocations"), "{}")
            .with("X-CFF-Request-Version", version)
            .with("x-cff-log-type", "tail");
        let answer = call.signed(&server.credentials).send(server.address).await;
        assert_eq!(answer.refusal(), "500 FSS.6001", "a host without sandboxes");
        assert_eq!(answer.headers["x-func-err-code"], "6001");
        assert_eq!(answer.headers["x-is-func-err"], "false");
        assert_eq!(answer.headers["x-cff-response-version"], version);
        for name in ["X-Cff-Request-Id", "X-Cff-Invoke-Summary", "X-Cff-Function-Log", "X-Cff-Billing-Duration"] {
            assert!(answer.head.contains(&format!("\r\n{name}: ")), "{name} in {}", answer.head);
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn strangers_are_refused() {
    let server = Server::start(Config::default()).await;
    let (key, path) = (&server.credentials, server.path(""));
    let get = |target: &str| Request::new("GET", target, "");
    let now = jiff::Timestamp::now();
    let mut another_key = server.credentials.clone();
    another_key.access_key.push('X');
    let mut another_secret = server.credentials.clone();
    another_secret.secret_key = fungraph_model::Secret::new("wrong".to_owned());
    let mut another_body = Request::new("POST", &path, HELLO).signed(key);
    another_body.body = HELLO.replace("hello", "jello").into_bytes();
    let mut twice = get(&path).signed(key);
    twice.headers.extend(twice.headers.clone());
    let elsewhere = format!("/v2/{}/fgs/functions", "0".repeat(32));
    for (request, expected) in [
        (get(&path), "401 APIGW.0301"),
        (get(&path).with("X-Auth-Token", "t"), "401 APIGW.0301"),
        (get(&path).with("Authorization", "Bearer t"), "401 APIGW.0301"),
        (get(&path).signed(&another_key), "401 APIGW.0301"),
        (get(&path).signed(&another_secret), "401 APIGW.0301"),
        (get(&path).signed_at(key, now - Duration::from_secs(1000)), "401 APIGW.0301"),
        (get(&path).signed_at(key, now + Duration::from_secs(1000)), "401 APIGW.0301"),
        (another_body, "401 APIGW.0301"),
        (twice, "401 APIGW.0301"),
        (get(&elsewhere).signed(key), "403 FSS.0403"),
        (get(&path).signed(key).with("X-Project-Id", "other"), "403 FSS.0403"),
        (Request::new("POST", &path.replace("fgs/functions", "fgs/workflows"), "{}"), "401 APIGW.0301"),
        (Request::new("POST", &path.replace("fgs/functions", "fgs/workflows"), "{}").signed(key), "501 FSS.0426"),
        (get("/v2/p/nothing"), "404 FSS.0404"),
        (get("/"), "404 FSS.0404"),
        (Request::new("PATCH", &path, ""), "405 FSS.0400"),
        (get("/v2/%zz/fgs/functions"), "400 FSS.0400"),
    ] {
        let shown = format!("{} {} {:?}", request.method, request.target, request.headers);
        let answer = request.send(server.address).await;
        assert_eq!(answer.refusal(), expected, "{shown}");
        assert_eq!(answer.headers["x-request-id"].len(), 36, "{shown}");
        let named = answer.json().get("request_id").is_some_and(|id| *id == *answer.headers["x-request-id"]);
        assert_eq!(named, answer.status == 401, "{shown}");
    }
    let placeholder = get("/v2/%7Bproject_id%7D/fgs/functions").signed(key).send(server.address).await;
    assert_eq!(placeholder.status, 200, "{}", placeholder.text());
    server.stop().await;
}

#[tokio::test]
async fn bodies_are_limited_and_their_senders_hear_why() {
    let server = Server::start(Config { management_body_bytes: 100_000, ..Config::default() }).await;
    let key = &server.credentials;
    let large = Request::new("POST", &server.path("/f/invocations"), vec![b' '; 7 << 20]).signed(key);
    assert_eq!(large.send(server.address).await.refusal(), "413 FSS.1201");
    let large = Request::new("POST", &server.path(""), vec![b' '; 150_000]).signed(key);
    assert_eq!(large.clone().send(server.address).await.refusal(), "413 FSS.0413");
    let unsigned = Request::new("POST", &server.path(""), vec![b' '; 90_000]);
    assert_eq!(unsigned.send(server.address).await.refusal(), "401 APIGW.0301");

    // A client that asks first is answered before it sends anything.
    let mut stream = TcpStream::connect(server.address).await.expect("it listens");
    let head = large.head("Content-Length: 150000\r\nExpect: 100-continue\r\n");
    stream.write_all(head.as_bytes()).await.expect("it reads");
    assert_eq!(read(&mut stream).await.refusal(), "413 FSS.0413");

    // One that may send is told so. Chunks count as they come.
    let small = Request::new("POST", &server.path(""), "[]").signed(key);
    let mut stream = TcpStream::connect(server.address).await.expect("it listens");
    let head = small.head("Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n");
    stream.write_all(head.as_bytes()).await.expect("it reads");
    let mut told = [0; 25];
    stream.read_exact(&mut told).await.expect("it answers");
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"1\r\n[\r\n1\r\n]\r\n0\r\n\r\n").await.expect("it reads");
    assert_eq!(read(&mut stream).await.refusal(), "400 FSS.0400");
    server.stop().await;
}

#[tokio::test]
async fn slow_senders_are_not_waited_for() {
    let config = Config { body_pause_timeout: Duration::from_millis(50), ..Config::default() };
    let server = Server::start(config).await;
    let slow = Request::new("POST", &server.path(""), "{}").signed(&server.credentials);
    let mut stream = TcpStream::connect(server.address).await.expect("it listens");
    stream.write_all((slow.head("Content-Length: 2\r\n") + "{").as_bytes()).await.expect("it reads");
    assert_eq!(read(&mut stream).await.refusal(), "408 FSS.0408");
    server.stop().await;
}

#[tokio::test]
async fn a_silent_connection_is_closed_whether_or_not_it_asked_before() {
    let server = Server::start(Config { header_read_timeout: Duration::from_millis(80), ..Config::default() }).await;
    for begun in ["", "GET /healthz HTTP/1.1\r\nHost: x\r\n", "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"] {
        let mut stream = TcpStream::connect(server.address).await.expect("it listens");
        stream.write_all(begun.as_bytes()).await.expect("it reads");
        let mut answered = Vec::new();
        stream.read_to_end(&mut answered).await.expect("it ends in order");
        assert_eq!(answered.starts_with(b"HTTP/1.1 200 OK"), begun.ends_with("\r\n\r\n"), "{begun:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn half_a_request_does_not_hold_up_a_stop() {
    let server = Server::start(Config { header_read_timeout: Duration::from_millis(80), ..Config::default() }).await;
    let mut stream = TcpStream::connect(server.address).await.expect("it listens");
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHo").await.expect("it reads");
    server.begin_stop();
    match stream.read_to_end(&mut Vec::new()).await {
        Ok(bytes) => assert_eq!(bytes, 0),
        // The stop may come before the half was read: the kernel then resets instead.
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
    server.stop().await;
}

#[tokio::test]
async fn health_needs_no_credentials() {
    let server = Server::start(Config::default()).await;
    for (path, body) in [("/healthz", "ok"), ("/readyz", "ok"), ("/metrics", "numbers 1\n")] {
        let answer = Request::new("GET", path, "").send(server.address).await;
        assert_eq!((answer.status, answer.text()), (200, body));
        assert!(answer.headers.contains_key("x-request-id"));
    }
    let proxied = Request::new("GET", "/metrics", "").with("X-Forwarded-For", "10.0.0.1");
    assert_eq!(proxied.send(server.address).await.refusal(), "401 APIGW.0301");
    assert_eq!(Request::new("POST", "/healthz", "").send(server.address).await.refusal(), "405 FSS.0400");
    server.stop().await;
}

#[tokio::test]
async fn the_document_names_every_operation_to_everybody() {
    let server = Server::start(Config::default()).await;
    let answer = Request::new("GET", "/openapi.json", "").send(server.address).await;
    assert_eq!((answer.status, answer.headers["content-type"].as_str()), (200, "application/json"));
    let document = answer.json();
    assert_eq!(document["openapi"], "3.1.0");
    let operations: Vec<_> = document["paths"]
        .as_object()
        .expect("paths")
        .values()
        .flat_map(|path| path.as_object().expect("methods").values())
        .collect();
    let is_built = |operation: &&&serde_json::Value| operation["x-fungraph"] != "not built";
    let is_beside = |operation: &&&serde_json::Value| {
        operation["x-fungraph"].as_str().is_some_and(|text| text.starts_with("beside"))
    };
    assert_eq!(operations.iter().filter(|operation| !is_beside(operation)).count(), 92);
    assert!(operations.iter().filter(is_built).count() >= 17);
    for operation in &operations {
        if is_beside(&operation) {
            continue;
        }
        let has_501 = operation["responses"].get("501").is_some();
        let has_success =
            ["200", "201", "202", "204"].iter().any(|status| operation["responses"].get(status).is_some());
        assert!(has_success || has_501, "{operation}");
        assert_eq!(has_success, is_built(&operation), "{operation}");
    }
    assert_eq!(Request::new("POST", "/openapi.json", "").send(server.address).await.refusal(), "405 FSS.0400");
    server.stop().await;
}

#[tokio::test]
async fn without_authentication_everybody_is_the_administrator() {
    let server = Server::start(Config { auth: Auth::Off, ..Config::default() }).await;
    let list = |host| Request::new("GET", &server.path(""), "").to(host);
    assert_eq!(list("localhost").send(server.address).await.status, 200);
    let elsewhere = Request::new("GET", "/v2/other/fgs/functions", "").to("localhost");
    assert_eq!(elsewhere.send(server.address).await.refusal(), "403 FSS.0403");
    // A page in a browser of this machine may send requests here too.
    let page = list("127.0.0.1").with("Origin", "https://page.example");
    assert_eq!(page.send(server.address).await.refusal(), "403 FSS.0403");
    assert_eq!(list("page.example").send(server.address).await.refusal(), "403 FSS.0403");
    server.stop().await;
}

#[tokio::test]
async fn a_request_in_flight_is_finished_at_shutdown() {
    let server = Server::start(Config::default()).await;
    let request = Request::new("POST", &server.path(""), "[]").signed(&server.credentials);
    let mut stream = TcpStream::connect(server.address).await.expect("it listens");
    let head = request.head("Content-Length: 2\r\nExpect: 100-continue\r\n");
    stream.write_all(head.as_bytes()).await.expect("it reads");
    // The invitation proves that the request has reached its handler.
    stream.read_exact(&mut [0; 25]).await.expect("it answers");
    server.begin_stop();
    stream.write_all(b"[]").await.expect("it reads");
    let answer = read(&mut stream).await;
    assert_eq!(answer.refusal(), "400 FSS.0400");
    server.stop().await;
}

#[tokio::test]
async fn http2_without_a_host_header_signs_its_authority() {
    let server = Server::start(Config::default()).await;
    let mut request = Request::new("GET", &server.path(""), "");
    request.host = server.address.to_string();
    let request = request.signed(&server.credentials);
    let mut sent = http::Request::builder().uri(format!("http://{}{}", request.host, request.target));
    for (name, value) in &request.headers {
        sent = sent.header(name, value);
    }
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let sent = sent.body(Full::<bytes::Bytes>::default()).expect("a request");
    let answer = client.request(sent).await.expect("an answer");
    assert_eq!((answer.version(), answer.status().as_u16()), (http::Version::HTTP_2, 200));
    let body = answer.into_body().collect().await.expect("a body").to_bytes();
    assert_eq!(&body[..], br#"{"functions":[],"next_marker":0,"count":0}"#);
    drop(client);
    server.stop().await;
}

#[tokio::test]
async fn a_connection_serves_one_request_after_another() {
    let server = Server::start(Config::default()).await;
    let mut stream = TcpStream::connect(server.address).await.expect("it listens");
    for (target, status) in [("/healthz", 200), ("/nothing", 404), ("/readyz", 200), ("/code/x", 403)] {
        stream.write_all(Request::new("GET", target, "").head("").as_bytes()).await.expect("it reads");
        assert_eq!(read(&mut stream).await.status, status, "{target}");
    }
    // A refused body is read to its end, so the connection goes on.
    let refused = Request::new("POST", &server.path(""), "{}").head("Content-Length: 70000\r\n");
    stream.write_all(refused.as_bytes()).await.expect("it reads");
    stream.write_all(&[b' '; 70_000]).await.expect("it reads");
    assert_eq!(read(&mut stream).await.status, 401);
    stream.write_all(Request::new("GET", "/healthz", "").head("").as_bytes()).await.expect("it reads");
    assert_eq!(read(&mut stream).await.status, 200);
    server.stop().await;
}
