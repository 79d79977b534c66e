//! Programs that do what no program should, at the other end of a real connection.

use std::{future::poll_fn, task::Poll, time::Duration};

use tokio::{
    io::AsyncReadExt as _,
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

use super::gob::{put_bytes, put_uint};
use super::*;
use crate::{
    Death, Ended, Kind,
    programs::fake::{Fake, KILLED},
    protocol::{LEAVING, NOT_BEGUN},
    reader::{Answer, Reply},
};

const LEFT: Ended = Ended { code: Some(3), signal: None, out_of_memory: false };
const AGREED: &[u8] = b"HTTP/1.0 200 Connected to Go RPC\n\n";
const FIRST: &str = "11111111-1111-1111-1111-111111111111";
const SECOND: &str = "22222222-2222-2222-2222-222222222222";

/// An instance without its program.
struct Stage {
    process: Fake,
    listener: TcpListener,
}

impl Stage {
    async fn set() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        Self { process: Fake::start(), listener }
    }

    /// What comes of a program that answers the greeting so, and its end of the connection.
    async fn reach(&self, concurrent_num: u32, answer: &[u8]) -> (Result<Go, Failure<Bytes>>, TcpStream) {
        let loaded = format!(r#"{{"port":{}}}"#, self.listener.local_addr().expect("it has one").port()).into();
        let answers = self.process.answers.clone();
        let patience =
            Patience::of(if answer.is_empty() { Duration::from_millis(50) } else { Duration::from_secs(60) });
        let program = async {
            let (mut stream, _) = self.listener.accept().await.expect("it is called");
            // Whoever calls may give up before that.
            let mut greeting = vec![0; rpc::GREETING.len()];
            if stream.read_exact(&mut greeting).await.is_ok() {
                assert_eq!(greeting, rpc::GREETING);
                let _gone = stream.write_all(answer).await;
            }
            stream
        };
        tokio::join!(Go::reach("handler", concurrent_num, &loaded, patience, answers), program)
    }

    async fn connected(&self, concurrent_num: u32) -> (Arc<Go>, TcpStream) {
        let (go, mut stream) = self.reach(concurrent_num, AGREED).await;
        let described = [describe(65, &[("Seq", 3), ("Error", 6)]), describe(66, &[("StatusCode", 2), ("Payload", 5)])];
        stream.write_all(&described.concat()).await.expect("it is there");
        (Arc::new(go.unwrap_or_else(|failure| panic!("{failure:?}"))), stream)
    }

    fn print(&self, text: &str) {
        self.process.prints.try_write(text.as_bytes()).expect("there is room");
    }

    /// Hands a call over, as an instance does: it ends with its answer.
    async fn begin(&self, go: &Arc<Go>, id: &str, event: &[u8]) -> (u32, oneshot::Receiver<Reply>) {
        let (call, mut reply) = self.process.begin(b"");
        let call = Call { id: id.to_owned(), event: Bytes::copy_from_slice(event), ..call };
        let (number, go) = (call.number, Arc::clone(go));
        let (tell, told) = oneshot::channel();
        let mut work = Box::pin(async move {
            let reply = tokio::select! {
                biased;
                reply = &mut reply => reply,
                () = go.call(&call) => (&mut reply).await,
            };
            // Nobody is told where the instance is gone.
            let _unheard = reply.map(|reply| tell.send(reply));
        });
        // A small event is written at once.
        let is_done = poll_fn(|context| Poll::Ready(work.as_mut().poll(context).is_ready())).await;
        if !is_done {
            tokio::spawn(work);
        }
        (number, told)
    }
}

/// A struct's description, in a message.
fn describe(id: u8, fields: &[(&str, u8)]) -> Vec<u8> {
    let number = 2 * id;
    let mut body = vec![0xff, number - 1, 3, 1, 1, 1, b'T', 1, 0xff, number, 0, 1];
    put_uint(&mut body, fields.len() as u64);
    for (name, kind) in fields {
        body.push(1);
        put_bytes(&mut body, name.as_bytes());
        body.extend([1, 2 * kind, 0]);
    }
    body.extend([0, 0]);
    message(&body)
}

fn message(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_bytes(&mut out, body);
    out
}

/// The answer to a call.
fn answered(call: u32, payload: &[u8]) -> Vec<u8> {
    let mut header = vec![0xff, 130, 1];
    put_uint(&mut header, call.into());
    header.push(0);
    let mut body = vec![0xff, 132, 1, 0xfe, 1, 0x90, 1];
    put_bytes(&mut body, payload);
    body.push(0);
    [message(&header), message(&body)].concat()
}

/// The end of a call: what kind of frame it would have been, its form and payload, and the log.
async fn end(reply: oneshot::Receiver<Reply>) -> (Kind, u8, String, String) {
    let reply = timeout(Duration::from_secs(60), reply).await.expect("in time").expect("an end");
    let Answer::Frame { header, payload } = reply.answer else { panic!("the instance has ended instead") };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (header.kind, header.form, text(&payload), text(&reply.log))
}

#[tokio::test]
async fn calls_at_once_have_their_own_answers_and_their_own_lines() {
    let stage = Stage::set().await;
    let (go, mut program) = stage.connected(2).await;
    let (one, first) = stage.begin(&go, FIRST, b"{}").await;
    let (two, second) = stage.begin(&go, SECOND, b"{}").await;
    stage.print(&format!(
        "2026-01-02T03:04:05.678Z {FIRST} one\nplain\n2026-01-02T03:04:05.678Z {SECOND} two\n2026-01-02T03:04:05.678Z {FIRST} half"
    ));
    program.write_all(&answered(two, b"b")).await.expect("it is read");
    let lines = format!("plain\n2026-01-02T03:04:05.678Z {SECOND} two\n");
    assert_eq!(end(second).await, (Kind::Result, 3, "b".to_owned(), lines));
    program.write_all(&answered(one, b"a")).await.expect("it is read");
    let lines = format!("2026-01-02T03:04:05.678Z {FIRST} one\n2026-01-02T03:04:05.678Z {FIRST} half\n");
    assert_eq!(end(first).await, (Kind::Result, 3, "a".to_owned(), lines));
}

#[tokio::test]
async fn an_initializer_is_logged_as_unused() {
    let stage = Stage::set().await;
    let (go, _program) = stage.connected(1).await;
    let (call, reply) = stage.process.begin(b"");
    go.initialize(call.number);
    let (kind, _, _, log) = end(reply).await;
    assert!(kind == Kind::Initialized && log.contains("initializer_handler is not used"), "{log}");
}

#[tokio::test]
async fn what_cannot_be_understood_ends_the_program_and_each_of_its_calls() {
    let said: [(&[u8], &str); 5] = [
        (&answered(7, b"x"), "it answered a call of number 7, which is not running"),
        (b"\xfc\x01\x00\x00\x01", "a message of 16777217 bytes, more than the limit of 16777216"),
        (&b"HTTP/1.1 200 OK\r\n".repeat(5), "an answer that cannot be read"),
        (&[3, 0xff, 130, 9], "an answer that cannot be read"),
        (&answered(1, b"x").repeat(2), "it answered a call of number 1, which is not running"),
    ];
    for (bytes, why) in said {
        let stage = Stage::set().await;
        let (go, mut program) = stage.connected(2).await;
        let (_, first) = stage.begin(&go, FIRST, b"{}").await;
        let (_, second) = stage.begin(&go, SECOND, b"{}").await;
        program.write_all(bytes).await.expect("it is there");
        let (kind, form, text, log) = end(second).await;
        assert_eq!((kind, form), (Kind::Failed, LEAVING), "{why}");
        assert!(text.contains("FunctionCrashed") && text.contains(why) && log.contains(why), "{text} {log}");
        end(first).await;
        go.ended().await;
        assert!(stage.process.shared.is_dead() && *stage.process.ended.borrow() == Some(KILLED), "{why}");
    }
}

/// That may be how it leaves, after SIGTERM, say.
#[tokio::test]
async fn a_program_that_closes_its_connection_and_goes_on_is_ended_after_a_while() {
    let stage = Stage::set().await;
    let (go, mut program) = stage.connected(1).await;
    let (_, reply) = stage.begin(&go, FIRST, b"{}").await;
    let mut event = vec![0; 4096];
    assert!(program.read(&mut event).await.expect("it comes") > 0);
    let closed = tokio::time::Instant::now();
    drop(program);
    let (kind, form, text, _) = end(reply).await;
    assert_eq!((kind, form), (Kind::Failed, LEAVING));
    assert!(text.contains("it closed its connection to the platform"), "{text}");
    let mut ended = stage.process.ended.subscribe();
    let how = ended.wait_for(Option::is_some).await.expect("the process is there");
    assert_eq!(*how, Some(KILLED));
    assert!(closed.elapsed() > Duration::from_secs(2), "it had time to leave");
}

/// What it has not read of the event would be missing from the next call.
#[tokio::test]
async fn a_program_that_answers_before_it_has_read_all_of_its_event_has_no_next_call() {
    for concurrent_num in [1, 2] {
        let stage = Stage::set().await;
        let (go, mut program) = stage.connected(concurrent_num).await;
        let (call, reply) = stage.begin(&go, FIRST, &vec![b'1'; 32 << 20]).await;
        program.readable().await.expect("the call begins");
        program.write_all(&answered(call, b"early")).await.expect("it is read");
        let (kind, _, payload, _) = end(reply).await;
        assert_eq!((kind, &*payload), (Kind::Result, "early"));
        let mut ended = stage.process.ended.subscribe();
        let how = timeout(Duration::from_secs(60), ended.wait_for(Option::is_some)).await.expect("in time");
        assert_eq!(*how.expect("the process is there"), Some(KILLED), "{concurrent_num} at once");
    }
}

#[tokio::test]
async fn what_a_program_says_between_two_calls_ends_it() {
    let stage = Stage::set().await;
    let (go, mut program) = stage.connected(1).await;
    for _ in 0..3 {
        let (call, reply) = stage.begin(&go, FIRST, b"{}").await;
        assert!(program.read(&mut [0; 4096]).await.expect("the call comes") > 0);
        program.write_all(&answered(call, b"x")).await.expect("it is read");
        let (kind, _, payload, _) = end(reply).await;
        assert_eq!((kind, &*payload), (Kind::Result, "x"));
    }
    assert!(!stage.process.shared.is_dead());
    program.write_all(&answered(9, b"x")).await.expect("it is there");
    let mut ended = stage.process.ended.subscribe();
    let how = timeout(Duration::from_secs(60), ended.wait_for(Option::is_some)).await.expect("in time");
    assert_eq!(*how.expect("the process is there"), Some(KILLED));
}

/// The end of a program, before it has read its call or after that, by itself or by us: whether another instance may run the call.
async fn ends(event: usize, reads: bool, by_us: bool) -> bool {
    let stage = Stage::set().await;
    let (go, mut program) = stage.connected(1).await;
    let (_, mut reply) = stage.begin(&go, FIRST, &vec![b'1'; event]).await;
    program.readable().await.expect("the call comes");
    if reads {
        // It has come as a whole: it is one small write.
        assert!(program.read(&mut vec![0; 16 << 10]).await.expect("it is there") > event);
    }
    if by_us {
        stage.process.shared.kill(Death::Cancelled);
    }
    drop(program);
    stage.process.ended.send_replace(Some(LEFT));
    go.ended().await;
    // What was told is passed on.
    for _ in 0..3 {
        tokio::task::yield_now().await;
    }
    match reply.try_recv() {
        Ok(Reply { answer: Answer::Frame { header, .. }, .. }) => {
            assert_eq!((header.kind, header.form), (Kind::Failed, NOT_BEGUN));
            true
        }
        // The instance tells how it ended.
        _ => false,
    }
}

#[tokio::test]
async fn a_call_that_nobody_read_may_go_to_another_instance() {
    assert!(ends(2, false, false).await);
    assert!(!ends(2, true, false).await, "it was read");
    assert!(!ends(8000, false, false).await, "some of it may have been read");
    assert!(!ends(2, false, true).await, "its callers are told why we ended it");
}

#[tokio::test]
async fn a_call_to_a_program_that_has_left_may_go_to_another_instance() {
    let stage = Stage::set().await;
    let (go, program) = stage.connected(1).await;
    stage.process.ended.send_replace(Some(LEFT));
    drop(program);
    while !stage.process.shared.is_dead() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let (_, reply) = stage.begin(&go, FIRST, b"{}").await;
    let (kind, form, text, _) = end(reply).await;
    assert_eq!((kind, form), (Kind::Failed, NOT_BEGUN), "{text}");
}

#[tokio::test]
async fn a_program_that_does_not_agree_to_rpc_says_why_it_did_not_start() {
    for (answer, ended, code, why) in [
        (&b""[..], None, FailureCode::InitializerTimedOut, "did not agree to speak Go's RPC within 1 seconds"),
        (
            b"HTTP/1.1 404 Not Found\r\n\r\n",
            None,
            FailureCode::LoadFailed,
            "answers \\\"HTTP/1.1 404 Not Found\\\" instead",
        ),
        (b"HTTP", Some(LEFT), FailureCode::LoadFailed, "exited with code 3 before it served its function"),
        (b"HTTP", Some(KILLED), FailureCode::StartFailed, "was ended by signal 9 before the function was loaded"),
    ] {
        let stage = Stage::set().await;
        let ending = async {
            // At the latest when it has been greeted.
            if let Some(ended) = ended {
                stage.process.ended.send_replace(Some(ended));
            }
        };
        let ((reached, _), ()) = tokio::join!(stage.reach(1, answer), ending);
        let Err(failure) = reached else { panic!("{why}") };
        let object = String::from_utf8_lossy(&failure.object).into_owned();
        assert!(failure.code == code && object.contains(why), "{object}");
        let log = String::from_utf8_lossy(&stage.process.shared.take_stray()).into_owned();
        assert!(ended == Some(KILLED) || log.contains(why), "{log}");
    }
}

#[tokio::test]
async fn a_connection_lives_no_longer_than_its_instance() {
    let stage = Stage::set().await;
    let (go, mut program) = stage.connected(1).await;
    go.close();
    let read = timeout(Duration::from_secs(60), program.read(&mut [0; 8])).await.expect("in time");
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
}
