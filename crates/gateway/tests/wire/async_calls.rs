//! Asynchronous calls as clients see them. The function is paused, so that nothing runs and every state is known.

use std::collections::BTreeSet;

use fungraph_gateway::Config;
use serde_json::{Value, json};

use crate::HELLO;
use crate::client::{Answer, Request};
use crate::server::Server;

impl Server {
    /// A server whose only function is paused.
    async fn paused() -> Self {
        let server = Self::start(Config::default()).await;
        assert_eq!(server.ask("POST", "", HELLO).await.status, 200);
        let paused = server.own("POST", "/pause").await;
        assert_eq!(paused.status, 204, "{}", paused.text());
        server
    }

    /// A request to our own paths of the function.
    async fn own(&self, method: &str, rest: &str) -> Answer {
        let path = format!("/fungraph/{}/functions/hello/async{rest}", self.credentials.project_id);
        Request::new(method, &path, "").signed(&self.credentials).send(self.address).await
    }

    /// Calls it once, and gives the call's id.
    async fn queue(&self) -> String {
        let answer = self.ask("POST", "/hello/invocations-async", r#"{"a": 1}"#).await;
        assert_eq!(answer.status, 202, "{}", answer.text());
        answer.json()["request_id"].as_str().expect("a text").to_owned()
    }

    /// One of the two lists.
    async fn calls(&self, list: &str) -> Value {
        let answer = self.ask("GET", &format!("/hello/{list}"), "").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }
}

/// Ids and states of a list.
fn states(list: &Value) -> Vec<(&str, &str)> {
    let calls = list["invocations"].as_array().expect("a list").iter();
    calls.map(|call| (call["request_id"].as_str().expect("an id"), call["status"].as_str().expect("a state"))).collect()
}

#[tokio::test]
async fn a_call_is_accepted_listed_and_thrown_away() {
    let server = Server::paused().await;
    let answer = server.ask("POST", "/hello/invocations-async", "{}").await;
    let call = answer.json()["request_id"].as_str().expect("an id").to_owned();
    assert_eq!((answer.status, answer.json()), (202, json!({ "request_id": call })));
    assert_eq!(answer.headers["x-cff-request-id"], call);
    assert_ne!(answer.headers["x-request-id"], call, "the request has an id of its own");

    let waits = json!({
        "request_id": call, "status": "WAIT", "error_code": 0, "error_message": "", "start_time": null, "end_time": null,
    });
    let expected = json!({ "invocations": [waits], "count": 1, "next_marker": 0 });
    assert_eq!(server.calls("async-invocations").await, expected);
    assert_eq!(server.calls("active-async-invocations").await, expected);
    let shown = server.own("GET", &format!("/{call}")).await.json();
    assert_eq!(
        (&shown["begun"], &shown["version"], &shown["qualifier"]),
        (&0.into(), &"latest".into(), &"latest".into())
    );
    let counts = server.own("GET", "").await.json();
    let all = json!({ "waiting": 1, "running": 0, "succeeded": 0, "failed": 0, "discarded": 0, "paused": true });
    assert_eq!(counts, all);

    assert_eq!(server.own("POST", "/purge").await.json(), json!({ "purged": 1 }));
    assert_eq!(server.own("POST", "/purge").await.json(), json!({ "purged": 0 }));
    let list = server.calls("async-invocations").await;
    assert_eq!(states(&list), [(call.as_str(), "DISCARD")]);
    assert!(list["invocations"][0]["end_time"].as_str().is_some_and(|time| time.ends_with('Z')), "{list}");
    assert!(list["invocations"][0]["error_message"].as_str().is_some_and(|text| !text.is_empty()), "{list}");
    assert_eq!(server.calls("active-async-invocations").await["count"], 0);
    assert_eq!(server.own("GET", "").await.json()["discarded"], 1);
    server.stop().await;
}

#[tokio::test]
async fn pages_have_every_call_once_and_the_oldest_first() {
    let server = Server::paused().await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(server.queue().await);
    }
    let (mut found, mut marker) = (Vec::new(), "0".to_owned());
    loop {
        let page = server.calls(&format!("async-invocations?limit=2&marker={marker}")).await;
        let calls = states(&page).into_iter().map(|(call, _)| call.to_owned()).collect::<Vec<_>>();
        assert_eq!(page["count"], calls.len());
        found.extend(calls);
        if found.len() == 2 {
            // What comes between two pages moves nothing.
            made.push(server.queue().await);
        }
        marker = page["next_marker"].to_string();
        if marker == "0" {
            break;
        }
    }
    assert_eq!(found, made);
    server.stop().await;
}

