//! Web servers that say what they should not, or end when they should not.

use std::{io, sync::atomic::Ordering, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    time::timeout,
};

use super::*;
use crate::{
    Death, Ended, answer_stream,
    programs::fake::{self, Fake},
    reader::{Answer, Reply},
};

const EVENT: &[u8] = br#"{"httpMethod": "GET", "path": "/"}"#;
const EXITED: Ended = Ended { code: Some(3), signal: None, out_of_memory: false };
/// Much longer than anything here takes.
const LONG: Duration = Duration::from_secs(60);

struct Scene {
    fake: Fake,
    http: Http,
}

impl Scene {
    /// A function that gets one call at a time, and a server that does this with each of its connections.
    async fn start<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                tokio::spawn(serve(stream));
            }
        });
        Self::at(port)
    }

    fn at(port: u16) -> Self {
        let fake = Fake::start();
        let http = Http::at(port, &fake::version("http"), "local", fake.answers.clone());
        Self { fake, http }
    }

    /// One that answers each request with these bytes, and closes the connection.
    async fn says(answer: Vec<u8>) -> Self {
        let answer = Bytes::from(answer);
        Self::start(move |mut stream| {
            let answer = answer.clone();
            async move {
                read_head(&mut stream).await;
                // Whoever has heard enough may close.
                let _heard = stream.write_all(&answer).await;
            }
        })
        .await
    }

    async fn call(&self) -> Told {
        let (call, reply) = self.fake.begin(EVENT);
        timeout(LONG, self.http.call(call, None)).await.expect("it ends");
        told(reply).await
    }
}

async fn read_head(stream: &mut TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a request"));
    }
}

/// What a call was told: its number, 0 where it returned, and the text.
type Told = (u32, String);

async fn told(reply: oneshot::Receiver<Reply>) -> Told {
    let answer = reply.await.expect("an answer").answer;
    let Answer::Frame { header, payload } = answer else { panic!("it is alive") };
    let text = String::from_utf8_lossy(&payload).into_owned();
    (if header.kind == crate::Kind::Failed { header.code.into() } else { 0 }, text)
}

#[track_caller]
fn check((number, text): &Told, expected: u32, word: &str) {
    assert!(*number == expected && text.contains(word), "{number} {text}");
}

