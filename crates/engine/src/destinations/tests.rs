//! Deliveries to services on loopback that answer as they are told.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::*;

type Seen = Arc<Mutex<Vec<String>>>;

/// Answers each HTTP request with a status; gives its address and what came.
async fn http(status: &'static str) -> (String, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let seen = Seen::default();
    let all = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream = BufReader::new(stream);
            let (mut text, mut length) = (String::new(), 0);
            loop {
                let begin = text.len();
                stream.read_line(&mut text).await.expect("a line");
                let line = text[begin..].trim_end().to_ascii_lowercase();
                if let Some(number) = line.strip_prefix("content-length: ") {
                    length = number.parse().expect("a number");
                }
                if line.is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).await.expect("a body");
            all.lock().expect("no panic").push(text + &String::from_utf8_lossy(&body));
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.expect("sent");
        }
    });
    (address, seen)
}

/// A NATS server, or as much of one as a client that publishes can tell; `answer` is what JetStream says, nothing being nobody there.
async fn nats(answer: &'static str) -> (String, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let seen = Seen::default();
    let all = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(nats_connection(stream, answer, Arc::clone(&all)));
        }
    });
    (format!("nats://{address}"), seen)
}

async fn nats_connection(stream: TcpStream, answer: &'static str, seen: Seen) {
    let mut stream = BufReader::new(stream);
    let info = r#"INFO {"server_id":"S","server_name":"s","version":"2.10.0","go":"1","host":"h","port":1,"proto":1,"headers":true,"max_payload":1048576}"#;
    stream.write_all(format!("{info}\r\n").as_bytes()).await.expect("sent");
    // Of the subscription that answers come to.
    let (mut line, mut sid) = (String::new(), String::new());
    while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["SUB", .., last] => (*last).clone_into(&mut sid),
            ["PING"] => stream.write_all(b"PONG\r\n").await.expect("sent"),
            ["HPUB", subject, reply, _, length] => {
                let mut message = vec![0; length.parse::<usize>().expect("a number") + 2];
                stream.read_exact(&mut message).await.expect("a message");
                seen.lock().expect("no panic").push(format!("{subject} {}", String::from_utf8_lossy(&message)));
                let back = match answer {
                    "" => format!("HMSG {reply} {sid} 16 16\r\nNATS/1.0 503\r\n\r\n\r\n"),
                    answer => format!("MSG {reply} {sid} {}\r\n{answer}\r\n", answer.len()),
                };
                stream.write_all(back.as_bytes()).await.expect("sent");
            }
            _ => {}
        }
        line.clear();
    }
}

async fn destinations(smn: Option<&str>, dis: Option<&str>) -> Destinations {
    let smn = smn.map(|address| SmnSettings {
        endpoint: format!("http://{address}/in?a=b"),
        secret: Some(fungraph_model::Secret::new("key".to_owned())),
    });
    let dis = dis.map(|server| DisSettings { server: server.to_owned(), user: String::new(), password: None });
    Destinations::open(DestinationSettings { smn, dis, ..DestinationSettings::default() }).await.expect("good settings")
}

fn topic() -> Address {
    Address::Topic {
        urn: "urn:smn:r:p:t".to_owned(),
        message: "m-1".to_owned(),
        subject: "Function f failed".to_owned(),
    }
}

fn stream() -> Address {
    Address::Stream { subject: "dis.p.s".to_owned(), message: "m-1".to_owned() }
}

/// Until the client has connected, which it does by itself.
async fn delivered(destinations: &Destinations, address: &Address) -> Result<(), Undelivered> {
    loop {
        match destinations.deliver(address, Bytes::from_static(b"{\"a\":1}")).await {
            Err(Undelivered::Unreachable(_)) => tokio::time::sleep(Duration::from_millis(5)).await,
            done => return done,
        }
    }
}

#[tokio::test]
async fn a_subscriber_gets_what_the_cloud_sends_its_own() {
    let (address, seen) = http("204 No Content").await;
    let destinations = destinations(Some(&address), None).await;
    destinations.deliver(&topic(), Bytes::from_static(b"{\"a\":1}")).await.expect("it is taken");
    let seen = seen.lock().expect("no panic").join("");
    let (head, body) = seen.split_once("\r\n\r\n").expect("head and body");
    assert!(head.starts_with("POST /in?a=b HTTP/1.1\r\n"), "{head}");
    for header in [
        "x-smn-topic-urn: urn:smn:r:p:t",
        "x-smn-message-id: m-1",
        "x-smn-message-type: Notification",
        "x-fungraph-signature: sha256=",
    ] {
        assert!(head.contains(header), "{header}\n{head}");
    }
    let body: Value = serde_json::from_str(body).expect("JSON");
    for (field, expected) in [
        ("type", "Notification"),
        ("topic_urn", "urn:smn:r:p:t"),
        ("message_id", "m-1"),
        ("subject", "Function f failed"),
        ("message", "{\"a\":1}"),
    ] {
        assert_eq!(body[field], expected);
    }
}

