//! Bodies of those who log in. Refusals never quote a value, since any of them may be a secret.

use fungraph_engine::{Login, NameOrId, NamedIn, ScopeWanted};
use fungraph_model::{ErrorCode, Fault, Secret};
use serde_json::Value;

/// Bounds of a temporary key's life in seconds, and what it is where nothing is said.
const LIFE: (u64, u64) = (900, 86_400);

/// What `POST /v3.0/OS-CREDENTIAL/securitytokens` asks for.
pub(crate) struct SecurityTokenWanted {
    /// The token to make it from; `None` for the one of the request.
    pub(crate) token: Option<String>,
    /// Its life.
    pub(crate) seconds: u64,
}

/// Reads the body of `POST /v3/auth/tokens`.
///
/// # Errors
/// FSS.0400 naming the field that is missing; FSS.0426 for a method that is not built.
pub(crate) fn read(body: &[u8]) -> Result<(Login, ScopeWanted), Fault> {
    let body = parse(body)?;
    let identity = &body["auth"]["identity"];
    let login = match method(identity)? {
        "password" => {
            let user = &identity["password"]["user"];
            let password = Secret::new(text(user, "password", "auth.identity.password.user.password")?);
            Login::Password { user: named(user, "auth.identity.password.user")?, password }
        }
        "token" => Login::Token(Secret::new(text(&identity["token"], "id", "auth.identity.token.id")?)),
        "hw_ak_sk" => {
            let key = &identity["hw_ak_sk"];
            let access = text(&key["access"], "key", "auth.identity.hw_ak_sk.access.key")?;
            Login::Key {
                access,
                secret: Secret::new(text(&key["secret"], "key", "auth.identity.hw_ak_sk.secret.key")?),
            }
        }
        _ => {
            return Err(Fault::new(
                ErrorCode::NotSupported,
                "auth.identity.methods names a method that this server does not have: it has password, token and hw_ak_sk",
            ));
        }
    };
    Ok((login, scope(&body["auth"]["scope"])?))
}

fn scope(scope: &Value) -> Result<ScopeWanted, Fault> {
    if scope["project"].is_object() {
        return Ok(ScopeWanted::Project(named(&scope["project"], "auth.scope.project")?));
    }
    if scope["domain"].is_object() {
        return Ok(ScopeWanted::Domain(name_or_id(&scope["domain"], "auth.scope.domain")?));
    }
    // Keystone's word for none is an object or a text.
    let is_unsaid = scope.is_null() || scope == "unscoped" || scope["unscoped"].is_object();
    if is_unsaid { Ok(ScopeWanted::Unsaid) } else { Err(bad("auth.scope must have project or domain")) }
}

