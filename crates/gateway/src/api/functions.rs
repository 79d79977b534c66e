//! Functions, their configuration and their code.

use fungraph_model::{ErrorCode, limits};

use super::{
    Answer, Body, Entry,
    async_configs::FUNCTION_ASYNC_CONFIG,
    field::{Field, Shape, flag, integer, long, object, objects, shape, text, text_map, texts, time},
    operation,
    settings::{FUNC_LOG_CONFIG, FUNC_VPC, NETWORK_CONTROL_CONFIG, TYPES},
    words::{CODE_TYPES, NAME},
};

/// What the configuration can be refused for.
pub(super) const SPEC: [ErrorCode; 18] = [
    ErrorCode::BadName,
    ErrorCode::BadHandler,
    ErrorCode::BadRuntime,
    ErrorCode::BadMemorySize,
    ErrorCode::BadTimeout,
    ErrorCode::BadUserData,
    ErrorCode::TooManyUserData,
    ErrorCode::UserDataTooBig,
    ErrorCode::DescriptionTooLong,
    ErrorCode::BadConcurrency,
    ErrorCode::BadInitializer,
    ErrorCode::BadInitializerTimeout,
    ErrorCode::MountExists,
    ErrorCode::BadMountPath,
    ErrorCode::TooManyMounts,
    ErrorCode::MountNotFound,
    ErrorCode::BadMountUser,
    ErrorCode::NotSupported,
];

/// What the code, an image or dependencies can be refused for.
pub(super) const CODE: [ErrorCode; 16] = [
    ErrorCode::BadCodeType,
    ErrorCode::BadCode,
    ErrorCode::CodeMissing,
    ErrorCode::BadFilename,
    ErrorCode::BadUrl,
    ErrorCode::CodeObjectNotFound,
    ErrorCode::BadGateway,
    ErrorCode::GatewayTimeout,
    ErrorCode::PackageTooLarge,
    ErrorCode::InlineTooLarge,
    ErrorCode::CodeQuota,
    ErrorCode::BadDependency,
    ErrorCode::DependencyNotFound,
    ErrorCode::BadImageUrl,
    ErrorCode::ImageMissing,
    ErrorCode::ImageNotRead,
];

pub(super) static ENTRIES: [Entry; 8] = [
    operation("CreateFunction", "Create a function; its latest version exists at once")
        .takes(Body::Object(&CREATE_FUNCTION_BODY))
        .gives(200, Answer::Object(&SHOW_FUNCTION_CONFIG_ANSWER))
        .refuses(&SPEC)
        .refuses(&CODE)
        .refuses(&[ErrorCode::BadPackage, ErrorCode::TooManyFunctions, ErrorCode::FunctionExists]),
    operation("ListFunctions", "Page through the functions of a project")
        .query(&[text("marker"), text("maxitems"), text("package_name"), text("func_name")])
        .gives(200, Answer::Object(&LIST_FUNCTIONS_ANSWER)),
    operation("ShowFunctionConfig", "Read the configuration of a version (default latest)")
        .note("of a version, or of an alias's main version")
        .gives(200, Answer::Object(&SHOW_FUNCTION_CONFIG_ANSWER)),
    operation("UpdateFunctionConfig", "Change the configuration of the latest version")
        .note("for version latest")
        .takes(Body::Object(&UPDATE_FUNCTION_CONFIG_BODY))
        .gives(200, Answer::Object(&SHOW_FUNCTION_CONFIG_ANSWER))
        .refuses(&SPEC)
        .refuses(&CODE)
        .refuses(&[ErrorCode::BadVersion]),
    operation("DeleteFunction", "Delete a whole function, or one version when the URN names a version or alias")
        .note("a version takes the alias along whose main version it is")
        .gives(204, Answer::Nothing)
        .refuses(&[ErrorCode::VersionInUse]),
    operation("ShowFunctionCode", "Read the code of a version, inline text or a download link")
        .note("of a version, or of an alias's main version")
        .gives(200, Answer::Object(&SHOW_FUNCTION_CODE_ANSWER)),
    operation("UpdateFunctionCode", "Replace the code of the latest version")
        .note("for version latest")
        .takes(Body::Object(&UPDATE_FUNCTION_CODE_BODY))
        .gives(200, Answer::Object(&SHOW_FUNCTION_CODE_ANSWER))
        .refuses(&CODE)
        .refuses(&[ErrorCode::BadVersion, ErrorCode::NotSupported]),
    operation(
        "UpdateFunctionMaxInstanceConfig",
        "Set the maximum number of instances; -1 unlimited, 0 disables the function",
    )
    .note("sets strategy_config.concurrency")
    .takes(Body::Object(&UPDATE_FUNCTION_MAX_INSTANCE_CONFIG_BODY))
    .gives(200, Answer::Object(&SHOW_FUNCTION_CONFIG_ANSWER))
    .refuses(&[ErrorCode::BadVersion, ErrorCode::BadConcurrency]),
];

