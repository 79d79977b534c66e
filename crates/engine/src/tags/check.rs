//! Tags and filters of requests, checked (contract: limits.md; the characters are those of the service's manual).

use std::collections::{BTreeMap, BTreeSet};

use fungraph_model::{ErrorCode, Fault, ProjectId, limits};
use fungraph_store::{ResourceQuery, TagMatch};
use serde_json::{Map, Value};

use super::{ENTERPRISE_PROJECT, too_many};
use crate::validate::clip;

/// Keys, and values of one key, in one filter.
const MOST_IN_FILTER: usize = 20;
/// Bytes of the text that CreateFunction has: twenty tags of the longest kind, all escaped, are less. Parsed JSON takes a multiple
/// of its text, so what cannot be tags is not parsed.
const TEXT_BYTES: usize = 128 * 1024;
/// Functions on one page of a search.
const PAGE: u32 = 1000;

/// A tag of a request.
#[derive(Clone, Debug, Default)]
pub struct TagDraft {
    /// `key`.
    pub key: Option<String>,
    /// `value`.
    pub value: Option<String>,
}

/// A key of a filter with the values it may have.
#[derive(Clone, Debug, Default)]
pub struct TagValues {
    /// `key`.
    pub key: Option<String>,
    /// `values`; none means any.
    pub values: Vec<String>,
}

/// ShowResInstanceInfo.
#[derive(Clone, Debug, Default)]
pub struct ResourceFilter {
    /// `matches`: fields of the resource.
    pub matches: Vec<TagDraft>,
    /// `without_any_tag`.
    pub without_any_tag: bool,
    /// `tags`: all of these.
    pub all: Vec<TagValues>,
    /// `tags_any`: one of these.
    pub any: Vec<TagValues>,
    /// `not_tags`: not all of these.
    pub not_all: Vec<TagValues>,
    /// `not_tags_any`: none of these.
    pub not_any: Vec<TagValues>,
    /// `sys_tags`: all of these.
    pub system: Vec<TagValues>,
    /// `offset`.
    pub offset: Option<i64>,
    /// `limit`.
    pub limit: Option<i64>,
}

/// Tags to add: keys without doubles, few enough.
pub(super) fn new_tags(drafts: Vec<TagDraft>) -> Result<BTreeMap<String, String>, Fault> {
    let drafts = some(drafts)?;
    let mut tags = BTreeMap::new();
    for TagDraft { key: name, value: text } in drafts {
        let (name, text) = (key(name)?, value(text.unwrap_or_default())?);
        if tags.insert(name.clone(), text).is_some() {
            return Err(bad(&format!("The tag '{}' is there twice. Give each key one value", clip(&name))));
        }
    }
    if tags.len() > limits::TAGS { Err(too_many(limits::TAGS)) } else { Ok(tags) }
}

/// Tags to remove: by key, or by key and value; a key may be there with several values, of which the function has one at most.
pub(super) fn old_tags(drafts: Vec<TagDraft>) -> Result<BTreeSet<(String, Option<String>)>, Fault> {
    let drafts = some(drafts)?;
    if drafts.len() > limits::TAGS {
        return Err(bad("More than 20 tags are named, and a function has no more. Send fewer"));
    }
    drafts.into_iter().map(|draft| Ok((key(draft.key)?, draft.value))).collect()
}

fn some(drafts: Vec<TagDraft>) -> Result<Vec<TagDraft>, Fault> {
    if drafts.is_empty() {
        return Err(bad("The field 'tags' is missing or empty. Send a list of objects with key and value"));
    }
    Ok(drafts)
}

/// The one text of CreateFunction: a JSON object, a JSON list of objects with key and value, or `key=value,key=value`.
pub(crate) fn of_text(text: &str) -> Result<BTreeMap<String, String>, Fault> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(BTreeMap::new());
    }
    if text.len() > TEXT_BYTES {
        return Err(too_many(limits::TAGS));
    }
    let drafts = match text.as_bytes()[0] {
        b'{' => serde_json::from_str::<Map<String, Value>>(text)
            .ok()
            .and_then(|object| object.into_iter().map(pair).collect()),
        b'[' => {
            serde_json::from_str::<Vec<Map<String, Value>>>(text).ok().and_then(|list| list.iter().map(item).collect())
        }
        _ => text.split(',').map(assignment).collect(),
    };
    let drafts: Vec<TagDraft> = drafts.ok_or_else(|| {
        bad("The field 'tags' cannot be read. Write it as key=value,key=value or as the text of a JSON object of texts")
    })?;
    if drafts.is_empty() { Ok(BTreeMap::new()) } else { new_tags(drafts) }
}

