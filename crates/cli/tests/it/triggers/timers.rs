use std::collections::HashSet;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Host, PRINTS};
use crate::harness::{fungraph, open_folder, wait_for};
use crate::raw::base64;

fn times(events: &[Value]) -> Vec<Timestamp> {
    events.iter().map(|event| event["time"].as_str().expect("a text").parse().expect("a time")).collect()
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    Timestamp::from_second(since.as_secs().cast_signed()).expect("a time")
}

#[test]
fn a_timer_calls_its_function_again_and_again() {
    let host = Host::start();
    host.server.create("clock", "Python3.9", PRINTS);
    let path = host.timer("clock", "often", "Cron", "CRON_TZ=Asia/Shanghai @every 1s");
    let events = host.wait_for_more("clock", "often", 3);
    for event in &events {
        let expected = json!({
            "version": "v1.0", "time": event["time"], "trigger_type": "TIMER", "trigger_name": "often",
            "user_event": "{\"a\": \"ž\"}",
        });
        assert_eq!(*event, expected);
        let time = event["time"].as_str().expect("a text");
        assert!(time.ends_with("+08:00") && time.len() == 25, "{time}");
    }
    let found = times(&events);
    assert_eq!(found.iter().collect::<HashSet<_>>().len(), found.len(), "no time comes twice: {found:?}");
    // Each is a call like any other.
    let log = host.log("clock");
    assert!(log.contains("Start invoke request") && log.contains("Finish invoke request"), "{log}");
    let shown = host.done(200, "GET", &path, &Value::Null);
    let next: Timestamp = shown["next_firing_time"].as_str().expect("a text").parse().expect("a time");
    assert!(next > found[0], "{shown}");
    let listed = fungraph(&["triggers", "clock", "--data-dir", &host.server.data().display().to_string()]);
    assert_eq!((listed.code, listed.err.as_str()), (0, ""));
    assert!(
        listed.out.contains("TIMER") && listed.out.contains("often") && listed.out.contains("(in "),
        "{}",
        listed.out
    );
    assert_eq!(host.server.stop(), Some(0));
}

#[test]
fn changes_apply_at_once() {
    let host = Host::start();
    host.server.create("clock", "Python3.9", PRINTS);
    let often = host.timer("clock", "often", "Cron", "* * * * * *");
    let gone = host.timer("clock", "gone", "Cron", "@every 1s");
    host.wait_for_more("clock", "often", 1);
    host.wait_for_more("clock", "gone", 1);
    let answer = host.done(200, "PUT", &often, &json!({ "trigger_status": "DISABLED" }));
    assert_eq!(answer["trigger_status"], "DISABLED");
    assert!(answer.get("next_firing_time").is_none(), "{answer}");
    host.done(204, "DELETE", &gone, &Value::Null);
    let stopped = now();
    host.timer("clock", "other", "Cron", "@every 1s");
    host.wait_for_more("clock", "other", 3);
    for name in ["often", "gone"] {
        let late: Vec<_> = times(&host.events("clock", name)).into_iter().filter(|time| *time > stopped).collect();
        assert!(late.is_empty(), "{name} fired at {late:?}, after {stopped}");
    }
    // What was missed is not made up when it is enabled again, and its event is what was set last.
    let enabled = now();
    let data = json!([{ "user_event": "changed" }]);
    host.done(200, "PUT", &often, &json!({ "trigger_status": "ACTIVE", "event_data": data }));
    let events = host.wait_for_more("clock", "often", 2);
    let new: Vec<_> = events.into_iter().filter(|event| event["user_event"] == "changed").collect();
    assert!(times(&new).iter().all(|time| *time >= enabled), "{new:?} before {enabled}");
    assert_eq!(host.server.stop(), Some(0));
}

#[test]
fn timers_survive_a_restart_and_fire_no_time_twice() {
    let home = open_folder();
    let data = home.path().join("data");
    let host = Host::start_on(&data);
    host.server.create("clock", "Python3.9", PRINTS);
    let path = host.timer("clock", "often", "Cron", "@every 1s");
    host.timer("clock", "rare", "Rate", "30d");
    let before = host.wait_for_more("clock", "often", 2);
    let set = host.done(200, "GET", "/clock", &Value::Null);
    assert_eq!(host.server.stop(), Some(0));

    let host = Host::start_on(&data);
    let after = host.wait_for_more("clock", "often", 2);
    assert!(after.len() > before.len());
    let found = times(&after);
    assert_eq!(found.iter().collect::<HashSet<_>>().len(), found.len(), "{found:?}");
    let now_set = host.done(200, "GET", "/clock", &Value::Null);
    assert_eq!(now_set[1], set[1], "the rare one's next time is what it was");
    assert_eq!(now_set[0]["created_time"], set[0]["created_time"]);
    assert!(host.events("clock", "rare").is_empty());
    host.done(204, "DELETE", &path, &Value::Null);
    assert_eq!(host.server.stop(), Some(0));
}

