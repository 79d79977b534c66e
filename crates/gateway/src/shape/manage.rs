//! Projects, users and keys as administrators see them. Secrets are in the answer that made them, and in no other.

use fungraph_engine::{KeyView, NewKey, UserView};
use fungraph_model::{Project, User};
use jiff::Timestamp;
use serde_json::{Value, json};

pub(crate) fn projects(projects: &[(Project, String)]) -> Value {
    json!({ "projects": projects.iter().map(|(one, name)| project(one, name)).collect::<Vec<_>>() })
}

pub(crate) fn project(project: &Project, name: &str) -> Value {
    json!({ "id": project.id.0, "name": name, "created": time(project.created) })
}

pub(crate) fn users(users: &[UserView]) -> Value {
    json!({ "users": users.iter().map(user).collect::<Vec<_>>() })
}

fn user(view: &UserView) -> Value {
    let roles = view.grants.iter().map(|(role, project)| {
        let (id, name) = project.as_ref().map_or((None, None), |(id, name)| (Some(&id.0), Some(name)));
        json!({ "role": role.name(), "project_id": id, "project": name })
    });
    let mut shown = new_user(&view.user);
    shown["roles"] = roles.collect();
    shown["keys"] = view.keys.into();
    shown
}

pub(crate) fn new_user(user: &User) -> Value {
    json!({
        "id": user.id.0,
        "name": user.name,
        "has_password": user.password.is_some(),
        "created": time(user.created),
    })
}

pub(crate) fn keys(keys: &[KeyView]) -> Value {
    let shown = keys.iter().map(|key| {
        json!({
            "access_key": key.access,
            "user": key.user,
            "enabled": key.enabled,
            "created": time(key.created),
            "rotated": time(key.rotated),
        })
    });
    json!({ "keys": shown.collect::<Vec<_>>() })
}

pub(crate) fn new_key(key: &NewKey) -> Value {
    json!({ "access_key": key.access, "secret_key": key.secret.reveal() })
}

/// What is from before this was kept has no time.
fn time(time: Timestamp) -> Option<String> {
    (time != Timestamp::UNIX_EPOCH).then(|| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}