fn pair((key, value): (String, Value)) -> Option<TagDraft> {
    let Value::String(value) = value else { return None };
    Some(TagDraft { key: Some(key), value: Some(value) })
}

fn item(object: &Map<String, Value>) -> Option<TagDraft> {
    let text = |name: &str| match object.get(name) {
        None | Some(Value::Null) => Some(None),
        Some(Value::String(text)) => Some(Some(text.clone())),
        Some(_) => None,
    };
    Some(TagDraft { key: text("key")?, value: text("value")? })
}

fn assignment(part: &str) -> Option<TagDraft> {
    let (key, value) = part.split_once('=')?;
    Some(TagDraft { key: Some(key.trim().to_owned()), value: Some(value.trim().to_owned()) })
}

fn key(key: Option<String>) -> Result<String, Fault> {
    let key = key.filter(|key| !key.is_empty()).ok_or_else(|| bad("A tag has no key. Give each tag a key"))?;
    let good = key.chars().count() <= limits::TAG_KEY_CHARS
        && key.trim() == key
        && !key.starts_with("_sys_")
        && key.chars().all(|c| is_plain(c) && c != '/');
    if good {
        return Ok(key);
    }
    Err(bad(&format!(
        "The tag key '{}' cannot be used. A key has 1 to 128 letters, digits, spaces or _ . : = + - @, no space at its ends, and does \
         not begin with _sys_",
        clip(&key)
    )))
}

fn value(value: String) -> Result<String, Fault> {
    let good = value.chars().count() <= limits::TAG_VALUE_CHARS && value.chars().all(is_plain);
    if good {
        return Ok(value);
    }
    Err(bad(&format!(
        "The tag value '{}' cannot be used. A value has up to 255 letters, digits, spaces or _ . : / = + - @",
        clip(&value)
    )))
}

fn is_plain(c: char) -> bool {
    c.is_alphanumeric() || " _.:/=+-@".contains(c)
}

/// The store's query; the project is the caller's to fill in.
pub(super) fn query(filter: ResourceFilter) -> Result<ResourceQuery, Fault> {
    Ok(ResourceQuery {
        project: ProjectId(String::new()),
        name_part: name_part(filter.matches)?,
        without_any_tag: filter.without_any_tag,
        all: matches("tags", filter.all)?,
        any: matches("tags_any", filter.any)?,
        not_all: matches("not_tags", filter.not_all)?,
        not_any: matches("not_tags_any", filter.not_any)?,
        enterprise_projects: enterprise_projects(filter.system)?,
        offset: number("offset", filter.offset)?.unwrap_or(0),
        limit: number("limit", filter.limit)?.filter(|limit| *limit > 0).map_or(PAGE, |limit| limit.min(PAGE)),
    })
}

fn number(field: &str, given: Option<i64>) -> Result<Option<u32>, Fault> {
    let Some(given) = given else { return Ok(None) };
    match u32::try_from(given) {
        Ok(number) => Ok(Some(number)),
        Err(_) if given > 0 => Ok(Some(u32::MAX)),
        Err(_) => Err(bad(&format!("The field '{field}' must not be negative"))),
    }
}

fn name_part(matches: Vec<TagDraft>) -> Result<Option<String>, Fault> {
    let mut part = None;
    for TagDraft { key, value } in matches {
        match key.as_deref() {
            Some("resource_name") if part.is_none() => part = value,
            Some("resource_name") => return Err(bad("The field 'matches' has resource_name twice. Send it once")),
            _ => {
                let key = clip(key.as_deref().unwrap_or_default());
                return Err(bad(&format!("The field 'matches' cannot have the key '{key}'. Use resource_name")));
            }
        }
    }
    Ok(part)
}

fn matches(field: &str, tags: Vec<TagValues>) -> Result<Vec<TagMatch>, Fault> {
    if tags.len() > MOST_IN_FILTER || tags.iter().any(|tag| tag.values.len() > MOST_IN_FILTER) {
        return Err(bad(&format!(
            "The field '{field}' may have {MOST_IN_FILTER} keys with {MOST_IN_FILTER} values each"
        )));
    }
    let one = |tag: TagValues| {
        let key = tag.key.filter(|key| !key.is_empty());
        let key = key.ok_or_else(|| bad(&format!("An entry of '{field}' has no key. Send key and values")))?;
        Ok(TagMatch { key, values: tag.values })
    };
    tags.into_iter().map(one).collect()
}

/// There is only one system tag; a filter for another one finds nothing.
fn enterprise_projects(tags: Vec<TagValues>) -> Result<Vec<Option<Vec<String>>>, Fault> {
    let tags = matches("sys_tags", tags)?;
    let known = |tag: TagMatch| match tag.key.as_str() {
        ENTERPRISE_PROJECT if tag.values.is_empty() => None,
        ENTERPRISE_PROJECT => Some(tag.values),
        _ => Some(Vec::new()),
    };
    Ok(tags.into_iter().map(known).collect())
}

