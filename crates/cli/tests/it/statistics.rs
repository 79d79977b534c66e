//! Statistics of the real binary: the numbers are those of the calls that were made.

use serde_json::{Value, json};

use crate::harness::{Server, open_folder, wait_for};
use crate::raw::{create, python};
use crate::signed::Client;

/// Fails, or sleeps, where the event says so.
const CODE: &str = "import time\n\
    def handler(event, context):\n    time.sleep(event.get('sleep', 0))\n    return 1 // event.get('by', 1)\n";

struct Host {
    server: Server,
    client: Client,
}

impl Host {
    fn start_on(data: &std::path::Path) -> Self {
        let server = Server::start_on(data, &[]);
        Self { client: Client::of(&server), server }
    }

    fn call(&self, function: &str, event: &Value, expected: u16) {
        let path = self.client.functions(&format!("/{function}/invocations"));
        assert_eq!(self.client.call("POST", &path, &event.to_string()).status, expected, "{function} {event}");
    }

    #[track_caller]
    fn show(&self, rest: &str) -> Value {
        let answer = self.client.call("GET", &format!("/v2/{}/fgs{rest}", self.client.project), "");
        assert_eq!(answer.status, 200, "{rest}: {}", answer.text());
        serde_json::from_slice(&answer.body).expect("JSON")
    }

    #[track_caller]
    fn refused(&self, rest: &str, status: u16, code: &str) {
        let answer = self.client.call("GET", &format!("/v2/{}/fgs{rest}", self.client.project), "");
        let said: Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert_eq!((answer.status, &said["error_code"]), (status, &json!(code)), "{rest}: {said}");
    }

    fn of(&self, function: &str) -> Value {
        self.show(&format!("/functions/{function}/statistics/60"))
    }
}

/// Sum over all points that have something.
fn sum(series: &Value, name: &str) -> f64 {
    values(series, name).into_iter().filter(|value| *value > 0.0).sum()
}

fn largest(series: &Value, name: &str) -> f64 {
    values(series, name).into_iter().fold(-1.0, f64::max)
}

fn values(series: &Value, name: &str) -> Vec<f64> {
    let points = series[name].as_array().unwrap_or_else(|| panic!("{name} is missing in {series}"));
    points.iter().map(|point| point["value"].as_f64().expect("a number")).collect()
}

pub(crate) fn numbers(series: &Value) -> [f64; 5] {
    ["count", "fail_count", "function_error_count", "system_error_count", "reject_count"].map(|name| sum(series, name))
}

#[test]
fn numbers_are_those_of_the_calls_by_version_by_alias_and_after_a_restart() {
    let home = open_folder();
    let host = Host::start_on(&home.path().join("data"));
    create(&host.client, "f", CODE);
    create(&host.client, "quiet", CODE);
    assert_eq!(numbers(&host.of("f")), [0.0; 5]);
    assert!(values(&host.of("f"), "count").iter().all(|value| *value == -1.0), "there is no data");

    for by in [1, 1, 1, 0] {
        host.call("f", &json!({ "by": by }), if by == 0 { 500 } else { 200 });
    }
    // Whoever has an answer finds its call in the numbers.
    assert_eq!(numbers(&host.of("f")), [4.0, 1.0, 1.0, 0.0, 0.0]);

    host.client.done("POST", "/f/versions", &json!({ "version": "v1" }));
    host.client.done("POST", "/f/aliases", &json!({ "name": "prod", "version": "v1" }));
    let urn = format!("urn:fss:local:{}:function:default:f", host.client.project);
    host.call(&format!("{urn}:v1"), &json!({}), 200);
    host.call(&format!("{urn}:%21prod"), &json!({}), 200);
    host.call(&format!("{urn}:%21prod"), &json!({ "by": 0 }), 500);
    let check = |host: &Host| {
        assert_eq!(numbers(&host.of("f")), [7.0, 2.0, 2.0, 0.0, 0.0], "all versions");
        assert_eq!(numbers(&host.of(&format!("{urn}:latest"))), [4.0, 1.0, 1.0, 0.0, 0.0]);
        assert_eq!(numbers(&host.of(&format!("{urn}:v1"))), [3.0, 1.0, 1.0, 0.0, 0.0], "however it was called");
        assert_eq!(numbers(&host.of(&format!("{urn}:%21prod"))), [2.0, 1.0, 1.0, 0.0, 0.0], "by that name");
        assert_eq!(numbers(&host.of("quiet")), [0.0; 5]);
        let whole = host.show("/functions/statistics?filter=monitor_data&period=60");
        assert_eq!(numbers(&whole["statistics"]), [7.0, 2.0, 2.0, 0.0, 0.0]);
        let months = host.show("/functions/statistics?filter=monthly_report");
        assert_eq!((&months["count"][0]["value"], &months["gpu_gbs"][0]["value"]), (&json!(7.0), &json!(0.0)));
        assert!(months["gbs"][0]["value"].as_f64().is_some_and(|used| used > 0.087), "{months}");
    };
    check(&host);
    let shown = host.of("f");
    let [least, mean, most] = ["min_duration", "duration", "max_duration"].map(|name| largest(&shown, name));
    assert!(least > 0.0 && mean <= most && least <= most, "{least} {mean} {most}");

    let ranked = host.show("/function/report");
    assert_eq!(ranked["values"], json!([{ "key": urn, "value": 2 }]));
    assert_eq!(host.show("/function/report?type=count&limit=5")["values"][0]["value"], 7);
    let listed = || host.show("/functions")["functions"][0]["fail_count"].as_u64();
    wait_for("the failures in the list", || (listed() == Some(2)).then_some(()));

    assert_eq!(host.server.stop(), Some(0));
    let host = Host::start_on(&home.path().join("data"));
    check(&host);
    host.client.done("DELETE", "/f", &Value::Null);
    host.refused("/functions/f/statistics/60", 404, "FSS.1051");
    create(&host.client, "f", CODE);
    assert_eq!(numbers(&host.of("f")), [0.0; 5], "it is another function");
    let whole = host.show("/functions/statistics?filter=monitor_data&period=60");
    assert_eq!(sum(&whole["statistics"], "count"), 7.0, "the project had its calls all the same");
    assert_eq!(host.server.stop(), Some(0));
}

