//! What is set for a project, or asked about it (contract: schemas.json, `Resources`, `CreateVpcEndpointRequestBody` and others).

use fungraph_engine::{Quota, TracingDraft, VpcEndpointDraft};
use fungraph_model::{Fault, Language, LogPlace, Runtime};
use serde_json::{Value, json};

use super::fields::Fields;

/// ListQuotas. The API's numbers have 32 bits.
pub(crate) fn quotas(quotas: &[Quota]) -> Value {
    let number = |number: u64| i32::try_from(number).unwrap_or(i32::MAX);
    let entry = |one: &Quota| json!({ "quota": number(one.quota), "used": number(one.used), "type": one.kind, "unit": one.unit });
    json!({ "quotas": { "resources": quotas.iter().map(entry).collect::<Vec<_>>() } })
}

/// The names that functions can have in `runtime`; a bare list, as clients read it.
pub(crate) fn runtimes(runtimes: &[Runtime]) -> Value {
    runtimes.iter().map(|runtime| json!({ "type": runtime.name(), "display_name": display_name(*runtime) })).collect()
}

/// `Python 3.9` for `Python3.9`.
fn display_name(runtime: Runtime) -> String {
    let (name, title) = (runtime.name(), runtime.language().title());
    match name.strip_prefix(title).filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) {
        Some(version) => format!("{title} {version}"),
        None if runtime.language() == Language::Http => "HTTP".to_owned(),
        None => name.to_owned(),
    }
}

/// CreateVpcEndpoint.
pub(crate) fn vpc_endpoint_draft(mut fields: Fields) -> Result<VpcEndpointDraft, Fault> {
    Ok(VpcEndpointDraft {
        vpc_id: fields.text("vpc_id")?,
        subnet_id: fields.text("subnet_id")?,
        flavor: fields.text("flavor")?,
        xrole: fields.text("xrole")?,
    })
}

/// UpdateTracing.
pub(crate) fn tracing_draft(mut fields: Fields) -> Result<TracingDraft, Fault> {
    Ok(TracingDraft { access: fields.text("tracing_ak")?, secret: fields.text("tracing_sk")? })
}

/// ShowLtsLogDetails and ShowProjectAsyncStatusLogInfo.
pub(crate) fn log_place(place: &LogPlace) -> Value {
    json!({
        "group_name": place.group_name,
        "group_id": place.group_id,
        "stream_id": place.stream_id,
        "stream_name": place.stream_name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runtimes_are_shown_as_people_write_them() {
        for (name, expected) in [
            ("Python3.9", "Python 3.9"),
            ("Node.js18.15", "Node.js 18.15"),
            ("Java17", "Java 17"),
            ("Go1.x", "Go 1.x"),
            ("http", "HTTP"),
            ("Custom Image", "Custom Image"),
            ("C#(.NET Core 3.1)", "C#(.NET Core 3.1)"),
        ] {
            assert_eq!(display_name(Runtime::parse(name).expect("in the list")), expected);
        }
    }

    #[test]
    fn numbers_have_32_bits() {
        let large = Quota { kind: "x", quota: u64::MAX, used: 1, unit: "" };
        assert_eq!(quotas(&[large])["quotas"]["resources"][0]["quota"], i32::MAX);
    }
}
