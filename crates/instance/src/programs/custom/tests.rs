//! The API over real connections: which event is whose when clients come and go.

use std::time::Duration;

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::oneshot,
    time::timeout,
};

use super::{super::fake::Fake, *};
use crate::{
    Ended,
    protocol::NOT_BEGUN,
    reader::{Answer, Reply},
};

const POLL: &[u8] = b"GET /v1/runtime/invocation/request HTTP/1.1\r\nHost: x\r\n\r\n";
/// Longer than anything takes that is waited for.
const LONG: Duration = Duration::from_secs(60);
const LEFT: Ended = Ended { code: Some(3), signal: None, out_of_memory: false };

/// An API that is served, and the calls that it answers.
struct Stage {
    custom: Custom,
    fake: Fake,
}

impl Stage {
    async fn set() -> Self {
        Self::with(1, 1000).await
    }

    async fn with(calls: u32, limit: usize) -> Self {
        let fake = Fake::start();
        let listener = listen(&fake.answers, calls).await.expect("a free port");
        let custom = Custom::serve(listener, calls, limit, fake.answers.clone()).expect("it listens");
        Self { custom, fake }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.custom.address()).await.expect("it listens")
    }

    /// A client that has asked, and whose question has arrived.
    async fn poll(&self) -> TcpStream {
        let mut client = self.connect().await;
        client.write_all(POLL).await.expect("it is open");
        self.custom.desk.asked().await;
        client
    }

    /// A call comes; its request id has its number in it.
    fn arrive(&self) -> oneshot::Receiver<Reply> {
        self.arrive_with(&[b'e'; 100])
    }

    fn arrive_with(&self, event: &'static [u8]) -> oneshot::Receiver<Reply> {
        let (call, reply) = self.fake.begin(event);
        self.custom.call(Call { id: format!("id-{}", call.number), ..call });
        reply
    }

    async fn send(&self, id: &str, head: &str, body: &[u8]) -> TcpStream {
        let mut client = self.connect().await;
        let head = format!("POST /v1/runtime/invocation/response/{id} HTTP/1.1\r\n{head}\r\n");
        client.write_all(head.as_bytes()).await.expect("it is open");
        // Refused before all of it is sent, where it is too large.
        let _refused = client.write_all(body).await;
        client
    }

    /// Answers and gives the status.
    async fn answer(&self, id: &str, length: usize) -> String {
        let head = format!("Connection: close\r\nContent-Length: {length}\r\n");
        status(&mut self.send(id, &head, &vec![b'a'; length]).await).await
    }
}

async fn status(client: &mut TcpStream) -> String {
    let mut answer = [0; 12];
    timeout(LONG, client.read_exact(&mut answer)).await.expect("in time").expect("an answer");
    String::from_utf8_lossy(&answer[9..]).into_owned()
}

/// What a client is told until its connection is closed; a connection that was broken off ends too.
async fn rest(client: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let _reset = timeout(LONG, client.read_to_end(&mut text)).await.expect("it is closed");
    String::from_utf8_lossy(&text).into_owned()
}

async fn answer(reply: oneshot::Receiver<Reply>) -> Answer {
    timeout(LONG, reply).await.expect("in time").expect("an answer").answer
}

/// What a call returned, or its failure.
async fn outcome(reply: oneshot::Receiver<Reply>) -> String {
    let text = match answer(reply).await {
        Answer::Frame { payload, .. } => payload,
        Answer::Died(death) | Answer::Unread(death) => death.failure().object,
        Answer::Unreached(failure) => failure.object,
    };
    String::from_utf8_lossy(&text).into_owned()
}

/// Whether another instance may run it.
async fn has_not_begun(reply: oneshot::Receiver<Reply>) -> bool {
    matches!(answer(reply).await, Answer::Frame { header, .. } if header.form == NOT_BEGUN)
}

/// The request id that a client is given.
async fn id(client: &mut TcpStream) -> String {
    let mut answer = vec![0; 400];
    let read = timeout(LONG, client.read(&mut answer)).await;
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
    let _reply = stage.arrive();
    assert_eq!(id(&mut stage.poll().await).await, "id-1");
}