static UPDATE_FUNCTION_MAX_INSTANCE_CONFIG_BODY: Shape =
    shape("UpdateFunctionMaxInstanceConfigRequestBody", &[integer("max_instance_num").range(-1, 1000)]);

static UPDATE_FUNCTION_CODE_BODY: Shape = shape(
    "UpdateFunctionCodeRequestBody",
    &[
        text("code_type").required().one_of(&CODE_TYPES),
        text("code_url"),
        text("code_filename"),
        object("func_code", &FUNC_CODE).required(),
        texts("depend_version_list"),
        text("code_encrypt_kms_key_id").ignored(),
    ],
)
.and(&CODE_MORE);

static SHOW_FUNCTION_CODE_ANSWER: Shape = shape(
    "ShowFunctionCodeResponse",
    &[
        text("func_urn").length(1, limits::URN_CHARS),
        text("func_name").length(1, limits::NAME_CHARS).like(NAME),
        text("domain_id"),
        text("runtime").of_runtimes(),
        text("code_type").one_of(&CODE_TYPES),
        text("code_url"),
        text("code_filename"),
        long("code_size"),
        text("digest"),
        time("last_modified"),
        object("func_code", &FUNC_CODE),
        texts("depend_list"),
        texts("depend_version_list"),
        object("strategy_config", &STRATEGY_CONFIG),
        objects("dependencies", &DEPENDENCY),
        text("code_encrypt_kms_key_id").absent(),
    ],
)
.and(&CODE_ANSWER_MORE);

static UPDATE_FUNCTION_CONFIG_BODY: Shape = shape(
    "UpdateFunctionConfigRequestBody",
    &[
        text("func_name").required().length(1, limits::NAME_CHARS).like(NAME),
        text("runtime").required().of_runtimes(),
        integer("timeout").required().within(&limits::TIMEOUT_SECONDS),
        text("handler").required().length(1, limits::HANDLER_CHARS),
        integer("memory_size").required().one_of_numbers(&limits::MEMORY_MB),
        integer("gpu_memory").range(1024, 16384).refused(),
        text("gpu_type").refused(),
        text("user_data").up_to(limits::USER_DATA_CHARS),
        text("encrypted_user_data").up_to(limits::USER_DATA_CHARS),
        text("xrole").stored(),
        text("app_xrole").stored(),
        text("description").up_to(limits::DESCRIPTION_CHARS),
        object("func_vpc", &FUNC_VPC).stored(),
        text("peering_cidr").stored(),
        object("mount_config", &MOUNT_CONFIG),
        object("strategy_config", &STRATEGY_CONFIG),
        object("custom_image", &CUSTOM_IMAGE),
        text("extend_config").stored(),
        text("initializer_handler"),
        integer("initializer_timeout").within(&limits::INITIALIZER_SECONDS),
        text("pre_stop_handler"),
        integer("pre_stop_timeout").within(&limits::PRE_STOP_SECONDS),
        integer("ephemeral_storage").one_of_numbers(&limits::TMP_MB),
        text("enterprise_project_id").stored(),
        object("log_config", &FUNC_LOG_CONFIG).stored(),
        object("network_controller", &NETWORK_CONTROL_CONFIG).stored(),
        flag("is_stateful_function").refused(),
        flag("enable_dynamic_memory"),
        flag("enable_auth_in_header").stored(),
        text("domain_names").stored(),
        text("restore_hook_handler").refused(),
        integer("restore_hook_timeout").range(1, 300).ignored(),
        text("heartbeat_handler"),
        flag("enable_class_isolation"),
        flag("enable_lts_log").stored(),
        text_map("lts_custom_tag").stored(),
        text("user_data_encrypt_kms_key_id").stored(),
    ],
)
.and(&UPDATE_MORE);

