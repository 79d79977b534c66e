//! Repliess recorded with real Go programs (`tests/contract/samples/go-echo/wire.json`), and what no program should say.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// One recorded replies.
struct Recorded {
    request_id: String,
    payloads: Vec<String>,
    /// Whether the client speaks, and what.
    exchange: Vec<(bool, Vec<u8>)>,
}

fn recorded(name: &str) -> Recorded {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/contract/samples/go-echo/wire.json");
    let text = std::fs::read(path).expect("the vectors are part of the repository");
    let all: Value = serde_json::from_slice(&text).expect("they are JSON");
    let one = &all[name];
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let exchange = one["exchange"].as_array().expect("a list").iter();
    Recorded {
        request_id: text(&one["request_header"]["X-Cff-Request-Id"][0]),
        payloads: one["payloads"].as_array().expect("a list").iter().map(text).collect(),
        exchange: exchange.map(|step| (step["from"] == "client", hex(&text(&step["hex"])))).collect(),
    }
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().collect();
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).expect("hex");
    digits.chunks(2).map(byte).collect()
}

/// What is seen of a reply.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    call: u64,
    answer: Result<(i64, Vec<u8>), String>,
}

fn feed(replies: &mut Replies, bytes: &[u8], chunk: usize) -> Result<Vec<Seen>, Broken> {
    let mut seen = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let room = replies.room();
        let count = room.len().min(rest.len()).min(chunk);
        room[..count].copy_from_slice(&rest[..count]);
        replies.filled(count);
        rest = &rest[count..];
        while let Some(reply) = replies.reply()? {
            let answer = match reply.answer {
                Answer::Returned { status, payload } => Ok((status, payload.to_vec())),
                Answer::Failed(text) => Err(text),
            };
            seen.push(Seen { call: reply.call, answer });
        }
    }
    Ok(seen)
}

/// Plays a recorded conversation: what we say must be what Go's own client said.
fn play(recorded: &Recorded, chunk: usize) -> Vec<Seen> {
    let (mut requests, mut replies) = (Requests::default(), Replies::default());
    let mut seen = Vec::new();
    let header = [("X-Cff-Request-Id", &*recorded.request_id)];
    let mut calls = 0;
    for (by_client, bytes) in &recorded.exchange {
        if !by_client {
            seen.extend(feed(&mut replies, bytes, chunk).expect("a recorded answer"));
        } else if bytes.starts_with(b"CONNECT") {
            assert_eq!(bytes, GREETING);
        } else {
            let payload = recorded.payloads[calls].as_bytes();
            let request = Request { call: calls as u64, payload, header: &header };
            let (before, after) = requests.next(&request);
            assert_eq!([&before, payload, &after].concat(), *bytes, "call {calls}");
            calls += 1;
        }
    }
    assert_eq!(calls, recorded.payloads.len());
    seen
}

#[test]
fn recorded_successes() {
    let recorded = recorded("echo");
    for chunk in [1, 7, 4096] {
        let expected = |call, letter| Seen {
            call,
            answer: Ok((200, format!("{{\"bytes\":9,\"event\":{{\"k\":\"{letter}\"}}}}").into())),
        };
        assert_eq!(play(&recorded, chunk), [expected(0, 'v'), expected(1, 'w')], "{chunk} bytes at once");
    }
}

/// The empty struct of the failure takes the id that the reply has in the other replies.
#[test]
fn recorded_failure_and_success_after_it() {
    let recorded = recorded("failures");
    for chunk in [1, 7, 4096] {
        let seen = play(&recorded, chunk);
        let object: Value =
            serde_json::from_str(seen[0].answer.as_ref().expect_err("it failed")).expect("an error object");
        assert_eq!(object["errorMessage"], "spade broke");
        assert_eq!(seen[1], Seen { call: 1, answer: Ok((200, b"raw text".to_vec())) });
    }
}

/// All that the recorded server said, in one piece.
fn server(name: &str) -> Vec<u8> {
    let said = recorded(name).exchange.into_iter().filter(|(by_client, _)| !by_client);
    said.flat_map(|(_, bytes)| bytes).collect()
}

