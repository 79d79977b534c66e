//! Reserved instances in requests and answers (contract: schemas.json, `ReservedInstanceConfigs` and its kin).

use fungraph_engine::{MetricDraft, ReservationDraft, ReservationList, ReservationQuery, ScheduleDraft};
use fungraph_model::{Fault, FunctionRef, MetricRule, Reservation, Reserved, Schedule, limits};
use serde_json::{Map, Value, json};

use super::{
    fields::Fields,
    list::{number, value},
};

/// UpdateFunctionMaxInstanceConfig.
///
/// # Errors
/// FSS.0400 where it is no number.
pub(crate) fn most_instances(mut fields: Fields) -> Result<Option<i64>, Fault> {
    fields.integer("max_instance_num")
}

/// UpdateFunctionReservedInstancesCount.
///
/// # Errors
/// FSS.0400 naming the field.
pub(crate) fn reservation_update(mut fields: Fields) -> Result<ReservationDraft, Fault> {
    let tactics = fields.inside("tactics_config", |tactics| {
        Ok((tactics.each("cron_configs", schedule)?, tactics.each("metric_configs", metric)?))
    })?;
    let (schedules, metrics) = tactics.unwrap_or_default();
    let (count, idle_mode) = (fields.integer("count")?, fields.boolean("idle_mode")?);
    Ok(ReservationDraft { count, idle_mode, schedules, metrics })
}

fn schedule(fields: &mut Fields) -> Result<ScheduleDraft, Fault> {
    Ok(ScheduleDraft {
        name: fields.text("name")?,
        cron: fields.text("cron")?,
        count: fields.integer("count")?,
        start_time: fields.integer("start_time")?,
        expired_time: fields.integer("expired_time")?,
    })
}

fn metric(fields: &mut Fields) -> Result<MetricDraft, Fault> {
    Ok(MetricDraft {
        name: fields.text("name")?,
        kind: fields.text("type")?,
        threshold: fields.integer("threshold")?,
        min: fields.integer("min")?,
    })
}

/// The query of a list; `filter` is the name under which it has the URN.
///
/// # Errors
/// FSS.0400 for a negative number, FSS.1001 for text that is none, FSS.1309 for a URN that cannot be read.
pub(crate) fn reservation_query(query: &str, filter: &str) -> Result<ReservationQuery, Fault> {
    let limit = match number(query, "limit")? {
        0 => limits::PAGE_FUNCTIONS,
        most => most.min(limits::PAGE_FUNCTIONS),
    };
    let function = value(query, filter)?.map(|urn| FunctionRef::parse(&urn)).transpose()?;
    Ok(ReservationQuery { function, marker: number(query, "marker")?, limit })
}

/// What was set, as the update answers it.
pub(crate) fn reservation(reservation: &Reservation) -> Value {
    json!({
        "count": reservation.count,
        "idle_mode": reservation.idle_mode,
        "tactics_config": tactics(reservation),
    })
}

/// ListReservedInstanceConfigs. The qualifier has fields of its own, so the URN is the function's.
pub(crate) fn reservation_configs(list: &ReservationList, region: &str) -> Value {
    let config = |(reserved, _): &(Reserved, usize)| {
        let Reserved { key, qualifier, reservation, .. } = reserved;
        let text = qualifier.to_string();
        let (kind, name) = text.strip_prefix('!').map_or(("version", text.as_str()), |alias| ("alias", alias));
        json!({
            "function_urn": key.urn(region, "").trim_end_matches(':'),
            "qualifier_type": kind,
            "qualifier_name": name,
            "min_count": reservation.count,
            "idle_mode": reservation.idle_mode,
            "tactics_config": tactics(reservation),
        })
    };
    page("reserved_instances", list, &list.reservations.iter().map(config).collect::<Vec<_>>())
}

/// ListFunctionReservedInstances.
pub(crate) fn reserved_instances(list: &ReservationList, region: &str) -> Value {
    let entry = |(reserved, ready): &(Reserved, usize)| {
        let urn = reserved.key.urn(region, &reserved.qualifier.to_string());
        json!({ "func_urn": urn, "count": ready })
    };
    page("reservedinstances", list, &list.reservations.iter().map(entry).collect::<Vec<_>>())
}

fn page(name: &str, list: &ReservationList, entries: &[Value]) -> Value {
    let info = json!({
        "next_marker": list.next_marker,
        "previous_marker": list.previous_marker,
        "current_count": entries.len(),
    });
    json!({ name: entries, "page_info": info, "count": list.count })
}