#[tokio::test]
async fn what_is_no_http_breaks_the_call_off_and_nothing_else() {
    for answer in [&b"no HTTP at all\r\n\r\n"[..], b"", b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhel", b"\0\0\0\0"]
    {
        let scene = Scene::says(answer.to_vec()).await;
        check(&scene.call().await, 4002, "the function's server broke off the request");
        assert!(!scene.fake.answers.is_killed());
    }
}

#[tokio::test]
async fn headers_have_a_limit() {
    let endless = |line: &[u8]| [b"HTTP/1.1 200 OK\r\n", &line.repeat((1 << 20) / line.len())[..]].concat();
    for answer in [endless(b"x: 1\r\n"), endless(b"x"), [b"HTTP/1.1 200 OK\r\nx: ", &vec![b'x'; 1 << 20][..]].concat()]
    {
        let (number, text) = Scene::says(answer).await.call().await;
        assert!(number == 4002 && (text.contains("too large") || text.contains("broke off")), "{text}");
    }
    let fits = [b"HTTP/1.1 200 OK\r\nx: ", &vec![b'x'; 200 << 10][..], b"\r\ncontent-length: 2\r\n\r\nok"].concat();
    check(&Scene::says(fits).await.call().await, 0, "statusCode");
}

#[tokio::test]
async fn bodies_have_a_limit_whatever_they_come_in() {
    let long = b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n".to_vec();
    check(&Scene::says(long).await.call().await, 4004, "exceeds the maximum");
    let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk = [&b"10000\r\n"[..], &[b'x'; 1 << 16], b"\r\n"].concat();
    let endless = [&head[..], &chunk.repeat(100)].concat();
    check(&Scene::says(endless).await.call().await, 4004, "exceeds the maximum");
    let bytes = 300_000;
    let single = [&head[..], &b"1\r\nx\r\n".repeat(bytes), b"0\r\n\r\n"].concat();
    let (number, text) = Scene::says(single).await.call().await;
    assert!(number == 0 && text.len() > bytes / 3 * 4, "{number}, {} bytes", text.len());
}

#[tokio::test]
async fn interim_answers_are_passed_over_as_long_as_the_call_may_last() {
    let few = [&b"HTTP/1.1 100 \r\n\r\n".repeat(1000)[..], b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"].concat();
    check(&Scene::says(few).await.call().await, 0, "b2s=");
    let scene = Scene::start(async |stream: TcpStream| {
        let mut stream = stream.into_std().expect("a socket");
        stream.set_nonblocking(false).expect("a socket");
        // A thread that is faster than ours: there is always something to read.
        std::thread::spawn(move || {
            while io::Write::write_all(&mut stream, &b"HTTP/1.1 100 \r\n\r\n".repeat(10_000)).is_ok() {}
        });
    })
    .await;
    let (call, _reply) = scene.fake.begin(EVENT);
    assert!(timeout(Duration::from_millis(50), scene.http.call(call, None)).await.is_err());
}

#[tokio::test]
async fn one_that_sends_its_head_byte_by_byte_is_heard() {
    let scene = Scene::start(async |mut stream: TcpStream| {
        read_head(&mut stream).await;
        for byte in b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok" {
            stream.write_all(&[*byte]).await.expect("it is read");
            tokio::task::yield_now().await;
        }
    })
    .await;
    check(&scene.call().await, 0, "b2s=");
}

#[tokio::test]
async fn a_second_answer_is_nobodys() {
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let scene = Scene::says([&answer[..], b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbad"].concat()).await;
    for _ in 0..3 {
        check(&scene.call().await, 0, "b2s=");
    }
}

#[tokio::test]
async fn a_call_that_breaks_with_its_program_is_left_to_the_end_of_that() {
    let scene = Scene::says(b"HTTP".to_vec()).await;
    let (call, reply) = scene.fake.begin(EVENT);
    scene.fake.ended.send_replace(Some(EXITED));
    let ends = async {
        scene.http.ended().await;
        scene.fake.shared.die(&Death::Ended(EXITED), false);
        reply.await.expect("an answer").answer
    };
    tokio::select! {
        biased;
        () = scene.http.call(call, None) => panic!("it is not for the connection to say"),
        answer = ends => assert!(matches!(answer, Answer::Died(Death::Ended(EXITED)))),
    }
}

#[tokio::test]
async fn a_call_whose_connection_nobody_took_has_not_begun_where_the_program_ends() {
    // Port 1 of ours takes none.
    let scene = Scene::at(1);
    check(&scene.call().await, 4002, "takes no connection");
    let (call, reply) = scene.fake.begin(EVENT);
    scene.fake.ended.send_replace(Some(EXITED));
    tokio::select! {
        biased;
        () = scene.http.call(call, None) => panic!("the end of the instance drops it"),
        answer = told(reply) => check(&answer, 4002, "ended before it took the call"),
    }
    assert!(scene.fake.shared.is_dead(), "nobody else is sent there");
    timeout(LONG, scene.http.ended()).await.expect("nothing is open");
}

#[tokio::test]
async fn a_call_for_which_there_is_no_socket_is_no_failure_of_the_function() {
    let scene = Scene::at(1);
    scene.fake.is_out_of_sockets.store(true, Ordering::Relaxed);
    let (call, reply) = scene.fake.begin(EVENT);
    let answer = tokio::select! {
        biased;
        () = scene.http.call(call, None) => panic!("it has its answer"),
        reply = reply => reply.expect("an answer").answer,
    };
    let Answer::Unreached(failure) = answer else { panic!("the function is blamed") };
    let text = String::from_utf8_lossy(&failure.object).into_owned();
    assert!(failure.code == FailureCode::ExecutorFailed && !text.contains("i7"), "{text}");
    assert!(!scene.fake.shared.is_dead(), "the next one may have a socket");
}

#[tokio::test]
async fn calls_of_an_instance_that_we_ended_are_told_why_and_not_that_a_connection_broke() {
    let scene = Scene::says(b"HTTP".to_vec()).await;
    let (call, reply) = scene.fake.begin(EVENT);
    scene.fake.answers.kill(Death::SiblingTimedOut);
    let ends = async {
        tokio::time::sleep(LAST_BREATH * 2).await;
        scene.fake.shared.die(&Death::SiblingTimedOut, false);
        reply.await.expect("an answer").answer
    };
    tokio::select! {
        biased;
        () = scene.http.call(call, None) => panic!("whoever ended it says why"),
        answer = ends => assert!(matches!(answer, Answer::Died(Death::SiblingTimedOut))),
    }
}

#[tokio::test]
async fn what_is_closed_keeps_no_connection() {
    let scene = Scene::start(async |mut stream: TcpStream| {
        loop {
            read_head(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.expect("it is read");
        }
    })
    .await;
    check(&scene.call().await, 0, "b2s=");
    assert!(scene.http.server.port.keeps_one());
    scene.http.close();
    assert!(!scene.http.server.port.keeps_one());
    check(&scene.call().await, 0, "b2s=");
    assert!(!scene.http.server.port.keeps_one());
}

#[tokio::test]
async fn an_answer_in_pieces_goes_on_unheard_when_its_caller_leaves() {
    let scene = Scene::start(async |mut stream: TcpStream| {
        read_head(&mut stream).await;
        let head = b"HTTP/1.1 201 Created\r\ncontent-length: 8388608\r\nkeep-alive: 5\r\netag: x\r\n\r\n";
        stream.write_all(head).await.expect("it is read");
        stream.write_all(&vec![0; 8 << 20]).await.expect("it is read");
    })
    .await;
    let (sink, mut pieces) = answer_stream();
    let (call, reply) = scene.fake.begin(EVENT);
    let caller = async move {
        let Some(crate::Piece::Head(head)) = pieces.next().await else { panic!("a head comes first") };
        let names: Vec<_> = head.headers.keys().map(http::HeaderName::as_str).collect();
        assert_eq!((head.status, names), (StatusCode::CREATED, vec!["content-length", "etag"]));
    };
    let both = async { tokio::join!(scene.http.call(call, Some(&sink)), caller) };
    timeout(LONG, both).await.expect("it runs to its end");
    check(&told(reply).await, 0, "");
}
