//! Bodies within the contract's bounds are taken, and bodies outside of one are refused with its code: made from
//! `tests/contract/schemas.json`, sent through the real gateway to a real engine. Nothing is launched.

mod breaks;
mod values;

use proptest::{
    prelude::*,
    test_runner::{Config as Runs, TestCaseError, TestRunner},
};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::{client::Request, server::Server};
use breaks::Break;
use values::Contract;

/// Bodies within the bounds, for each operation. All of it takes some seconds.
const CASES: u32 = 60;

/// An operation whose bodies are made.
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    method: &'static str,
    path: &'static str,
    pub(crate) body: &'static str,
    /// What undoes it, with a field of its answer in place of `{}`.
    undo: Option<(&'static str, &'static str)>,
    /// A refusal of a body within bounds that depends on what else is there, and what that is.
    may: Option<(&'static str, &'static str)>,
}

/// The function `kept` is there all the time.
pub(crate) static OPERATIONS: [Operation; 10] = [
    operation("CreateFunction", "POST", "/functions", "CreateFunctionRequestBody")
        .undone("/functions/{}", "resource_id"),
    operation("UpdateFunctionConfig", "PUT", "/functions/kept/config", "UpdateFunctionConfigRequestBody"),
    operation("UpdateFunctionCode", "PUT", "/functions/kept/code", "UpdateFunctionCodeRequestBody"),
    operation(
        "UpdateFunctionMaxInstanceConfig",
        "PUT",
        "/functions/kept/config-max-instance",
        "UpdateFunctionMaxInstanceConfigRequestBody",
    ),
    operation(
        "UpdateFunctionReservedInstancesCount",
        "PUT",
        "/functions/kept/reservedinstances",
        "UpdateFunctionReservedInstancesCountRequestBody",
    )
    .may("FSS.1076", "an account has fewer reserved instances than one function may ask for"),
    operation("CreateDependencyVersion", "POST", "/dependencies/version", "CreateDependencyRequestBody")
        .undone("/dependencies/{}/version/1", "dep_id"),
    operation("CreateEvent", "POST", "/functions/kept/events", "CreateEventRequestBody")
        .undone("/functions/kept/events/{}", "id"),
    operation("CreateVersionAlias", "POST", "/functions/kept/aliases", "CreateVersionAliasRequestBody")
        .undone("/functions/kept/aliases/{}", "name"),
    operation("CreateFunctionVersion", "POST", "/functions/kept/versions", "CreateFunctionVersionRequestBody")
        .may("FSS.1016", "nothing has changed since the last one"),
    operation(
        "UpdateFunctionAsyncInvokeConfig",
        "PUT",
        "/functions/kept/async-invoke-config",
        "UpdateFunctionAsyncInvokeConfigRequestBody",
    ),
];

const fn operation(name: &'static str, method: &'static str, path: &'static str, body: &'static str) -> Operation {
    Operation { name, method, path, body, undo: None, may: None }
}

impl Operation {
    const fn undone(mut self, path: &'static str, field: &'static str) -> Self {
        self.undo = Some((path, field));
        self
    }

    const fn may(mut self, code: &'static str, why: &'static str) -> Self {
        self.may = Some((code, why));
        self
    }

    /// Sends a body and undoes what it did: status, and the code of a refusal.
    async fn send(&self, server: &Server, body: &Value) -> (u16, String) {
        let answer = ask(server, self.method, self.path, body).await;
        let said = if answer.body.is_empty() { Value::Null } else { answer.json() };
        if answer.status >= 400 {
            return (answer.status, said["error_code"].as_str().unwrap_or("no code").to_owned());
        }
        if let Some((path, field)) = self.undo {
            let path = path.replace("{}", said[field].as_str().expect("the answer names what was made"));
            let undone = ask(server, "DELETE", &path, &Value::Null).await;
            assert_eq!(undone.status / 100, 2, "{path}: {}", undone.text());
        }
        (answer.status, String::new())
    }
}

async fn ask(server: &Server, method: &str, path: &str, body: &Value) -> crate::client::Answer {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let path = format!("/v2/{}/fgs{path}", server.credentials.project_id);
    Request::new(method, &path, body).signed(&server.credentials).send(server.address).await
}

/// A runtime with a server that has the function `kept`.
fn start() -> (Runtime, Server) {
    let runtime = Runtime::new().expect("a runtime");
    let server = runtime.block_on(async {
        let server = Server::start(fungraph_gateway::Config::default()).await;
        let kept = json!({
            "func_name": "kept", "package": "default", "runtime": "Python3.9", "timeout": 3, "memory_size": 128,
            "handler": "index.handler", "code_type": "inline", "func_code": { "file": "eA==" },
        });
        let made = ask(&server, "POST", "/functions", &kept).await;
        assert_eq!(made.status, 200, "{}", made.text());
        server
    });
    (runtime, server)
}

fn run<T: std::fmt::Debug>(
    cases: u32,
    strategy: &impl Strategy<Value = T>,
    check: impl Fn(T) -> Result<(), TestCaseError>,
) -> Result<(), String> {
    // A case that fails is told whole; what is kept of it beside the code would only be found here.
    let runs = Runs { cases, failure_persistence: None, max_shrink_iters: 200, ..Runs::default() };
    TestRunner::new(runs).run(strategy, check).map_err(|error| error.to_string())
}

#[test]
fn bodies_within_the_bounds_are_taken() {
    let (contract, (runtime, server)) = (Contract::read(), start());
    let mut wrong = Vec::new();
    for operation in &OPERATIONS {
        let result = run(CASES, &contract.body(operation.body), |body| {
            let (status, code) = runtime.block_on(operation.send(&server, &body));
            let is_allowed = status < 300 || operation.may.is_some_and(|(known, _)| known == code);
            prop_assert!(is_allowed, "{status} {code}");
            Ok(())
        });
        wrong.extend(result.err().map(|error| format!("{}: {error}", operation.name)));
    }
    runtime.block_on(server.stop());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn bodies_outside_of_a_bound_are_refused_with_its_code() {
    let (contract, (runtime, server)) = (Contract::read(), start());
    let mut wrong = Vec::new();
    for operation in &OPERATIONS {
        let breaks = Break::all(&contract, operation);
        assert!(!breaks.is_empty(), "{} has bounds", operation.name);
        for broken in breaks {
            let result = run(1, &contract.body(operation.body), |mut body| {
                broken.apply(&mut body);
                let found = runtime.block_on(operation.send(&server, &body));
                prop_assert_eq!(found, broken.expected(operation), "{:?} in {}", broken, body);
                Ok(())
            });
            wrong.extend(result.err().map(|error| format!("{}: {error}", operation.name)));
        }
    }
    runtime.block_on(server.stop());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
