//! Asynchronous calls in requests and answers (contract: async.md section 4; schemas.json, `ListFunctionAsyncInvocationsResult`).

use fungraph_engine::{AsyncCounts, AsyncPage, AsyncQuery, CancelKind};
use fungraph_model::{AsyncRecord, AsyncStatus, ErrorCode, Fault, RequestId};
use jiff::{Span, Timestamp, civil::DateTime, tz::TimeZone};
use serde_json::{Value, json};

use super::{
    fields::Fields,
    function::time,
    list::{number, value},
};

/// Records on one page where nobody said, and at most (contract: limits.md, "Lists").
const PAGE: u32 = 100;
const MOST: u32 = 500;
/// Calls that the list of active ones can be asked for by name.
const MOST_REQUESTS: usize = 10;
/// How far a list looks back where nobody said.
const WINDOW_HOURS: i64 = 1;

/// ListAsyncInvocations.
///
/// # Errors
/// FSS.0400 for a value that is out of its bounds, FSS.1001 for one that cannot be read.
pub(crate) fn async_call_query(query: &str, now: Timestamp) -> Result<AsyncQuery, Fault> {
    let requests = value(query, "request_id")?.map(|text| request_id("request_id", &text)).transpose()?;
    read(query, requests.into_iter().collect(), false, now)
}

/// ListActiveAsyncInvocations.
///
/// # Errors
/// FSS.0400 for a value that is out of its bounds, FSS.1001 for one that cannot be read.
pub(crate) fn active_async_call_query(query: &str, now: Timestamp) -> Result<AsyncQuery, Fault> {
    let text = value(query, "requests")?.unwrap_or_default();
    let names: Vec<&str> = text.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    if names.len() > MOST_REQUESTS {
        return Err(bad(format!("The query value requests names {} calls; it may name {MOST_REQUESTS}", names.len())));
    }
    let requests = names.into_iter().map(|name| request_id("requests", name)).collect::<Result<_, _>>()?;
    read(query, requests, true, now)
}

fn read(query: &str, requests: Vec<RequestId>, active: bool, now: Timestamp) -> Result<AsyncQuery, Fault> {
    let status = value(query, "status")?.map(|text| status(&text)).transpose()?;
    let limit = match number(query, "limit")? {
        0 => PAGE,
        limit => limit.min(MOST),
    };
    let (begin, end) = window(moment(query, "query_begin_time")?, moment(query, "query_end_time")?, &requests, now)?;
    Ok(AsyncQuery { requests, status, begin, end, marker: number(query, "marker")?, limit, active })
}

/// The last hour where nobody said: up to the end, where only that is said. A call that is asked for by its name is found whenever it was.
fn window(
    begin: Option<Timestamp>,
    end: Option<Timestamp>,
    requests: &[RequestId],
    now: Timestamp,
) -> Result<(Option<Timestamp>, Option<Timestamp>), Fault> {
    if let (Some(begin), Some(end)) = (begin, end)
        && begin > end
    {
        return Err(bad("The query value query_begin_time must not be after query_end_time".to_owned()));
    }
    if begin.is_some() || !requests.is_empty() {
        return Ok((begin, end));
    }
    let hour = Span::new().hours(WINDOW_HOURS);
    Ok((Some(end.unwrap_or(now).saturating_sub(hour).unwrap_or(Timestamp::MIN)), end))
}

/// A time of a query: UTC where it names no zone, as clients send it; the SDK sends `+00:00` for some.
fn moment(query: &str, key: &str) -> Result<Option<Timestamp>, Fault> {
    let Some(text) = value(query, key)? else { return Ok(None) };
    let zoned = text.parse::<Timestamp>();
    let found = zoned.or_else(|_| text.parse::<DateTime>()?.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp()));
    found.map(Some).map_err(|_| {
        Fault::new(
            ErrorCode::BadQuery,
            format!("The query value {key} must be a time of UTC such as 2026-01-02T03:04:05"),
        )
    })
}

fn status(text: &str) -> Result<AsyncStatus, Fault> {
    AsyncStatus::parse(text).ok_or_else(|| {
        let names = AsyncStatus::ALL.map(AsyncStatus::name).join(", ");
        bad(format!("The query value status must be one of {names}"))
    })
}

/// The id of a call, as AsyncInvokeFunction gave it.
///
/// # Errors
/// FSS.0400 where it is none.
pub(crate) fn request_id(name: &str, text: &str) -> Result<RequestId, Fault> {
    RequestId::parse(text).ok_or_else(|| {
        bad(format!("The value {name} must be a request_id of AsyncInvokeFunction: 36 characters of a UUID"))
    })
}

/// CancelAsyncInvocation. The service stops a running call by force whatever is said, so the types differ in whose calls end.
///
/// # Errors
/// FSS.0400 naming the field.
pub(crate) fn async_call_cancel(mut fields: Fields) -> Result<(RequestId, CancelKind), Fault> {
    let id = fields.text("request_id")?;
    let kind = fields.text("type")?.unwrap_or_default();
    let id = id.filter(|id| !id.is_empty()).ok_or_else(|| bad("The field 'request_id' is missing".to_owned()))?;
    let kind = match kind.as_str() {
        "force" | "" => CancelKind { force: true, recursive: false },
        "recursive" => CancelKind { force: true, recursive: true },
        _ => return Err(bad("The field 'type' must be force or recursive".to_owned())),
    };
    Ok((request_id("request_id", &id)?, kind))
}

