//! Templates in queries and answers (contract: schemas.json, `ShowFunctionTemplateResponse`).

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use fungraph_engine::{Template, TemplateFilter, TemplateList, TriggerHint};
use fungraph_model::{Fault, limits};
use serde_json::{Value, json};

use super::list::{number, value};

/// Memory and seconds that every template runs with.
const MEMORY_MB: u32 = 128;
const TIMEOUT_S: u32 = 10;
/// Larger code is left out of lists: it is a program, and a list of some would be an answer of many megabytes.
const LISTED_BYTES: usize = 64 << 10;

/// ListFunctionTemplate. All templates are public, so a client that wants private ones gets none.
///
/// # Errors
/// FSS.0400 for a negative number, FSS.1001 for text that is none.
pub(crate) fn template_query(query: &str) -> Result<TemplateFilter, Fault> {
    let wants_private = value(query, "ispublic")?.as_deref() == Some("false");
    let limit = match number(query, "maxitems")? {
        _ if wants_private => 0,
        0 => limits::PAGE_FUNCTIONS,
        most => most.min(limits::PAGE_FUNCTIONS),
    };
    Ok(TemplateFilter {
        runtime: value(query, "runtime")?,
        scene: value(query, "scene")?,
        service: value(query, "service")?,
        marker: number(query, "marker")?,
        limit,
    })
}

/// One page.
pub(crate) fn templates(list: &TemplateList) -> Value {
    json!({
        "func_templates": list.templates.iter().map(listed).collect::<Vec<_>>(),
        "next_marker": list.next_marker,
    })
}

fn listed(one: &Template) -> Value {
    if one.code.len() > LISTED_BYTES { with_code(one, "") } else { template(one) }
}

/// One template. `code` is what `func_code.file` takes.
pub(crate) fn template(template: &Template) -> Value {
    with_code(template, &BASE64.encode(&template.code))
}

fn with_code(template: &Template, code: &str) -> Value {
    let kind = template.kind;
    let trigger = |hint: &TriggerHint| {
        json!({
            "trigger_name": hint.name, "trigger_type": hint.kind, "event_type": hint.kind, "event_data": hint.data,
        })
    };
    json!({
        "id": template.id,
        "type": 1,
        "title": kind.title,
        "template_name": template.id,
        "description": kind.description,
        "runtime": template.runtime.name(),
        "handler": template.handler,
        "code_type": template.code_type.name(),
        "code": code,
        "timeout": TIMEOUT_S,
        "memory_size": MEMORY_MB,
        "trigger_metadata_list": kind.trigger.iter().map(trigger).collect::<Vec<_>>(),
        "temp_detail": { "input": kind.input, "output": kind.output, "warning": kind.warning },
        "user_data": "",
        "encrypted_user_data": "",
        "dependencies": [],
        "scene": kind.scene,
        "service": kind.service,
    })
}