fn bad(message: &str) -> Fault {
    Fault::new(ErrorCode::BadParameter, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Result<Vec<(String, String)>, ErrorCode> {
        of_text(text).map(|tags| tags.into_iter().collect()).map_err(|fault| fault.code)
    }

    #[test]
    fn the_text_of_a_new_function_has_three_forms() {
        let both = Ok(vec![("env".to_owned(), "prod".to_owned()), ("team a".to_owned(), "x=1/2".to_owned())]);
        assert_eq!(pairs("env=prod, team a=x=1/2"), both);
        assert_eq!(pairs(r#"{"team a":"x=1/2","env":"prod"}"#), both);
        assert_eq!(pairs(r#" [{"key":"team a","value":"x=1/2"},{"key":"env","value":"prod"}]"#), both);
        assert_eq!(pairs(r#"[{"key":"env"}]"#), Ok(vec![("env".to_owned(), String::new())]));
        for text in ["", " ", "{}", "[]"] {
            assert_eq!(pairs(text), Ok(vec![]), "{text:?}");
        }
        assert_eq!(pairs(&format!("[{}", "{},".repeat(1 << 20))), Err(ErrorCode::BadParameter));
        for text in ["env", "{\"a\":1}", "{", "[1]", "[{\"key\":1}]", "a=1,", "a=1,a=2", "=1", "_sys_a=1"] {
            assert_eq!(pairs(text), Err(ErrorCode::BadParameter), "{text:?}");
        }
    }

    #[test]
    fn keys_and_values_keep_to_their_characters() {
        let check = |key: &str, value: &str, fine: bool| {
            let draft = TagDraft { key: Some(key.to_owned()), value: Some(value.to_owned()) };
            assert_eq!(new_tags(vec![draft]).is_ok(), fine, "{key:?} {value:?}");
        };
        check("žluť 1_.:=+-@", "ž 1_.:/=+-@", true);
        check(&"k".repeat(128), &"v".repeat(255), true);
        check(&"k".repeat(129), "", false);
        check("k", &"v".repeat(256), false);
        for key in ["", " k", "k ", "a/b", "a\n", "a,b", "_sys_x", "<b>"] {
            check(key, "v", false);
        }
        check("k", "a\0", false);
        check("k", "", true);
        let tags = |n: usize| (0..n).map(|n| TagDraft { key: Some(format!("k{n}")), value: None }).collect::<Vec<_>>();
        assert!(new_tags(tags(20)).is_ok() && new_tags(tags(21)).is_err() && new_tags(tags(0)).is_err());
        assert!(old_tags(tags(20)).is_ok() && old_tags(tags(21)).is_err() && old_tags(tags(0)).is_err());
    }

    #[test]
    fn filters_are_bounded_and_name_what_is_wrong() {
        let tag = |key: &str, values: usize| TagValues {
            key: Some(key.to_owned()),
            values: (0..values).map(|n| n.to_string()).collect(),
        };
        let check = |filter: ResourceFilter, word: &str| {
            let fault = query(filter).expect_err(word);
            assert!(fault.code == ErrorCode::BadParameter && fault.message.contains(word), "{}", fault.message);
        };
        check(ResourceFilter { all: vec![tag("a", 21)], ..ResourceFilter::default() }, "'tags'");
        check(ResourceFilter { not_any: (0..21).map(|_| tag("a", 1)).collect(), ..Default::default() }, "not_tags_any");
        check(ResourceFilter { any: vec![TagValues::default()], ..ResourceFilter::default() }, "no key");
        check(ResourceFilter { limit: Some(-1), ..ResourceFilter::default() }, "limit");
        let named = |key: &str| TagDraft { key: Some(key.to_owned()), value: Some("x".to_owned()) };
        check(ResourceFilter { matches: vec![named("colour")], ..ResourceFilter::default() }, "colour");
        let found = query(ResourceFilter {
            matches: vec![named("resource_name")],
            system: vec![tag(ENTERPRISE_PROJECT, 2), tag("_sys_other", 1), tag(ENTERPRISE_PROJECT, 0)],
            offset: Some(1 << 40),
            ..ResourceFilter::default()
        });
        let found = found.expect("a query");
        assert_eq!((found.name_part.as_deref(), found.limit, found.offset), (Some("x"), 1000, u32::MAX));
        assert_eq!(found.enterprise_projects, [Some(vec!["0".to_owned(), "1".to_owned()]), Some(vec![]), None]);
    }
}
