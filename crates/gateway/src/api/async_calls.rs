//! Asynchronous calls.

use fungraph_model::ErrorCode;

use super::{
    Answer, Body, Entry,
    field::{Shape, integer, objects, shape, text, time},
    invocations::MEMORY,
    operation,
};

const STATUS: [&str; 5] = ["WAIT", "RUNNING", "SUCCESS", "FAIL", "DISCARD"];

pub(super) static ENTRIES: [Entry; 4] = [
    operation("AsyncInvokeFunction", "Queue a run and return its request id")
        .note("answered when the event is on disk")
        .headers(&[text("X-Cff-Instance-Memory").one_of(&MEMORY)])
        .takes(Body::Event)
        .gives(202, Answer::Object(&ASYNC_INVOKE_FUNCTION_ANSWER))
        .refuses(&[
            ErrorCode::NotAcceptable,
            ErrorCode::EventTooLarge,
            ErrorCode::TooManyRequests,
            ErrorCode::WrongKind,
            ErrorCode::NotSupported,
        ]),
    operation("ListAsyncInvocations", "List asynchronous runs of a function")
        .note("all versions and aliases; count is of this page")
        .query(&[
            text("request_id").length(0, 64),
            text("marker"),
            text("limit"),
            text("status").length(0, 64).one_of(&STATUS),
            time("query_begin_time"),
            time("query_end_time"),
        ])
        .gives(200, Answer::Object(&LIST_ASYNC_INVOCATIONS_ANSWER)),
    operation("ListActiveAsyncInvocations", "List asynchronous runs that are still in the queue or running")
        .note("all versions and aliases; count is of this page")
        .query(&[
            text("requests"),
            text("marker"),
            text("limit"),
            text("status").one_of(&STATUS),
            time("query_begin_time"),
            time("query_end_time"),
        ])
        .gives(200, Answer::Object(&LIST_ASYNC_INVOCATIONS_ANSWER)),
    operation("CancelAsyncInvocation", "Stop a queued or running asynchronous run")
        .takes(Body::Object(&CANCEL_ASYNC_INVOCATION_BODY)),
];

static ASYNC_INVOKE_FUNCTION_ANSWER: Shape = shape("AsyncInvokeFunctionResponse", &[text("request_id")]);

static LIST_ASYNC_INVOCATIONS_ANSWER: Shape = shape(
    "ListAsyncInvocationsResponse",
    &[objects("invocations", &LIST_FUNCTION_ASYNC_INVOCATIONS_RESULT), integer("count"), integer("next_marker")],
);

static LIST_FUNCTION_ASYNC_INVOCATIONS_RESULT: Shape = shape(
    "ListFunctionAsyncInvocationsResult",
    &[
        text("request_id"),
        text("status").one_of(&STATUS),
        text("error_message"),
        integer("error_code"),
        time("start_time"),
        text("end_time"),
    ],
);

static CANCEL_ASYNC_INVOCATION_BODY: Shape = shape(
    "CancelAsyncInvocationRequestBody",
    &[text("request_id").required(), text("type").one_of(&["recursive", "force"])],
);
