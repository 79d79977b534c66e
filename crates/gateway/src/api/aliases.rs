//! Aliases.

use fungraph_model::{ErrorCode, limits};

use super::{
    Answer, Body, Entry,
    field::{Field, Shape, integer_map, object_map, objects, shape, text, time},
    operation,
    words::{NAME, PARAMETER_NAME},
};

/// What a version, or the split between two, can be refused for.
const SPLIT: [ErrorCode; 6] = [
    ErrorCode::BadVersion,
    ErrorCode::DescriptionTooLong,
    ErrorCode::VersionHasAlias,
    ErrorCode::BadAdditionalVersion,
    ErrorCode::BadAdditionalWeight,
    ErrorCode::SameVersionTwice,
];

pub(super) static ENTRIES: [Entry; 5] = [
    operation("CreateVersionAlias", "Create an alias that points to a version, with optional traffic split")
        .takes(Body::Object(&CREATE_VERSION_ALIAS_BODY))
        .gives(200, Answer::Object(&SHOW_VERSION_ALIAS_ANSWER))
        .refuses(&SPLIT)
        .refuses(&[ErrorCode::BadAlias, ErrorCode::AliasExists, ErrorCode::TooManyAliases]),
    operation("UpdateVersionAlias", "Change the target, description or traffic split of an alias")
        .takes(Body::Object(&UPDATE_VERSION_ALIAS_BODY))
        .gives(200, Answer::Object(&SHOW_VERSION_ALIAS_ANSWER))
        .refuses(&SPLIT),
    operation("ShowVersionAlias", "Read one alias").gives(200, Answer::Object(&SHOW_VERSION_ALIAS_ANSWER)),
    operation("ListVersionAliases", "List all aliases of a function as a bare JSON array")
        .gives(200, Answer::List(&LIST_VERSION_ALIAS_RESULT)),
    operation("DeleteVersionAlias", "Delete an alias; its versions stay")
        .gives(204, Answer::Nothing)
        .refuses(&[ErrorCode::AliasHasTriggers]),
];

static CREATE_VERSION_ALIAS_BODY: Shape = shape(
    "CreateVersionAliasRequestBody",
    &[
        text("name").required().length(1, limits::ALIAS_CHARS).like(NAME),
        text("version").required(),
        text("description").up_to(limits::DESCRIPTION_CHARS),
        integer_map("additional_version_weights"),
        object_map("additional_version_strategy", &VERSION_STRATEGY),
    ],
);

static UPDATE_VERSION_ALIAS_BODY: Shape = shape(
    "UpdateVersionAliasRequestBody",
    &[
        text("version").required(),
        text("description").up_to(limits::DESCRIPTION_CHARS),
        integer_map("additional_version_weights"),
        object_map("additional_version_strategy", &VERSION_STRATEGY),
    ],
);

static SHOW_VERSION_ALIAS_ANSWER: Shape = shape(
    "ShowVersionAliasResponse",
    &[
        text("name"),
        text("version"),
        text("description"),
        time("last_modified"),
        text("alias_urn"),
        integer_map("additional_version_weights"),
        object_map("additional_version_strategy", &VERSION_STRATEGY),
    ],
);

static LIST_VERSION_ALIAS_RESULT: Shape = shape(
    "ListVersionAliasResult",
    &[
        text("name").required(),
        text("version").required(),
        text("description"),
        time("last_modified").required(),
        text("alias_urn").required(),
        integer_map("additional_version_weights"),
    ],
)
.and(&LISTED_MORE);

/// A list shows what an alias shows by itself.
static LISTED_MORE: [Field; 1] =
    [object_map("additional_version_strategy", &VERSION_STRATEGY).ours("as where one alias is read")];

static VERSION_STRATEGY: Shape =
    shape("VersionStrategy", &[objects("rules", &VERSION_STRATEGY_RULES), text("combine_type").one_of(&["and", "or"])]);

static VERSION_STRATEGY_RULES: Shape = shape(
    "VersionStrategyRules",
    &[
        text("rule_type").one_of(&["header", "cookie"]),
        text("param").like(PARAMETER_NAME),
        text("op").one_of(&["=", "in"]),
        text("value"),
    ],
);