/// One page of either list.
pub(crate) fn async_calls(page: &AsyncPage) -> Value {
    json!({
        "invocations": page.records.iter().map(listed).collect::<Vec<_>>(),
        "count": page.records.len(),
        "next_marker": page.next_marker,
    })
}

fn listed(record: &AsyncRecord) -> Value {
    json!({
        "request_id": record.request.to_string(),
        "status": record.status.name(),
        "error_code": record.code,
        "error_message": record.message,
        "start_time": record.start.map(time),
        "end_time": record.end.map(time),
    })
}

/// All that is known of one call, for `fungraph async show`.
pub(crate) fn async_call(record: &AsyncRecord) -> Value {
    let mut shape = listed(record);
    shape["accepted_time"] = json!(time(record.accepted));
    shape["begun"] = json!(record.begun);
    shape["version"] = json!(record.version);
    shape["qualifier"] = json!(record.qualifier.to_string());
    shape["parent_request_id"] = json!(record.parent.map(|parent| parent.to_string()));
    shape
}

/// How many calls of a function wait, run, and have ended in which way since it was made.
pub(crate) fn async_counts(counts: &AsyncCounts) -> Value {
    json!({
        "waiting": counts.waiting,
        "running": counts.running,
        "succeeded": counts.succeeded,
        "failed": counts.failed,
        "discarded": counts.discarded,
        "paused": counts.paused,
    })
}

fn bad(message: String) -> Fault {
    Fault::new(ErrorCode::BadParameter, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0199c0de-0b1d-7c55-9d63-2f0e7c1f1f10";

    fn now() -> Timestamp {
        "2026-03-02T10:15:00Z".parse().expect("a time")
    }

    fn check(query: &str, begin: Option<&str>, end: Option<&str>) {
        let parse = |text: Option<&str>| text.map(|text| text.parse::<Timestamp>().expect("a time"));
        let found = async_call_query(query, now()).expect(query);
        assert_eq!((found.begin, found.end), (parse(begin), parse(end)), "{query}");
    }

    #[test]
    fn a_list_looks_back_an_hour_where_nobody_said() {
        check("", Some("2026-03-02T09:15:00Z"), None);
        check("query_end_time=2026-03-01T00:00:00", Some("2026-02-28T23:00:00Z"), Some("2026-03-01T00:00:00Z"));
        check("query_begin_time=2026-03-01T00:00:00.5", Some("2026-03-01T00:00:00.5Z"), None);
        // As the SDK writes times that know their zone, and times with a blank.
        check("query_begin_time=2026-03-01T02:00:00%2B02:00", Some("2026-03-01T00:00:00Z"), None);
        check("query_begin_time=2026-03-01%2000:00:00", Some("2026-03-01T00:00:00Z"), None);
        check(&format!("request_id={ID}"), None, None);
    }

    #[test]
    fn bad_queries_say_which_value() {
        for (query, code) in [
            ("query_begin_time=yesterday", ErrorCode::BadQuery),
            ("query_begin_time=2026-03-02T10:00:00&query_end_time=2026-03-02T09:00:00", ErrorCode::BadParameter),
            ("status=DONE", ErrorCode::BadParameter),
            ("request_id=7", ErrorCode::BadParameter),
            ("limit=-1", ErrorCode::BadParameter),
            ("marker=x", ErrorCode::BadQuery),
        ] {
            let fault = async_call_query(query, now()).expect_err(query);
            let name = query.split('=').next().expect("a name");
            assert!(fault.code == code && fault.message.contains(name), "{query}: {fault:?}");
        }
    }

    #[test]
    fn active_calls_are_asked_for_by_up_to_ten_names() {
        let ask = |count: usize| active_async_call_query(&format!("requests={}", vec![ID; count].join(",")), now());
        let found = ask(10).expect("ten");
        assert_eq!((found.requests.len(), found.active, found.limit), (10, true, PAGE));
        assert!(ask(11).expect_err("eleven").message.contains("11 calls; it may name 10"));
        let found = active_async_call_query(&format!("requests=,%20{ID},&limit=501&status=RUNNING"), now());
        let found = found.expect("one and commas");
        assert_eq!((found.requests.len(), found.limit, found.status), (1, MOST, Some(AsyncStatus::Running)));
    }

    #[test]
    fn a_call_is_cancelled_by_force_where_nothing_else_is_said() {
        let read = |body: &str| async_call_cancel(Fields::parse(body.as_bytes()).expect("JSON"));
        for (kind, recursive) in [("", false), (r#","type":"force""#, false), (r#","type":"recursive""#, true)] {
            let (request, found) = read(&format!(r#"{{"request_id":"{ID}"{kind}}}"#)).expect(kind);
            assert_eq!((request.to_string().as_str(), found.force, found.recursive), (ID, true, recursive));
        }
        for (body, name) in [("{}", "request_id"), (r#"{"request_id":"x"}"#, "request_id")] {
            assert!(read(body).expect_err(body).message.contains(name));
        }
        let fault = read(&format!(r#"{{"request_id":"{ID}","type":"all"}}"#)).expect_err("no such type");
        assert_eq!(fault.message, "The field 'type' must be force or recursive");
    }
}