/// Only what there is: an empty list is a difference to what was asked for, to a client that compares both (Terraform's provider).
fn tactics(reservation: &Reservation) -> Value {
    let schedule = |schedule: &Schedule| {
        let Schedule { name, cron, count, start_s, end_s } = schedule;
        json!({ "name": name, "cron": cron, "count": count, "start_time": start_s, "expired_time": end_s })
    };
    let metric = |rule: &MetricRule| {
        let MetricRule { name, threshold, min } = rule;
        json!({ "name": name, "type": "Concurrency", "threshold": threshold, "min": min })
    };
    let lists = [
        ("cron_configs", reservation.schedules.iter().map(schedule).collect::<Vec<_>>()),
        ("metric_configs", reservation.metrics.iter().map(metric).collect()),
    ];
    let filled = lists.into_iter().filter(|(_, list)| !list.is_empty());
    filled.map(|(name, list)| (name.to_owned(), Value::from(list))).collect::<Map<_, _>>().into()
}

#[cfg(test)]
mod tests {
    use fungraph_model::{ErrorCode, Qualifier};

    use super::*;

    fn draft(body: &str) -> Result<ReservationDraft, Fault> {
        reservation_update(Fields::parse(body.as_bytes()).expect(body))
    }

    #[test]
    fn an_answer_has_only_the_rules_there_are() {
        let plain = Reservation { count: 1, ..Reservation::default() };
        assert_eq!(reservation(&plain)["tactics_config"], json!({}));
        let ruled = Reservation { metrics: vec![MetricRule { name: "busy".into(), threshold: 80, min: 2 }], ..plain };
        let tactics = &reservation(&ruled)["tactics_config"];
        assert_eq!((&tactics["metric_configs"][0]["name"], tactics.get("cron_configs")), (&json!("busy"), None));
    }

    #[test]
    fn a_request_of_the_sdk_is_read_whole() {
        let draft = draft(
            r#"{"count": "2", "idle_mode": true, "tactics_config": {
                "cron_configs": [{"name": "day", "cron": "0 0 8 * * ?", "count": 5, "start_time": 1, "expired_time": "2"}],
                "metric_configs": [{"name": "load", "type": "Concurrency", "threshold": 60, "min": 2}]}}"#,
        );
        let draft = draft.expect("a draft");
        assert_eq!((draft.count, draft.idle_mode), (Some(2), Some(true)));
        let day = &draft.schedules[0];
        assert_eq!((day.cron.as_deref(), day.count, day.expired_time), (Some("0 0 8 * * ?"), Some(5), Some(2)));
        assert_eq!((draft.metrics[0].kind.as_deref(), draft.metrics[0].min), (Some("Concurrency"), Some(2)));
    }

    #[test]
    fn nested_fields_are_named_by_their_path() {
        for (body, expected) in [
            (r#"{"tactics_config": {"cron_configs": {}}}"#, "The field 'tactics_config.cron_configs' must be a list"),
            (
                r#"{"tactics_config": {"cron_configs": [{}, {"count": true}]}}"#,
                "The field 'tactics_config.cron_configs[1].count' must be a whole number",
            ),
            (
                r#"{"tactics_config": {"metric_configs": [7]}}"#,
                "The field 'tactics_config.metric_configs[0]' must be an object",
            ),
        ] {
            let fault = draft(body).expect_err(body);
            assert_eq!(fault.code, ErrorCode::BadParameter);
            assert!(fault.message.starts_with(expected), "{}", fault.message);
        }
        assert!(draft(r#"{"tactics_config": {"cron_configs": null}}"#).expect("nothing").schedules.is_empty());
    }

    #[test]
    fn queries_have_their_own_names() {
        let query = reservation_query("urn=hello:!prod&limit=0&marker=3", "urn").expect("a query");
        assert_eq!((query.marker, query.limit), (3, 400));
        assert!(reservation_query("urn=f", "function_urn").expect("another filter").function.is_none());
        assert_eq!(query.function.and_then(|function| function.qualifier), None, "hello is a package here");
        let query = reservation_query("function_urn=p:default:hello:%21prod", "function_urn").expect("a query");
        assert_eq!(query.function.and_then(|function| function.qualifier), Some(Qualifier::Alias("prod".into())));
        for (text, code) in [("limit=-1", ErrorCode::BadParameter), ("urn=a:b:c:d:e", ErrorCode::BadUrn)] {
            assert_eq!(reservation_query(text, "urn").expect_err(text).code, code);
        }
    }
}
