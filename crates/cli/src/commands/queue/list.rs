//! `fungraph async list NAME`: a table, page by page until there are as many as were asked for.

use std::time::Duration;

use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{api, own};
use crate::args::AsyncListArgs;
use crate::client::{self, ask, encode};
use crate::commands::project::table;
use crate::credentials::Credentials;
use crate::exit::Stop;
use crate::say;

/// The server's largest page.
const PAGE: usize = 500;
/// Characters of a message that a line has room for.
const MESSAGE: usize = 60;
const COLUMNS: [&str; 6] = ["request_id", "status", "started", "ended", "code", "message"];

pub(super) fn run(args: &AsyncListArgs) -> anyhow::Result<()> {
    let begin = if args.active { Timestamp::UNIX_EPOCH } else { since(&args.since, Timestamp::now())? };
    let who = client::credentials(&args.locate)?;
    let counts = ask(&who, Method::GET, &own(&who, &args.function), &Value::Null)?;
    let (calls, more) = calls(&who, args, begin)?;
    if args.json {
        say::out(json!({ "counts": counts, "invocations": calls }).to_string());
        return Ok(());
    }
    say::note(summary(&args.function, &counts));
    if calls.is_empty() {
        say::note(nothing(args));
    } else {
        say::raw(table(&calls.iter().map(row).collect(), &COLUMNS).as_bytes());
    }
    if more {
        say::note("there are more: raise --limit, or narrow it with --status and --since");
    }
    Ok(())
}

/// As many as were asked for, and whether there are more.
fn calls(who: &Credentials, args: &AsyncListArgs, begin: Timestamp) -> anyhow::Result<(Vec<Value>, bool)> {
    let list = if args.active { "active-async-invocations" } else { "async-invocations" };
    let begin = encode(&begin.strftime("%Y-%m-%dT%H:%M:%S").to_string());
    let status = args.status.as_ref().map_or_else(String::new, |status| format!("&status={}", encode(status)));
    let (mut calls, mut marker) = (Vec::new(), 0);
    while calls.len() < args.limit {
        let limit = (args.limit - calls.len()).min(PAGE);
        let path = format!(
            "{}/{list}?limit={limit}&marker={marker}&query_begin_time={begin}{status}",
            api(who, &args.function)
        );
        let mut page = ask(who, Method::GET, &path, &Value::Null)?;
        if let Value::Array(more) = page["invocations"].take() {
            calls.extend(more);
        }
        marker = page["next_marker"].as_u64().unwrap_or(0);
        if marker == 0 {
            break;
        }
    }
    Ok((calls, marker != 0))
}

/// So long before now.
fn since(text: &str, now: Timestamp) -> anyhow::Result<Timestamp> {
    let bad = || Stop::usage(format!("--since {text:?} is no length of time; it looks like 90s, 30m, 12h or 7d"));
    let unit = text.chars().next_back().ok_or_else(bad)?;
    let number: u64 = text[..text.len() - unit.len_utf8()].parse().map_err(|_| bad())?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return Err(bad()),
    };
    let ago = Duration::from_secs(number.checked_mul(seconds).ok_or_else(bad)?);
    // Nothing is older than the service.
    Ok(now.checked_sub(ago).unwrap_or(Timestamp::UNIX_EPOCH).max(Timestamp::UNIX_EPOCH))
}

fn summary(function: &str, counts: &Value) -> String {
    let paused =
        if counts["paused"] == true { format!(", paused (fungraph async resume {function})") } else { String::new() };
    format!(
        "{function}: {} wait, {} run{paused}; ended so far: {} SUCCESS, {} FAIL, {} DISCARD",
        counts["waiting"], counts["running"], counts["succeeded"], counts["failed"], counts["discarded"]
    )
}

fn nothing(args: &AsyncListArgs) -> String {
    let what = args.status.as_ref().map_or_else(String::new, |status| format!(" in the state {status}"));
    if args.active {
        format!("no calls wait or run{what}")
    } else {
        format!("no calls{what} since {} ago; --since looks back further", args.since)
    }
}

fn row(call: &Value) -> Value {
    json!({
        "request_id": call["request_id"], "status": call["status"], "started": call["start_time"],
        "ended": call["end_time"], "code": call["error_code"],
        "message": call["error_message"].as_str().map(line).unwrap_or_default(),
    })
}

/// A text of a function as one line that cannot steer a terminal.
fn line(text: &str) -> String {
    let mut characters = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let line: String = characters.by_ref().take(MESSAGE).collect();
    if characters.next().is_some() { line + "…" } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read() {
        let now: Timestamp = "2026-03-02T10:15:00Z".parse().expect("a time");
        for (text, expected) in [
            ("90s", "2026-03-02T10:13:30Z"),
            ("30m", "2026-03-02T09:45:00Z"),
            ("1h", "2026-03-02T09:15:00Z"),
            ("7d", "2026-02-23T10:15:00Z"),
            ("99999999d", "1970-01-01T00:00:00Z"),
        ] {
            assert_eq!(since(text, now).expect(text).to_string(), expected, "{text}");
        }
        for text in ["", "h", "1", "1w", "-1h", "1.5h", "1 h", "99999999999999999999s", "18446744073709551615d", "1ž"]
        {
            assert!(since(text, now).is_err(), "{text}");
        }
    }

    #[test]
    fn a_message_is_one_line_without_the_power_over_a_terminal() {
        assert_eq!(line("a\u{1b}[2J\nb"), "a [2J b");
        assert_eq!(line(&"ž".repeat(61)), "ž".repeat(60) + "…");
        assert_eq!(line(&"ž".repeat(60)), "ž".repeat(60));
    }

    #[test]
    fn a_function_that_is_paused_says_how_to_go_on() {
        let mut counts =
            json!({ "waiting": 3, "running": 1, "succeeded": 5, "failed": 2, "discarded": 0, "paused": false });
        let ended = "ended so far: 5 SUCCESS, 2 FAIL, 0 DISCARD";
        assert_eq!(summary("hello", &counts), format!("hello: 3 wait, 1 run; {ended}"));
        counts["paused"] = true.into();
        assert_eq!(
            summary("hello", &counts),
            format!("hello: 3 wait, 1 run, paused (fungraph async resume hello); {ended}")
        );
    }
}