#[tokio::test]
async fn calls_are_found_by_id_state_and_time() {
    let server = Server::paused().await;
    let (first, second) = (server.queue().await, server.queue().await);
    let cancel = json!({ "request_id": first, "type": "force" }).to_string();
    let cancelled = server.ask("POST", "/hello/cancel", &cancel).await;
    assert_eq!((cancelled.status, cancelled.text()), (200, "{}"));
    let unknown = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f";
    for (query, expected) in [
        ("", vec![(&first, "DISCARD"), (&second, "WAIT")]),
        ("?status=DISCARD", vec![(&first, "DISCARD")]),
        ("?status=WAIT", vec![(&second, "WAIT")]),
        ("?status=RUNNING", vec![]),
        ("?status=", vec![(&first, "DISCARD"), (&second, "WAIT")]),
        ("?query_begin_time=2099-01-01T00:00:00", vec![]),
        ("?query_end_time=2020-01-01T00:00:00", vec![]),
        (
            "?query_begin_time=2020-01-01T00:00:00&query_end_time=2099-01-01T00:00:00",
            vec![(&first, "DISCARD"), (&second, "WAIT")],
        ),
        (&format!("?request_id={second}"), vec![(&second, "WAIT")]),
        (&format!("?request_id={first}&status=WAIT"), vec![]),
        (&format!("?request_id={unknown}"), vec![]),
    ] {
        let list = server.calls(&format!("async-invocations{query}")).await;
        let expected: Vec<_> = expected.into_iter().map(|(call, state)| (call.as_str(), state)).collect();
        assert_eq!(states(&list), expected, "{query}");
    }
    let both = server.calls(&format!("active-async-invocations?requests={first},{second}")).await;
    assert_eq!(states(&both), [(second.as_str(), "WAIT")]);
    server.stop().await;
}

#[tokio::test]
async fn what_cannot_be_queued_or_found_is_refused() {
    let server = Server::paused().await;
    let large = format!("\"{}\"", "x".repeat(262_143));
    let unknown = r#"{"request_id":"017f22e2-79b0-7cc3-98c4-dc0c0c07398f","type":"force"}"#;
    for (method, rest, body, expected) in [
        ("POST", "/hello/invocations-async", large.as_str(), "413 FSS.1201"),
        ("POST", "/hello/invocations-async", "not JSON", "406 FSS.0406"),
        ("POST", "/nobody/invocations-async", "{}", "404 FSS.0404"),
        ("POST", "/default:hello:latest:x:y/invocations-async", "{}", "400 FSS.1309"),
        ("POST", "/hello:!gone/invocations-async", "{}", "404 FSS.0404"),
        ("GET", "/nobody/async-invocations", "", "404 FSS.1051"),
        ("GET", "/hello/async-invocations?limit=-1", "", "400 FSS.0400"),
        ("GET", "/hello/async-invocations?marker=x", "", "400 FSS.1001"),
        ("GET", "/hello/async-invocations?status=wait", "", "400 FSS.0400"),
        ("GET", "/hello/async-invocations?request_id=7", "", "400 FSS.0400"),
        ("GET", "/hello/async-invocations?query_end_time=today", "", "400 FSS.1001"),
        ("GET", "/nobody/active-async-invocations", "", "404 FSS.1051"),
        ("POST", "/hello/cancel", "{}", "400 FSS.0400"),
        ("POST", "/hello/cancel", r#"{"request_id":"7"}"#, "400 FSS.0400"),
        ("POST", "/hello/cancel", unknown, "400 FSS.0400"),
        ("POST", "/nobody/cancel", unknown, "404 FSS.1051"),
    ] {
        let answer = server.ask(method, rest, body).await;
        assert_eq!(answer.refusal(), expected, "{method} {rest}: {}", answer.text());
    }
    let refused = server.ask("POST", "/nobody/invocations-async", "{}").await;
    assert_eq!(refused.headers["x-cff-request-id"], refused.headers["x-request-id"]);
    assert_eq!(server.own("GET", "/7").await.refusal(), "400 FSS.0400");
    assert_eq!(server.own("PUT", "/pause").await.refusal(), "405 FSS.0400");
    let nothing = server.calls("async-invocations").await;
    assert_eq!(nothing["count"], 0, "nothing of it was queued: {nothing}");

    let disabled = server.ask("PUT", "/hello/config-max-instance", r#"{"max_instance_num":0}"#).await;
    assert_eq!(disabled.status, 200, "{}", disabled.text());
    let refused = server.ask("POST", "/hello/invocations-async", "{}").await;
    assert_eq!((refused.refusal().as_str(), refused.headers["retry-after"].as_str()), ("429 FSS.0429", "1"));
    server.stop().await;
}

#[tokio::test]
async fn a_largest_event_is_taken_and_an_empty_one_too() {
    let server = Server::paused().await;
    let largest = format!("\"{}\"", "x".repeat(262_142));
    for event in [largest.as_str(), "", " ", "[1]"] {
        let answer = server.ask("POST", "/hello/invocations-async", event).await;
        assert_eq!(answer.status, 202, "{} bytes: {}", event.len(), answer.text());
    }
    let ids: BTreeSet<String> =
        states(&server.calls("async-invocations").await).into_iter().map(|(call, _)| call.to_owned()).collect();
    assert_eq!(ids.len(), 4);
    server.stop().await;
}

#[tokio::test]
async fn calls_of_another_function_are_not_found_here() {
    let server = Server::paused().await;
    assert_eq!(server.ask("POST", "", &HELLO.replace("\"hello\"", "\"other\"")).await.status, 200);
    let call = server.queue().await;
    let list = server.ask("GET", &format!("/other/async-invocations?request_id={call}"), "").await;
    assert_eq!(list.json()["count"], 0);
    let cancel = json!({ "request_id": call, "type": "force" }).to_string();
    assert_eq!(server.ask("POST", "/other/cancel", &cancel).await.refusal(), "400 FSS.0400");
    assert_eq!(states(&server.calls("async-invocations").await), [(call.as_str(), "WAIT")]);
    server.stop().await;
}
