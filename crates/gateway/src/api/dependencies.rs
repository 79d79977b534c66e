//! Dependencies.

use fungraph_model::{ErrorCode, limits};

use super::{
    Answer, Body, Entry,
    field::{Shape, flag, long, objects, shape, text},
    operation,
    words::DOTTED_NAME,
};

pub(super) static ENTRIES: [Entry; 5] = [
    operation("ListDependencies", "List dependencies, public and own")
        .note("all are private")
        .query(&[
            text("marker"),
            text("maxitems"),
            text("ispublic"),
            text("dependency_type").one_of(&["public", "private", "all"]),
            text("runtime"),
            text("name"),
            text("limit"),
        ])
        .gives(200, Answer::Object(&LIST_DEPENDENCY_VERSION_ANSWER)),
    operation("CreateDependencyVersion", "Upload a dependency package; a repeated name makes the next version")
        .takes(Body::Object(&CREATE_DEPENDENCY_BODY))
        .gives(200, Answer::Object(&SHOW_DEPENDENCY_VERSION_ANSWER))
        .refuses(&[
            ErrorCode::BadName,
            ErrorCode::BadRuntime,
            ErrorCode::BadDependencyType,
            ErrorCode::BadDependency,
            ErrorCode::DescriptionTooLong,
            ErrorCode::PackageTooLarge,
            ErrorCode::CodeQuota,
            ErrorCode::TooManyDependencies,
            ErrorCode::BadUrl,
            ErrorCode::CodeObjectNotFound,
            ErrorCode::BadGateway,
            ErrorCode::GatewayTimeout,
        ]),
    operation("ListDependencyVersion", "List the versions of a dependency")
        .query(&[text("marker"), text("maxitems")])
        .gives(200, Answer::Object(&LIST_DEPENDENCY_VERSION_ANSWER))
        .refuses(&[ErrorCode::DependencyNotFound]),
    operation("DeleteDependencyVersion", "Delete one version of a dependency")
        .gives(204, Answer::Nothing)
        .refuses(&[ErrorCode::DependencyNotFound, ErrorCode::DependencyInUse]),
    operation("ShowDependencyVersion", "Read one version of a dependency with a download link")
        .gives(200, Answer::Object(&SHOW_DEPENDENCY_VERSION_ANSWER))
        .refuses(&[ErrorCode::DependencyNotFound]),
];

static SHOW_DEPENDENCY_VERSION_ANSWER: Shape = shape(
    "ShowDependencyVersionResponse",
    &[
        text("id"),
        text("owner"),
        text("link"),
        text("runtime").of_runtimes(),
        text("etag"),
        long("size"),
        text("name"),
        text("description"),
        text("file_name"),
        long("version"),
        long("last_modified"),
        text("dep_id"),
        text("download_link"),
        flag("is_shared"),
    ],
);

static CREATE_DEPENDENCY_BODY: Shape = shape(
    "CreateDependencyRequestBody",
    &[
        text("depend_file"),
        text("depend_link"),
        text("depend_type").required().one_of(&["zip", "obs"]),
        text("runtime").required().of_runtimes(),
        text("name").required().length(1, limits::DEPENDENCY_NAME_CHARS).like(DOTTED_NAME),
        text("description").up_to(limits::DESCRIPTION_CHARS),
    ],
);

static LIST_DEPENDENCY_VERSION_ANSWER: Shape = shape(
    "ListDependencyVersionResponse",
    &[objects("dependencies", &LIST_DEPENDENCY_VERSIONS_RESULT), long("next_marker"), long("count")],
);

static LIST_DEPENDENCY_VERSIONS_RESULT: Shape = shape(
    "ListDependencyVersionsResult",
    &[
        text("id").required(),
        text("owner").required(),
        text("link").required(),
        text("runtime").required().of_runtimes(),
        text("etag").required(),
        long("size").required(),
        text("name").required(),
        text("file_name"),
        text("description"),
        long("version"),
        long("last_modified"),
        text("dep_id"),
        flag("is_shared"),
    ],
);
