//! Settings of asynchronous calls.

use fungraph_model::limits;

use super::{
    Answer, Body, Entry,
    field::{Field, Shape, flag, integer, long, object, objects, shape, text},
    operation,
    reservations::PAGE_INFO,
};

pub(super) static ENTRIES: [Entry; 4] = [
    operation("DeleteFunctionAsyncInvokeConfig", "Remove the asynchronous settings").gives(204, Answer::Nothing),
    operation("ShowFunctionAsyncInvokeConfig", "Read the asynchronous settings of a version")
        .gives(200, Answer::Object(&SHOW_FUNCTION_ASYNC_INVOKE_CONFIG_ANSWER)),
    operation("UpdateFunctionAsyncInvokeConfig", "Create or replace the asynchronous settings")
        .takes(Body::Object(&UPDATE_FUNCTION_ASYNC_INVOKE_CONFIG_BODY))
        .gives(200, Answer::Object(&SHOW_FUNCTION_ASYNC_INVOKE_CONFIG_ANSWER)),
    operation(
        "ListFunctionAsyncInvokeConfig",
        "List the asynchronous settings of all versions and aliases of a function",
    )
    .query(&[text("marker"), text("limit")])
    .gives(200, Answer::Object(&LIST_FUNCTION_ASYNC_INVOKE_CONFIG_ANSWER)),
];

/// Given back as they were sent.
const LOG: [Field; 4] = [
    text("log_group_id").ours("as it was sent"),
    text("log_stream_id").ours("as it was sent"),
    text("log_group_name").ours("as it was sent"),
    text("log_stream_name").ours("as it was sent"),
];

static SHOW_FUNCTION_ASYNC_INVOKE_CONFIG_ANSWER: Shape = shape(
    "ShowFunctionAsyncInvokeConfigResponse",
    &[
        text("func_urn").length(1, limits::URN_CHARS),
        integer("max_async_event_age_in_seconds"),
        integer("max_async_retry_attempts"),
        object("destination_config", &FUNC_ASYNC_DESTINATION_CONFIG),
        text("created_time"),
        text("last_modified"),
        flag("enable_async_status_log"),
    ],
)
.and(&LOG);

pub(super) static FUNCTION_ASYNC_CONFIG: Shape = shape(
    "FunctionAsyncConfig",
    &[
        integer("max_async_event_age_in_seconds").required(),
        integer("max_async_retry_attempts").required(),
        object("destination_config", &FUNC_ASYNC_DESTINATION_CONFIG).required(),
        text("created_time"),
        text("last_modified"),
    ],
);

static FUNC_ASYNC_DESTINATION_CONFIG: Shape = shape(
    "FuncAsyncDestinationConfig",
    &[object("on_success", &FUNC_DESTINATION_CONFIG), object("on_failure", &FUNC_DESTINATION_CONFIG)],
);

static FUNC_DESTINATION_CONFIG: Shape = shape(
    "FuncDestinationConfig",
    &[text("destination").one_of(&["OBS", "SMN", "DIS", "FunctionGraph"]), text("param")],
);

static UPDATE_FUNCTION_ASYNC_INVOKE_CONFIG_BODY: Shape = shape(
    "UpdateFunctionAsyncInvokeConfigRequestBody",
    &[
        integer("max_async_event_age_in_seconds").within(&limits::ASYNC_AGE_SECONDS),
        integer("max_async_retry_attempts").within(&limits::ASYNC_RETRIES),
        object("destination_config", &FUNC_ASYNC_DESTINATION_CONFIG),
        flag("enable_async_status_log").stored(),
        text("log_group_id").stored(),
        text("log_stream_id").stored(),
        text("log_group_name").stored(),
        text("log_stream_name").stored(),
    ],
);

static LIST_FUNCTION_ASYNC_INVOKE_CONFIG_ANSWER: Shape = shape(
    "ListFunctionAsyncInvokeConfigResponse",
    &[
        objects("async_invoke_configs", &LIST_FUNCTION_ASYNC_INVOKE_CONFIG_RESULT),
        long("count").from(0),
        object("page_info", &PAGE_INFO),
    ],
);

static LIST_FUNCTION_ASYNC_INVOKE_CONFIG_RESULT: Shape = shape(
    "ListFunctionAsyncInvokeConfigResult",
    &[
        text("func_urn").required().length(1, limits::URN_CHARS),
        integer("max_async_event_age_in_seconds").required(),
        integer("max_async_retry_attempts").required(),
        object("destination_config", &FUNC_ASYNC_DESTINATION_CONFIG).required(),
        text("created_time"),
        text("last_modified"),
        flag("enable_async_status_log"),
    ],
)
.and(&LOG);
