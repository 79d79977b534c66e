//! `fungraph async`: asynchronous calls of a server, by its API and, for what that has no operation for, by its own paths.

mod list;
mod show;

use http::Method;
use serde_json::{Value, json};

use crate::args::{AsyncCallArgs, AsyncCommand, AsyncFunctionArgs};
use crate::client::{self, ask, encode};
use crate::credentials::Credentials;
use crate::exit::Exit;
use crate::say;

pub(crate) fn run(command: &AsyncCommand) -> anyhow::Result<Exit> {
    match command {
        AsyncCommand::List(args) => list::run(args)?,
        AsyncCommand::Show { call, json } => show::run(call, *json)?,
        AsyncCommand::Cancel { call, recursive } => cancel(call, *recursive)?,
        AsyncCommand::Retry(call) => retry(call)?,
        AsyncCommand::Pause(args) => drop(change(args, "pause")?),
        AsyncCommand::Resume(args) => drop(change(args, "resume")?),
        AsyncCommand::Purge(args) => say::out(change(args, "purge")?["purged"].to_string()),
    }
    Ok(Exit::Clean)
}

fn cancel(call: &AsyncCallArgs, recursive: bool) -> anyhow::Result<()> {
    let who = client::credentials(&call.locate)?;
    let kind = if recursive { "recursive" } else { "force" };
    let path = format!("{}/cancel", api(&who, &call.function));
    ask(&who, Method::POST, &path, &json!({ "request_id": call.request, "type": kind }))?;
    Ok(())
}

fn retry(call: &AsyncCallArgs) -> anyhow::Result<()> {
    let who = client::credentials(&call.locate)?;
    let path = format!("{}/{}/retry", own(&who, &call.function), encode(&call.request));
    let accepted = ask(&who, Method::POST, &path, &Value::Null)?;
    say::out(accepted["request_id"].as_str().unwrap_or_default());
    Ok(())
}

fn change(args: &AsyncFunctionArgs, what: &str) -> anyhow::Result<Value> {
    let who = client::credentials(&args.locate)?;
    ask(&who, Method::POST, &format!("{}/{what}", own(&who, &args.function)), &Value::Null)
}

/// A function's path in the API.
fn api(who: &Credentials, function: &str) -> String {
    format!("/v2/{}/fgs/functions/{}", encode(&who.project_id), encode(function))
}

/// Path of its queue among our own.
fn own(who: &Credentials, function: &str) -> String {
    format!("/fungraph/{}/functions/{}/async", encode(&who.project_id), encode(function))
}
