//! `fungraph async show NAME REQUEST_ID`: a call, line by line.

use http::Method;
use serde_json::Value;

use super::own;
use crate::args::AsyncCallArgs;
use crate::client::{self, ask, encode};
use crate::say;

pub(super) fn run(call: &AsyncCallArgs, as_json: bool) -> anyhow::Result<()> {
    let who = client::credentials(&call.locate)?;
    let path = format!("{}/{}", own(&who, &call.function), encode(&call.request));
    let record = ask(&who, Method::GET, &path, &Value::Null)?;
    if as_json {
        say::out(record.to_string());
    } else {
        say::raw(lines(&record).as_bytes());
    }
    Ok(())
}

/// What there is to say, the label of each line in a column of its own. What a function said may have lines of its own, and is kept from
/// steering the terminal.
fn lines(record: &Value) -> String {
    let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
    let begun = record["begun"].as_u64().unwrap_or(0);
    let attempts = match begun {
        0 => "none yet".to_owned(),
        1 => "1".to_owned(),
        _ => format!("{begun}: it was tried again, or the server stopped while it ran"),
    };
    let version = match (text("version"), text("qualifier")) {
        (version, asked) if version == asked => version,
        (version, asked) => format!("{version}, asked for as {asked}"),
    };
    let message = text("error_message").replace(|c: char| c.is_control() && c != '\n', " ");
    let message = message.trim_end().replace('\n', &format!("\n{:12}", ""));
    let error = match record["error_code"].as_u64().unwrap_or(0) {
        0 => message,
        code => format!("{code} {message}").trim_end().to_owned(),
    };
    [
        ("request", text("request_id")),
        ("status", text("status")),
        ("version", version),
        ("caused by", text("parent_request_id")),
        ("accepted", text("accepted_time")),
        ("started", text("start_time")),
        ("ended", text("end_time")),
        ("attempts", attempts),
        ("error", error),
    ]
    .into_iter()
    .filter(|(_, text)| !text.is_empty())
    .map(|(label, text)| format!("{label:<10}  {text}\n"))
    .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_call_is_shown_line_by_line() {
        let mut record = json!({
            "request_id": "id", "status": "FAIL", "error_code": 4002, "error_message": "no\u{1b}[2J\nsecond",
            "accepted_time": "2026-03-02T10:15:00Z", "start_time": "2026-03-02T10:15:01Z",
            "end_time": "2026-03-02T10:15:09Z", "begun": 2, "version": "v1", "qualifier": "!prod",
            "parent_request_id": null,
        });
        assert_eq!(
            lines(&record),
            "request     id\nstatus      FAIL\nversion     v1, asked for as !prod\naccepted    2026-03-02T10:15:00Z\n\
             started     2026-03-02T10:15:01Z\nended       2026-03-02T10:15:09Z\n\
             attempts    2: it was tried again, or the server stopped while it ran\n\
             error       4002 no [2J\n            second\n"
        );
        for (name, value) in [("error_code", json!(0)), ("error_message", json!("")), ("begun", json!(0))] {
            record[name] = value;
        }
        assert!(lines(&record).ends_with("attempts    none yet\n"));
    }
}
