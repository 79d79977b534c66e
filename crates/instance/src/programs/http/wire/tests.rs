//! Servers of all manners, over real connections.

use std::sync::atomic::{AtomicUsize, Ordering};

use http_body_util::BodyExt as _;
use rustix::net::sockopt;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    sync::Notify,
    time::sleep,
};

use super::*;
use crate::programs::fake::Fake;

/// Longer than anything here takes, on any machine.
const LONG: Duration = Duration::from_secs(60);

/// What a server does with its first connection once it has answered there; every other one is served well.
#[derive(Clone, Copy)]
enum Then {
    GoOn,
    Close,
    CloseUnread,
    CloseHalfRead,
    CloseRead,
}

struct Server {
    port: Port,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
}

impl Server {
    async fn start(calls_at_once: u32, answer: &'static str, then: Then) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let number = listener.local_addr().expect("an address").port();
        let (connections, requests) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (opened, read) = (Arc::clone(&connections), Arc::clone(&requests));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                let then = if opened.fetch_add(1, Ordering::SeqCst) == 0 { then } else { Then::GoOn };
                tokio::spawn(serve(stream, answer, then, Arc::clone(&read)));
            }
        });
        Self { port: Port::new(Fake::start().answers, number, calls_at_once), connections, requests }
    }

    async fn ask(&self) -> Result<Bytes, Error> {
        self.send(2).await
    }

    async fn send(&self, bytes: usize) -> Result<Bytes, Error> {
        let mut request = Request::new(Full::new(vec![b' '; bytes].into()));
        request.headers_mut().insert(header::HOST, HeaderValue::from_static("test"));
        self.port.whole(request, 100).await.map(Response::into_body)
    }

    #[track_caller]
    fn check(&self, connections: usize, requests: usize) {
        let seen = (self.connections.load(Ordering::SeqCst), self.requests.load(Ordering::SeqCst));
        assert_eq!(seen, (connections, requests), "connections and requests");
    }
}

async fn serve(mut stream: TcpStream, answer: &'static str, then: Then, requests: Arc<AtomicUsize>) {
    let mut buffer = [0; 1024];
    for number in 0.. {
        if number == 1 && matches!(then, Then::CloseUnread) {
            let _there = stream.peek(&mut buffer).await;
            return;
        }
        if stream.read(&mut buffer).await.unwrap_or(0) == 0 {
            return;
        }
        if !buffer.starts_with(b"GET ") && !buffer.starts_with(b"HEAD ") {
            continue;
        }
        requests.fetch_add(1, Ordering::SeqCst);
        if number == 1 && matches!(then, Then::CloseRead | Then::CloseHalfRead) {
            return;
        }
        stream.write_all(answer.as_bytes()).await.expect("it is read");
        if matches!(then, Then::Close) {
            return;
        }
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const OK_AND_CLOSE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
const OK_OF_OLD: &str = "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn requests_one_after_the_other_share_a_connection() {
    let server = Server::start(1, OK, Then::GoOn).await;
    for _ in 0..3 {
        assert_eq!(server.ask().await.expect("an answer"), "ok");
    }
    server.check(1, 3);
}

#[tokio::test]
async fn a_kept_connection_keeps_no_acknowledgement_of_half_an_answer_back() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let port = Port::new(Fake::start().answers, listener.local_addr().expect("an address").port(), 1);
    let rest = Arc::new(Notify::new());
    let wanted = Arc::clone(&rest);
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        while stream.read(&mut [0; 1024]).await.is_ok_and(|read| read > 0) {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n").await.expect("it is read");
            wanted.notified().await;
            stream.write_all(b"ok").await.expect("it is read");
        }
    });
    for _ in 0..10 {
        let request = Request::new(Full::new(Bytes::new()));
        let taken = port.exchange(request, async |answer: Response<Incoming>| {
            rest.notify_one();
            Ok(answer.into_body().collect().await.map_err(broken)?.to_bytes())
        });
        assert_eq!(taken.await.expect("an answer"), "ok");
    }
    let kept = port.lock().pop().expect("it is kept");
    let socket = kept.socket.expect("it can be looked at");
    assert!(sockopt::tcp_quickack(&socket).expect("it is TCP"), "a server may wait for it before it sends the rest");
}

#[tokio::test]
async fn requests_that_may_come_at_once_share_connections_as_far_as_they_do_not() {
    let server = Server::start(2, OK, Then::GoOn).await;
    for _ in 0..3 {
        server.ask().await.expect("an answer");
    }
    server.check(1, 3);
}

/// Serves one connection until its end, and then the next: as many servers do that know no threads.
#[tokio::test]
async fn a_server_of_one_connection_at_a_time_gets_to_the_others() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let port = Port::new(Fake::start().answers, listener.local_addr().expect("an address").port(), 3);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            serve(stream, OK, Then::GoOn, Arc::default()).await;
        }
    });
    let many = async {
        for _ in 0..20 {
            let ask = || port.whole(Request::new(Full::default()), 100);
            let (one, two, three) = tokio::join!(ask(), ask(), ask());
            for answer in [one, two, three] {
                assert_eq!(answer.expect("an answer").body(), "ok");
            }
        }
    };
    timeout(LONG, many).await.expect("none waits for ever");
}