#[tokio::test]
async fn a_client_that_leaves_with_its_event_unread_gives_it_back() {
    let stage = Stage::set().await;
    let first = stage.poll().await;
    let _replies = (stage.arrive(), stage.arrive());
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
    let _first = stage.arrive();
    assert_eq!(id(&mut first).await, "id-1");
    drop(first);
    let mut second = stage.poll().await;
    let _second = stage.arrive();
    assert_eq!(id(&mut second).await, "id-2");
    assert_eq!((stage.answer("id-1", 3).await.as_str(), stage.answer("id-1", 3).await.as_str()), ("200", "409"));
    assert_eq!(stage.answer("id-3", 3).await, "404");
    // All of it is taken, though nobody wants it.
    assert_eq!((stage.answer("id-1", 1000).await.as_str(), stage.answer("id-3", 1000).await.as_str()), ("409", "404"));
}

#[tokio::test]
async fn one_connection_may_ask_again_and_again() {
    let stage = Stage::set().await;
    let mut client = stage.poll().await;
    for number in 1..=3 {
        let reply = stage.arrive();
        assert_eq!(id(&mut client).await, format!("id-{number}"));
        assert_eq!(stage.answer(&format!("id-{number}"), 1).await, "200");
        assert_eq!(outcome(reply).await, "a");
        client.write_all(POLL).await.expect("it is open");
    }
}

#[tokio::test]
async fn an_answer_over_the_limit_fails_its_call_and_tells_both() {
    let stage = Stage::set().await;
    for chunked in [false, true] {
        let reply = stage.arrive();
        let id = id(&mut stage.poll().await).await;
        let status = if chunked {
            let body = format!("{:x}\r\n{}\r\n0\r\n\r\n", 1001, "a".repeat(1001));
            status(&mut stage.send(&id, "Transfer-Encoding: chunked\r\n", body.as_bytes()).await).await
        } else {
            stage.answer(&id, 1001).await
        };
        assert_eq!(status, "413");
        assert!(outcome(reply).await.contains("FunctionResultTooLarge"));
    }
}

#[tokio::test]
async fn an_answer_is_passed_on_whole_though_its_client_leaves_at_once() {
    const LENGTH: usize = 3_000_000;
    let stage = Stage::with(1, LENGTH).await;
    let reply = stage.arrive();
    id(&mut stage.poll().await).await;
    drop(stage.send("id-1", &format!("Content-Length: {LENGTH}\r\n"), &vec![b'a'; LENGTH]).await);
    let returned = outcome(reply).await;
    assert_eq!(returned.matches('a').count(), LENGTH);
}

#[tokio::test]
async fn of_two_answers_that_arrive_the_first_counts_unless_it_breaks_off() {
    let stage = Stage::set().await;
    for breaks_off in [false, true] {
        let reply = stage.arrive();
        let id = id(&mut stage.poll().await).await;
        let mut first = stage.send(&id, "Content-Length: 5\r\nExpect: 100-continue\r\n", b"").await;
        // It is asked to go on once it is its turn.
        assert_eq!(status(&mut first).await, "100");
        let mut second = stage.send(&id, "Content-Length: 6\r\n", b"second").await;
        if breaks_off {
            drop(first);
        } else {
            first.write_all(b"first").await.expect("it is open");
        }
        assert_eq!(status(&mut second).await, if breaks_off { "200" } else { "409" });
        assert_eq!(outcome(reply).await, if breaks_off { "second" } else { "first" });
    }
}

#[tokio::test]
async fn a_full_house_keeps_nobody_who_brings_an_answer() {
    let stage = Stage::set().await;
    let most = 10;
    let mut silent = Vec::new();
    for _ in 0..3 {
        silent.push(stage.connect().await);
    }
    silent[1].write_all(b"GET /v1/runtime/inv").await.expect("it is open");
    let mut polls = Vec::new();
    while silent.len() + polls.len() < most {
        polls.push(stage.poll().await);
    }
    let reply = stage.arrive();
    assert_eq!(id(&mut polls[0]).await, "id-1");
    // More wait outside than there are places inside, and each comes in.
    for _ in 0..most {
        polls.push(stage.poll().await);
    }
    assert_eq!(stage.answer("id-1", 1).await, "200");
    outcome(reply).await;
    for client in &mut silent {
        assert!(!rest(client).await.contains("200"), "nothing was asked");
    }
    // The oldest one that asked was sent away, and told so.
    let told = rest(&mut polls[1]).await.to_lowercase();
    assert!(told.starts_with("http/1.1 204") && told.contains("connection: close"), "{told}");
}

