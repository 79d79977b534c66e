//! Functions as archives.

use fungraph_model::{ErrorCode, limits};

use super::{
    Answer, Body, Entry,
    field::{Shape, flag, shape, text},
    functions::{CODE, SHOW_FUNCTION_CONFIG_ANSWER, SPEC},
    operation,
    triggers::{OF_DATA, OF_OTHERS},
    words::NAME,
};

/// What the archive itself, and test events in it, can be refused for.
const ARCHIVE: [ErrorCode; 12] = [
    ErrorCode::BadPackage,
    ErrorCode::TooManyFunctions,
    ErrorCode::FunctionExists,
    ErrorCode::ImportTooLarge,
    ErrorCode::BadDescription,
    ErrorCode::TooManyTestEvents,
    ErrorCode::TestEventTooLarge,
    ErrorCode::TestEventExists,
    ErrorCode::BadTestEvent,
    ErrorCode::BadTriggerType,
    ErrorCode::WrongKind,
    ErrorCode::TooManyRequests,
];

pub(super) static ENTRIES: [Entry; 2] = [
    operation("ImportFunction", "Create a function from an exported package")
        .note("of an archive that ExportFunction of such a server gave; triggers and test events come along")
        .takes(Body::Object(&IMPORT_BODY))
        .gives(200, Answer::Object(&SHOW_FUNCTION_CONFIG_ANSWER))
        .refuses(&SPEC)
        .refuses(&CODE)
        .refuses(&ARCHIVE)
        .refuses(OF_DATA)
        .refuses(OF_OTHERS),
    operation("ExportFunction", "Download code and/or configuration of a function")
        .note("an archive of this server's own form; the code alone is the package itself. No secrets")
        .query(&[flag("config"), flag("code"), text("type").one_of(&["code", "config"])])
        .gives(200, Answer::Archive)
        .refuses(&[ErrorCode::BadCodeType, ErrorCode::PackageTooLarge, ErrorCode::TooManyRequests]),
];

static IMPORT_BODY: Shape = shape(
    "ImportFunctionRequestBody",
    &[
        text("func_name").required().length(1, limits::NAME_CHARS).like(NAME),
        text("file_name").required(),
        text("file_type").required(),
        text("file_code").required(),
        text("package"),
    ],
);