#[tokio::test]
async fn connections_of_requests_that_came_at_once_are_kept() {
    let server = Server::start(4, OK, Then::GoOn).await;
    for _ in 0..3 {
        let (one, two, three) = tokio::join!(server.ask(), server.ask(), server.ask());
        assert!(one.is_ok() && two.is_ok() && three.is_ok());
    }
    // A machine that is busy may make some look late, and then they are closed.
    let (kept, opened) = (server.port.lock().count(), server.connections.load(Ordering::SeqCst));
    assert!((1..=4).contains(&kept) && opened >= kept, "{kept} of {opened}");
    server.port.close();
    assert_eq!(server.port.lock().count(), 0);
}

#[tokio::test]
async fn a_socket_for_the_next_connection_is_there_before_it_is_wanted_and_goes_with_the_instance() {
    let fake = Fake::start();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let port = Port::new(fake.answers.clone(), listener.local_addr().expect("an address").port(), 1);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            tokio::spawn(serve(stream, OK_AND_CLOSE, Then::Close, Arc::default()));
        }
    });
    port.whole(Request::new(Full::default()), 100).await.expect("an answer");
    timeout(LONG, async {
        while !port.lock().has_one_to_spare() {
            sleep(Duration::from_millis(1)).await;
        }
    })
    .await
    .expect("one is made");
    fake.is_out_of_sockets.store(true, Ordering::Relaxed);
    port.whole(Request::new(Full::default()), 100).await.expect("it needs no other");
    let none = port.whole(Request::new(Full::default()), 100).await;
    assert!(matches!(none, Err(Error::NoWay(_))), "{none:?}");
    fake.is_out_of_sockets.store(false, Ordering::Relaxed);
    port.close();
    port.whole(Request::new(Full::default()), 100).await.expect("the server is there");
    tokio::task::yield_now().await;
    assert!(!port.lock().has_one_to_spare(), "it would keep the network of a process that has ended");
}

#[tokio::test]
async fn a_server_that_says_close_is_taken_at_its_word() {
    for answer in [OK_AND_CLOSE, OK_OF_OLD] {
        let server = Server::start(1, answer, Then::Close).await;
        for _ in 0..3 {
            server.ask().await.expect("an answer");
        }
        server.check(3, 3);
        assert!(server.port.lock().keeps(), "it said so, and may say otherwise next time");
    }
}

#[tokio::test]
async fn a_body_that_a_server_sends_with_the_answer_to_a_head_is_not_taken_for_the_next_answer() {
    let server = Server::start(20, OK, Then::GoOn).await;
    for asked in 1..=2 {
        let mut request = Request::new(Full::new(Bytes::new()));
        *request.method_mut() = Method::HEAD;
        request.headers_mut().insert(header::HOST, HeaderValue::from_static("test"));
        let head = server.port.whole(request, 100).await.expect("an answer");
        assert!(head.body().is_empty() && !server.port.keeps_one());
        assert_eq!(server.ask().await.expect("an answer of its own"), "ok");
        assert!(server.port.keeps_one() && server.port.lock().keeps(), "round {asked}");
    }
}

#[tokio::test]
async fn a_server_that_closes_without_a_word_gets_a_connection_for_each_request() {
    let server = Server::start(1, OK, Then::Close).await;
    server.ask().await.expect("an answer");
    let mut kept = server.port.lock().pop().expect("it was kept");
    while kept.is_open().await {
        tokio::task::yield_now().await;
    }
    server.port.lock().keep(kept, Instant::now());
    for _ in 0..3 {
        server.ask().await.expect("an answer");
    }
    server.check(4, 4);
}

#[tokio::test]
async fn a_request_that_the_server_did_not_read_is_sent_again() {
    let server = Server::start(1, OK, Then::CloseUnread).await;
    for _ in 0..3 {
        assert_eq!(server.ask().await.expect("an answer"), "ok");
    }
    server.check(2, 3);
}

#[tokio::test]
async fn a_request_whose_begin_the_server_read_is_not_sent_again() {
    let server = Server::start(1, OK, Then::CloseHalfRead).await;
    server.ask().await.expect("an answer");
    assert_eq!(server.send(2 * READ_AT_ONCE).await.expect("it does not go where the server closes"), "ok");
    server.check(2, 2);
}

#[tokio::test]
async fn a_request_that_the_server_read_is_not_sent_again() {
    let server = Server::start(1, OK, Then::CloseRead).await;
    server.ask().await.expect("an answer");
    let error = server.ask().await.expect_err("it was broken off");
    assert!(matches!(error, Error::Broken(_)), "{error}");
    server.check(1, 2);
}

#[tokio::test]
async fn an_answer_that_is_too_large_ends_its_connection() {
    let long = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n";
    let server = Server::start(1, long, Then::GoOn).await;
    for _ in 0..2 {
        assert!(matches!(server.ask().await, Err(Error::TooLarge)));
    }
    server.check(2, 2);
}