#[tokio::test]
async fn an_answer_on_its_way_keeps_its_place_in_a_full_house() {
    let stage = Stage::set().await;
    let reply = stage.arrive();
    id(&mut stage.poll().await).await;
    let mut slow = stage.send("id-1", "Content-Length: 4\r\nExpect: 100-continue\r\n", b"").await;
    assert_eq!(status(&mut slow).await, "100");
    // Each of these finds no place until another has left.
    let mut clients = Vec::new();
    for _ in 0..25 {
        clients.push(stage.poll().await);
    }
    slow.write_all(b"slow").await.expect("it was left alone");
    assert_eq!(outcome(reply).await, "slow");
}

/// More than the sockets of both ends take.
static LARGE: [u8; 12 << 20] = [b'e'; 12 << 20];

#[tokio::test]
async fn who_is_being_given_an_event_gets_all_of_it_and_who_finds_no_place_is_told() {
    let stage = Stage::set().await;
    let (mut clients, mut replies) = (Vec::new(), Vec::new());
    for number in 1..=10 {
        clients.push(stage.poll().await);
        replies.push(stage.arrive_with(&LARGE));
        assert_eq!(id(clients.last_mut().expect("it is there")).await, format!("id-{number}"));
    }
    let mut late = stage.connect().await;
    late.write_all(POLL).await.expect("it is open");
    let told = rest(&mut late).await;
    assert!(told.starts_with("HTTP/1.1 503 ") && told.ends_with("; close some of them"), "{told}");
    // Once one has read its event, it only waits.
    let mut read = clients.remove(3);
    assert!(rest_of(&mut read, LARGE.len() - 1000).await, "it was broken off");
    while stage.answer("id-1", 1).await != "200" {}
    for mut client in clients {
        assert!(rest_of(&mut client, LARGE.len() - 1000).await, "it was broken off");
    }
}

/// Whether as many bytes come.
async fn rest_of(client: &mut TcpStream, least: usize) -> bool {
    let (mut read, mut room) = (0, vec![0; 1 << 20]);
    while read < least {
        match timeout(LONG, client.read(&mut room)).await.expect("in time") {
            Ok(0) | Err(_) => return false,
            Ok(bytes) => read += bytes,
        }
    }
    true
}

#[tokio::test]
async fn what_a_client_sent_behind_its_question_neither_hides_that_it_has_left_nor_that_it_did_not_read() {
    let stage = Stage::set().await;
    // Of the first byte, hyper takes the next request to begin; it asks for no more while it has one.
    for leaves_before in [true, false] {
        let mut first = stage.poll().await;
        for _ in 0..2 {
            first.write_all(b"G").await.expect("it is open");
            tokio::task::yield_now().await;
        }
        if leaves_before {
            drop(first);
            let _reply = stage.arrive();
        } else {
            let _reply = stage.arrive();
            has_something(&first).await;
            drop(first);
        }
        let number = if leaves_before { 1 } else { 2 };
        assert_eq!(timeout(LONG, id(&mut stage.poll().await)).await.expect("it went back"), format!("id-{number}"));
        assert_eq!(stage.answer(&format!("id-{number}"), 1).await, "200");
    }
}

#[tokio::test]
async fn no_more_connections_wait_outside_than_the_instance_can_need() {
    let fake = Fake::start();
    let listener = listen(&fake.answers, 1).await.expect("a free port");
    let address = listener.local_addr().expect("it has one");
    let mut waiting = Vec::new();
    // Nobody lets them in. One more than it was told is what the kernel takes.
    while let Ok(stream) = timeout(Duration::from_secs(2), TcpStream::connect(address)).await {
        waiting.push(stream.expect("it is taken"));
        assert!(waiting.len() <= BACKLOG as usize + 1, "{}", waiting.len());
    }
}