#[test]
fn answers_that_come_together_are_told_apart() {
    let seen = feed(&mut Replies::default(), &server("echo"), usize::MAX).expect("two answers");
    assert_eq!(seen.iter().map(|seen| seen.call).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn a_large_answer_comes_whole_and_its_room_is_given_back() {
    const LARGE: usize = 6 << 20;
    let mut replies = Replies::default();
    let all = server("echo");
    feed(&mut replies, &all, usize::MAX).expect("two answers");
    // Header and reply as recorded, with the numbers changed: call 2, a payload of so many bytes.
    let mut body = b"\xff\x84\x01\xfe\x01\x90\x01\xfd".to_vec();
    body.extend_from_slice(&(LARGE as u32).to_be_bytes()[1..]);
    body.extend(std::iter::repeat_n(b'x', LARGE));
    body.push(0);
    let mut message = b"\x16\xff\x82\x01\x0fFunction.Invoke\x01\x02\x00\xfd".to_vec();
    message.extend_from_slice(&(body.len() as u32).to_be_bytes()[1..]);
    message.extend_from_slice(&body);
    let seen = feed(&mut replies, &message, 65536).expect("one answer");
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].answer.as_ref().map(|(_, payload)| payload.len()), Ok(LARGE));
    assert!(replies.room().len() < 65536, "room for the next answer is small again");
}

fn greeted_by(text: &str) -> Result<bool, Broken> {
    let mut replies = Replies::default();
    let room = replies.room();
    room[..text.len()].copy_from_slice(text.as_bytes());
    replies.filled(text.len());
    replies.is_open()
}

#[test]
fn greetings() {
    assert_eq!(greeted_by("HTTP/1.0 200 Connected to Go RPC\n\n"), Ok(true));
    assert_eq!(greeted_by("HTTP/1.1 200 Connected\r\nA: b\r\n\r\n"), Ok(true));
    assert_eq!(greeted_by("HTTP/1.0 200 Conn"), Ok(false));
    for (text, told) in [
        ("HTTP/1.1 404 Not Found\r\n\r\n404 page not found", "\"HTTP/1.1 404 Not Found\""),
        ("SSH-2.0\n\n", "\"SSH-2.0\""),
        ("HTTP/1.0 2000 x\n\n", "\"HTTP/1.0 2000 x\""),
    ] {
        let broken = greeted_by(text).expect_err("it is something else").to_string();
        assert!(broken.contains(told) && broken.contains("runtime.Register"), "{broken}");
    }
    assert!(greeted_by(&"x".repeat(GREETING_BYTES)).is_err(), "whoever talks without end is not waited for");
}

#[test]
fn another_type_where_the_answer_should_be() {
    let mut all = server("echo");
    let at = all.windows(3).position(|window| window == b"Seq").expect("it is described");
    // A number with sign instead of one without; the first answer, being 0, does not show it.
    assert_eq!(std::mem::replace(&mut all[at + 4], 4), 6);
    let broken = feed(&mut Replies::default(), &all, usize::MAX);
    assert!(matches!(broken, Err(Broken::Gob(BadGob::Unexpected(_)))), "{broken:?}");
}

proptest! {
    #[test]
    fn altered_conversations_end_in_an_error_or_an_answer(
        altered in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), chunk in 1..200_usize, failures: bool,
    ) {
        let mut bytes = server(if failures { "failures" } else { "echo" });
        for (at, byte) in altered {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = feed(&mut Replies::default(), &bytes, chunk);
    }

    #[test]
    fn requests_are_as_long_as_they_say(call: u64, payload in vec(any::<u8>(), 0..400), id in "[a-f0-9-]{0,200}") {
        let header = [("X-Cff-Request-Id", &*id), ("X-Cff-Invoke-Type", "sync")];
        let mut requests = Requests::default();
        let _ = requests.next(&Request { call: 1, payload: b"{}", header: &header });
        let (before, after) = requests.next(&Request { call, payload: &payload, header: &header });
        let bytes = [before, payload, after].concat();
        let mut rest = &bytes[..];
        for _ in 0..2 {
            let (prefix, length) = message_length(rest).expect("gob").expect("whole");
            prop_assert!(rest.len() >= prefix + length);
            rest = &rest[prefix + length..];
        }
        prop_assert!(rest.is_empty());
    }
}
