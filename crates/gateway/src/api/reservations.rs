//! Reserved instances.

use fungraph_model::{ErrorCode, limits};

use super::{
    Answer, Body, Entry,
    field::{Shape, flag, integer, long, object, objects, shape, text},
    operation,
};

pub(super) static ENTRIES: [Entry; 3] = [
    operation(
        "UpdateFunctionReservedInstancesCount",
        "Set the number of reserved (pre-started) instances and their schedule",
    )
    .note("for a version, or for an alias: then of its main version, whichever that is")
    .takes(Body::Object(&UPDATE_FUNCTION_RESERVED_INSTANCES_COUNT_BODY))
    .gives(200, Answer::Object(&UPDATE_FUNCTION_RESERVED_INSTANCES_COUNT_ANSWER))
    .refuses(&[ErrorCode::TooManyReserved, ErrorCode::BadConcurrency]),
    operation("ListReservedInstanceConfigs", "List the reserved-instance settings per version or alias")
        .query(&[text("function_urn").length(1, limits::URN_CHARS), text("marker"), text("limit")])
        .gives(200, Answer::Object(&LIST_RESERVED_INSTANCE_CONFIGS_ANSWER))
        .refuses(&[ErrorCode::BadUrn]),
    operation("ListFunctionReservedInstances", "List the live number of reserved instances per function version")
        .query(&[text("marker"), text("limit"), text("urn")])
        .gives(200, Answer::Object(&LIST_FUNCTION_RESERVED_INSTANCES_ANSWER))
        .refuses(&[ErrorCode::BadUrn]),
];

static LIST_FUNCTION_RESERVED_INSTANCES_ANSWER: Shape = shape(
    "ListFunctionReservedInstancesResponse",
    &[objects("reservedinstances", &FUNC_RESERVED_INSTANCE), object("page_info", &PAGE_INFO), long("count")],
);

static FUNC_RESERVED_INSTANCE: Shape = shape(
    "FuncReservedInstance",
    &[text("func_urn").required().length(1, limits::URN_CHARS), long("count").required()],
);

static LIST_RESERVED_INSTANCE_CONFIGS_ANSWER: Shape = shape(
    "ListReservedInstanceConfigsResponse",
    &[objects("reserved_instances", &RESERVED_INSTANCE_CONFIGS), object("page_info", &PAGE_INFO), long("count")],
);

pub(super) static PAGE_INFO: Shape = shape(
    "PageInfo",
    &[long("next_marker").required(), long("previous_marker").required(), long("current_count").required()],
);

static RESERVED_INSTANCE_CONFIGS: Shape = shape(
    "ReservedInstanceConfigs",
    &[
        text("function_urn").length(1, limits::URN_CHARS),
        text("qualifier_type").one_of(&["version", "alias"]),
        text("qualifier_name"),
        integer("min_count"),
        flag("idle_mode"),
        object("tactics_config", &TACTICS_CONFIG),
    ],
);

static UPDATE_FUNCTION_RESERVED_INSTANCES_COUNT_ANSWER: Shape = shape(
    "UpdateFunctionReservedInstancesCountResponse",
    &[integer("count"), flag("idle_mode"), object("tactics_config", &TACTICS_CONFIG)],
);

static UPDATE_FUNCTION_RESERVED_INSTANCES_COUNT_BODY: Shape = shape(
    "UpdateFunctionReservedInstancesCountRequestBody",
    &[
        integer("count").required().within(&limits::RESERVED_INSTANCES),
        flag("idle_mode"),
        object("tactics_config", &TACTICS_CONFIG),
    ],
);

static TACTICS_CONFIG: Shape =
    shape("TacticsConfig", &[objects("cron_configs", &CRON_CONFIG), objects("metric_configs", &METRIC_CONFIG)]);

static METRIC_CONFIG: Shape =
    shape("MetricConfig", &[text("name"), text("type").one_of(&["Concurrency"]), integer("threshold"), integer("min")]);

static CRON_CONFIG: Shape =
    shape("CronConfig", &[text("name"), text("cron"), integer("count"), long("start_time"), long("expired_time")]);