#[tokio::test]
async fn what_is_no_request_ends_its_connection_alone() {
    let stage = Stage::set().await;
    let long = [b"GET / HTTP/1.1\r\nA: ".to_vec(), vec![b'a'; 1 << 20]].concat();
    let many = [b"GET / HTTP/1.1\r\n".to_vec(), b"A: b\r\n".repeat(1000)].concat();
    for garbage in [&b"\0\xff\r\n\r\n"[..], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &long, &many] {
        let mut client = stage.connect().await;
        let _refused = client.write_all(garbage).await;
        assert!(!rest(&mut client).await.contains(" 200 "), "it was taken for a request");
    }
    let reply = stage.arrive();
    assert_eq!(id(&mut stage.poll().await).await, "id-1");
    assert_eq!(stage.answer("id-1", 1).await, "200");
    outcome(reply).await;
}

#[tokio::test]
async fn what_was_sent_before_the_end_counts_and_what_nobody_took_has_not_begun() {
    let stage = Stage::with(3, limits::RESULT_BYTES).await;
    let (answered, taken, untaken) = (stage.arrive(), stage.arrive(), stage.arrive());
    let (mut first, mut second) = (stage.poll().await, stage.poll().await);
    assert_eq!((id(&mut first).await.as_str(), id(&mut second).await.as_str()), ("id-1", "id-2"));
    // It sends an answer, and all that was its own is closed.
    let body = vec![b'a'; 100_000];
    let last = stage.send("id-1", "Content-Length: 100000\r\n", &body).await;
    drop((first, second, last));
    stage.fake.ended.send_replace(Some(LEFT));
    timeout(LONG, stage.custom.ended()).await.expect("nobody is left who could hold it up");
    assert_eq!(outcome(answered).await.len(), body.len());
    assert!(has_not_begun(untaken).await, "nobody had it");
    assert!(has_not_begun(stage.arrive()).await, "nobody asks any more");
    stage.fake.shared.die(&Death::Ended(LEFT), false);
    assert!(outcome(taken).await.contains("exited with code 3 during the call"));
}

#[tokio::test]
async fn a_start_without_an_address_is_no_failure_of_the_function() {
    let fake = Fake::start();
    fake.is_out_of_sockets.store(true, std::sync::atomic::Ordering::Relaxed);
    let opened = Custom::open(&super::super::fake::version("Custom"), fake.answers.clone()).await;
    assert_eq!(opened.err().map(|failure| failure.code), Some(FailureCode::ExecutorFailed));
}

#[tokio::test]
async fn nothing_outlives_what_was_closed() {
    let stage = Stage::set().await;
    let mut client = stage.poll().await;
    stage.custom.close();
    assert_eq!(rest(&mut client).await, "");
    let refused = TcpStream::connect(stage.custom.address()).await.expect_err("nobody listens");
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    assert_eq!(Arc::strong_count(&stage.fake.shared), 3, "the stage's two, and that of what was closed");
}

#[tokio::test(start_paused = true)]
async fn a_program_is_ready_when_it_asks_and_else_it_is_told_what_it_has_not_done() {
    let told = |ready: Result<(), Failure<Bytes>>| {
        let failure = ready.expect_err("it has not asked");
        (failure.code.number(), String::from_utf8_lossy(&failure.object).into_owned())
    };
    let patience = || Patience { limit: Duration::from_millis(2500), until: std::time::Instant::now() };
    let stage = Stage::set().await;
    let (number, text) = told(stage.custom.is_ready(patience(), std::future::pending()).await);
    assert!(number == 4211 && text.contains("has not asked for an event (GET http://$RUNTIME_API_ADDR/"), "{text}");
    assert!(text.contains("within 3 seconds; raise initializer_timeout"), "{text}");
    for (ended, number, expected) in [
        (LEFT, 4201, "exception, error: bootstrap exited with code 3 before it asked for an event (GET"),
        (Ended { code: None, signal: Some(15), ..LEFT }, 4201, "bootstrap was ended by signal 15 before it asked"),
        (Ended { code: None, signal: Some(9), ..LEFT }, 4201, "ended by signal 9 before the function was loaded"),
        (Ended { code: None, signal: Some(9), out_of_memory: true }, 4205, "runtime memory limit exceeded"),
    ] {
        let death = std::future::ready(Death::Ended(ended));
        let (found, text) = told(stage.custom.is_ready(patience(), death).await);
        assert!(found == number && text.contains(expected), "{found} {text}");
    }
    let log = String::from_utf8_lossy(&stage.fake.shared.take_stray()).into_owned();
    assert_eq!(log.matches("errorMessage").count(), 3, "what we say is in the log too: {log}");
}
