//! Test events.

use fungraph_model::{ErrorCode, limits};

use super::{
    Answer, Body, Entry,
    field::{Shape, integer, long, number, objects, shape, text},
    operation,
    words::NAME,
};

/// What is wrong with a test event.
const OF_AN_EVENT: [ErrorCode; 3] = [ErrorCode::BadTestEvent, ErrorCode::TestEventTooLarge, ErrorCode::TestEventExists];

pub(super) static ENTRIES: [Entry; 5] = [
    operation("ListEvents", "List the test events of a function").gives(200, Answer::Object(&LIST_EVENTS_ANSWER)),
    operation("CreateEvent", "Store a named test event")
        .takes(Body::Object(&CREATE_EVENT_BODY))
        .gives(200, Answer::Object(&CREATE_EVENT_ANSWER))
        .refuses(&OF_AN_EVENT)
        .refuses(&[ErrorCode::TooManyTestEvents]),
    operation("DeleteEvent", "Delete a test event")
        .gives(204, Answer::Nothing)
        .refuses(&[ErrorCode::TestEventNotFound]),
    operation("ShowEvent", "Read a test event with its content")
        .gives(200, Answer::Object(&SHOW_EVENT_ANSWER))
        .refuses(&[ErrorCode::TestEventNotFound]),
    operation("UpdateEvent", "Replace the content of a test event")
        .takes(Body::Object(&UPDATE_EVENT_BODY))
        .gives(200, Answer::Object(&CREATE_EVENT_ANSWER))
        .refuses(&OF_AN_EVENT)
        .refuses(&[ErrorCode::TestEventNotFound]),
];

static LIST_EVENTS_ANSWER: Shape =
    shape("ListEventsResponse", &[integer("count"), objects("events", &LIST_EVENTS_RESULT), long("next_marker")]);

static LIST_EVENTS_RESULT: Shape = shape("ListEventsResult", &[text("id"), number("last_modified"), text("name")]);

static CREATE_EVENT_ANSWER: Shape = shape("CreateEventResponse", &[text("id"), text("name")]);

static CREATE_EVENT_BODY: Shape = shape(
    "CreateEventRequestBody",
    &[text("name").required().length(1, limits::TEST_EVENT_NAME_CHARS).like(NAME), text("content").required()],
);

static SHOW_EVENT_ANSWER: Shape =
    shape("ShowEventResponse", &[text("id"), text("name"), text("content"), number("last_modified")]);

static UPDATE_EVENT_BODY: Shape = shape(
    "UpdateEventRequestBody",
    &[
        text("name")
            .length(1, limits::TEST_EVENT_NAME_CHARS)
            .like(NAME)
            .ours("another name for it, as clients send it"),
        text("content").required(),
    ],
);
