//! Published versions in requests and answers (contract: schemas.json, `CreateFunctionVersionRequestBody` and its kin).

use fungraph_engine::{VersionDraft, VersionList};
use fungraph_model::{Fault, FunctionVersion, limits};
use serde_json::{Value, json};

use super::{
    fields::Fields,
    function::{listed, put},
    list::number,
};

/// CreateFunctionVersion.
pub(crate) fn version_create(mut fields: Fields) -> Result<VersionDraft, Fault> {
    Ok(VersionDraft {
        name: fields.text("version")?,
        description: fields.text("description")?,
        digest: fields.text("digest")?,
    })
}

/// The query of ListFunctionVersions: marker and page size.
///
/// # Errors
/// FSS.0400 for a negative number, FSS.1001 for text that is none.
pub(crate) fn version_query(query: &str) -> Result<(u64, u32), Fault> {
    let limit = match number(query, "maxitems")? {
        0 => limits::PAGE_FUNCTIONS,
        most => most.min(limits::PAGE_FUNCTIONS),
    };
    Ok((number(query, "marker")?.into(), limit))
}

/// One page of a list.
pub(crate) fn versions(list: &VersionList, region: &str) -> Value {
    let versions: Vec<_> = list.versions.iter().map(|version| entry(version, region)).collect();
    json!({ "versions": versions, "next_marker": list.next_marker, "count": list.count })
}

fn entry(version: &FunctionVersion, region: &str) -> Value {
    let mut shape = listed(version, region);
    let spec = &version.spec;
    put(
        &mut shape,
        json!({
            "version_description": version.remark,
            "concurrency": spec.strategy.concurrency,
            "concurrent_num": spec.strategy.concurrent_num,
            "enable_dynamic_memory": spec.dynamic_memory,
            "is_stateful_function": false,
        }),
    );
    Value::Object(shape)
}

#[cfg(test)]
mod tests {
    use fungraph_model::{ErrorCode, sample};

    use super::*;

    #[test]
    fn an_entry_says_what_the_version_is() {
        let mut version = sample::function("f");
        (version.version, version.remark) = ("v1".to_owned(), "first".to_owned());
        version.spec.passive = r#"{"func_vpc":{"vpc_id":"v"}}"#.to_owned();
        let list = versions(&VersionList { versions: vec![version], next_marker: 7, count: 9 }, "local");
        assert_eq!((&list["next_marker"], &list["count"]), (&json!(7), &json!(9)));
        let entry = &list["versions"][0];
        assert_eq!(entry["func_urn"], "urn:fss:local:p:function:default:f:v1");
        let said = ["version", "version_description", "func_vpc_id"].map(|name| &entry[name]);
        assert_eq!(said, ["v1", "first", "v"]);
    }

    #[test]
    fn pages_have_400_at_most() {
        for (query, expected) in [("", (0, 400)), ("marker=3&maxitems=2", (3, 2)), ("maxitems=500", (0, 400))] {
            assert_eq!(version_query(query), Ok(expected), "{query}");
        }
        assert_eq!(version_query("maxitems=-1").expect_err("negative").code, ErrorCode::BadParameter);
    }
}