#[test]
fn what_runs_at_once_what_is_refused_and_instances_are_counted() {
    let home = open_folder();
    let host = Host::start_on(&home.path().join("data"));
    let mut body = python("f", CODE);
    body["strategy_config"] = json!({ "concurrency": 2, "concurrent_num": 1 });
    host.client.done("POST", "", &body);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| host.call("f", &json!({ "sleep": 2 }), 200));
        }
    });
    host.client.done("PUT", "/f/config-max-instance", &json!({ "max_instance_num": 0 }));
    host.call("f", &json!({}), 429);
    let shown = host.show("/functions/f/slareports/1");
    assert_eq!(numbers(&shown), [3.0, 0.0, 0.0, 0.0, 1.0], "a refused call is one of the calls, and no failure");
    assert_eq!(largest(&shown, "concurrency_num"), 2.0);
    assert!(largest(&shown, "min_duration") >= 2000.0);
    assert_eq!((largest(&shown, "instance_num"), largest(&shown, "reserved_instance_num")), (2.0, 0.0));

    host.client.done("PUT", "/f/config-max-instance", &json!({ "max_instance_num": 5 }));
    host.client.done("PUT", "/f/reservedinstances", &json!({ "count": 1 }));
    wait_for("the reserved instance in the numbers", || {
        let shown = host.show("/functions/f/instancereports");
        (largest(&shown, "reservedInstanceNum") == 1.0 && largest(&shown, "instanceNum") == 2.0).then_some(())
    });
    assert_eq!(host.server.stop(), Some(0));
}

#[test]
fn bad_periods_filters_and_names_are_refused() {
    let home = open_folder();
    let host = Host::start_on(&home.path().join("data"));
    create(&host.client, "f", CODE);
    host.call("f", &json!({}), 200);
    let now = jiff::Timestamp::now().as_second();
    let pair = host.show(&format!("/functions/f/statistics/{}.15%2C{}.15", now + 60, now - 3600));
    assert_eq!(sum(&pair, "count"), 1.0);
    let pair = host.show(&format!("/functions/f/slareports/{}%2C{}", now - 3600, now + 60));
    assert_eq!(sum(&pair, "count"), 1.0);
    for period in ["0", "-1", "x", "1.5", "129601", "1%2C", "1%2C2%2C3", "1%2C1795328905"] {
        host.refused(&format!("/functions/f/statistics/{period}"), 400, "FSS.0400");
    }
    host.refused("/functions/f/slareports/1441", 400, "FSS.0400");
    for (rest, status, code) in [
        ("/functions/statistics", 400, "FSS.0400"),
        ("/functions/statistics?filter=other", 400, "FSS.0400"),
        ("/functions/statistics?filter=monitor_data&period=0", 400, "FSS.0400"),
        ("/functions/statistics?filter=monitor_data&limit=-1", 400, "FSS.0400"),
        ("/functions/statistics?filter=monthly_report&marker=x", 400, "FSS.1001"),
        ("/function/report?type=errors", 400, "FSS.0400"),
        ("/function/report?start_time=yesterday", 400, "FSS.0400"),
        ("/functions/nobody/slareports/5", 404, "FSS.1051"),
        ("/functions/p:default:f:v9/instancereports", 403, "FSS.0403"),
        ("/dependencies?dependency_type=shared", 400, "FSS.0400"),
    ] {
        host.refused(rest, status, code);
    }
    let urn = format!("urn:fss:local:{}:function:default:f", host.client.project);
    host.refused(&format!("/functions/{urn}:v9/statistics/5"), 404, "FSS.1052");
    host.refused(&format!("/functions/{urn}:%21no/statistics/5"), 404, "FSS.1053");
    // A version that somebody forgot to name is latest, which is never deleted alone.
    let path = host.client.functions(&format!("/{urn}:"));
    assert_eq!(host.client.call("DELETE", &path, "").status, 403);
    let report = host.show("/functions/statistics?filter=monthly_report&option=3");
    assert_eq!(report["count"].as_array().map(Vec::len), Some(6));
    let page = host.show("/functions/statistics?filter=monitor_data&period=60&marker=10&limit=7");
    assert_eq!(values(&page["statistics"], "count").len(), 7);
    assert_eq!(host.server.stop(), Some(0));
}

