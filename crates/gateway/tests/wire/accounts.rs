//! The identity service and the paths of administrators, as clients see them.

use fungraph_engine::{Credentials, VpcEndpointDraft};
use fungraph_gateway::{Auth, Config};
use fungraph_model::{Caller, ErrorCode, LogKind, Role, Secret};
use serde_json::{Value, json};

use crate::client::{Answer, Request};
use crate::server::Server;

const PASSWORD: &str = "correct horse";

impl Server {
    async fn log_in(&self, identity: Value, scope: Value) -> Answer {
        let body = json!({ "auth": { "identity": identity, "scope": scope } });
        Request::new("POST", "/v3/auth/tokens", body.to_string()).send(self.address).await
    }

    async fn token(&self, identity: Value, scope: Value) -> String {
        let answer = self.log_in(identity, scope).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.headers["x-subject-token"].clone()
    }

    /// A user with a password and a role in the first project.
    async fn person(&self, name: &str, role: Role) -> Credentials {
        let (by, key) = (self.administrator(), self.user(name, role, &self.credentials.project_id).await);
        self.engine.set_password(&by, name.into(), Secret::new(PASSWORD.into())).await.expect("a password");
        key
    }

    async fn with_token(&self, method: &str, target: &str, token: &str) -> Answer {
        Request::new(method, target, "").with("X-Auth-Token", token).send(self.address).await
    }

    async fn signed(&self, method: &str, target: &str, body: &Value, by: &Credentials) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        Request::new(method, target, body).signed(by).send(self.address).await
    }

    fn functions(&self) -> String {
        format!("/v2/{}/fgs/functions", self.credentials.project_id)
    }
}

fn password(name: &str, password: &str) -> Value {
    let user = json!({ "name": name, "password": password, "domain": { "name": "default" } });
    json!({ "methods": ["password"], "password": { "user": user } })
}

fn key(by: &Credentials) -> Value {
    let halves = json!({ "access": { "key": by.access_key }, "secret": { "key": by.secret_key.reveal() } });
    json!({ "methods": ["hw_ak_sk"], "hw_ak_sk": halves })
}

fn local() -> Value {
    json!({ "project": { "name": "local", "domain": { "name": "default" } } })
}

#[tokio::test]
async fn a_password_gives_a_token_that_opens_what_its_user_may() {
    let server = Server::start(Config::default()).await;
    server.person("ada", Role::Reader).await;
    let answer = server.log_in(password("ada", PASSWORD), local()).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let (token, shown) = (answer.headers["x-subject-token"].clone(), answer.json()["token"].clone());
    assert_eq!((&shown["methods"], &shown["user"]["name"]), (&json!(["password"]), &json!("ada")));
    assert_eq!(shown["project"]["id"], server.credentials.project_id.0);
    assert_eq!((&shown["project"]["name"], &shown["user"]["domain"]["name"]), (&json!("local"), &json!("default")));
    assert_eq!(shown["roles"], json!([{ "id": "reader", "name": "reader" }]));
    let (issued, expires): (jiff::Timestamp, jiff::Timestamp) = (
        shown["issued_at"].as_str().expect("a text").parse().expect("a time"),
        shown["expires_at"].as_str().expect("a text").parse().expect("a time"),
    );
    assert_eq!(expires.duration_since(issued).as_secs(), 24 * 3600);
    let services = shown["catalog"].as_array().expect("a catalog");
    let functions = services.iter().find(|service| service["type"] == "functiongraph").expect("functions");
    let url = functions["endpoints"][0]["url"].as_str().expect("a URL");
    assert_eq!(url, format!("http://test/v2/{}", server.credentials.project_id));

    assert_eq!(server.with_token("GET", &server.functions(), &token).await.status, 200);
    assert_eq!(server.with_token("POST", &server.functions(), &token).await.refusal(), "401 FSS.0401");
    let placeholder = server.with_token("GET", "/v2/%7Bproject_id%7D/fgs/functions", &token).await;
    assert_eq!(placeholder.status, 200, "{}", placeholder.text());
    let doubled =
        Request::new("GET", &server.functions(), "").with("X-Auth-Token", &token).with("X-Auth-Token", &token);
    assert_eq!(doubled.send(server.address).await.refusal(), "401 APIGW.0301");
    let beside =
        Request::new("GET", &server.functions(), "").with("X-Auth-Token", &token).with("Authorization", "Basic x");
    assert_eq!(beside.send(server.address).await.refusal(), "401 APIGW.0301", "a signature comes before a token");
    let mut changed = token.clone().into_bytes();
    changed[40] = if changed[40] == b'A' { b'B' } else { b'A' };
    let changed = String::from_utf8(changed).expect("ASCII");
    assert_eq!(server.with_token("GET", &server.functions(), &changed).await.refusal(), "401 APIGW.0301");
    server.stop().await;
}

