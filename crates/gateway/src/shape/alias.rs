//! Aliases in requests and answers (contract: schemas.json, `CreateVersionAliasRequestBody` and its kin).

use fungraph_engine::{AliasDraft, RuleDraft, RulesDraft};
use fungraph_model::{Alias, Combine, Fault, FunctionKey, Rule, RuleKind, Split};
use serde_json::{Value, json};

use super::{fields::Fields, function::time};

/// CreateVersionAlias: the name, and all else.
pub(crate) fn alias_create(mut fields: Fields) -> Result<(Option<String>, AliasDraft), Fault> {
    Ok((fields.text("name")?, alias_update(fields)?))
}

/// UpdateVersionAlias.
pub(crate) fn alias_update(mut fields: Fields) -> Result<AliasDraft, Fault> {
    Ok(AliasDraft {
        version: fields.text("version")?,
        description: fields.text("description")?,
        weights: fields.inside("additional_version_weights", |map| map.entries(weight))?.unwrap_or_default(),
        rules: fields.inside("additional_version_strategy", |map| map.entries(rules))?.unwrap_or_default(),
    })
}

fn weight(map: &mut Fields, version: &str) -> Result<Option<i64>, Fault> {
    map.integer(version)
}

fn rules(map: &mut Fields, version: &str) -> Result<Option<RulesDraft>, Fault> {
    map.inside(version, |strategy| {
        Ok(RulesDraft { combine: strategy.text("combine_type")?, rules: strategy.each("rules", rule)? })
    })
}

fn rule(fields: &mut Fields) -> Result<RuleDraft, Fault> {
    Ok(RuleDraft {
        kind: fields.text("rule_type")?,
        param: fields.text("param")?,
        op: fields.text("op")?,
        value: fields.text("value")?,
    })
}

/// An alias.
pub(crate) fn alias(key: &FunctionKey, alias: &Alias, region: &str) -> Value {
    let weights = match &alias.split {
        Some(Split::Weight { version, percent }) => json!({ version: percent }),
        _ => Value::Null,
    };
    json!({
        "name": alias.name,
        "version": alias.version,
        "description": alias.description,
        "last_modified": time(alias.last_modified),
        "alias_urn": key.urn(region, &format!("!{}", alias.name)),
        "additional_version_weights": weights,
        "additional_version_strategy": strategy(alias),
    })
}

/// All aliases, in a bare list.
pub(crate) fn aliases(key: &FunctionKey, all: &[Alias], region: &str) -> Value {
    all.iter().map(|one| alias(key, one, region)).collect()
}

fn strategy(alias: &Alias) -> Value {
    let Some(Split::Rules { version, combine, rules }) = &alias.split else { return Value::Null };
    let combine = match combine {
        Combine::And => "and",
        Combine::Or => "or",
    };
    let rule = |rule: &Rule| {
        let kind = match rule.kind {
            RuleKind::Header => "header",
            RuleKind::Cookie => "cookie",
        };
        let op = if rule.is_list { "in" } else { "=" };
        json!({ "rule_type": kind, "param": rule.name, "op": op, "value": rule.values.join(",") })
    };
    json!({ version: { "rules": rules.iter().map(rule).collect::<Vec<_>>(), "combine_type": combine } })
}

#[cfg(test)]
mod tests {
    use fungraph_model::sample;
    use jiff::Timestamp;

    use super::*;

    fn draft(body: &str) -> Result<AliasDraft, Fault> {
        alias_update(Fields::parse(body.as_bytes()).expect(body))
    }

    #[test]
    fn a_request_of_the_sdk_is_read_whole() {
        let read = draft(
            r#"{"version": "v1", "description": null, "additional_version_weights": {"v2": "20"},
                "additional_version_strategy": {"v3": {"combine_type": "or", "rules": [
                    {"rule_type": "Header", "param": "x-group", "op": "in", "value": "a,b"}]}}}"#,
        );
        let read = read.expect("a draft");
        assert_eq!((read.version.as_deref(), read.weights), (Some("v1"), vec![("v2".to_owned(), 20)]));
        let (version, rules) = &read.rules[0];
        assert_eq!((version.as_str(), rules.combine.as_deref()), ("v3", Some("or")));
        assert_eq!((rules.rules[0].kind.as_deref(), rules.rules[0].value.as_deref()), (Some("Header"), Some("a,b")));
        let empty =
            draft(r#"{"additional_version_weights": {}, "additional_version_strategy": null}"#).expect("a draft");
        assert!(empty.weights.is_empty() && empty.rules.is_empty());
    }

    #[test]
    fn nested_fields_are_named_by_their_path() {
        for (body, expected) in [
            (r#"{"additional_version_weights": 5}"#, "The field 'additional_version_weights' must be an object"),
            (
                r#"{"additional_version_weights": {"v2": "x"}}"#,
                "The field 'additional_version_weights.v2' must be a whole",
            ),
            (r#"{"additional_version_weights": {"v2": null}}"#, "The field 'additional_version_weights.v2' is null"),
            (
                r#"{"additional_version_strategy": {"v2": {"rules": [{"op": 7}]}}}"#,
                "The field 'additional_version_strategy.v2.rules[0].op' must be a text",
            ),
        ] {
            let fault = draft(body).expect_err(body);
            assert!(fault.message.starts_with(expected), "{}", fault.message);
        }
    }

    #[test]
    fn an_alias_is_shown_as_it_was_given() {
        let key = sample::function("f").key;
        let rule = |is_list, values: &[&str]| {
            let values = values.iter().map(|value| (*value).to_owned()).collect();
            Rule { kind: RuleKind::Cookie, name: "id".to_owned(), is_list, values }
        };
        let rules = vec![rule(true, &["a", "b"]), rule(false, &["c,d"])];
        let split = Some(Split::Rules { version: "v2".to_owned(), combine: Combine::And, rules });
        let (name, version, description) = ("prod".to_owned(), "v1".to_owned(), "text".to_owned());
        let shown = Alias { name, version, split, description, last_modified: Timestamp::UNIX_EPOCH };
        assert_eq!(
            alias(&key, &shown, "local"),
            json!({
                "name": "prod", "version": "v1", "description": "text", "last_modified": "1970-01-01T00:00:00Z",
                "alias_urn": "urn:fss:local:p:function:default:f:!prod", "additional_version_weights": null,
                "additional_version_strategy": { "v2": { "combine_type": "and", "rules": [
                    { "rule_type": "cookie", "param": "id", "op": "in", "value": "a,b" },
                    { "rule_type": "cookie", "param": "id", "op": "=", "value": "c,d" },
                ] } },
            })
        );
        let weighted = Alias { split: Some(Split::Weight { version: "v2".to_owned(), percent: 5 }), ..shown };
        let shape = alias(&key, &weighted, "local");
        assert_eq!(shape["additional_version_weights"], json!({ "v2": 5 }));
        assert_eq!(shape["additional_version_strategy"], Value::Null);
    }
}