#[test]
fn asynchronous_calls_that_are_refused_count_as_such_by_version_and_alias() {
    let home = open_folder();
    let host = Host::start_on(&home.path().join("data"));
    create(&host.client, "f", CODE);
    host.client.done("PUT", "/f/config-max-instance", &json!({ "max_instance_num": 0 }));
    host.client.done("POST", "/f/aliases", &json!({ "name": "prod", "version": "latest" }));
    let urn = format!("urn:fss:local:{}:function:default:f", host.client.project);
    for name in ["f".to_owned(), format!("{urn}:%21prod")] {
        let path = host.client.functions(&format!("/{name}/invocations-async"));
        assert_eq!(host.client.call("POST", &path, "{}").status, 429, "{name}");
    }
    assert_eq!(numbers(&host.of("f")), [2.0, 0.0, 0.0, 0.0, 2.0]);
    assert_eq!(numbers(&host.of(&format!("{urn}:%21prod"))), [1.0, 0.0, 0.0, 0.0, 1.0]);
    assert_eq!(host.server.stop(), Some(0));
}

#[test]
fn a_timer_whose_call_is_refused_is_in_the_numbers() {
    let home = open_folder();
    let host = Host::start_on(&home.path().join("data"));
    create(&host.client, "f", CODE);
    host.client.done("PUT", "/f/config-max-instance", &json!({ "max_instance_num": 0 }));
    let timer = json!({ "name": "t", "schedule_type": "Cron", "schedule": "@every 1s" });
    let body = json!({ "trigger_type_code": "TIMER", "trigger_status": "ACTIVE", "event_data": timer }).to_string();
    let path = format!("/v2/{}/fgs/triggers/f", host.client.project);
    assert_eq!(host.client.call("POST", &path, &body).status, 201);
    let refused = || numbers(&host.of("f"))[4];
    wait_for("a firing that is refused", || (refused() >= 1.0).then_some(()));
    assert_eq!(numbers(&host.of("f"))[1], 0.0, "it is no failure");
    assert_eq!(host.server.stop(), Some(0));
}

#[test]
fn a_version_that_takes_the_name_of_one_that_is_gone_begins_at_nothing() {
    let home = open_folder();
    let host = Host::start_on(&home.path().join("data"));
    create(&host.client, "f", CODE);
    let urn = format!("urn:fss:local:{}:function:default:f", host.client.project);
    let publish = || {
        host.client.done("POST", "/f/versions", &json!({ "version": "v1" }));
        host.client.done("POST", "/f/aliases", &json!({ "name": "prod", "version": "v1" }));
    };
    publish();
    host.call(&format!("{urn}:%21prod"), &json!({}), 200);
    assert_eq!(numbers(&host.of(&format!("{urn}:v1")))[0], 1.0);
    host.call(&format!("{urn}:v1"), &json!({}), 200);
    host.client.done("DELETE", &format!("/{urn}:v1"), &Value::Null);
    assert_eq!(numbers(&host.of("f"))[0], 2.0, "the function had its calls all the same");
    publish();
    for name in ["v1", "%21prod"] {
        assert_eq!(numbers(&host.of(&format!("{urn}:{name}"))), [0.0; 5], "{name}");
    }
    host.call(&format!("{urn}:v1"), &json!({}), 200);
    assert_eq!(numbers(&host.of(&format!("{urn}:v1")))[0], 1.0);
    assert_eq!(numbers(&host.of("f"))[0], 3.0);
    assert_eq!(host.server.stop(), Some(0));
}
