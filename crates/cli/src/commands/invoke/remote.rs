//! Calls a function of a server by its name or URN.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use fungraph_model::FunctionRef;
use http::HeaderMap;
use serde_json::Value;

use super::event;
use super::report::{End, Numbers, Report};
use crate::args::InvokeArgs;
use crate::client::{self, Answer};
use crate::credentials::Credentials;
use crate::exit::{Exit, Stop};
use crate::say;
use crate::target;

/// Asks for the end of the log.
pub(super) const TAIL: (&str, &str) = ("x-cff-log-type", "tail");
/// A synchronous run ends after 15 minutes at the latest; what is silent for longer is gone.
const LONGEST: Duration = Duration::from_secs(960);

pub(super) fn run(args: &InvokeArgs) -> anyhow::Result<Exit> {
    let who = client::credentials(&args.locate)?;
    let event = event::read(&args.data)?;
    let meanings = target::meanings(&args.target).map_err(|fault| Stop::usage(fault.message))?;
    let headers: &[_] = if args.tail { &[TAIL] } else { &[] };
    let operation = if args.asynchronous { "invocations-async" } else { "invocations" };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(async {
        let answer = tokio::time::timeout(LONGEST, call(&who, &meanings, operation, headers, event));
        answer.await.map_err(|_| Stop::failed("the server did not answer within 16 minutes"))?
    })?;
    if args.asynchronous {
        return accepted(&answer);
    }
    shown(answer, args.tail)
}

/// One synchronous call of a path, its result shown as `invoke` does.
pub(super) fn call_path(
    who: &Credentials,
    path: &str,
    headers: &[(&str, &str)],
    event: Bytes,
    tail: bool,
) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(async {
        let answer = tokio::time::timeout(LONGEST, client::post(who, path, headers, event));
        answer.await.map_err(|_| Stop::failed("the server did not answer within 16 minutes"))?
    })?;
    shown(answer, tail)
}

fn shown(answer: Answer, tail: bool) -> anyhow::Result<Exit> {
    let report = report(answer, tail)?;
    report.show();
    Ok(if report.failed() { Exit::Failed } else { Exit::Clean })
}

/// Calls the first meaning that is there: of a function that is missing, or of another project, nothing has run. Where all are
/// missing, the refusal of the likeliest is told.
async fn call(
    who: &Credentials,
    meanings: &[FunctionRef],
    operation: &str,
    headers: &[(&str, &str)],
    event: Bytes,
) -> anyhow::Result<Answer> {
    let mut first = None;
    for function in meanings {
        let urn = client::encode(&target::urn(function, &who.project_id));
        let path = format!("/v2/{}/fgs/functions/{urn}/{operation}", client::encode(&who.project_id));
        let answer = client::post(who, &path, headers, event.clone()).await?;
        let is_missing = matches!(answer.status, 403 | 404) && text(&answer.headers, "x-func-err-code").is_empty();
        if !is_missing {
            return Ok(answer);
        }
        first.get_or_insert(answer);
    }
    first.ok_or_else(|| Stop::usage("the name of a function is missing"))
}

/// The id of a call that the server has in its queue.
fn accepted(answer: &Answer) -> anyhow::Result<Exit> {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let Some(request) = body["request_id"].as_str().filter(|_| answer.status == 202) else {
        return Err(client::refusal(answer.status, &answer.body));
    };
    say::out(request);
    Ok(Exit::Clean)
}

fn report(answer: Answer, tail: bool) -> anyhow::Result<Report> {
    let Answer { status, headers, body } = answer;
    let number = text(&headers, "x-func-err-code").parse().unwrap_or(0);
    let end = match (number, status) {
        (0, 200) => {
            let is_line = !text(&headers, "content-type").is_empty() && std::str::from_utf8(&body).is_ok();
            End::Returned { value: body.to_vec(), is_line }
        }
        (0, _) => return Err(client::refusal(status, &body)),
        _ => End::Failed { number, object: body.to_vec() },
    };
    let log = STANDARD.decode(text(&headers, "x-cff-function-log")).unwrap_or_default();
    let numbers = if tail { numbers(text(&headers, "x-cff-invoke-summary")) } else { None };
    Ok(Report { end, log: String::from_utf8_lossy(&log).into_owned(), numbers, beside: None })
}

fn numbers(summary: &str) -> Option<Numbers> {
    let summary: Value = serde_json::from_str(summary).ok()?;
    Some(Numbers {
        duration_ms: summary.get("duration")?.as_f64()?,
        billed_ms: summary.get("billingDuration")?.as_u64()?,
        memory_mb: summary.get("memorySize")?.as_u64()?,
        used_mb: summary.get("memoryUsed")?.as_f64()?,
    })
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
