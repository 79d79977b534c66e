//! Calls.

use fungraph_model::ErrorCode;

use super::{
    Answer, Body, Entry,
    field::{Shape, integer, shape, text},
    operation,
};

/// Values of `X-Cff-Instance-Memory`.
pub(super) const MEMORY: [&str; 15] = [
    "128", "256", "512", "768", "1024", "1280", "1536", "1792", "2048", "2560", "3072", "3584", "4096", "8192", "10240",
];

pub(super) static ENTRIES: [Entry; 1] = [operation("InvokeFunction", "Run a function and wait for its result")
    .note("v0, v1, log tail, summary, every URN form")
    .headers(&[
        text("X-Cff-Log-Type").one_of(&["tail", ""]),
        text("X-CFF-Request-Version").one_of(&["v0", "v1"]),
        text("X-Cff-Instance-Memory").one_of(&MEMORY),
    ])
    .takes(Body::Event)
    .gives(200, Answer::Run(&INVOKE_FUNCTION_ANSWER))
    .refuses(&[
        ErrorCode::NotFound,
        ErrorCode::NotAcceptable,
        ErrorCode::EventTooLarge,
        ErrorCode::TooManyRequests,
        ErrorCode::NotSupported,
    ])];

static INVOKE_FUNCTION_ANSWER: Shape = shape(
    "InvokeFunctionResponse",
    &[
        text("request_id"),
        text("error_code").ours("the number of a failed function, FSS.4002 for instance"),
        text("result"),
        text("log"),
        integer("status"),
    ],
);
