//! `fungraph key`: access keys of the account, over the network, as an administrator.

use http::Method;
use serde_json::{Value, json};

use super::project::table;
use crate::args::{KeyArgs, KeyCommand};
use crate::client::{self, ask, encode};
use crate::exit::Exit;
use crate::say;

const PATH: &str = "/v1/fungraph/keys";

pub(crate) fn run(command: &KeyCommand) -> anyhow::Result<Exit> {
    match command {
        KeyCommand::Create { user, locate } => {
            show(&ask(&client::credentials(locate)?, Method::POST, PATH, &json!({ "user": user }))?);
        }
        KeyCommand::List { locate } => {
            let found = ask(&client::credentials(locate)?, Method::GET, PATH, &Value::Null)?;
            say::raw(table(&found["keys"], &["access_key", "user", "enabled", "created", "rotated"]).as_bytes());
        }
        KeyCommand::Rotate(args) => show(&change(args, Method::POST, "/rotate")?),
        KeyCommand::Disable(args) => drop(change(args, Method::POST, "/disable")?),
        KeyCommand::Enable(args) => drop(change(args, Method::POST, "/enable")?),
        KeyCommand::Delete(args) => drop(change(args, Method::DELETE, "")?),
    }
    Ok(Exit::Clean)
}

fn change(args: &KeyArgs, method: Method, rest: &str) -> anyhow::Result<Value> {
    let path = format!("{PATH}/{}{rest}", encode(&args.key));
    ask(&client::credentials(&args.locate)?, method, &path, &Value::Null)
}

/// Both halves, in a form that a shell and a person read.
fn show(key: &Value) {
    for (name, field) in [("HUAWEICLOUD_SDK_AK", "access_key"), ("HUAWEICLOUD_SDK_SK", "secret_key")] {
        say::out(format!("export {name}='{}'", key[field].as_str().unwrap_or_default()));
    }
    say::note("the secret key is shown this once and cannot be shown again");
}
