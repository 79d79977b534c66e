//! Tags.

use fungraph_model::ErrorCode;

use super::{
    Answer, Body, Entry,
    field::{Field, Shape, flag, long, object, objects, shape, text, texts},
    operation,
};

/// The word in their paths.
const TYPE: Field = text("resource_type").required().one_of(&["functions"]);

/// Codes of paths that name a function.
const OF_A_RESOURCE: [ErrorCode; 2] = [ErrorCode::BadUrn, ErrorCode::FunctionNotFound];

/// Why a filter has more than the contract's.
const FILTER: &str = "a further filter, as clients send it";

pub(super) static ENTRIES: [Entry; 5] = [
    operation("ShowResInstanceInfo", "Filter or count resources by tag; action is filter or count")
        .path(&[TYPE, text("action").required().one_of(&["filter", "count"])])
        .takes(Body::Object(&LIST_ENTERPRISE_RESOURCE_BODY))
        .gives(200, Answer::Object(&SHOW_RES_INSTANCE_INFO_ANSWER)),
    operation("ShowProjectTagsList", "Read all tag keys with their values in a project")
        .path(&[TYPE])
        .gives(200, Answer::Object(&SHOW_PROJECT_TAGS_LIST_ANSWER)),
    operation("ListFunctionTags", "Read the tags of one resource")
        .path(&[TYPE])
        .gives(200, Answer::Object(&LIST_FUNCTION_TAGS_ANSWER))
        .refuses(&OF_A_RESOURCE),
    operation("CreateTags", "Add or overwrite tags of a resource")
        .path(&[TYPE])
        .takes(Body::Object(&UPDATE_FUNCTION_TAGS_BODY))
        .gives(204, Answer::Nothing)
        .refuses(&OF_A_RESOURCE),
    operation("DeleteTags", "Remove tags of a resource; the request carries a body")
        .path(&[TYPE])
        .takes(Body::Object(&UPDATE_FUNCTION_TAGS_BODY))
        .gives(204, Answer::Nothing)
        .refuses(&OF_A_RESOURCE),
];

static SHOW_RES_INSTANCE_INFO_ANSWER: Shape = shape(
    "ShowResInstanceInfoResponse",
    &[objects("resources", &LIST_ENTERPRISE_RESOURCE_RESULT), long("total_count")],
);

static LIST_ENTERPRISE_RESOURCE_RESULT: Shape = shape(
    "ListEnterpriseResourceResult",
    &[
        text("resource_id"),
        object("resource_detail", &LIST_ENTERPRISE_RESOURCE_DETAIL),
        objects("tags", &KV_ITEM),
        objects("sys_tags", &KV_ITEM),
        text("resource_name"),
    ],
);

static LIST_ENTERPRISE_RESOURCE_DETAIL: Shape = shape("ListEnterpriseResourceDetail", &[text("detailId")]);

static LIST_ENTERPRISE_RESOURCE_BODY: Shape = shape(
    "ListEnterpriseResourceRequestBody",
    &[
        flag("without_any_tag"),
        text("limit"),
        text("offset"),
        text("action").one_of(&["filter", "count"]),
        objects("matches", &KV_ITEM),
        objects("sys_tags", &TAG_ITEM),
        objects("tags", &TAG_ITEM).ours(FILTER),
        objects("tags_any", &TAG_ITEM).ours(FILTER),
        objects("not_tags", &TAG_ITEM).ours(FILTER),
        objects("not_tags_any", &TAG_ITEM).ours(FILTER),
    ],
);

static SHOW_PROJECT_TAGS_LIST_ANSWER: Shape =
    shape("ShowProjectTagsListResponse", &[objects("tags", &TAG_ITEM), objects("sys_tags", &TAG_ITEM)]);

static LIST_FUNCTION_TAGS_ANSWER: Shape =
    shape("ListFunctionTagsResponse", &[objects("tags", &KV_ITEM), objects("sys_tags", &KV_ITEM)]);

static UPDATE_FUNCTION_TAGS_BODY: Shape = shape(
    "UpdateFunctionTagsRequestBody",
    &[text("action").one_of(&["create", "delete"]), objects("tags", &KV_ITEM), objects("sys_tags", &KV_ITEM)],
);

static TAG_ITEM: Shape = shape("TagItem", &[text("key"), texts("values")]);

static KV_ITEM: Shape = shape("KvItem", &[text("key"), text("value")]);
