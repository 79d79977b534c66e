//! Triggers in requests and answers (contract: events.md sections 1 and 2, schemas.json).

use fungraph_engine::{Engine, TriggerChange, TriggerDraft, TriggerFilter, TriggerList, unconnected};
use fungraph_model::{ErrorCode, Fault, Trigger, TriggerKind, limits};
use serde_json::{Map, Value, json};

use super::{
    fields::Fields,
    list::{number, value},
};

/// CreateFunctionTrigger. `event_type_code` means nothing any more, and is not looked at.
///
/// # Errors
/// FSS.0400 naming the field.
pub(crate) fn trigger_create(mut fields: Fields) -> Result<TriggerDraft, Fault> {
    let data = match fields.object("event_data")?.map(Fields::into_value) {
        Some(Value::Object(data)) => Some(data),
        _ => None,
    };
    Ok(TriggerDraft { kind: fields.text("trigger_type_code")?, status: fields.text("trigger_status")?, data })
}

/// UpdateTrigger: documents have a list in `event_data`, clients send an object.
///
/// # Errors
/// FSS.0400 naming the field.
pub(crate) fn trigger_update(mut fields: Fields) -> Result<TriggerChange, Fault> {
    let wrong =
        || Fault::new(ErrorCode::BadParameter, "The field 'event_data' must be an object, or a list of objects");
    let object = |value: &Value| value.as_object().cloned().ok_or_else(wrong);
    let data = match fields.get("event_data") {
        None => Vec::new(),
        Some(Value::Array(items)) => items.iter().map(object).collect::<Result<_, _>>()?,
        Some(one) => vec![object(one)?],
    };
    Ok(TriggerChange { status: fields.text("trigger_status")?, data })
}

/// The query of a project's triggers.
///
/// # Errors
/// FSS.0400 for a negative number, FSS.1001 for text that is none.
pub(crate) fn trigger_query(query: &str) -> Result<TriggerFilter, Fault> {
    let limit = match number(query, "maxitems")? {
        0 => limits::PAGE_TRIGGERS,
        most => most.min(limits::PAGE_TRIGGERS),
    };
    let kind = value(query, "trigger_type")?.filter(|kind| !kind.is_empty());
    Ok(TriggerFilter { kind, marker: number(query, "marker")?.into(), limit })
}

/// One trigger. `base` is where the client reached us.
pub(crate) fn trigger(engine: &Engine, trigger: &Trigger, base: &str) -> Value {
    Value::Object(fields(engine, trigger, base))
}

/// ListFunctionTriggers: a bare list.
pub(crate) fn triggers(engine: &Engine, triggers: &[Trigger], base: &str) -> Value {
    triggers.iter().map(|one| trigger(engine, one, base)).collect()
}

/// A page of a project's triggers; each says whose it is.
pub(crate) fn trigger_list(engine: &Engine, list: &TriggerList, base: &str) -> Value {
    let entry = |trigger: &Trigger| {
        let mut entry = fields(engine, trigger, base);
        let urn = trigger.key.urn(engine.region(), &trigger.qualifier.to_string());
        entry.insert("func_urn".to_owned(), Value::from(urn));
        Value::Object(entry)
    };
    let all: Vec<Value> = list.triggers.iter().map(entry).collect();
    json!({ "triggers": all, "next_marker": list.next_marker, "count": list.count })
}

/// A bare list of all types.
pub(crate) fn trigger_types() -> Value {
    TriggerKind::ALL.iter().map(|kind| kind.code()).collect()
}

fn fields(engine: &Engine, trigger: &Trigger, base: &str) -> Map<String, Value> {
    let mut data = engine.shown_trigger_data(trigger);
    if trigger.kind.is_gateway() {
        data.insert("invoke_url".to_owned(), Value::from(invoke_url(base, &data)));
    }
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    put("trigger_id", Value::from(trigger.id.0.as_str()));
    put("trigger_type_code", Value::from(trigger.kind.code()));
    put("trigger_status", Value::from(if trigger.is_active() { "ACTIVE" } else { "DISABLED" }));
    put("event_data", Value::Object(data));
    put("last_updated_time", Value::from(second(trigger.updated)));
    put("created_time", Value::from(second(trigger.created)));
    // Not of the API: clients pass over what they do not know.
    if let Some(next) = engine.next_firing(trigger) {
        put("next_firing_time", Value::from(next.to_string()));
    }
    if let Some(note) = unconnected(trigger.kind) {
        put("note", Value::from(note));
    }
    fields
}

/// Where requests of a gateway trigger go.
fn invoke_url(base: &str, data: &Map<String, Value>) -> String {
    let text = |name: &str| data.get(name).and_then(Value::as_str).unwrap_or_default();
    format!("{base}/gateway/{}{}", text("group_id"), text("path"))
}

/// UTC, whole seconds (contract: conventions.md, "Times").
fn second(time: jiff::Timestamp) -> String {
    jiff::Timestamp::new(time.as_second(), 0).unwrap_or(time).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Fields {
        Fields::parse(body.as_bytes()).expect(body)
    }

    #[test]
    fn a_request_of_the_sdk_is_read_whole() {
        let draft = trigger_create(parse(
            r#"{"trigger_type_code": "TIMER", "event_type_code": "MessageCreated", "trigger_status": "ACTIVE",
                "event_data": {"name": "Timer_001", "schedule_type": "Rate", "schedule": "3m"}}"#,
        ));
        let draft = draft.expect("a draft");
        assert_eq!((draft.kind.as_deref(), draft.status.as_deref()), (Some("TIMER"), Some("ACTIVE")));
        assert_eq!(draft.data.expect("data")["schedule"], "3m");
        assert!(trigger_create(parse("{}")).expect("nothing is given").data.is_none());
        let fault = trigger_create(parse(r#"{"event_data": "x"}"#)).expect_err("a text");
        assert_eq!(fault.message, "The field 'event_data' must be an object, not a text");
    }

    #[test]
    fn an_update_takes_an_object_or_a_list() {
        let count = |body: &str| trigger_update(parse(body)).map(|change| change.data.len());
        assert_eq!(count("{}"), Ok(0));
        assert_eq!(count(r#"{"event_data": {"schedule": "3m"}}"#), Ok(1));
        assert_eq!(count(r#"{"event_data": [{"polling_interval": 5}, {"polling_unit": "s"}]}"#), Ok(2));
        for body in [r#"{"event_data": "x"}"#, r#"{"event_data": [7]}"#] {
            assert_eq!(count(body).expect_err(body).code, ErrorCode::BadParameter);
        }
    }

    #[test]
    fn the_query_is_terraforms() {
        let filter = trigger_query("maxitems=500&trigger_type=TIMER&marker=7").expect("a query");
        assert_eq!((filter.kind.as_deref(), filter.marker, filter.limit), (Some("TIMER"), 7, 500));
        let filter = trigger_query("maxitems=9000&trigger_type=").expect("a query");
        assert_eq!((filter.kind, filter.marker, filter.limit), (None, 0, 500));
        assert_eq!(trigger_query("maxitems=-1").expect_err("negative").code, ErrorCode::BadParameter);
    }
}