static LIST_FUNCTIONS_ANSWER: Shape = shape(
    "ListFunctionsResponse",
    &[objects("functions", &LIST_FUNCTION_RESULT), integer("next_marker"), long("count")],
);

static LIST_FUNCTION_RESULT: Shape = shape(
    "ListFunctionResult",
    &[
        flag("is_collected").ours("whether the function is pinned, which makes it stand first"),
        text("resource_id"),
        text("func_urn").required().length(1, limits::URN_CHARS),
        text("func_name").required().length(1, limits::NAME_CHARS).like(NAME),
        text("domain_id").required(),
        text("namespace").required(),
        text("project_name").required(),
        text("package").required(),
        text("runtime").required().of_runtimes(),
        integer("timeout").required(),
        text("handler").required().length(1, limits::HANDLER_CHARS),
        integer("memory_size").required().one_of_numbers(&limits::MEMORY_MB),
        integer("gpu_memory").range(1024, 16384).absent(),
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
        text("description"),
        time("last_modified").required(),
        text("func_vpc_id"),
        object("strategy_config", &STRATEGY_CONFIG),
        text("extend_config"),
        text("initializer_handler"),
        integer("initializer_timeout").within(&limits::INITIALIZER_SECONDS),
        text("pre_stop_handler"),
        integer("pre_stop_timeout").within(&limits::PRE_STOP_SECONDS),
        text("enterprise_project_id"),
        flag("long_time"),
        text("log_group_id"),
        text("log_stream_id"),
        text("type").one_of(&TYPES),
        integer("fail_count"),
        flag("is_bridge_function"),
        texts("bind_bridge_funcUrns").absent(),
    ],
)
.and(&LISTED_MORE);

