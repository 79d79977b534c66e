//! Templates.

use fungraph_model::{ErrorCode, limits};

use super::{
    Answer, Entry,
    field::{Shape, integer, object, objects, shape, text, texts},
    operation,
};

pub(super) static ENTRIES: [Entry; 2] = [
    operation("ListFunctionTemplate", "List function templates")
        .query(&[text("marker"), text("maxitems"), text("ispublic"), text("runtime"), text("scene"), text("service")])
        .gives(200, Answer::Object(&LIST_FUNCTION_TEMPLATE_ANSWER)),
    operation("ShowFunctionTemplate", "Read one function template")
        .gives(200, Answer::Object(&SHOW_FUNCTION_TEMPLATE_ANSWER))
        .refuses(&[ErrorCode::TemplateNotFound]),
];

static LIST_FUNCTION_TEMPLATE_ANSWER: Shape = shape(
    "ListFunctionTemplateResponse",
    &[objects("func_templates", &SHOW_FUNCTION_TEMPLATE_BODY), integer("next_marker")],
);

const FIELDS: [super::field::Field; 18] = [
    text("id"),
    integer("type"),
    text("title"),
    text("template_name"),
    text("description"),
    text("runtime"),
    text("handler"),
    text("code_type"),
    text("code"),
    integer("timeout"),
    integer("memory_size").one_of_numbers(&limits::MEMORY_MB),
    objects("trigger_metadata_list", &TRIGGER_METADATA_LIST),
    object("temp_detail", &TEMP_DETAIL),
    text("user_data"),
    text("encrypted_user_data"),
    texts("dependencies"),
    text("scene"),
    text("service"),
];

static SHOW_FUNCTION_TEMPLATE_ANSWER: Shape = shape("ShowFunctionTemplateResponse", &FIELDS);

static SHOW_FUNCTION_TEMPLATE_BODY: Shape = shape("ShowFunctionTemplateResponseBody", &FIELDS);

static TRIGGER_METADATA_LIST: Shape =
    shape("TriggerMetadataList", &[text("trigger_name"), text("trigger_type"), text("event_type"), text("event_data")]);

static TEMP_DETAIL: Shape = shape("TempDetail", &[text("input"), text("output"), text("warning")]);
