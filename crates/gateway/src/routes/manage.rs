//! `/v1/fungraph/…`: projects, users, roles and keys, for `fungraph project`, `user` and `key`. Paths of ours beside the API, signed
//! like the API, for administrators of the account and nobody else: each handler takes the proof of that.

use std::sync::Arc;

use fungraph_engine::Engine;
use fungraph_model::{Administrator, ErrorCode, Fault, Proof, Role, Secret};
use http::StatusCode;

use super::own::Row;
use crate::{
    answer::{self, Refusal, Response},
    shape::{Fields, manage as shape},
};

/// What all its paths begin with.
pub(crate) const PREFIX: &str = "/v1/fungraph/";

/// What an administrator asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    ListProjects,
    CreateProject,
    DeleteProject,
    ListUsers,
    CreateUser,
    DeleteUser,
    SetPassword,
    Grant,
    RevokeGrant,
    ListKeys,
    CreateKey,
    RotateKey,
    EnableKey,
    DisableKey,
    DeleteKey,
}

pub(crate) static ROWS: [Row<Asked>; 15] = [
    ("GET", "/v1/fungraph/projects", Asked::ListProjects),
    ("POST", "/v1/fungraph/projects", Asked::CreateProject),
    ("DELETE", "/v1/fungraph/projects/{project}", Asked::DeleteProject),
    ("GET", "/v1/fungraph/users", Asked::ListUsers),
    ("POST", "/v1/fungraph/users", Asked::CreateUser),
    ("DELETE", "/v1/fungraph/users/{user}", Asked::DeleteUser),
    ("PUT", "/v1/fungraph/users/{user}/password", Asked::SetPassword),
    ("PUT", "/v1/fungraph/users/{user}/roles/{role}", Asked::Grant),
    ("DELETE", "/v1/fungraph/users/{user}/roles/{role}", Asked::RevokeGrant),
    ("GET", "/v1/fungraph/keys", Asked::ListKeys),
    ("POST", "/v1/fungraph/keys", Asked::CreateKey),
    ("POST", "/v1/fungraph/keys/{key}/rotate", Asked::RotateKey),
    ("POST", "/v1/fungraph/keys/{key}/enable", Asked::EnableKey),
    ("POST", "/v1/fungraph/keys/{key}/disable", Asked::DisableKey),
    ("DELETE", "/v1/fungraph/keys/{key}", Asked::DeleteKey),
];

/// Answers an administrator. `names` are the parameters of the path.
///
/// # Errors
/// FSS.0401 for everybody else.
pub(crate) async fn answer(
    engine: &Arc<Engine>,
    asked: Asked,
    names: Vec<String>,
    proof: &Proof,
    body: bytes::Bytes,
) -> Result<Response, Refusal> {
    let by = Administrator::of(proof).ok_or_else(|| not_permitted(proof))?;
    let mut fields = Fields::read(body).await?;
    let mut names = names.into_iter();
    let first = names.next().unwrap_or_default();
    match asked {
        Asked::ListProjects => Ok(answer::json(&shape::projects(&engine.projects_of(by.domain())))),
        Asked::CreateProject => {
            let name = needed(&mut fields, "name")?;
            let project = engine.create_project(&by, &name).await?;
            Ok(created(&shape::project(&project, &name)))
        }
        Asked::DeleteProject => done(engine.delete_project(&by, first).await),
        Asked::ListUsers => Ok(answer::json(&shape::users(&engine.users(&by)))),
        Asked::CreateUser => {
            let name = needed(&mut fields, "name")?;
            let password = fields.text("password")?.map(Secret::new);
            Ok(created(&shape::new_user(&engine.create_user(&by, &name, password).await?)))
        }
        Asked::DeleteUser => done(engine.delete_user(&by, first).await),
        Asked::SetPassword => {
            let password = Secret::new(needed(&mut fields, "password")?);
            done(engine.set_password(&by, first, password).await)
        }
        Asked::Grant | Asked::RevokeGrant => {
            let (role, project) = (role(&names.next().unwrap_or_default())?, place(&mut fields)?);
            match asked {
                Asked::Grant => done(engine.grant(&by, first, role, project).await),
                _ => done(engine.revoke_grant(&by, first, role, project).await),
            }
        }
        Asked::ListKeys => Ok(answer::json(&shape::keys(&engine.keys(&by)))),
        Asked::CreateKey => {
            let user = needed(&mut fields, "user")?;
            Ok(created(&shape::new_key(&engine.create_key(&by, user).await?)))
        }
        Asked::RotateKey => Ok(answer::json(&shape::new_key(&engine.rotate_key(&by, first).await?))),
        Asked::EnableKey => done(engine.enable_key(&by, first, true).await),
        Asked::DisableKey => done(engine.enable_key(&by, first, false).await),
        Asked::DeleteKey => done(engine.delete_key(&by, first).await),
    }
}

fn not_permitted(proof: &Proof) -> Fault {
    let text = if proof.holder.is_administrator {
        "A token of one project does not decide about the account: sign with an access key, or log in with the domain as scope"
    } else {
        "Only an administrator of the account decides about users, keys and projects: ask one, or for the role admin in the whole \
         account (fungraph user grant NAME admin --everywhere)"
    };
    Fault::new(ErrorCode::NotPermitted, text)
}

fn needed(fields: &mut Fields, name: &str) -> Result<String, Fault> {
    let missing =
        || Fault::new(ErrorCode::BadParameter, format!("The body must be a JSON object with the text '{name}'"));
    fields.text(name)?.ok_or_else(missing)
}

/// Where a role is meant: a project, or the whole account, which nobody gets by leaving something out.
fn place(fields: &mut Fields) -> Result<Option<String>, Fault> {
    match (fields.text("project")?, fields.boolean("everywhere")?.unwrap_or(false)) {
        (Some(project), false) => Ok(Some(project)),
        (None, true) => Ok(None),
        _ => Err(Fault::new(
            ErrorCode::BadParameter,
            "Say where: either the text 'project', the name or id of one, or 'everywhere': true for the whole account",
        )),
    }
}

fn role(name: &str) -> Result<Role, Fault> {
    let names = Role::ALL.map(Role::name).join(", ");
    Role::parse(name)
        .ok_or_else(|| Fault::new(ErrorCode::BadParameter, format!("There is no such role: there are {names}")))
}

fn created(shape: &serde_json::Value) -> Response {
    let mut response = answer::json(shape);
    *response.status_mut() = StatusCode::CREATED;
    response
}

fn done(result: Result<(), fungraph_engine::Error>) -> Result<Response, Refusal> {
    result?;
    Ok(answer::no_content())
}
