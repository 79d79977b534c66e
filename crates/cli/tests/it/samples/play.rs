//! One sample on one runtime: create, call, compare, delete.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::RARE;
use super::asynchronous;
use super::expect::{Seen, compare, distinct};
use super::fixture::{Fixture, Step};
use super::gateway;
use super::instances::interpreters;
use crate::harness::{Answer, Server, fungraph, wait_for};
use crate::signed::Client;

/// What to play.
pub(super) struct Play<'a> {
    pub(super) server: &'a Server,
    pub(super) client: &'a Client,
    pub(super) fixture: &'a Fixture,
    pub(super) runtime: &'a str,
    /// Name of the function.
    pub(super) function: String,
}

impl<'a> Play<'a> {
    pub(super) fn new(server: &'a Server, client: &'a Client, fixture: &'a Fixture, runtime: &'a str) -> Self {
        // Those that are called asynchronously are played at the same time.
        let function = match fixture.is_asynchronous() {
            true => format!("{}-{}", fixture.name, runtime.replace('.', "-")),
            false => fixture.name.clone(),
        };
        Self { server, client, fixture, runtime, function }
    }

    /// Everything that was not as expected.
    pub(super) fn run(&self) -> Vec<String> {
        let mut body = self.fixture.create(&self.function, self.runtime);
        let dependencies: Vec<Value> =
            self.fixture.dependencies(self.runtime).iter().map(|new| self.upload(new)).collect();
        body["depend_version_list"] = dependencies.iter().map(|dependency| dependency["id"].clone()).collect();
        let answer = self.client.call("POST", &self.client.functions(""), &body.to_string());
        if answer.status == 400 && RARE.contains(&self.runtime) {
            let told = answer.text().contains("FSS.1005") && answer.text().contains("Install");
            return if told { Vec::new() } else { vec![format!("is refused in other words: {}", answer.text())] };
        }
        if answer.status != 200 {
            return vec![format!("cannot be created: {} {}", answer.status, answer.text())];
        }
        if let Some(idle) = self.fixture.idle() {
            // The sample is about what becomes of an instance that nobody calls for so long.
            self.call(&self.fixture.steps()[0].event);
            thread::sleep(idle);
        }
        let mut faults = if self.fixture.is_asynchronous() { asynchronous::play(self) } else { self.steps() };
        self.client.done("DELETE", &format!("/{}", self.function), &Value::Null);
        if self.fixture.has_http() {
            // From the beginning: samples may count their calls.
            self.client.done("POST", "", &body);
            faults.extend(gateway::play(self));
            self.client.done("DELETE", &format!("/{}", self.function), &Value::Null);
        }
        for dependency in &dependencies {
            let (id, version) = (dependency["dep_id"].as_str().unwrap_or_default(), &dependency["version"]);
            let path = format!("/v2/{}/fgs/dependencies/{id}/version/{version}", self.client.project);
            assert_eq!(self.client.call("DELETE", &path, "").status, 204);
        }
        faults
    }

    fn steps(&self) -> Vec<String> {
        let steps = self.fixture.steps();
        let faults = |(number, step)| {
            let faults = self.step(step).into_iter();
            faults.map(move |fault| format!("call {number}: {fault}")).collect::<Vec<_>>()
        };
        (1..).zip(&steps).flat_map(faults).collect()
    }

    fn upload(&self, dependency: &Value) -> Value {
        let path = format!("/v2/{}/fgs/dependencies/version", self.client.project);
        let answer = self.client.call("POST", &path, &dependency.to_string());
        assert_eq!(answer.status, 200, "{}", answer.text());
        serde_json::from_slice(&answer.body).expect("JSON")
    }

    fn step(&self, step: &Step<'_>) -> Vec<String> {
        let before = interpreters(self.server);
        let events = std::iter::once(&step.event).chain(&step.parallel);
        let answers: Vec<(Answer, Duration)> = thread::scope(|scope| {
            let calls: Vec<_> = events.map(|event| scope.spawn(move || self.call(event))).collect();
            calls.into_iter().map(|call| call.join().expect("the call was answered")).collect()
        });
        // A new interpreter that is still there, or one that came and went: the old ones did not serve the call.
        let same = answers.len() == 1 && !before.is_empty() && interpreters(self.server).is_subset(&before);
        let mut faults = Vec::new();
        let mut all = Vec::new();
        for (answer, wall) in answers {
            let id = answer.header("x-cff-request-id").unwrap_or_default().to_owned();
            let log = if wants_log(step.expect) { self.log(&id) } else { String::new() };
            let seen = Seen { answer, wall, log, same_instance: same, function: &self.function };
            faults.extend(compare(step.expect, &seen));
            all.push(seen);
        }
        faults.extend(distinct(step.expect, &all));
        faults
    }

    fn call(&self, event: &str) -> (Answer, Duration) {
        let path = self.client.functions(&format!("/{}/invocations", self.function));
        let request = self.client.request("POST", &path, event).with("X-Cff-Log-Type", "tail");
        let request = self.client.sign(request);
        let begun = Instant::now();
        (request.send(), begun.elapsed())
    }

    /// The whole log of a call. It is written behind the answer, so it may come a moment later.
    fn log(&self, id: &str) -> String {
        let data = self.server.data().display().to_string();
        wait_for(&format!("the log of {id}"), || {
            let run = fungraph(&["logs", &self.function, "--request", id, "--data-dir", &data]);
            (run.code == 0 && run.out.contains("Finish invoke request")).then_some(run.out)
        })
    }
}

fn wants_log(expect: &Value) -> bool {
    ["logs", "logs_absent", "attempts"].iter().any(|key| expect.get(key).is_some())
}
