//! What a request may make of a trigger: the fields by their table, then what no table says.

use fungraph_model::{ErrorCode, Fault, Language, Runtime, Trigger, TriggerKind, limits};
use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Map, Value};

use super::{
    fields::{self, Checked, MASK},
    gateway::Pattern,
    kinds::{Rules, rules},
    obs, operations,
    schedule::Schedule,
};

/// The kind that a request names.
pub(super) fn kind(code: Option<&str>) -> Result<TriggerKind, Fault> {
    let known = || TriggerKind::ALL.map(TriggerKind::code).join(", ");
    let code = code.filter(|code| !code.is_empty()).ok_or_else(|| {
        Fault::new(ErrorCode::BadTriggerType, format!("trigger_type_code is missing. Known: {}", known()))
    })?;
    TriggerKind::parse(code).ok_or_else(|| {
        let code: String = code.chars().take(40).collect();
        Fault::new(ErrorCode::BadTriggerType, format!("The trigger type '{code}' does not exist. Known: {}", known()))
    })
}

/// Whether the trigger is wanted; `None` where the request does not say.
pub(super) fn enabled(kind: TriggerKind, status: Option<&str>) -> Result<Option<bool>, Fault> {
    let bad = |message: String| Err(Fault::new(ErrorCode::BadParameter, message));
    match status.filter(|status| !status.is_empty()).map(str::to_ascii_uppercase).as_deref() {
        None => Ok(None),
        Some("ACTIVE") => Ok(Some(true)),
        Some("DISABLED") if kind.may_be_disabled() => Ok(Some(false)),
        Some("DISABLED") => bad(format!("A trigger of type {} cannot be disabled. Delete it instead", kind.code())),
        Some(_) => bad("trigger_status must be ACTIVE or DISABLED".to_owned()),
    }
}

/// An http function is a web server: it takes requests, which only gateways send.
pub(super) fn runtime(kind: TriggerKind, runtime: Runtime, handler: &str) -> Result<(), Fault> {
    let serves_http =
        runtime.language() == Language::Http || (runtime.language() == Language::Image && handler == "http");
    if serves_http && !kind.is_gateway() {
        return Err(Fault::new(
            ErrorCode::WrongKind,
            format!(
                "An http function takes gateway triggers only, not {}. Use APIG, or an event function",
                kind.code()
            ),
        ));
    }
    Ok(())
}

/// Event data of a kind.
pub(super) fn data(kind: TriggerKind, given: &Map<String, Value>, zone: &TimeZone) -> Result<Checked, Fault> {
    let rules = rules(kind);
    let mut checked = fields::read(rules.fields, given, rules.bad)?;
    name(&checked.data)?;
    let bad = |message: String| Fault::new(rules.bad, message);
    match kind {
        TriggerKind::Timer => {
            let schedule = Schedule::of(&checked.data, zone).map_err(bad)?;
            // The search is tried here, where a failure is the failure of one request.
            let now = Timestamp::now();
            if !schedule.comes() || schedule.after(now, now).is_none() {
                return Err(bad(
                    "The field 'event_data.schedule' names no time to come. Is there such a day in that month?"
                        .to_owned(),
                ));
            }
        }
        TriggerKind::Apig | TriggerKind::DedicatedGateway | TriggerKind::Apic => gateway(rules, &mut checked.data)?,
        TriggerKind::Obs => obs::check(&checked.data).map_err(bad)?,
        TriggerKind::Cts => operations::check(&checked.data)?,
        TriggerKind::Kafka | TriggerKind::OpenSourceKafka => kafka(&checked)?,
        TriggerKind::RocketMq => rocket_mq(&checked).map_err(bad)?,
        TriggerKind::Dds
        | TriggerKind::Dms
        | TriggerKind::Dis
        | TriggerKind::Lts
        | TriggerKind::Smn
        | TriggerKind::RabbitMq
        | TriggerKind::GaussMongo
        | TriggerKind::EventGrid
        | TriggerKind::Iotda => {}
    }
    Ok(checked)
}