pub(super) static SHOW_FUNCTION_CONFIG_ANSWER: Shape = shape(
    "ShowFunctionConfigResponse",
    &[
        text("func_id"),
        text("resource_id"),
        text("func_urn").length(1, limits::URN_CHARS),
        text("func_name").length(1, limits::NAME_CHARS).like(NAME),
        text("domain_id"),
        text("namespace"),
        text("project_name"),
        text("package"),
        text("runtime").of_runtimes(),
        integer("timeout"),
        text("handler").length(1, limits::HANDLER_CHARS),
        integer("memory_size").one_of_numbers(&limits::MEMORY_MB),
        integer("gpu_memory").range(1024, 16384).absent(),
        text("gpu_type").absent(),
        integer("cpu"),
        text("code_type").one_of(&CODE_TYPES),
        text("code_url"),
        text("code_filename"),
        long("code_size"),
        text("user_data"),
        text("encrypted_user_data").absent(),
        text("digest"),
        text("version"),
        text("image_name"),
        text("xrole"),
        text("app_xrole"),
        text("description"),
        time("last_modified"),
        integer("ephemeral_storage").one_of_numbers(&limits::TMP_MB),
        object("func_vpc", &FUNC_VPC),
        text("peering_cidr"),
        object("mount_config", &MOUNT_CONFIG),
        texts("depend_list"),
        texts("depend_version_list"),
        object("strategy_config", &STRATEGY_CONFIG),
        objects("dependencies", &DEPENDENCY),
        text("initializer_handler"),
        integer("initializer_timeout").within(&limits::INITIALIZER_SECONDS),
        text("pre_stop_handler"),
        integer("pre_stop_timeout").within(&limits::PRE_STOP_SECONDS),
        text("enterprise_project_id"),
        flag("long_time"),
        text("log_group_id"),
        text("log_stream_id"),
        text("type").one_of(&TYPES),
        text("enable_cloud_debug").absent(),
        flag("enable_dynamic_memory"),
        flag("is_stateful_function"),
        flag("is_bridge_function"),
        flag("enable_auth_in_header"),
        object("custom_image", &CUSTOM_IMAGE),
        flag("reserved_instance_idle_mode"),
        flag("apig_route_enable"),
        text("heartbeat_handler"),
        flag("enable_class_isolation"),
        flag("allow_ephemeral_storage"),
        object("network_controller", &NETWORK_CONTROL_CONFIG),
        flag("is_return_stream"),
        flag("enable_lts_log"),
        text_map("lts_custom_tag"),
        text("user_data_encrypt_kms_key_id"),
        text("code_encrypt_kms_key_id"),
        text("domain_names"),
        integer("reserved_instance_count"),
        text("extend_config"),
        text("version_description").up_to(limits::DESCRIPTION_CHARS),
        object("function_async_config", &FUNCTION_ASYNC_CONFIG).absent(),
    ],
);

static DEPENDENCY: Shape = shape(
    "Dependency",
    &[
        text("id"),
        text("owner").required(),
        text("link").required(),
        text("runtime").required().of_runtimes(),
        text("etag").required(),
        long("size").required(),
        text("name").required(),
        text("description").required(),
        text("file_name"),
        long("version"),
        text("dep_id"),
        long("last_modified"),
    ],
);

pub(super) static STRATEGY_CONFIG: Shape = shape(
    "StrategyConfig",
    &[
        integer("concurrency").required().range(-1, 1000),
        integer("concurrent_num").required().within(&limits::CONCURRENT_NUM),
    ],
);

static CREATE_FUNCTION_BODY: Shape = shape(
    "CreateFunctionRequestBody",
    &[
        text("func_name").required().length(1, limits::NAME_CHARS).like(NAME),
        text("package").required(),
        text("runtime").required().of_runtimes(),
        integer("timeout").required().within(&limits::TIMEOUT_SECONDS),
        text("handler").required().length(1, limits::HANDLER_CHARS),
        texts("depend_version_list"),
        object("func_vpc", &FUNC_VPC).stored(),
        integer("memory_size").required().one_of_numbers(&limits::MEMORY_MB),
        integer("gpu_memory").range(1024, 16384).refused(),
        text("gpu_type").refused(),
        text("code_type").one_of(&CODE_TYPES),
        text("code_url"),
        text("code_filename"),
        object("custom_image", &CUSTOM_IMAGE),
        text("user_data").up_to(limits::USER_DATA_CHARS),
        text("encrypted_user_data").up_to(limits::USER_DATA_CHARS),
        text("xrole").stored(),
        text("app_xrole").stored(),
        text("description").up_to(limits::DESCRIPTION_CHARS),
        object("func_code", &FUNC_CODE),
        object("mount_config", &MOUNT_CONFIG),
        text("initializer_handler"),
        integer("initializer_timeout").within(&limits::INITIALIZER_SECONDS),
        text("pre_stop_handler"),
        integer("pre_stop_timeout").within(&limits::PRE_STOP_SECONDS),
        text("enterprise_project_id").stored(),
        text("type").one_of(&TYPES).stored(),
        object("log_config", &FUNC_LOG_CONFIG).stored(),
        object("network_controller", &NETWORK_CONTROL_CONFIG).stored(),
        flag("is_stateful_function").refused(),
        flag("enable_dynamic_memory"),
        flag("enable_lts_log").stored(),
        text_map("lts_custom_tag").stored(),
        text("user_data_encrypt_kms_key_id").stored(),
        text("code_encrypt_kms_key_id").stored(),
        text("domain_names").stored(),
        text("tags"),
    ],
)
.and(&CREATE_MORE);

