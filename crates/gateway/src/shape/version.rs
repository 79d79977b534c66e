//! Published versions in requests and answers (contract: schemas.json, `CreateFunctionVersionResponse` and its kin).

use fungraph_engine::{VersionDraft, VersionList};
use fungraph_model::{Fault, FunctionVersion, limits};
use serde_json::{Value, json};

use super::{fields::Fields, function, list::number};

/// What an answer to a publication has of a configuration.
const PUBLISHED: [&str; 37] = [
    "func_urn",
    "func_name",
    "domain_id",
    "namespace",
    "project_name",
    "package",
    "runtime",
    "timeout",
    "handler",
    "memory_size",
    "cpu",
    "code_type",
    "code_url",
    "code_filename",
    "code_size",
    "user_data",
    "digest",
    "version",
    "image_name",
    "xrole",
    "app_xrole",
    "description",
    "last_modified",
    "func_vpc",
    "mount_config",
    "strategy_config",
    "dependencies",
    "initializer_handler",
    "initializer_timeout",
    "pre_stop_handler",
    "pre_stop_timeout",
    "enterprise_project_id",
    "long_time",
    "log_group_id",
    "log_stream_id",
    "type",
    "enable_dynamic_memory",
];

/// What an entry of a list has of a configuration.
const LISTED: [&str; 34] = [
    "func_urn",
    "func_name",
    "domain_id",
    "namespace",
    "project_name",
    "package",
    "runtime",
    "timeout",
    "handler",
    "memory_size",
    "cpu",
    "code_type",
    "code_url",
    "code_filename",
    "code_size",
    "user_data",
    "digest",
    "version",
    "image_name",
    "xrole",
    "app_xrole",
    "last_modified",
    "strategy_config",
    "initializer_handler",
    "initializer_timeout",
    "pre_stop_handler",
    "pre_stop_timeout",
    "long_time",
    "type",
    "enable_dynamic_memory",
    "enterprise_project_id",
    "is_stateful_function",
    "enable_auth_in_header",
    "custom_image",
];

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

/// A version that was published just now.
pub(crate) fn published(version: &FunctionVersion, region: &str) -> Value {
    let mut shape = function::config_fields(version, None, region);
    shape.retain(|name, _| PUBLISHED.contains(&name.as_str()));
    shape.insert("version_description".to_owned(), json!(version.remark));
    Value::Object(shape)
}

/// One page of a list.
pub(crate) fn versions(list: &VersionList, region: &str) -> Value {
    let versions: Vec<_> = list.versions.iter().map(|version| entry(version, region)).collect();
    json!({ "versions": versions, "next_marker": list.next_marker, "count": list.count })
}

fn entry(version: &FunctionVersion, region: &str) -> Value {
    let mut shape = function::config_fields(version, None, region);
    let vpc = shape.remove("func_vpc_id").unwrap_or_default();
    shape.retain(|name, _| LISTED.contains(&name.as_str()));
    shape.insert("func_vpc_id".to_owned(), vpc);
    let strategy = version.spec.strategy;
    shape.insert("concurrency".to_owned(), json!(strategy.concurrency));
    shape.insert("concurrent_num".to_owned(), json!(strategy.concurrent_num));
    Value::Object(shape)
}

#[cfg(test)]
mod tests {
    use fungraph_model::{ErrorCode, sample};

    use super::*;

    #[test]
    fn answers_have_the_contracts_fields_and_no_others() {
        const SCHEMAS: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/contract/schemas.json"));
        let schemas: Value = serde_json::from_str(SCHEMAS).expect("the contract is JSON");
        let mut version = sample::function("f");
        version.version = "v1".to_owned();
        version.spec.passive = r#"{"func_vpc":{"vpc_id":"v"},"xrole":"x","log_config":{"group_id":"g"}}"#.to_owned();
        let list = VersionList { versions: vec![version.clone()], next_marker: 0, count: 1 };
        for (shape, schema) in [
            (published(&version, "local"), "CreateFunctionVersionResponse"),
            (versions(&list, "local")["versions"][0].clone(), "ListFunctionVersionResult"),
        ] {
            let fields = schemas[schema].as_object().expect(schema);
            let shape = shape.as_object().expect("an object").clone();
            for name in shape.keys() {
                assert!(fields.contains_key(name), "{schema} has no {name}");
            }
            for (name, field) in fields {
                assert!(field["required"] != true || shape.contains_key(name), "{schema} needs {name}");
            }
        }
        assert_eq!(versions(&list, "local")["versions"][0]["func_vpc_id"], "v");
    }

    #[test]
    fn pages_have_400_at_most() {
        for (query, expected) in [("", (0, 400)), ("marker=3&maxitems=2", (3, 2)), ("maxitems=500", (0, 400))] {
            assert_eq!(version_query(query), Ok(expected), "{query}");
        }
        assert_eq!(version_query("maxitems=-1").expect_err("negative").code, ErrorCode::BadParameter);
    }
}
