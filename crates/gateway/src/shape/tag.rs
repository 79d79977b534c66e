//! Tags in requests and answers (contract: schemas.json, `KvItem`, `TagItem` and their kin).

use std::collections::{BTreeMap, BTreeSet};

use fungraph_engine::{Resource, ResourceFilter, ResourceList, TagDraft, TagValues, Tags};
use fungraph_model::{ErrorCode, Fault};
use serde_json::{Value, json};

use super::fields::Fields;

/// CreateTags and DeleteTags; `action` is what the path says, and what the body may repeat.
///
/// # Errors
/// FSS.0400 naming the field.
pub(crate) fn tag_drafts(mut fields: Fields, action: &str) -> Result<Vec<TagDraft>, Fault> {
    check_action(&mut fields, &[action])?;
    if !fields.each("sys_tags", tag)?.is_empty() {
        let message = "System tags follow from the configuration: set enterprise_project_id with UpdateFunctionConfig";
        return Err(Fault::new(ErrorCode::BadParameter, message));
    }
    fields.each("tags", tag)
}

fn check_action(fields: &mut Fields, possible: &[&str]) -> Result<(), Fault> {
    match fields.text("action")? {
        Some(given) if !given.is_empty() && !possible.contains(&given.as_str()) => {
            let possible = possible.join(" or ");
            let message = format!("The field 'action' must be {possible} here, or be left out");
            Err(Fault::new(ErrorCode::BadParameter, message))
        }
        _ => Ok(()),
    }
}

fn tag(fields: &mut Fields) -> Result<TagDraft, Fault> {
    Ok(TagDraft { key: fields.text("key")?, value: fields.text("value")? })
}

fn tag_values(fields: &mut Fields) -> Result<TagValues, Fault> {
    Ok(TagValues { key: fields.text("key")?, values: fields.texts("values")?.unwrap_or_default() })
}

/// ShowResInstanceInfo. `tags` and its kin are in no public document but sent by clients.
///
/// # Errors
/// FSS.0400 naming the field.
pub(crate) fn resource_filter(mut fields: Fields) -> Result<ResourceFilter, Fault> {
    check_action(&mut fields, &["filter", "count"])?;
    Ok(ResourceFilter {
        matches: fields.each("matches", tag)?,
        without_any_tag: fields.boolean("without_any_tag")?.unwrap_or(false),
        all: fields.each("tags", tag_values)?,
        any: fields.each("tags_any", tag_values)?,
        not_all: fields.each("not_tags", tag_values)?,
        not_any: fields.each("not_tags_any", tag_values)?,
        system: fields.each("sys_tags", tag_values)?,
        offset: fields.integer("offset")?,
        limit: fields.integer("limit")?,
    })
}

/// ListFunctionTags.
pub(crate) fn tags(tags: &Tags<String>) -> Value {
    json!({ "tags": pairs(&tags.own), "sys_tags": pairs(&tags.system) })
}

/// ShowProjectTagsList.
pub(crate) fn project_tags(tags: &Tags<BTreeSet<String>>) -> Value {
    let lists = |tags: &BTreeMap<String, BTreeSet<String>>| -> Value {
        tags.iter().map(|(key, values)| json!({ "key": key, "values": values })).collect()
    };
    json!({ "tags": lists(&tags.own), "sys_tags": lists(&tags.system) })
}

/// The functions of a search.
pub(crate) fn resources(list: &ResourceList, region: &str) -> Value {
    let entry = |resource: &Resource| {
        let urn = resource.key.urn(region, "");
        json!({
            "resource_id": urn.trim_end_matches(':'),
            "resource_detail": { "detailId": resource.key.urn(region, "latest") },
            "tags": pairs(&resource.tags.own),
            "sys_tags": pairs(&resource.tags.system),
            "resource_name": resource.key.name,
        })
    };
    json!({ "resources": list.resources.iter().map(entry).collect::<Vec<_>>(), "total_count": list.count })
}

/// The number of them.
pub(crate) fn resource_count(list: &ResourceList) -> Value {
    json!({ "total_count": list.count })
}

fn pairs(tags: &BTreeMap<String, String>) -> Value {
    tags.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(body: &str) -> Fields {
        Fields::parse(body.as_bytes()).expect(body)
    }

    #[test]
    fn a_body_may_repeat_the_action_of_its_path_only() {
        let body = |action: &str| fields(&format!(r#"{{"action":{action},"tags":[{{"key":"a","value":"b"}}]}}"#));
        for action in ["\"create\"", "\"\"", "null"] {
            assert_eq!(tag_drafts(body(action), "create").expect(action).len(), 1);
        }
        assert!(tag_drafts(body("\"delete\""), "create").expect_err("another").message.contains("create"));
        assert!(tag_drafts(fields(r#"{"sys_tags":[{"key":"a"}]}"#), "create").is_err());
        assert_eq!(tag_drafts(fields(r#"{"sys_tags":[],"tags":null}"#), "create").expect("none").len(), 0);
        let fault = tag_drafts(fields(r#"{"tags":[{"key":7}]}"#), "create").expect_err("a number");
        assert!(fault.message.contains("tags[0].key"), "{}", fault.message);
    }

    #[test]
    fn a_filter_of_the_sdk_and_of_terraform_is_read_whole() {
        let filter = resource_filter(fields(
            r#"{"action":"filter","limit":"5","offset":2,"without_any_tag":true,"matches":[{"key":"resource_name","value":"a"}],
                "tags":[{"key":"env","values":["prod"]}],"sys_tags":[{"key":"s","values":["v"]}],"not_tags_any":[{"key":"x"}]}"#,
        ));
        let filter = filter.expect("a filter");
        assert_eq!((filter.limit, filter.offset, filter.without_any_tag), (Some(5), Some(2), true));
        assert_eq!((filter.all[0].values.len(), filter.system.len(), filter.not_any.len()), (1, 1, 1));
    }
}