pub(super) static MOUNT_CONFIG: Shape = shape(
    "MountConfig",
    &[object("mount_user", &MOUNT_USER).required(), objects("func_mounts", &FUNC_MOUNT).required()],
);

static FUNC_MOUNT: Shape = shape(
    "FuncMount",
    &[
        text("mount_type").required().one_of(&["sfs", "sfsTurbo", "ecs"]),
        text("mount_resource").required(),
        text("mount_share_path"),
        text("local_mount_path").required(),
    ],
);

static MOUNT_USER: Shape = shape("MountUser", &[integer("user_id").required(), integer("user_group_id").required()]);

static FUNC_CODE: Shape = shape("FuncCode", &[text("file"), text("link")]);

pub(super) static CUSTOM_IMAGE: Shape = shape(
    "CustomImage",
    &[
        flag("enabled"),
        text("image"),
        text("command"),
        text("args"),
        text("working_dir"),
        text("uid"),
        text("gid"),
        flag("is_public").ignored(),
    ],
);

/// What a body of CreateFunction may have beside its own fields.
static CREATE_MORE: [Field; 8] = [
    texts("depend_list").ours("clients of before say it instead of depend_version_list"),
    object("strategy_config", &STRATEGY_CONFIG).ours("as in an update"),
    integer("ephemeral_storage").one_of_numbers(&limits::TMP_MB).ours("as in an update"),
    text("peering_cidr").ours("as in an update"),
    text("extend_config").ours("as in an update"),
    flag("enable_auth_in_header").ours("as in an update"),
    text("heartbeat_handler").ours("as in an update"),
    flag("enable_class_isolation").ours("as in an update"),
];

static UPDATE_MORE: [Field; 4] = [
    texts("depend_version_list").ours("as when a function is created"),
    texts("depend_list").ours("clients of before say it instead of depend_version_list"),
    text("type").ours("as when a function is created"),
    text("code_encrypt_kms_key_id").ours("as when a function is created"),
];

static CODE_MORE: [Field; 2] = [
    texts("depend_list").ours("clients of before say it instead of depend_version_list"),
    object("custom_image", &CUSTOM_IMAGE).ours("the image is the code of an image function"),
];

/// A list shows what the configuration shows of a function.
static LISTED_MORE: [Field; 13] = [
    object("func_vpc", &FUNC_VPC).ours("as in the configuration"),
    text("peering_cidr").ours("as in the configuration"),
    object("mount_config", &MOUNT_CONFIG).ours("as in the configuration"),
    object("network_controller", &NETWORK_CONTROL_CONFIG).ours("as in the configuration"),
    flag("enable_auth_in_header").ours("as in the configuration"),
    text("domain_names").ours("as in the configuration"),
    flag("enable_lts_log").ours("as in the configuration"),
    text_map("lts_custom_tag").ours("as in the configuration"),
    text("user_data_encrypt_kms_key_id").ours("as in the configuration"),
    text("code_encrypt_kms_key_id").ours("as in the configuration"),
    object("custom_image", &CUSTOM_IMAGE).ours("as in the configuration"),
    text("heartbeat_handler").ours("as in the configuration"),
    flag("enable_class_isolation").ours("as in the configuration"),
];

/// What the code says of an image.
static CODE_ANSWER_MORE: [Field; 2] = [
    text("image_name").ours("as in the configuration"),
    object("custom_image", &CUSTOM_IMAGE).ours("as in the configuration"),
];