/// Event data of a trigger after a change: what the change leaves out stays.
pub(super) fn changed(trigger: &Trigger, changes: &[Map<String, Value>], zone: &TimeZone) -> Result<Checked, Fault> {
    let mut all = shown(&trigger.data);
    for (name, secret) in &trigger.secrets {
        all.insert(name.clone(), Value::from(secret.reveal()));
    }
    for (name, value) in changes.iter().flatten() {
        // What was shown in the place of something else comes back from clients that change what they read.
        let is_mask = trigger.secrets.contains_key(name) && value == MASK;
        let is_default_name = name == "name" && *value == trigger.id.0.as_str();
        let is_same = value.is_null() || is_mask || is_default_name;
        if !is_same {
            all.insert(name.clone(), merged(all.get(name), value));
        }
    }
    data(trigger.kind, &all, zone)
}

/// Objects are merged too: `func_info` may come with its `timeout` alone.
fn merged(old: Option<&Value>, new: &Value) -> Value {
    let (Some(Value::Object(old)), Value::Object(new)) = (old, new) else { return new.clone() };
    let mut all = old.clone();
    all.extend(new.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.clone(), value.clone())));
    Value::Object(all)
}

/// Stored event data.
pub(super) fn shown(data: &str) -> Map<String, Value> {
    // The store has looked that it is an object.
    serde_json::from_str(data).unwrap_or_default()
}

fn name(data: &Map<String, Value>) -> Result<(), Fault> {
    let Some(name) = data.get("name").and_then(Value::as_str) else { return Ok(()) };
    let (most, bytes) = (limits::TRIGGER_NAME_CHARS, name.as_bytes());
    if name.chars().count() > most {
        let message = format!("The field 'event_data.name' has more than {most} characters");
        return Err(Fault::new(ErrorCode::TriggerNameTooLong, message));
    }
    let good = bytes[0].is_ascii_alphabetic()
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    good.then_some(()).ok_or_else(|| {
        Fault::new(
            ErrorCode::BadTriggerName,
            "The field 'event_data.name' must start with a letter and hold letters, digits, '-' and '_' only",
        )
    })
}

fn gateway(rules: &Rules, data: &mut Map<String, Value>) -> Result<(), Fault> {
    let text = |name: &str| data.get(name).and_then(Value::as_str).unwrap_or_default();
    let is_label = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if !text("group_id").bytes().all(is_label) {
        let message = "The field 'event_data.group_id' takes letters, digits, '-' and '_'. Any id will do, a new one is a new group";
        return Err(Fault::new(rules.bad, message));
    }
    Pattern::parse(text("path")).map_err(|why| Fault::new(rules.bad, format!("The field 'event_data.path' {why}")))?;
    data.entry("backend_type").or_insert_with(|| Value::from("FUNCTION"));
    if let Some(Value::Object(func_info)) = data.get_mut("func_info") {
        func_info.entry("invocation_type").or_insert_with(|| Value::from("sync"));
    }
    Ok(())
}

fn kafka(checked: &Checked) -> Result<(), Fault> {
    let with_ssl = checked.data.get("kafka_ssl_enable") == Some(&Value::Bool(true));
    let login = checked.data.contains_key("kafka_user") && checked.secrets.contains_key("kafka_password");
    if with_ssl && !login {
        return Err(Fault::new(
            ErrorCode::KafkaLoginMissing,
            "With kafka_ssl_enable the fields 'event_data.kafka_user' and 'event_data.kafka_password' are needed",
        ));
    }
    Ok(())
}

fn rocket_mq(checked: &Checked) -> Result<(), String> {
    let with_acl = checked.data.get("enable_acl") == Some(&Value::Bool(true));
    if with_acl && !(checked.data.contains_key("access_key") && checked.secrets.contains_key("secret_key")) {
        return Err(
            "With enable_acl the fields 'event_data.access_key' and 'event_data.secret_key' are needed".to_owned()
        );
    }
    Ok(())
}

/// The fault of a second trigger of one version that is the same as another; `None` where they differ.
pub(super) fn same(kind: TriggerKind, new: &Map<String, Value>, other: &Map<String, Value>) -> Option<Fault> {
    let rules = rules(kind);
    let is_given = rules.identity.iter().any(|name| new.contains_key(*name));
    let same = is_given && rules.identity.iter().all(|name| new.get(*name) == other.get(*name));
    same.then(|| {
        let what = rules.identity.join(", ");
        let message = format!(
            "The version has a {} trigger with the same {what} already. Update or delete that one, or choose another {what}",
            kind.code()
        );
        Fault::new(rules.exists, message)
    })
}