#[tokio::test]
async fn who_shows_the_wrong_thing_is_told_the_same_whoever_it_is() {
    let server = Server::start(Config::default()).await;
    let ada = server.person("ada", Role::Reader).await;
    server.user("keys-only", Role::Reader, &server.credentials.project_id.clone()).await;
    let mut wrong_secret = ada.clone();
    wrong_secret.secret_key = Secret::new("x".repeat(40));
    let foreign_domain = json!({ "methods": ["password"], "password": { "user":
        { "name": "ada", "password": PASSWORD, "domain": { "name": "other" } } } });
    let mut told = Vec::new();
    for identity in [
        password("ada", "wrong horse"),
        password("nobody", PASSWORD),
        password("keys-only", PASSWORD),
        password("keys-only", ""),
        foreign_domain,
        key(&wrong_secret),
        json!({ "methods": ["token"], "token": { "id": "box1:AAAA" } }),
    ] {
        let answer = server.log_in(identity.clone(), local()).await;
        assert_eq!(answer.refusal(), "401 APIGW.0301", "{identity}");
        let body = answer.json();
        assert_eq!((&body["error"]["code"], &body["error"]["title"]), (&json!(401), &json!("Unauthorized")));
        assert_eq!(body["request_id"], answer.headers["x-iam-trace-id"]);
        told.push(body["error_msg"].clone());
    }
    told.dedup();
    assert_eq!(told.len(), 1, "{told:?}");
    for (body, expected) in [
        ("", "400 FSS.0400"),
        ("{\"auth\":{}}", "400 FSS.0400"),
        ("{\"auth\":{\"identity\":{\"methods\":[\"totp\"]}}}", "501 FSS.0426"),
    ] {
        let answer = Request::new("POST", "/v3/auth/tokens", body).send(server.address).await;
        assert_eq!(answer.refusal(), expected, "{body}");
    }
    let large = Request::new("POST", "/v3/auth/tokens", vec![b' '; 100_000]).send(server.address).await;
    assert_eq!(large.refusal(), "413 FSS.0413");
    server.stop().await;
}

#[tokio::test]
async fn passwords_cannot_be_guessed_fast() {
    let server = Server::start(Config::default()).await;
    server.person("ada", Role::Reader).await;
    for _ in 0..10 {
        assert_eq!(server.log_in(password("ada", "wrong horse"), local()).await.status, 401);
    }
    let slowed = server.log_in(password("ada", PASSWORD), local()).await;
    assert_eq!((slowed.refusal().as_str(), slowed.headers.contains_key("retry-after")), ("429 FSS.0429", true));
    server.person("bob", Role::Reader).await;
    assert_eq!(server.log_in(password("bob", PASSWORD), local()).await.status, 201, "others do not suffer");
    server.stop().await;
}