#[tokio::test]
async fn a_subscriber_that_refuses_sends_on_or_is_away_has_got_nothing() {
    for status in
        ["500 Internal Server Error", "404 Not Found", "307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/"]
    {
        let (address, _) = http(status).await;
        let refused = destinations(Some(&address), None).await.deliver(&topic(), Bytes::new()).await;
        assert!(matches!(&refused, Err(Undelivered::Refused(why)) if why.contains(&status[..3])), "{refused:?}");
    }
    let nobody = destinations(Some("127.0.0.1:1"), None).await.deliver(&topic(), Bytes::new()).await;
    let Err(Undelivered::Unreachable(why)) = nobody else { panic!("{nobody:?}") };
    assert!(!why.contains("127.0.0.1"), "tenants are not told addresses: {why}");
}

#[tokio::test]
async fn a_message_is_delivered_once_jetstream_has_stored_it() {
    let (address, seen) = nats(r#"{"stream":"S","seq":1}"#).await;
    let streams = destinations(None, Some(&address)).await;
    delivered(&streams, &stream()).await.expect("it is stored");
    let seen = seen.lock().expect("no panic").join("");
    assert!(seen.starts_with("dis.p.s NATS/1.0\r\n"), "{seen}");
    assert!(seen.contains("Nats-Msg-Id: m-1") && seen.trim_end().ends_with("{\"a\":1}"), "{seen}");
}

#[tokio::test]
async fn a_message_that_no_stream_takes_is_not_delivered() {
    for (answer, word) in [("", "no stream"), (r#"{"error":{"code":503,"description":"no room"}}"#, "no room")] {
        let (address, _) = nats(answer).await;
        let refused = delivered(&destinations(None, Some(&address)).await, &stream()).await;
        assert!(matches!(&refused, Err(Undelivered::Refused(why)) if why.contains(word)), "{refused:?}");
    }
    let nobody = destinations(None, Some("nats://127.0.0.1:1")).await.deliver(&stream(), Bytes::new()).await;
    assert!(matches!(nobody, Err(Undelivered::Unreachable(_))), "{nobody:?}");
}

#[tokio::test]
async fn what_is_too_large_for_whoever_takes_it_is_not_tried_again() {
    let (address, seen) = nats(r#"{"stream":"S","seq":1}"#).await;
    let streams = destinations(None, Some(&address)).await;
    delivered(&streams, &stream()).await.expect("it is connected");
    let refused = streams.deliver(&stream(), Bytes::from(vec![b'x'; 1_048_577])).await;
    assert!(matches!(&refused, Err(Undelivered::Impossible(why)) if why.contains("max_payload")), "{refused:?}");
    assert_eq!(seen.lock().expect("no panic").len(), 1, "it was not even sent");
    let (address, _) = http("413 Payload Too Large").await;
    let refused = destinations(Some(&address), None).await.deliver(&topic(), Bytes::new()).await;
    assert!(matches!(&refused, Err(Undelivered::Impossible(why)) if why.contains("413")), "{refused:?}");
}

#[tokio::test]
async fn a_bucket_is_open_to_the_only_project_or_to_whom_the_operator_says() {
    let open = |buckets: &[&str]| {
        let buckets = buckets.iter().map(|text| ObsBucket::parse(text).expect("a bucket")).collect();
        Destinations::open(DestinationSettings { buckets, ..DestinationSettings::default() })
    };
    let (mine, other) = (ProjectId("p1".to_owned()), ProjectId("p2".to_owned()));
    let unsaid = open(&[]).await.expect("good settings");
    assert_eq!(unsaid.closed(&mine, "results", true), None);
    assert!(unsaid.closed(&mine, "results", false).is_some_and(|why| why.contains("destinations.obs_buckets")));
    let said = open(&["p1/results"]).await.expect("good settings");
    for is_only_project in [true, false] {
        assert_eq!(said.closed(&mine, "results", is_only_project), None);
        assert!(said.closed(&other, "results", is_only_project).is_some());
        assert!(said.closed(&mine, "others", is_only_project).is_some_and(|why| why.contains("obs_buckets")));
    }
    let object = Address::Object { bucket: "results".to_owned(), name: "o".to_owned(), expires_days: 0 };
    let closed = |to: &Destinations, project, address: &Address| to.closed_since(project, address).is_some();
    assert_eq!((closed(&unsaid, &other, &object), closed(&said, &mine, &object)), (false, false));
    assert_eq!((closed(&said, &other, &object), closed(&said, &other, &topic())), (true, false));
}

#[tokio::test]
async fn what_the_operator_has_not_set_up_is_missing() {
    let none = Destinations::default();
    for (kind, setting) in [
        (DestinationKind::Obs, "obs.endpoint"),
        (DestinationKind::Smn, "destinations.smn_endpoint"),
        (DestinationKind::Dis, "destinations.dis_server"),
    ] {
        assert!(none.missing(kind).is_some_and(|why| why.contains(setting)), "{kind:?}");
    }
    assert_eq!(none.missing(DestinationKind::Function), None);
    assert!(matches!(none.deliver(&topic(), Bytes::new()).await, Err(Undelivered::Unreachable(_))));
}
