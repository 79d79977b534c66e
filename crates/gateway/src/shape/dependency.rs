//! Dependencies in requests and answers (contract: schemas.json, `Dependency` and its kin).

use fungraph_engine::{AttachedDraft, DependencyDraft, DependencyFilter, DependencyList};
use fungraph_model::{Dependency, ErrorCode, Fault, FunctionVersion, limits};
use serde_json::{Map, Value, json};

use super::{
    fields::Fields,
    list::{number, value},
};

/// CreateDependencyVersion.
pub(crate) fn dependency_create(mut fields: Fields) -> Result<DependencyDraft, Fault> {
    Ok(DependencyDraft {
        name: fields.text("name")?,
        kind: fields.text("depend_type")?,
        runtime: fields.text("runtime")?,
        description: fields.text("description")?,
        file: fields.package("depend_file")?,
        link: fields.text("depend_link")?,
    })
}

/// The lists of a function.
pub(super) fn attached(fields: &mut Fields) -> Result<AttachedDraft, Fault> {
    Ok(AttachedDraft { versions: fields.texts("depend_version_list")?, list: fields.texts("depend_list")? })
}

/// ListDependencies, and ListDependencyVersion of one.
///
/// # Errors
/// FSS.0400 for a negative number, FSS.1001 for text that is none.
pub(crate) fn dependency_query(query: &str, dependency: Option<String>) -> Result<DependencyFilter, Fault> {
    // Older clients say `limit` where newer ones say `maxitems`.
    let most = [number(query, "maxitems")?, number(query, "limit")?].into_iter().find(|most| *most > 0);
    Ok(DependencyFilter {
        dependency,
        name: value(query, "name")?,
        runtime: value(query, "runtime")?,
        marker: number(query, "marker")?,
        limit: most.map_or(limits::PAGE_FUNCTIONS, |most| most.min(limits::PAGE_FUNCTIONS)),
    })
}

/// Whether only public dependencies are asked for, of which there are none: older clients say `ispublic`.
///
/// # Errors
/// FSS.1001 for a value that is no text, FSS.0400 for a type that there is not.
pub(crate) fn asks_for_public(query: &str) -> Result<bool, Fault> {
    let kind = value(query, "dependency_type")?;
    let flag = value(query, "ispublic")?;
    match kind.as_deref() {
        None => Ok(flag.as_deref() == Some("true")),
        Some("public") => Ok(true),
        Some("private" | "all") => Ok(false),
        Some(_) => {
            let message = "The query value dependency_type must be public, private or all";
            Err(Fault::new(ErrorCode::BadParameter, message))
        }
    }
}

/// One version of a dependency. `link` is where its archive can be fetched for a while.
pub(crate) fn dependency(dependency: &Dependency, link: &str) -> Value {
    let mut shape = fields(dependency);
    for name in ["link", "download_link"] {
        shape.insert(name.to_owned(), json!(link));
    }
    shape.insert("is_shared".to_owned(), json!(false));
    Value::Object(shape)
}

/// One page of a list.
pub(crate) fn dependencies(list: &DependencyList) -> Value {
    let all: Vec<_> = list.dependencies.iter().map(fields).collect();
    json!({ "dependencies": all, "next_marker": list.next_marker, "count": list.count })
}

/// Ids of a function's dependencies, in their order.
pub(super) fn attached_ids(version: &FunctionVersion) -> Value {
    version.dependencies.iter().map(|dependency| dependency.id.as_str()).collect()
}

/// What a function says of its dependencies. Links are given where one is shown by itself.
pub(super) fn attached_whole(version: &FunctionVersion) -> Value {
    version.dependencies.iter().map(fields).map(Value::Object).collect()
}

fn fields(dependency: &Dependency) -> Map<String, Value> {
    let shape = json!({
        "id": dependency.id,
        "owner": dependency.domain.0,
        "link": "",
        "runtime": dependency.runtime.name(),
        "etag": dependency.digest.0,
        "size": dependency.size,
        "name": dependency.name,
        "description": dependency.description,
        "file_name": format!("{}.zip", dependency.name),
        "version": dependency.version,
        "dep_id": dependency.dependency,
        "last_modified": dependency.last_modified.as_millisecond(),
    });
    let Value::Object(shape) = shape else { unreachable!("it was written as an object") };
    shape
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_ones_are_asked_for_in_two_ways() {
        for (query, expected) in [
            ("", false),
            ("dependency_type=all", false),
            ("dependency_type=private&ispublic=true", false),
            ("dependency_type=public", true),
            ("marker=0&ispublic=true", true),
            ("ispublic=false", false),
        ] {
            assert_eq!(asks_for_public(query), Ok(expected), "{query}");
        }
        let fault = asks_for_public("dependency_type=shared").expect_err("there is no such type");
        assert_eq!(fault.code, ErrorCode::BadParameter);
    }
}