#[tokio::test]
async fn tries_do_not_tell_who_is_there() {
    let server = Server::start(Config::default()).await;
    server.person("ada", Role::Reader).await;
    let account = server.credentials.domain_id.to_string();
    for name in ["ada", "nobody"] {
        let mut statuses = Vec::new();
        for domain in [json!({ "name": "default" }), json!({ "id": account }), Value::Null].iter().cycle().take(11) {
            let mut said = password(name, "wrong horse");
            said["password"]["user"]["domain"] = domain.clone();
            statuses.push(server.log_in(said, local()).await.status);
        }
        assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 1, "{name}: {statuses:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_scope_is_one_of_the_users_own() {
    let server = Server::start(Config::default()).await;
    let by = server.administrator();
    let other = server.engine.create_project(&by, "other").await.expect("a project").id;
    let ada = server.person("ada", Role::Developer).await;
    let id = |id: &str| json!({ "project": { "id": id } });
    for (scope, expected) in [
        (id(&other.0), "403 FSS.0403"),
        (id("nothing"), "403 FSS.0403"),
        (json!({ "project": { "name": "other", "domain": { "name": "default" } } }), "403 FSS.0403"),
        (json!({ "project": { "name": "local", "domain": { "name": "others" } } }), "403 FSS.0403"),
        (json!({ "domain": { "name": "others" } }), "403 FSS.0403"),
    ] {
        assert_eq!(server.log_in(key(&ada), scope.clone()).await.refusal(), expected, "{scope}");
    }
    // Nothing said: the only project. The account: no project at all.
    let unsaid = server.log_in(key(&ada), Value::Null).await.json();
    assert_eq!(unsaid["token"]["project"]["id"], server.credentials.project_id.0);
    let of_account = server.token(key(&ada), json!({ "domain": { "id": ada.domain_id.0 } })).await;
    assert_eq!(server.with_token("GET", &server.functions(), &of_account).await.refusal(), "403 FSS.0403");

    // A token of one project opens no other, not even for somebody who may use both, nor does one that is made from it.
    let root = server.credentials.clone();
    let of_first = server.token(key(&root), id(&root.project_id.0)).await;
    let elsewhere = format!("/v2/{other}/fgs/functions");
    assert_eq!(server.with_token("GET", &elsewhere, &of_first).await.refusal(), "403 FSS.0403");
    assert_eq!(server.signed("GET", &elsewhere, &Value::Null, &root).await.status, 200);
    let from = |token: &str| json!({ "methods": ["token"], "token": { "id": token } });
    assert_eq!(server.log_in(from(&of_first), id(&other.0)).await.refusal(), "403 FSS.0403");
    let domain = json!({ "domain": { "name": "default" } });
    assert_eq!(server.log_in(from(&of_first), domain).await.refusal(), "403 FSS.0403");
    assert_eq!(server.with_token("GET", "/v1/fungraph/users", &of_first).await.refusal(), "401 FSS.0401");
    let again = server.log_in(from(&of_first), Value::Null).await;
    assert_eq!((again.status, &again.json()["token"]["methods"]), (201, &json!(["hw_ak_sk", "token"])));
    // One of the account may become one of a project.
    let whole = server.token(key(&root), json!({ "domain": { "name": "default" } })).await;
    let narrowed = server.token(from(&whole), id(&other.0)).await;
    assert_eq!(server.with_token("GET", &elsewhere, &narrowed).await.status, 200);
    assert_eq!(server.with_token("GET", "/v1/fungraph/users", &whole).await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn a_token_ends_with_what_it_rests_on() {
    let server = Server::start(Config::default()).await;
    let by = server.administrator();
    let id = json!({ "project": { "id": server.credentials.project_id.0 } });
    let counts = async |token: &str| server.with_token("GET", &server.functions(), token).await.status == 200;
    let from = |token: &str| json!({ "methods": ["token"], "token": { "id": token } });

    server.person("ada", Role::Reader).await;
    let before = server.token(password("ada", PASSWORD), id.clone()).await;
    let child = server.token(from(&before), id.clone()).await;
    assert!(counts(&before).await && counts(&child).await);
    server.engine.set_password(&by, "ada".into(), Secret::new("another horse".into())).await.expect("sets");
    assert!(!counts(&before).await && !counts(&child).await, "the password is another");
    assert_eq!(server.log_in(password("ada", PASSWORD), id.clone()).await.status, 401);

    let after = server.token(password("ada", "another horse"), id.clone()).await;
    let ada = server.engine.create_key(&by, "ada".into()).await.expect("a key");
    let ada = Credentials { access_key: ada.access, secret_key: ada.secret, ..server.credentials.clone() };
    let by_key = server.token(key(&ada), id.clone()).await;
    server.engine.enable_key(&by, ada.access_key.clone(), false).await.expect("disables");
    assert!(!counts(&by_key).await && counts(&after).await, "its key is disabled, the other has none");
    assert_eq!(server.signed("GET", &server.functions(), &Value::Null, &ada).await.refusal(), "401 APIGW.0301");
    server.engine.enable_key(&by, ada.access_key.clone(), true).await.expect("enables");
    assert!(counts(&by_key).await, "the key is back");
    let rotated = server.engine.rotate_key(&by, ada.access_key.clone()).await.expect("rotates");
    assert!(!counts(&by_key).await, "the secret it was made with counts no more");
    assert_eq!(server.signed("GET", &server.functions(), &Value::Null, &ada).await.refusal(), "401 APIGW.0301");
    let ada = Credentials { secret_key: rotated.secret, ..ada };
    assert_eq!(server.signed("GET", &server.functions(), &Value::Null, &ada).await.status, 200, "without a restart");

    server.engine.revoke_grant(&by, "ada".into(), Role::Reader, Some("local".into())).await.expect("takes");
    assert_eq!(server.with_token("GET", &server.functions(), &after).await.refusal(), "403 FSS.0403");
    server.engine.grant(&by, "ada".into(), Role::Reader, None).await.expect("gives");
    assert!(counts(&after).await);
    server.engine.delete_user(&by, "ada".into()).await.expect("deletes");
    assert!(!counts(&after).await);
    assert_eq!(server.signed("GET", &server.functions(), &Value::Null, &ada).await.refusal(), "401 APIGW.0301");
    server.stop().await;
}

#[tokio::test]
async fn tokens_are_shown_and_given_back() {
    let server = Server::start(Config::default()).await;
    let (ada, bob) = (server.person("ada", Role::Reader).await, server.person("bob", Role::Reader).await);
    let (of_ada, of_bob) = (server.token(key(&ada), local()).await, server.token(key(&bob), local()).await);
    let child = server.token(json!({ "methods": ["token"], "token": { "id": of_ada } }), Value::Null).await;
    let about = async |method: &str, token: &str, by: &str| {
        let ask = Request::new(method, "/v3/auth/tokens?nocatalog", "").with("X-Auth-Token", by);
        ask.with("X-Subject-Token", token).send(server.address).await
    };
    let shown = about("GET", &of_ada, &of_ada).await;
    assert_eq!((shown.status, &shown.headers["x-subject-token"]), (200, &of_ada), "{}", shown.text());
    assert_eq!(
        (&shown.json()["token"]["user"]["name"], &shown.json()["token"]["catalog"]),
        (&json!("ada"), &Value::Null)
    );
    assert_eq!(about("GET", &of_ada, &of_bob).await.refusal(), "404 FSS.0404");
    assert_eq!(about("DELETE", &of_ada, &of_bob).await.refusal(), "404 FSS.0404");
    assert_eq!(server.with_token("GET", "/v3/auth/tokens", &of_ada).await.refusal(), "400 FSS.0400");
    assert_eq!(server.with_token("GET", &server.functions(), &child).await.status, 200);
    assert_eq!(about("DELETE", &of_ada, &of_ada).await.status, 204);
    for gone in [&of_ada, &child] {
        assert_eq!(server.with_token("GET", &server.functions(), gone).await.refusal(), "401 APIGW.0301");
    }
    // An administrator ends the token of anybody in the account.
    let ask = Request::new("DELETE", "/v3/auth/tokens", "").with("X-Subject-Token", &of_bob);
    assert_eq!(ask.signed(&server.credentials).send(server.address).await.status, 204);
    assert_eq!(server.with_token("GET", &server.functions(), &of_bob).await.refusal(), "401 APIGW.0301");
    server.stop().await;
}

#[tokio::test]
async fn temporary_keys_sign_until_what_they_rest_on_ends() {
    let server = Server::start(Config::default()).await;
    let ada = server.person("ada", Role::Reader).await;
    let token = server.token(key(&ada), local()).await;
    let body = json!({ "auth": { "identity": { "methods": ["token"], "token": { "duration_seconds": 900 } } } });
    let ask = Request::new("POST", "/v3.0/OS-CREDENTIAL/securitytokens", body.to_string());
    let answer = ask.clone().with("X-Auth-Token", &token).send(server.address).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let made = answer.json()["credential"].clone();
    let text = |name: &str| made[name].as_str().expect("a text").to_owned();
    assert!(text("expires_at").ends_with(".000000Z"));
    let temporary = Credentials {
        access_key: text("access"),
        secret_key: Secret::new(text("secret")),
        ..server.credentials.clone()
    };
    let security = text("securitytoken");
    let list = |method: &str| Request::new(method, &server.functions(), "").with("X-Security-Token", &security);
    assert_eq!(list("GET").signed(&temporary).send(server.address).await.status, 200);
    assert_eq!(list("POST").signed(&temporary).send(server.address).await.refusal(), "401 FSS.0401", "a reader's");
    let alone = Request::new("GET", &server.functions(), "").signed(&temporary).send(server.address).await;
    assert_eq!(alone.refusal(), "401 APIGW.0301", "without its security token");
    let unsigned = Request::new("GET", &server.functions(), "").signed(&temporary).with("X-Security-Token", &security);
    assert_eq!(unsigned.send(server.address).await.refusal(), "401 APIGW.0301", "with one that is not signed");
    let crossed = list("GET").signed(&ada).send(server.address).await;
    assert_eq!(crossed.refusal(), "401 APIGW.0301", "another key with it");
    let swapped = server.with_token("GET", &server.functions(), &security).await;
    assert_eq!(swapped.refusal(), "401 APIGW.0301", "a security token is no token");
    let none = ask.signed(&ada).send(server.address).await;
    assert_eq!(none.refusal(), "400 FSS.0400", "no token to make it from");

    let by = server.administrator();
    server.engine.rotate_key(&by, ada.access_key.clone()).await.expect("rotates");
    assert_eq!(list("GET").signed(&temporary).send(server.address).await.refusal(), "401 APIGW.0301");
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_knows_only_its_key_finds_its_project_and_account() {
    let server = Server::start(Config::default()).await;
    let (by, root) = (server.administrator(), server.credentials.clone());
    let other = server.engine.create_project(&by, "team-b").await.expect("a project").id;
    let bob = server.user("bob", Role::Developer, &other).await;
    let both = server.user("both", Role::Reader, &other).await;
    server.engine.grant(&by, "both".into(), Role::Reader, Some("local".into())).await.expect("a role");
    let ids = async |query: &str, by: &Credentials| {
        let answer = server.signed("GET", &format!("/v3/projects{query}"), &Value::Null, by).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let all = answer.json()["projects"].as_array().expect("a list").clone();
        all.iter().map(|project| project["id"].as_str().expect("an id").to_owned()).collect::<Vec<_>>()
    };
    let (first, second) = (root.project_id.0.clone(), other.0.clone());
    assert_eq!(ids("?name=local", &root).await, [first.as_str()]);
    assert_eq!(ids("?name=team-b", &root).await, [second.as_str()]);
    assert_eq!(ids("", &root).await, [first.as_str(), second.as_str()]);
    assert_eq!(ids("?name=local", &bob).await, [second.as_str()], "the only one there is for bob, whatever its name");
    assert_eq!(ids("?name=team-b", &bob).await, [second.as_str()]);
    assert_eq!(ids("?name=nothing", &bob).await, [] as [&str; 0]);
    assert_eq!(ids("?name=local", &both).await, [first.as_str()]);

    let domains = server.signed("GET", "/v3/auth/domains", &Value::Null, &bob).await.json();
    assert_eq!(
        (&domains["domains"][0]["id"], &domains["domains"][0]["name"]),
        (&json!(root.domain_id.0), &json!("default"))
    );
    let identity = server.signed("GET", "/v5/caller-identity", &Value::Null, &bob).await.json();
    assert_eq!(identity["account_id"], root.domain_id.0);
    let version = Request::new("GET", "/v3", "").send(server.address).await.json();
    assert_eq!(
        (&version["version"]["id"], &version["version"]["links"][0]["href"]),
        (&json!("v3.14"), &json!("http://test/v3/"))
    );
    for path in ["/v3/projects", "/v3/auth/domains", "/v5/caller-identity"] {
        let answer = Request::new("GET", path, "").send(server.address).await;
        assert_eq!(answer.refusal(), "401 APIGW.0301", "{path}");
    }
    assert_eq!(Request::new("GET", "/v3/nothing", "").send(server.address).await.refusal(), "404 FSS.0404");
    assert_eq!(Request::new("PUT", "/v3/projects", "").send(server.address).await.refusal(), "405 FSS.0400");
    assert_eq!(
        Request::new("POST", "/v3.0/OS-AUTH/id-token/tokens", "{}").send(server.address).await.refusal(),
        "501 FSS.0426"
    );
    server.stop().await;
}

#[tokio::test]
async fn only_administrators_of_the_account_decide() {
    let server = Server::start(Config::default()).await;
    let project = server.credentials.project_id.clone();
    let mut others = Vec::new();
    for role in Role::ALL {
        others.push(server.user(role.name(), role, &project).await);
    }
    let rows: Vec<_> = fungraph_gateway::administration().collect();
    assert!(rows.len() >= 15);
    for (method, pattern) in rows {
        let path = pattern.replace("{role}", "admin").replace(['{', '}'], "");
        assert_eq!(
            Request::new(method, &path, "{}").send(server.address).await.refusal(),
            "401 APIGW.0301",
            "{method} {path}"
        );
        for other in &others {
            let answer = server.signed(method, &path, &json!({}), other).await;
            assert_eq!(answer.refusal(), "401 FSS.0401", "{method} {path}");
        }
        let answer = server.signed(method, &path, &json!({}), &server.credentials).await;
        assert!(answer.status != 401 && answer.status < 500, "{method} {path}: {}", answer.text());
    }
    server.stop().await;
}

#[tokio::test]
async fn nobody_can_be_locked_out_of_the_account() {
    let server = Server::start(Config::default()).await;
    let root = server.credentials.clone();
    let ask = async |method: &str, rest: &str, body: Value| {
        let answer = server.signed(method, &format!("/v1/fungraph/{rest}"), &body, &root).await;
        if answer.status < 300 { answer.status.to_string() } else { answer.refusal() }
    };
    let key = format!("keys/{}", root.access_key);
    assert_eq!(ask("DELETE", &key, Value::Null).await, "428 FSS.0428");
    assert_eq!(ask("POST", &format!("{key}/disable"), Value::Null).await, "428 FSS.0428");
    assert_eq!(ask("DELETE", "users/administrator", Value::Null).await, "428 FSS.0428");
    assert_eq!(ask("DELETE", "users/administrator/roles/admin", json!({ "everywhere": true })).await, "428 FSS.0428");
    assert_eq!(ask("DELETE", "projects/local", Value::Null).await, "403 FSS.0403");

    assert_eq!(ask("POST", "users", json!({ "name": "ada", "password": "short" })).await, "400 FSS.0400");
    assert_eq!(ask("POST", "users", json!({ "name": "a b" })).await, "400 FSS.0400");
    assert_eq!(ask("POST", "users", json!({})).await, "400 FSS.0400");
    assert_eq!(ask("POST", "users", json!({ "name": "ada", "password": PASSWORD })).await, "201");
    assert_eq!(ask("POST", "users", json!({ "name": "ada" })).await, "409 FSS.0409");
    let everywhere = json!({ "everywhere": true });
    assert_eq!(ask("PUT", "users/ada/roles/owner", everywhere.clone()).await, "400 FSS.0400");
    assert_eq!(ask("PUT", "users/ada/roles/admin", json!({})).await, "400 FSS.0400", "nothing said is not everything");
    let both = json!({ "everywhere": true, "project": "local" });
    assert_eq!(ask("PUT", "users/ada/roles/admin", both).await, "400 FSS.0400");
    assert_eq!(ask("PUT", "users/ada/roles/admin", json!({ "project": "none" })).await, "404 FSS.0404");
    assert_eq!(ask("PUT", "users/nobody/roles/admin", everywhere.clone()).await, "404 FSS.0404");
    assert_eq!(ask("PUT", "users/ada/roles/admin", everywhere.clone()).await, "204");
    assert_eq!(ask("PUT", "users/ada/roles/admin", everywhere).await, "409 FSS.0409");
    assert_eq!(ask("DELETE", &key, Value::Null).await, "428 FSS.0428", "ada has no key yet");
    assert_eq!(ask("POST", "keys", json!({ "user": "nobody" })).await, "404 FSS.0404");
    assert_eq!(ask("POST", "keys", json!({ "user": "ada" })).await, "201");

    assert_eq!(ask("POST", "projects", json!({ "name": "local" })).await, "409 FSS.0409", "the first one goes by it");
    assert_eq!(ask("POST", "projects", json!({ "name": "team" })).await, "201");
    assert_eq!(ask("POST", "projects", json!({ "name": "team" })).await, "409 FSS.0409");
    assert_eq!(ask("DELETE", "projects/team", Value::Null).await, "204");
    assert_eq!(ask("DELETE", "projects/team", Value::Null).await, "404 FSS.0404");

    let listed = server.signed("GET", "/v1/fungraph/users", &Value::Null, &root).await.json();
    let names: Vec<_> = listed["users"].as_array().expect("a list").iter().map(|user| user["name"].clone()).collect();
    assert_eq!(names, ["administrator", "ada"]);
    assert!(!listed.to_string().contains("argon2"), "{listed}");
    let keys = server.signed("GET", "/v1/fungraph/keys", &Value::Null, &root).await;
    assert!(!keys.text().contains(root.secret_key.reveal()), "{}", keys.text());
    assert_eq!(ask("DELETE", &key, Value::Null).await, "204", "now somebody else decides");
    assert_eq!(ask("GET", "users", Value::Null).await, "401 APIGW.0301");
    server.stop().await;
}

#[tokio::test]
async fn a_project_with_functions_stays() {
    let server = Server::start(Config::default()).await;
    let (by, root) = (server.administrator(), server.credentials.clone());
    let team = server.engine.create_project(&by, "team").await.expect("a project").id;
    let functions = format!("/v2/{team}/fgs/functions");
    let made = Request::new("POST", &functions, crate::HELLO).signed(&root).send(server.address).await;
    assert_eq!(made.status, 200, "{}", made.text());
    let delete = || Request::new("DELETE", "/v1/fungraph/projects/team", "").signed(&root);
    assert_eq!(delete().send(server.address).await.refusal(), "428 FSS.0428");
    let gone = Request::new("DELETE", &format!("{functions}/hello"), "").signed(&root).send(server.address).await;
    assert_eq!(gone.status, 204);
    assert_eq!(delete().send(server.address).await.status, 204);
    assert_eq!(
        Request::new("POST", &functions, crate::HELLO).signed(&root).send(server.address).await.refusal(),
        "403 FSS.0403"
    );
    server.stop().await;
}

#[tokio::test]
async fn a_deleted_project_does_not_come_back() {
    let server = Server::start(Config::default()).await;
    let by = server.administrator();
    let project = server.engine.create_project(&by, "team").await.expect("a project").id;
    // Somebody who was let in just before the deletion.
    let late = Caller { domain: server.credentials.domain_id.clone(), project: project.clone() };
    server.engine.delete_project(&by, project.0).await.expect("deletes");
    let id = || Some("n".to_owned());
    let network = VpcEndpointDraft { vpc_id: id(), subnet_id: id(), ..VpcEndpointDraft::default() };
    let refused = server.engine.create_vpc_endpoint(&late, network).await.expect_err("must be refused");
    assert_eq!(refused.fault().code, ErrorCode::Forbidden);
    for kind in [LogKind::Functions, LogKind::AsyncStates] {
        let refused = server.engine.enable_logs(&late, kind).await.expect_err("must be refused");
        assert_eq!(refused.fault().code, ErrorCode::Forbidden, "{kind:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn without_authentication_accounts_are_everybodys_too() {
    let server = Server::start(Config { auth: Auth::Off, ..Config::default() }).await;
    let ask =
        |method: &str, path: &str, body: &str| Request::new(method, path, body).to("localhost").send(server.address);
    assert_eq!(ask("GET", "/v3/projects?name=local", "").await.json()["projects"].as_array().map(Vec::len), Some(1));
    assert_eq!(ask("POST", "/v1/fungraph/users", r#"{"name":"ada"}"#).await.status, 201);
    let projects = ask("GET", "/v1/fungraph/projects", "").await.json();
    assert_eq!(projects["projects"][0]["name"], "local");
    server.stop().await;
}
