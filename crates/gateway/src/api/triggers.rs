//! Triggers of functions.

use fungraph_model::{ErrorCode, TriggerKind};

use super::{
    Answer, Body, Entry,
    field::{Field, Shape, flag, integer, object, objects, shape, text, texts, time},
    operation,
};

/// Why a field of `event_data` is here that no schema has.
const WHY: &str = "documents of the event source have it";

/// The same of `cors`.
const CORS: &str = "lets pages of other sites call; the service has it at the API, which is the trigger here";

static KINDS: [&str; TriggerKind::ALL.len()] = {
    let mut codes = [""; TriggerKind::ALL.len()];
    let mut index = 0;
    while index < codes.len() {
        codes[index] = TriggerKind::ALL[index].code();
        index += 1;
    }
    codes
};

const PATH: &[Field] = &[text("trigger_type_code").required().one_of(&KINDS)];

const OF_ONE: &[ErrorCode] = &[ErrorCode::TriggerNotFound, ErrorCode::TriggerTypeNotFound];

/// Codes of event data.
pub(super) const OF_DATA: &[ErrorCode] = &[
    ErrorCode::BadSmn,
    ErrorCode::BadDms,
    ErrorCode::BadDis,
    ErrorCode::BadObs,
    ErrorCode::BadApig,
    ErrorCode::BadTimer,
    ErrorCode::BadLts,
    ErrorCode::BadKafka,
    ErrorCode::KafkaLoginMissing,
    ErrorCode::BadDds,
    ErrorCode::BadCts,
    ErrorCode::BadDedicatedGateway,
    ErrorCode::TooManyOperations,
    ErrorCode::OperationRepeated,
    ErrorCode::TriggerNameTooLong,
    ErrorCode::BadTriggerOperation,
    ErrorCode::BadTriggerName,
];

/// Codes of a trigger beside others.
pub(super) const OF_OTHERS: &[ErrorCode] = &[
    ErrorCode::Exists,
    ErrorCode::ObsOverlap,
    ErrorCode::TooManyPullTriggers,
    ErrorCode::TooManyTriggers,
    ErrorCode::SmnExists,
    ErrorCode::DmsExists,
    ErrorCode::DisExists,
    ErrorCode::ObsExists,
    ErrorCode::ApigExists,
    ErrorCode::RequestPathTaken,
    ErrorCode::TimerExists,
    ErrorCode::LtsExists,
    ErrorCode::KafkaExists,
    ErrorCode::DdsExists,
    ErrorCode::CtsExists,
];

pub(super) static ENTRIES: [Entry; 6] = [
    operation("BatchDeleteFunctionTriggers", "Delete all triggers of a function, version or alias")
        .gives(204, Answer::Nothing),
    operation("ListFunctionTriggers", "List the triggers as a bare JSON array").gives(200, Answer::List(&TRIGGER)),
    operation("CreateFunctionTrigger", "Create a trigger on a function version or alias")
        .note("timers fire; gateway triggers have a URL; the others are stored, and nothing calls their functions")
        .takes(Body::Object(&CREATE_FUNCTION_TRIGGER_BODY))
        .gives(201, Answer::Object(&TRIGGER))
        .refuses(&[ErrorCode::BadTriggerType, ErrorCode::WrongKind])
        .refuses(OF_DATA)
        .refuses(OF_OTHERS),
    operation("DeleteFunctionTrigger", "Delete one trigger").path(PATH).gives(204, Answer::Nothing).refuses(OF_ONE),
    operation("ShowFunctionTrigger", "Read one trigger")
        .path(PATH)
        .gives(200, Answer::Object(&TRIGGER))
        .refuses(OF_ONE),
    operation("UpdateTrigger", "Enable, disable or retune a trigger")
        .note("merges event_data, an object or a list")
        .path(PATH)
        .takes(Body::Object(&UPDATE_TRIGGER_BODY))
        .gives(200, Answer::Object(&TRIGGER))
        .refuses(OF_ONE)
        .refuses(OF_DATA)
        .refuses(OF_OTHERS),
];

static TRIGGER: Shape = shape(
    "ListFunctionTriggerResult",
    &[
        text("trigger_id").required(),
        text("trigger_type_code").required().one_of(&KINDS),
        text("trigger_status").required().one_of(&["ACTIVE", "DISABLED"]),
        object("event_data", &TRIGGER_EVENT_DATA_ANSWER_BODY).required(),
        time("last_updated_time").required(),
        time("created_time").required(),
        time("next_firing_time").ours("when a timer fires next"),
        text("note").ours("says that an event source is not connected"),
    ],
);