/// As if the server had looked at no timer for so many seconds, all of which are older.
fn away_for(data: &Path, seconds: i64) {
    change(
        data,
        &format!(
            "    then = (int(time.time()) - {seconds}) * 1000000\n    \
             assert db.execute('UPDATE timers_looked SET until = ?', (then,)).rowcount == 1\n    \
             db.execute('UPDATE triggers SET counts_from = ?', (then,))\n"
        ),
    );
}

/// Changes the database beside the server; `lines` of Python are indented by four.
fn change(data: &Path, lines: &str) {
    let file = data.join("fungraph.db");
    let program = format!("import sqlite3, time\nwith sqlite3.connect({file:?}, timeout=60) as db:\n{lines}");
    let done = Command::new("python3").args(["-c", &program]).output().expect("python runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn a_time_that_came_while_no_server_ran_is_made_up_once() {
    let home = open_folder();
    let data = home.path().join("data");
    let host = Host::start_on(&data);
    host.server.create("clock", "Python3.9", PRINTS);
    // Ten minutes ago, and two hours ago: every day, so once in the time that is looked at.
    let ago = |seconds: i64| Timestamp::from_second(now().as_second() - seconds).expect("a time");
    let (missed, old) = (ago(600), ago(7200));
    let daily = |time: Timestamp| time.strftime("%-S %-M %-H * * *").to_string();
    host.timer("clock", "missed", "Cron", &daily(missed));
    host.timer("clock", "old", "Cron", &daily(old));
    assert_eq!(host.server.stop(), Some(0));
    away_for(&data, 9000);

    for start in ["the first", "the next"] {
        let host = Host::start_on(&data);
        wait_for("the missed call", || (!host.events("clock", "missed").is_empty()).then_some(()));
        let often = host.timer("clock", &start.replace(" ", "-"), "Cron", "@every 1s");
        host.wait_for_more("clock", &start.replace(" ", "-"), 2);
        host.done(204, "DELETE", &often, &Value::Null);
        assert_eq!(times(&host.events("clock", "missed")), [missed], "{start} start");
        assert!(host.events("clock", "old").is_empty(), "{start} start: more than an hour ago");
        assert_eq!(host.server.stop(), Some(0));
    }
}

#[test]
fn a_missed_time_is_made_up_though_the_store_cannot_say_at_once_what_was_missed() {
    let home = open_folder();
    let data = home.path().join("data");
    let host = Host::start_on(&data);
    host.server.create("clock", "Python3.9", PRINTS);
    let missed = Timestamp::from_second(now().as_second() - 600).expect("a time");
    host.timer("clock", "missed", "Cron", &missed.strftime("%-S %-M %-H * * *").to_string());
    assert_eq!(host.server.stop(), Some(0));
    away_for(&data, 9000);
    change(&data, "    db.execute('ALTER TABLE timers_looked RENAME TO away')\n");

    let host = Host::start_on(&data);
    wait_for("the first question", || host.server.log().contains("until when timers were looked at").then_some(()));
    assert!(host.events("clock", "missed").is_empty());
    change(&data, "    db.execute('ALTER TABLE away RENAME TO timers_looked')\n");
    wait_for("the missed call", || (!host.events("clock", "missed").is_empty()).then_some(()));
    assert_eq!(times(&host.events("clock", "missed")), [missed]);
    assert_eq!(host.server.stop(), Some(0));
}

#[test]
fn a_slow_function_delays_no_other_timer() {
    let host = Host::start();
    host.server.create(
        "slow",
        "Python3.9",
        "import time\ndef handler(event, context):\n    print('begun')\n    time.sleep(25)\n",
    );
    host.server.create("clock", "Python3.9", PRINTS);
    host.timer("slow", "slow", "Cron", "@every 1s");
    host.server.wait_for_instance();
    host.timer("clock", "often", "Cron", "@every 1s");
    let found = times(&host.wait_for_more("clock", "often", 4));
    let rhythm: HashSet<_> = found.windows(2).map(|two| two[1].duration_since(two[0]).as_secs()).collect();
    assert_eq!(rhythm, HashSet::from([1]), "none is left out: {found:?}");
    assert!(!host.log("slow").contains("Finish invoke"), "the slow ones still run");
}

#[test]
fn a_server_that_stops_waits_for_a_timers_call() {
    let home = open_folder();
    let data = home.path().join("data");
    let host = Host::start_on(&data);
    let code = "import time\ndef handler(event, context):\n    time.sleep(2)\n    print('ended ' + event['time'])\n";
    host.server.create("slow", "Python3.9", code);
    host.timer("slow", "once", "Cron", "@every 3s");
    // What has not begun when the server leaves is left to the next one.
    let path = format!("/fungraph/{}/functions/slow/async", host.server.project());
    wait_for("a call that runs", || {
        let counts: Value = serde_json::from_slice(&host.server.request("GET", &path, &[], "").body).ok()?;
        (counts["running"].as_u64()? > 0).then_some(())
    });
    assert_eq!(host.server.stop(), Some(0));
    let log = fungraph(&["logs", "slow", "--data-dir", &data.display().to_string()]).out;
    assert!(log.contains("ended 20") && log.contains("Finish invoke"), "{log}");
}

#[test]
fn a_failing_timer_shows_like_any_call() {
    let host = Host::start();
    host.server.create("broken", "Python3.9", "def handler(event, context):\n    raise ValueError('no luck')\n");
    host.timer("broken", "often", "Cron", "@every 1s");
    wait_for("a failed call in the metrics", || {
        let metrics = host.server.request("GET", "/metrics", &[], "").text();
        let failed =
            metrics.lines().find_map(|line| line.strip_prefix("fungraph_invocations_total{end=\"failed\"} "))?;
        (failed.parse::<u64>().ok()? > 0).then_some(())
    });
    let log = wait_for("its log", || Some(host.log("broken")).filter(|log| log.contains("(invoke Failed)")));
    assert!(log.contains("no luck"), "{log}");
    // A disabled function refuses the call, and says so.
    let path = format!("/v2/{}/fgs/functions/broken/config-max-instance", host.server.project());
    let answer = host.server.request("PUT", &path, &[], r#"{"max_instance_num": 0}"#);
    assert_eq!(answer.status, 200, "{}", answer.text());
    wait_for("a refusal in its log", || host.log("broken").contains("Refuse invoke").then_some(()));
    assert_eq!(host.server.stop(), Some(0));
}

#[test]
fn what_is_set_for_asynchronous_calls_holds_for_those_of_a_timer() {
    let host = Host::start();
    host.server.create("broken", "Python3.9", "def handler(event, context):\n    raise ValueError('no luck')\n");
    let project = host.server.project();
    let settings = format!("/v2/{project}/fgs/functions/broken/async-invoke-config");
    let answer = host.server.request("PUT", &settings, &[], r#"{"max_async_retry_attempts": 1}"#);
    assert_eq!(answer.status, 200, "{}", answer.text());
    host.timer("broken", "often", "Cron", "@every 1s");
    let list = format!("/v2/{project}/fgs/functions/broken/async-invocations?status=FAIL");
    let id = wait_for("a call that failed for good", || {
        let listed: Value = serde_json::from_slice(&host.server.request("GET", &list, &[], "").body).ok()?;
        listed["invocations"][0]["request_id"].as_str().map(str::to_owned)
    });
    let path = format!("/fungraph/{project}/functions/broken/async/{id}");
    let shown: Value = serde_json::from_slice(&host.server.request("GET", &path, &[], "").body).expect("JSON");
    assert_eq!((&shown["begun"], &shown["error_code"]), (&2.into(), &4002.into()), "{shown}");
    assert_eq!(host.server.stop(), Some(0));
}

#[test]
fn a_timer_of_an_alias_calls_its_version_and_goes_with_it() {
    let host = Host::start();
    host.server.create("clock", "Python3.9", &PRINTS.replace("'event '", "'one ' + 'event '"));
    let functions = format!("/v2/{}/fgs/functions/clock", host.server.project());
    let done = |method: &str, rest: &str, body: &Value| {
        let answer = host.server.request(method, &format!("{functions}{rest}"), &[], &body.to_string());
        assert!((200..300).contains(&answer.status), "{method} {rest}: {}", answer.text());
    };
    done("POST", "/versions", &json!({ "version": "v1" }));
    done("POST", "/aliases", &json!({ "name": "prod", "version": "v1" }));
    let code = json!({ "code_type": "inline", "func_code": { "file": base64(PRINTS.as_bytes()) } });
    done("PUT", "/code", &code);
    let of = |qualifier: &str| format!("urn:fss:local:{}:function:default:clock:{qualifier}", host.server.project());
    let timer = host.timer(&of("!prod"), "often", "Cron", "@every 1s");
    wait_for("a call of the version", || host.log("clock").contains("\none event ").then_some(()));
    assert!(!host.log("clock").contains("\nevent "), "latest is not called");
    host.done(200, "GET", &timer, &Value::Null);
    let refused = host.server.request("DELETE", &format!("{functions}/aliases/prod"), &[], "");
    assert_eq!(refused.status, 403, "{}", refused.text());
    host.done(204, "DELETE", &format!("/{}", of("!prod")), &Value::Null);
    host.timer(&of("!prod"), "again", "Cron", "@every 1s");
    host.timer(&of("latest"), "latest", "Cron", "@every 1s");
    let gone = host.server.request("DELETE", &functions.replace("/clock", &format!("/{}", of("v1"))), &[], "");
    assert_eq!(gone.status, 204, "{}", gone.text());
    let stopped = now();
    let left = host.done(200, "GET", "/clock", &Value::Null);
    let names: Vec<_> = left.as_array().expect("a list").iter().map(|trigger| &trigger["event_data"]["name"]).collect();
    assert_eq!(names, ["latest"]);
    host.wait_for_more("clock", "latest", 3);
    let log = host.log("clock");
    let events = log.lines().filter_map(|line| serde_json::from_str(line.strip_prefix("one event ")?).ok());
    let late: Vec<_> = times(&events.collect::<Vec<Value>>()).into_iter().filter(|time| *time > stopped).collect();
    assert!(late.is_empty(), "{late:?} after {stopped}");
    assert_eq!(host.server.stop(), Some(0));
}
