//! A function with dynamic memory: `concurrency` is one limit over all memory sizes it is called with.

use std::thread;

use serde_json::{Value, json};

use crate::harness::{open_folder, request};
use crate::raw::python;
use crate::reserved::Host;

const SLOW: &str = "import time\ndef handler(event, context):\n    begun = time.monotonic()\n    time.sleep(0.2)\n    \
                    return [context.getMemorySize(), begun, time.monotonic()]\n";
const SIZES: [&str; 4] = ["128", "256", "512", "1024"];

#[test]
fn one_instance_at_a_time_serves_every_size_in_its_turn() {
    let home = open_folder();
    let host = Host::start(home.path());
    let mut body = python("f", SLOW);
    body["enable_dynamic_memory"] = json!(true);
    body["strategy_config"] = json!({ "concurrency": 1, "concurrent_num": 1 });
    host.done("POST", "", &body);
    let calls: Vec<_> = (0..8)
        .map(|n| {
            let (endpoint, path) = (host.server.endpoint().to_owned(), format!("{}/f/invocations", host.functions));
            let size = SIZES[n % SIZES.len()];
            let call = move || request(&endpoint, "POST", &path, &[("X-Cff-Instance-Memory", size)], "{}");
            (size, thread::spawn(call))
        })
        .collect();
    let mut runs = Vec::new();
    for (size, call) in calls {
        let answer = call.join().expect("no panic");
        assert_eq!(answer.status, 200, "{size}: {}", answer.text());
        let run: Vec<Value> = serde_json::from_slice(&answer.body).expect("a list");
        assert_eq!(run[0].to_string().trim_matches('"'), size);
        runs.push((run[1].as_f64().expect("seconds"), run[2].as_f64().expect("seconds")));
    }
    // The clock is the host's, so the runs of different sandboxes can be put in their order.
    runs.sort_by(|a, b| a.0.total_cmp(&b.0));
    assert!(runs.windows(2).all(|two| two[0].1 <= two[1].0), "two ran at once: {runs:?}");

    // The same number by the other door.
    host.done("PUT", "/f/config-max-instance", &json!({ "max_instance_num": 0 }));
    for size in SIZES {
        let path = format!("{}/f/invocations", host.functions);
        let answer = host.server.request("POST", &path, &[("X-Cff-Instance-Memory", size)], "{}");
        assert_eq!(answer.status, 429, "{}", answer.text());
    }
    assert_eq!(host.server.stop(), Some(0));
}