/// Reads the body of `POST /v3.0/OS-CREDENTIAL/securitytokens`.
///
/// # Errors
/// FSS.0400; FSS.0426 for a method other than `token`.
pub(crate) fn security_token(body: &[u8]) -> Result<SecurityTokenWanted, Fault> {
    let body = parse(body)?;
    let identity = &body["auth"]["identity"];
    if method(identity)? != "token" {
        let message = "Temporary keys are made from a token here: use the method token; agencies are not built";
        return Err(Fault::new(ErrorCode::NotSupported, message));
    }
    let (token, seconds) = (&identity["token"]["id"], &identity["token"]["duration_seconds"]);
    let seconds = match seconds {
        Value::Null => Some(LIFE.0),
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    let seconds = seconds.filter(|seconds| (LIFE.0..=LIFE.1).contains(seconds)).ok_or_else(|| {
        bad(format!("auth.identity.token.duration_seconds must be a number from {} to {}", LIFE.0, LIFE.1))
    })?;
    Ok(SecurityTokenWanted { token: token.as_str().map(str::to_owned), seconds })
}

fn parse(body: &[u8]) -> Result<Value, Fault> {
    let parsed: Option<Value> = serde_json::from_slice(body).ok();
    parsed.filter(Value::is_object).ok_or_else(|| bad("The body must be a JSON object with the field auth"))
}

/// The one method.
fn method(identity: &Value) -> Result<&str, Fault> {
    match identity["methods"].as_array().map(Vec::as_slice) {
        Some([Value::String(method)]) => Ok(method),
        _ => Err(bad("auth.identity.methods must be a list of one method: password, token or hw_ak_sk")),
    }
}

fn named(object: &Value, path: &str) -> Result<NamedIn, Fault> {
    let domain = &object["domain"];
    let domain = if domain.is_null() { None } else { Some(name_or_id(domain, &format!("{path}.domain"))?) };
    Ok(NamedIn { what: name_or_id(object, path)?, domain })
}

fn name_or_id(object: &Value, path: &str) -> Result<NameOrId, Fault> {
    match (object["id"].as_str(), object["name"].as_str()) {
        (Some(id), _) => Ok(NameOrId::Id(id.to_owned())),
        (None, Some(name)) => Ok(NameOrId::Name(name.to_owned())),
        (None, None) => Err(bad(format!("{path} must have an id or a name, as a text"))),
    }
}

fn text(object: &Value, name: &str, path: &str) -> Result<String, Fault> {
    object[name].as_str().map(str::to_owned).ok_or_else(|| bad(format!("{path} must be a text")))
}

fn bad(message: impl Into<String>) -> Fault {
    Fault::new(ErrorCode::BadParameter, message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read_json(identity: &Value, scope: &Value) -> Result<(Login, ScopeWanted), Fault> {
        read(json!({ "auth": { "identity": identity, "scope": scope } }).to_string().as_bytes())
    }

    #[test]
    fn each_way_to_log_in() {
        let user = json!({ "name": "ada", "password": "p", "domain": { "name": "default" } });
        let password = json!({ "methods": ["password"], "password": { "user": user } });
        let project = json!({ "project": { "name": "local", "domain": { "id": "d" } } });
        let (login, scope) = read_json(&password, &project).expect("reads");
        let name = |text: &str| NameOrId::Name(text.to_owned());
        assert!(matches!(login, Login::Password { user, password }
            if user == NamedIn { what: name("ada"), domain: Some(name("default")) } && password.reveal() == "p"));
        let id = Some(NameOrId::Id("d".to_owned()));
        assert_eq!(scope, ScopeWanted::Project(NamedIn { what: name("local"), domain: id }));
        let key =
            json!({ "methods": ["hw_ak_sk"], "hw_ak_sk": { "access": { "key": "A" }, "secret": { "key": "S" } } });
        let (login, scope) = read_json(&key, &json!({ "domain": { "name": "default" } })).expect("reads");
        assert!(matches!(login, Login::Key { access, secret } if access == "A" && secret.reveal() == "S"));
        assert_eq!(scope, ScopeWanted::Domain(name("default")));
        let token = json!({ "methods": ["token"], "token": { "id": "t" } });
        for unsaid in [Value::Null, json!("unscoped"), json!({ "unscoped": {} })] {
            let (login, scope) = read_json(&token, &unsaid).expect("reads");
            assert!(matches!(login, Login::Token(text) if text.reveal() == "t"));
            assert_eq!(scope, ScopeWanted::Unsaid);
        }
    }

    #[test]
    fn what_is_wrong_is_named_and_not_quoted() {
        let check = |body: Value, code: ErrorCode, part: &str| {
            let fault = read(body.to_string().as_bytes()).map(|_| ()).expect_err("must be refused");
            assert_eq!(fault.code, code, "{body}");
            assert!(fault.message.contains(part) && !fault.message.contains("hidden"), "{}", fault.message);
        };
        let of = |identity: Value| json!({ "auth": { "identity": identity } });
        check(json!([]), ErrorCode::BadParameter, "JSON object");
        check(json!({ "auth": "hidden" }), ErrorCode::BadParameter, "methods");
        check(of(json!({ "methods": ["password", "totp"] })), ErrorCode::BadParameter, "one method");
        check(of(json!({ "methods": ["totp"] })), ErrorCode::NotSupported, "hw_ak_sk");
        let nobody = json!({ "methods": ["password"], "password": { "user": { "password": "hidden" } } });
        check(of(nobody), ErrorCode::BadParameter, "an id or a name");
        let number = json!({ "methods": ["password"], "password": { "user": { "name": "hidden", "password": 1 } } });
        check(of(number), ErrorCode::BadParameter, "user.password must be a text");
        let token = json!({ "methods": ["token"], "token": { "id": "hidden" } });
        check(
            json!({ "auth": { "identity": token, "scope": { "system": {} } } }),
            ErrorCode::BadParameter,
            "auth.scope",
        );
    }

    #[test]
    fn temporary_keys_have_bounds() {
        let of = |token: Value| {
            let body = json!({ "auth": { "identity": { "methods": ["token"], "token": token } } });
            security_token(body.to_string().as_bytes()).map(|wanted| (wanted.token, wanted.seconds))
        };
        assert_eq!(of(json!({})), Ok((None, 900)));
        assert_eq!(of(json!({ "id": "t", "duration_seconds": "21600" })), Ok((Some("t".to_owned()), 21_600)));
        assert_eq!(of(json!({ "duration_seconds": 86_400 })), Ok((None, 86_400)));
        for bad in [json!(899), json!(86_401), json!("long"), json!(true)] {
            assert!(of(json!({ "duration_seconds": bad })).is_err(), "{bad}");
        }
    }
}