/// Fields of `event_data` that requests and answers have alike.
const OF_BOTH: &[Field] = &[
    text("name"),
    text("schedule_type").one_of(&["Rate", "Cron"]),
    text("schedule"),
    text("user_event"),
    integer("type"),
    text("path"),
    text("protocol").one_of(&["HTTP", "HTTPS"]),
    text("req_method").one_of(&["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS", "ANY"]),
    text("group_id"),
    text("group_name"),
    text("match_mode").one_of(&["SWA", "NORMAL"]),
    text("env_name"),
    text("env_id"),
    text("auth").one_of(&["IAM", "APP", "NONE"]),
    object("func_info", &APIG_TRIGGER_FUNC_INFO),
    text("sl_domain").length(1, 255),
    flag("cors").ours(CORS),
    text("backend_type").one_of(&["FUNCTION"]),
    text("instance_id"),
    texts("operations"),
    text("collection_name"),
    text("db_name"),
    text("db_password"),
    text("queue_id"),
    text("consumer_group_id"),
    integer("polling_interval"),
    text("stream_name"),
    text("sharditerator_type").one_of(&["TRIM_HORIZON", "LATEST"]),
    text("polling_unit").one_of(&["s", "ms"]),
    integer("max_fetch_bytes"),
    text("is_serial").one_of(&["true", "false"]),
    text("log_group_id"),
    text("log_topic_id"),
    text("bucket").length(1, 64),
    text("prefix").length(0, 1024),
    text("suffix").length(0, 1024),
    texts("events"),
    text("topic_urn").length(1, 255),
    texts("topic_ids"),
    text("kafka_user"),
    text("kafka_password"),
    text("kafka_connect_address"),
    flag("kafka_ssl_enable"),
    text("access_password"),
    text("access_user"),
    text("connect_address"),
    text("exchange_name"),
    text("vhost"),
    flag("ssl_enable"),
    flag("Key_encode"),
    text("agency"),
    text("channel_name"),
    text("channel_id"),
    text("source_name"),
    time("created_time"),
    text("status").one_of(&["ACTIVE", "DISABLE"]),
    text("trigger_name"),
    texts("event_types"),
    text("access_key").ours(WHY),
    text("secret_key").ours(WHY),
    flag("enable_acl").ours(WHY),
    text("log_group_name").ours(WHY),
    text("log_topic_name").ours(WHY),
    text("app_id").ours(WHY),
    text("resource").ours(WHY),
    text("event").ours(WHY),
];

static TRIGGER_EVENT_DATA_ANSWER_BODY: Shape = shape(
    "TriggerEventDataResponseBody",
    &[
        text("triggerid"),
        text("api_id"),
        text("api_name"),
        text("invoke_url"),
        text("roma_app_id"),
        text("db_user"),
        texts("instance_addrs"),
        text("mode"),
        integer("batch_size"),
    ],
)
.and(OF_BOTH);

static APIG_TRIGGER_FUNC_INFO: Shape = shape(
    "ApigTriggerFuncInfo",
    &[
        text("function_urn").length(1, 269),
        text("invocation_type").one_of(&["sync", "async"]),
        integer("timeout").required().range(1, 60000),
        text("version"),
    ],
);

static CREATE_FUNCTION_TRIGGER_BODY: Shape = shape(
    "CreateFunctionTriggerRequestBody",
    &[
        text("trigger_type_code").required().one_of(&KINDS),
        text("trigger_status").one_of(&["ACTIVE", "DISABLED"]),
        text("event_type_code").ignored(),
        object("event_data", &TRIGGER_EVENT_DATA_BODY).required(),
    ],
);

static TRIGGER_EVENT_DATA_BODY: Shape = shape(
    "TriggerEventDataRequestBody",
    &[integer("batch_size").range(1, 10000), text("db_user").ours(WHY), text("roma_app_id").ours(WHY)],
)
.and(OF_BOTH);

static UPDATE_TRIGGER_BODY: Shape = shape(
    "UpdateTriggerRequestBody",
    &[text("trigger_status").one_of(&["ACTIVE", "DISABLED"]), objects("event_data", &UPDATERIGGER_EVENT_DATA)],
);

static UPDATERIGGER_EVENT_DATA: Shape = shape(
    "UpdateriggerEventData",
    &[
        flag("is_serial"),
        integer("max_fetch_bytes"),
        integer("polling_interval"),
        text("polling_unit").one_of(&["ms", "s"]),
    ],
);
