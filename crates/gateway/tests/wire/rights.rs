//! Who may do what: every operation of the table, tried by everybody who must not.

use std::collections::BTreeSet;

use fungraph_engine::Credentials;
use fungraph_gateway::Config;
use fungraph_model::{ProjectId, Right, Role};
use serde_json::Value;

use crate::client::Request;
use crate::server::Server;

const OPERATIONS: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/contract/operations.json"));

/// The path of an operation with a name for everything in it.
fn path(pattern: &str, project: &ProjectId) -> String {
    let path = pattern.replace("{project_id}", &project.0).replace("{resource_type}", "functions");
    let mut parts = path.split('/').map(|part| if part.starts_with('{') { "x" } else { part });
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |path, part| path + "/" + part)
}

/// Somebody with each role in the project, and somebody who has nothing to do with it.
struct Cast {
    project: ProjectId,
    other: ProjectId,
    elsewhere: Credentials,
    users: Vec<(Role, Credentials)>,
}

impl Cast {
    async fn of(server: &Server) -> Self {
        let project = server.credentials.project_id.clone();
        let other = server.engine.create_project(&server.administrator(), "other").await.expect("a project").id;
        let elsewhere = server.user("elsewhere", Role::Admin, &other).await;
        let mut users = Vec::new();
        for role in Role::ALL {
            users.push((role, server.user(role.name(), role, &project).await));
        }
        Self { project, other, elsewhere, users }
    }

    /// Whoever has the right is let in, and nobody else.
    async fn try_all(&self, server: &Server, right: Right, ask: impl Fn() -> Request, shown: &str) {
        assert_eq!(ask().send(server.address).await.refusal(), "401 APIGW.0301", "{shown}: no credentials");
        let foreign = ask().signed(&self.elsewhere).send(server.address).await;
        assert_eq!(foreign.refusal(), "403 FSS.0403", "{shown}: a key of another project");
        for (role, key) in &self.users {
            let answer = ask().signed(key).send(server.address).await;
            if role.rights().hold(right) {
                assert!(answer.status != 401 && answer.status != 403, "{shown}: {role:?} {}", answer.text());
            } else {
                assert_eq!(answer.refusal(), "401 FSS.0401", "{shown}: {role:?}");
            }
        }
    }
}

#[tokio::test]
async fn every_operation_refuses_strangers_other_projects_and_roles_that_are_too_small() {
    let server = Server::start(Config::default()).await;
    let cast = Cast::of(&server).await;
    let mut tried = 0;
    for (method, pattern, right) in fungraph_gateway::operations() {
        let ask = || Request::new(method, &path(pattern, &cast.project), "{}");
        let shown = format!("{method} {pattern}");
        let made_up = ask().with("X-Auth-Token", "box1:AAAA").send(server.address).await;
        assert_eq!(made_up.refusal(), "401 APIGW.0301", "{shown}: a token that is none");
        let foreign = Request::new(method, &path(pattern, &cast.other), "{}").signed(&cast.users[0].1);
        let foreign = foreign.send(server.address).await;
        assert_eq!(foreign.refusal(), "403 FSS.0403", "{shown}: an admin of one project in another");
        cast.try_all(&server, right, ask, &shown).await;
        tried += 1;
    }
    assert!(tried >= 92);
    server.stop().await;
}

#[tokio::test]
async fn paths_of_ours_refuse_the_same() {
    let server = Server::start(Config::default()).await;
    let cast = Cast::of(&server).await;
    let mut tried = 0;
    for (method, pattern, right) in fungraph_gateway::beside().filter(|(method, ..)| *method != "HEAD") {
        let path = path(&pattern.replace("{project}", &cast.project.0), &cast.project);
        let ask = || Request::new(method, &path, "");
        cast.try_all(&server, right, ask, &format!("{method} {pattern}")).await;
        tried += 1;
    }
    assert!(tried >= 7);
    server.stop().await;
}

#[test]
fn the_operations_that_are_tried_are_those_of_the_contract() {
    let contract: Value = serde_json::from_str(OPERATIONS).expect("the contract is JSON");
    let text = |row: &Value, name: &str| row[name].as_str().expect("a text").to_owned();
    let tried: BTreeSet<_> =
        fungraph_gateway::operations().map(|(method, path, _)| (method.to_owned(), path.to_owned())).collect();
    for row in contract.as_array().expect("a list") {
        let operation = (text(row, "method"), text(row, "path"));
        assert!(tried.contains(&operation), "{operation:?} is in no table");
    }
    let rights = |wanted: Right| fungraph_gateway::operations().filter(|(_, _, right)| *right == wanted).count();
    assert!(rights(Right::Invoke) >= 1 && rights(Right::Read) >= 8 && rights(Right::Change) >= 8);
}
