//! What is set for a project or asked about it; tracing keys and pins of functions.

use fungraph_model::ErrorCode;

use super::{
    Answer, Body, Entry,
    field::{Shape, integer, object, objects, shape, text, texts},
    operation,
};

pub(super) static ENTRIES: [Entry; 10] = [
    operation("UpdateFunctionCollectState", "Pin or unpin a function in the list")
        .path(&[text("state").required().one_of(&["true", "false"])])
        .gives(200, Answer::Nothing),
    operation("ShowProjectAsyncStatusLogInfo", "Read the log group and stream of the asynchronous state log")
        .note("a place of its own; nothing is written there")
        .gives(200, Answer::Object(&SHOW_LTS_LOG_DETAILS_ANSWER)),
    operation("EnableAsyncStatusLog", "Switch on the persistent log of asynchronous states")
        .note("kept, without effect")
        .gives(200, Answer::Nothing),
    operation("EnableLtsLogs", "Switch on log collection for the project")
        .note("kept, without effect: fungraph logs has the logs")
        .gives(200, Answer::Nothing)
        .refuses(&[ErrorCode::LogsOnAlready, ErrorCode::TooManyRequests]),
    operation("ShowLtsLogDetails", "Read the log group and stream of a function")
        .note("what the function's configuration names, else the project's; nothing is written there")
        .gives(200, Answer::Object(&SHOW_LTS_LOG_DETAILS_ANSWER)),
    operation("ShowTracing", "Read the tracing keys of a function").gives(200, Answer::Object(&SHOW_TRACING_ANSWER)),
    operation("UpdateTracing", "Set the tracing keys of a function")
        .note("kept, without effect: traces are not sent anywhere yet")
        .takes(Body::Object(&UPDATE_TRACING_BODY))
        .gives(200, Answer::Nothing),
    operation("ListQuotas", "Read quotas and their use").gives(200, Answer::Object(&LIST_QUOTAS_ANSWER)),
    operation("CreateVpcEndpoint", "Create a VPC endpoint to call functions from a private network")
        .note("kept; the address is the one the client reached the server at")
        .takes(Body::Object(&CREATE_VPC_ENDPOINT_BODY))
        .gives(200, Answer::Object(&CREATE_VPC_ENDPOINT_ANSWER))
        .refuses(&[ErrorCode::TooManyVpcs]),
    operation("DeleteVpcEndpoint", "Delete a VPC endpoint").gives(204, Answer::Nothing),
];

static SHOW_LTS_LOG_DETAILS_ANSWER: Shape =
    shape("ShowLtsLogDetailsResponse", &[text("group_name"), text("group_id"), text("stream_id"), text("stream_name")]);

static SHOW_TRACING_ANSWER: Shape = shape("ShowTracingResponse", &[text("tracing_ak"), text("tracing_sk")]);

static UPDATE_TRACING_BODY: Shape =
    shape("UpdateTracingRequestBody", &[text("tracing_ak").stored(), text("tracing_sk").stored()]);

static LIST_QUOTAS_ANSWER: Shape = shape("ListQuotasResponse", &[object("quotas", &LIST_QUOTAS_RESULT)]);

static LIST_QUOTAS_RESULT: Shape = shape("ListQuotasResult", &[objects("resources", &RESOURCES).required()]);

static RESOURCES: Shape = shape(
    "Resources",
    &[
        integer("quota"),
        integer("used"),
        text("type").one_of(&[
            "fgs_func_scale_down_timeout",
            "fgs_func_occurs",
            "fgs_func_pat_idle_time",
            "fgs_func_num",
            "fgs_func_code_size",
            "fgs_workflow_num",
            "fgs_on_demand_instance_limit",
            "fgs_func_qos_limit",
        ]),
        text("unit"),
    ],
);

static CREATE_VPC_ENDPOINT_ANSWER: Shape = shape("CreateVpcEndpointResponse", &[texts("endpoints"), text("address")]);

static CREATE_VPC_ENDPOINT_BODY: Shape = shape(
    "CreateVpcEndpointRequestBody",
    &[
        text("flavor").stored(),
        text("xrole").stored(),
        text("vpc_id").required().stored(),
        text("subnet_id").required().stored(),
    ],
);
