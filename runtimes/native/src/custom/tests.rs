//! The API over real connections: which event is whose when clients come and go.

use std::time::Duration;

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UnixStream},
};

use super::{api, api::Api, desk::Desk};
use crate::{frame::Call, link};

const POLL: &[u8] = b"GET /v1/runtime/invocation/request HTTP/1.1\r\nHost: x\r\n\r\n";

/// An API that is served, and the platform's end of its link.
struct Stage {
    desk: Desk,
    address: std::net::SocketAddr,
    platform: UnixStream,
}

impl Stage {
    async fn set() -> Self {
        Self::with_limit(1000).await
    }

    async fn with_limit(limit: usize) -> Self {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().expect("a pair");
        ours.set_nonblocking(true).expect("it is ours");
        let (link, _orders) = link::open(theirs).expect("a socket");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let (address, desk) = (listener.local_addr().expect("it is bound"), Desk::default());
        tokio::spawn(api::serve(listener, Api::new(desk.clone(), link, limit)));
        Self { desk, address, platform: UnixStream::from_std(ours).expect("a socket") }
    }

    /// A client that has asked, and whose question has arrived.
    async fn poll(&self) -> TcpStream {
        let mut client = TcpStream::connect(self.address).await.expect("it listens");
        client.write_all(POLL).await.expect("it is open");
        self.desk.asked().await;
        client
    }

    fn arrive(&self, number: u32) {
        let event = Bytes::from(vec![b'e'; 100]);
        self.desk.arrive(Call { number, id: format!("id-{number}"), alias: None, event, is_async: false });
    }

    /// Answers and gives the status.
    async fn answer(&self, id: &str, length: usize) -> String {
        let mut client = TcpStream::connect(self.address).await.expect("it listens");
        let head = format!(
            "POST /v1/runtime/invocation/response/{id} HTTP/1.1\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
        );
        client.write_all(head.as_bytes()).await.expect("it is open");
        // Refused before all of it is sent, where it is too large.
        let _refused = client.write_all(&vec![b'a'; length]).await;
        let mut answer = [0; 12];
        client.read_exact(&mut answer).await.expect("an answer");
        String::from_utf8_lossy(&answer[9..]).into_owned()
    }
}

/// The request id that a client is given.
async fn id(client: &mut TcpStream) -> String {
    let mut answer = vec![0; 400];
    let read = tokio::time::timeout(Duration::from_secs(20), client.read(&mut answer)).await;
    let length = read.expect("an event comes").expect("the connection is open");
    let text = String::from_utf8_lossy(&answer[..length]).into_owned();
    let id = text.lines().find_map(|line| line.strip_prefix("X-Cff-Request-Id: "));
    id.unwrap_or_else(|| panic!("no id in {text}")).to_owned()
}

/// Bytes have come, and are left where they are.
async fn has_something(client: &TcpStream) {
    let mut byte = [0; 1];
    assert_eq!(client.peek(&mut byte).await.expect("the connection is open"), 1);
}

#[tokio::test]
async fn a_client_that_left_before_its_event_came_takes_none() {
    let stage = Stage::set().await;
    drop(stage.poll().await);
    stage.arrive(1);
    assert_eq!(id(&mut stage.poll().await).await, "id-1");
}

#[tokio::test]
async fn a_client_that_leaves_with_its_event_unread_gives_it_back() {
    let stage = Stage::set().await;
    let first = stage.poll().await;
    stage.arrive(1);
    stage.arrive(2);
    has_something(&first).await;
    // Closed with unread bytes, which the other end can see.
    drop(first);
    let mut again = stage.poll().await;
    // The first poll of these two may come before the loss is noticed, and then gets the second event.
    let mut both = [id(&mut again).await, id(&mut stage.poll().await).await];
    both.sort();
    assert_eq!(both, ["id-1", "id-2"]);
}

#[tokio::test]
async fn a_client_that_read_its_event_has_it_for_good() {
    let stage = Stage::set().await;
    let mut first = stage.poll().await;
    stage.arrive(1);
    assert_eq!(id(&mut first).await, "id-1");
    drop(first);
    let mut second = stage.poll().await;
    stage.arrive(2);
    assert_eq!(id(&mut second).await, "id-2");
    assert_eq!((stage.answer("id-1", 3).await.as_str(), stage.answer("id-1", 3).await.as_str()), ("200", "409"));
    assert_eq!(stage.answer("id-3", 3).await, "404");
}

#[tokio::test]
async fn one_connection_may_ask_again_and_again() {
    let stage = Stage::set().await;
    let mut client = stage.poll().await;
    for number in 1..=3 {
        stage.arrive(number);
        assert_eq!(id(&mut client).await, format!("id-{number}"));
        assert_eq!(stage.answer(&format!("id-{number}"), 1).await, "200");
        client.write_all(POLL).await.expect("it is open");
    }
}

#[tokio::test]
async fn an_answer_over_the_limit_fails_its_call_and_tells_both() {
    let mut stage = Stage::set().await;
    let mut client = stage.poll().await;
    stage.arrive(7);
    id(&mut client).await;
    assert_eq!(stage.answer("id-7", 1001).await, "413");
    let mut frames = Vec::new();
    let told = |frames: &[u8]| String::from_utf8_lossy(frames).matches("FunctionResultTooLarge").count();
    while told(&frames) < 2 {
        assert_ne!(stage.platform.read_buf(&mut frames).await.expect("a frame"), 0);
    }
    assert_eq!(frames[10], 70, "the log comes first");
}

#[tokio::test]
async fn an_answer_is_passed_on_whole_though_its_client_leaves_at_once() {
    const LENGTH: usize = 3_000_000;
    let mut stage = Stage::with_limit(LENGTH).await;
    let mut client = stage.poll().await;
    stage.arrive(7);
    id(&mut client).await;
    let mut leaving = TcpStream::connect(stage.address).await.expect("it listens");
    let head = format!("POST /v1/runtime/invocation/response/id-7 HTTP/1.1\r\nContent-Length: {LENGTH}\r\n\r\n");
    leaving.write_all(head.as_bytes()).await.expect("it is open");
    leaving.write_all(&vec![b'a'; LENGTH]).await.expect("it is open");
    drop(leaving);
    // More than the platform's socket holds: the answer is still being written when the client is gone.
    let mut frame = vec![0; 12 + LENGTH];
    let read = tokio::time::timeout(Duration::from_secs(20), stage.platform.read_exact(&mut frame)).await;
    read.expect("all of it comes").expect("the link is open");
    assert_eq!((frame[10], &frame[..4]), (68, &(LENGTH as u32).to_le_bytes()[..]));
    assert!(frame[12..].iter().all(|byte| *byte == b'a'));
}
