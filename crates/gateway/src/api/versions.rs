//! Published versions.

use fungraph_model::{ErrorCode, limits};

use super::{
    Answer, Body, Entry,
    async_configs::FUNCTION_ASYNC_CONFIG,
    field::{Field, Shape, flag, integer, long, object, objects, shape, text, text_map, time},
    functions::{CUSTOM_IMAGE, MOUNT_CONFIG, SHOW_FUNCTION_CONFIG_ANSWER, STRATEGY_CONFIG},
    operation,
    settings::{FUNC_VPC, NETWORK_CONTROL_CONFIG},
    words::{CODE_TYPES, NAME, VERSION_NAME},
};

pub(super) static ENTRIES: [Entry; 2] = [
    operation("CreateFunctionVersion", "Publish the latest version as one that never changes")
        .takes(Body::Object(&CREATE_FUNCTION_VERSION_BODY))
        .gives(200, Answer::Object(&SHOW_FUNCTION_CONFIG_ANSWER))
        .refuses(&[
            ErrorCode::BadVersion,
            ErrorCode::NothingChanged,
            ErrorCode::DescriptionTooLong,
            ErrorCode::CodeQuota,
            ErrorCode::VersionExists,
        ]),
    operation("ListFunctionVersions", "List the versions of a function, latest included")
        .note("latest, then the others in the order of their publication; markers are stable")
        .query(&[text("marker"), text("maxitems")])
        .gives(200, Answer::Object(&LIST_FUNCTION_VERSIONS_ANSWER)),
];

static CREATE_FUNCTION_VERSION_BODY: Shape = shape(
    "CreateFunctionVersionRequestBody",
    &[
        text("digest"),
        text("version").length(1, limits::VERSION_CHARS).like(VERSION_NAME),
        text("description").up_to(limits::DESCRIPTION_CHARS),
    ],
);

static LIST_FUNCTION_VERSIONS_ANSWER: Shape = shape(
    "ListFunctionVersionsResponse",
    &[objects("versions", &LIST_FUNCTION_VERSION_RESULT), long("next_marker"), long("count")],
);

static LIST_FUNCTION_VERSION_RESULT: Shape = shape(
    "ListFunctionVersionResult",
    &[
        text("func_urn").required().length(1, limits::URN_CHARS),
        text("func_name").required().length(1, limits::NAME_CHARS).like(NAME),
        text("domain_id").required(),
        text("namespace").required(),
        text("project_name").required(),
        text("package").required(),
        text("runtime").required().of_runtimes(),
        integer("timeout").required(),
        text("handler").required().length(3, limits::HANDLER_CHARS),
        integer("memory_size").required().one_of_numbers(&limits::MEMORY_MB),
        integer("cpu").required(),
        text("code_type").required().one_of(&CODE_TYPES),
        text("code_url"),
        text("code_filename"),
        long("code_size").required(),
        text("user_data"),
        text("encrypted_user_data").absent(),
        text("digest").required(),
        text("version").required(),
        text("image_name").required(),
        text("xrole"),
        text("app_xrole"),
        time("last_modified").required(),
        text("func_vpc_id"),
        integer("concurrency"),
        integer("concurrent_num"),
        object("strategy_config", &STRATEGY_CONFIG),
        text("initializer_handler"),
        integer("initializer_timeout").within(&limits::INITIALIZER_SECONDS),
        text("pre_stop_handler"),
        integer("pre_stop_timeout").within(&limits::PRE_STOP_SECONDS),
        flag("long_time"),
        object("function_async_config", &FUNCTION_ASYNC_CONFIG).absent(),
        text("type"),
        flag("enable_dynamic_memory"),
        text("enterprise_project_id"),
        flag("is_stateful_function"),
        flag("enable_auth_in_header"),
        object("custom_image", &CUSTOM_IMAGE),
        flag("reserved_instance_idle_mode").absent(),
    ],
)
.and(&LISTED_MORE);

/// A list shows what the configuration shows of a version.
static LISTED_MORE: [Field; 16] = [
    text("version_description").ours("as in the configuration"),
    text("resource_id").ours("as in the configuration"),
    text("description").ours("as in the configuration"),
    text("extend_config").ours("as in the configuration"),
    text("log_group_id").ours("as in the configuration"),
    text("log_stream_id").ours("as in the configuration"),
    flag("is_bridge_function").ours("as in the configuration"),
    object("func_vpc", &FUNC_VPC).ours("as in the configuration"),
    text("peering_cidr").ours("as in the configuration"),
    object("mount_config", &MOUNT_CONFIG).ours("as in the configuration"),
    object("network_controller", &NETWORK_CONTROL_CONFIG).ours("as in the configuration"),
    text("domain_names").ours("as in the configuration"),
    flag("enable_lts_log").ours("as in the configuration"),
    text_map("lts_custom_tag").ours("as in the configuration"),
    text("user_data_encrypt_kms_key_id").ours("as in the configuration"),
    text("code_encrypt_kms_key_id").ours("as in the configuration"),
];
