//! Settings of asynchronous calls in requests and answers (contract: schemas.json, `UpdateFunctionAsyncInvokeConfigRequestBody` and its kin).

use fungraph_engine::{AsyncConfigList, AsyncDraft, DestinationDraft};
use fungraph_model::{AsyncConfig, Destination, Fault, FunctionKey, Qualifier};
use serde_json::{Value, json};

use super::{fields::Fields, function::time, list::number};

/// Settings on one page where nobody said, and at most (contract: limits.md, "Lists").
const PAGE: u32 = 10;
const MOST: u32 = 100;

const LOG: [&str; 4] = ["log_group_id", "log_group_name", "log_stream_id", "log_stream_name"];

/// UpdateFunctionAsyncInvokeConfig.
///
/// # Errors
/// FSS.0400 naming the field.
pub(crate) fn async_draft(mut fields: Fields) -> Result<AsyncDraft, Fault> {
    let mut draft = AsyncDraft {
        max_age: fields.integer("max_async_event_age_in_seconds")?,
        max_retries: fields.integer("max_async_retry_attempts")?,
        status_log: fields.boolean("enable_async_status_log")?,
        ..AsyncDraft::default()
    };
    let destinations = fields.inside("destination_config", |both| {
        Ok((both.inside("on_success", destination)?, both.inside("on_failure", destination)?))
    })?;
    (draft.on_success, draft.on_failure) = destinations.unwrap_or_default();
    for name in LOG {
        if let Some(text) = fields.text(name)? {
            draft.log.insert(name.to_owned(), text);
        }
    }
    Ok(draft)
}

fn destination(fields: &mut Fields) -> Result<DestinationDraft, Fault> {
    Ok(DestinationDraft { kind: fields.text("destination")?, param: fields.text("param")? })
}

/// ListFunctionAsyncInvokeConfig: marker and limit.
///
/// # Errors
/// FSS.0400 for a negative number, FSS.1001 for text that is none.
pub(crate) fn async_query(query: &str) -> Result<(u32, u32), Fault> {
    let limit = match number(query, "limit")? {
        0 => PAGE,
        limit => limit.min(MOST),
    };
    Ok((number(query, "marker")?, limit))
}

/// Those of one version or alias.
pub(crate) fn async_config(key: &FunctionKey, qualifier: &Qualifier, config: &AsyncConfig, region: &str) -> Value {
    let mut shape = json!({
        "func_urn": key.urn(region, &qualifier.to_string()),
        "max_async_event_age_in_seconds": config.max_age_s,
        "max_async_retry_attempts": config.max_retries,
        "destination_config": {
            "on_success": config.on_success.as_ref().map(shown),
            "on_failure": config.on_failure.as_ref().map(shown),
        },
        "created_time": time(config.created),
        "last_modified": time(config.last_modified),
        "enable_async_status_log": config.status_log,
    });
    for (name, text) in &config.log {
        shape[name] = json!(text);
    }
    shape
}

fn shown(destination: &Destination) -> Value {
    json!({ "destination": destination.kind.name(), "param": destination.param })
}

/// One page of a function's.
pub(crate) fn async_configs(list: &AsyncConfigList, region: &str) -> Value {
    let entry = |(qualifier, config): &(Qualifier, AsyncConfig)| async_config(&list.key, qualifier, config, region);
    json!({
        "async_invoke_configs": list.configs.iter().map(entry).collect::<Vec<_>>(),
        "count": list.count,
        "page_info": {
            "next_marker": list.next_marker,
            "previous_marker": list.previous_marker,
            "current_count": list.configs.len(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_of_the_sdk_is_read_whole() {
        let body = br#"{"max_async_event_age_in_seconds":"60","max_async_retry_attempts":0,"enable_async_status_log":true,
            "destination_config":{"on_success":{"destination":"SMN","param":"{}"},"on_failure":null},"log_group_id":"g"}"#;
        let draft = async_draft(Fields::parse(body).expect("JSON")).expect("a draft");
        assert_eq!((draft.max_age, draft.max_retries, draft.status_log), (Some(60), Some(0), Some(true)));
        assert_eq!(draft.on_success.and_then(|success| success.kind).as_deref(), Some("SMN"));
        assert!(draft.on_failure.is_none() && draft.log.len() == 1);
        let bad = Fields::parse(br#"{"destination_config":{"on_failure":{"param":{}}}}"#).expect("JSON");
        let fault = async_draft(bad).expect_err("a fault");
        assert!(fault.message.contains("destination_config.on_failure.param"), "{}", fault.message);
    }

    #[test]
    fn pages_follow_the_contract() {
        for (query, expected) in
            [("", (0, 10)), ("limit=0&marker=5", (5, 10)), ("limit=101", (0, 100)), ("limit=7", (0, 7))]
        {
            assert_eq!(async_query(query), Ok(expected), "{query}");
        }
        assert!(async_query("limit=-1").is_err() && async_query("marker=x").is_err());
    }
}
