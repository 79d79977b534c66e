//! `fungraph user`: users of the account and what they may do, over the network, as an administrator.

mod password;

use http::Method;
use serde_json::{Value, json};

use super::project::table;
use crate::args::{GrantArgs, Locate, UserCommand};
use crate::client::{self, ask, encode};
use crate::exit::Exit;
use crate::say;

const PATH: &str = "/v1/fungraph/users";

pub(crate) fn run(command: &UserCommand) -> anyhow::Result<Exit> {
    match command {
        UserCommand::Create { name, password, locate } => create(name, *password, locate)?,
        UserCommand::List { locate } => list(locate)?,
        UserCommand::Delete { name, locate } => {
            ask(&client::credentials(locate)?, Method::DELETE, &path(name, ""), &Value::Null)?;
        }
        UserCommand::Passwd { name, locate } => {
            let who = client::credentials(locate)?;
            let body = json!({ "password": password::read(name)?.reveal() });
            ask(&who, Method::PUT, &path(name, "/password"), &body)?;
        }
        UserCommand::Grant(args) => role(args, Method::PUT)?,
        UserCommand::Revoke(args) => role(args, Method::DELETE)?,
    }
    Ok(Exit::Clean)
}

fn create(name: &str, with_password: bool, locate: &Locate) -> anyhow::Result<()> {
    let who = client::credentials(locate)?;
    let mut body = json!({ "name": name });
    if with_password {
        body["password"] = password::read(name)?.reveal().into();
    }
    let made = ask(&who, Method::POST, PATH, &body)?;
    say::out(made["id"].as_str().unwrap_or_default());
    Ok(())
}

fn list(locate: &Locate) -> anyhow::Result<()> {
    let mut found = ask(&client::credentials(locate)?, Method::GET, PATH, &Value::Null)?;
    for user in found["users"].as_array_mut().into_iter().flatten() {
        let role = |grant: &Value| {
            let place = grant["project"].as_str().unwrap_or("everywhere");
            format!("{} ({place})", grant["role"].as_str().unwrap_or_default())
        };
        user["roles"] = user["roles"].as_array().into_iter().flatten().map(role).collect();
        user["password"] = user["has_password"].take();
    }
    say::raw(table(&found["users"], &["name", "roles", "keys", "password", "created", "id"]).as_bytes());
    Ok(())
}

fn role(args: &GrantArgs, method: Method) -> anyhow::Result<()> {
    let who = client::credentials(&args.locate)?;
    let path = path(&args.name, &format!("/roles/{}", encode(&args.role)));
    ask(&who, method, &path, &json!({ "project": args.place.project, "everywhere": args.place.everywhere }))?;
    Ok(())
}

fn path(name: &str, rest: &str) -> String {
    format!("{PATH}/{}{rest}", encode(name))
}
