//! What templates show: each kind with an event, and what its function answers to it in every language.

/// A kind of template.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// First part of the ids.
    pub word: &'static str,
    /// Title, for people.
    pub title: &'static str,
    /// A sentence or two.
    pub description: &'static str,
    /// What it is good for, one word.
    pub scene: &'static str,
    /// The service that calls it.
    pub service: &'static str,
    /// The trigger that calls it.
    pub trigger: Option<TriggerHint>,
    /// An event to try it with.
    pub input: &'static str,
    /// What it answers: a text, or fields that the answer has.
    pub output: &'static str,
    /// What to see to first; empty for nothing.
    pub warning: &'static str,
}

/// A trigger that a template is made for.
#[derive(Debug, PartialEq, Eq)]
pub struct TriggerHint {
    /// Name to give it.
    pub name: &'static str,
    /// `trigger_type_code`.
    pub kind: &'static str,
    /// `event_data`, as JSON.
    pub data: &'static str,
}

const API: TriggerHint = TriggerHint {
    name: "hello",
    kind: "APIG",
    data: r#"{"name":"hello","path":"/hello","req_method":"GET","match_mode":"NORMAL","auth":"IAM"}"#,
};

const REQUEST: &str = r#"{"httpMethod":"GET","path":"/hello","pathParameters":{},"queryStringParameters":{"name":"Ada"},"headers":{},"requestContext":{"apiId":"a","requestId":"r","stage":"RELEASE"},"isBase64Encoded":true,"body":"aGk="}"#;

pub(super) static HELLO: Kind = Kind {
    word: "hello",
    title: "Hello, world",
    description: "Says hello to whoever the event names.",
    scene: "basic",
    service: "FunctionGraph",
    trigger: None,
    input: r#"{"name":"Ada"}"#,
    output: "Hello, Ada!",
    warning: "",
};

pub(super) static GATEWAY: Kind = Kind {
    word: "gateway",
    title: "HTTP API behind a gateway",
    description: "Answers HTTP requests that a gateway trigger hands on as events.",
    scene: "web",
    service: "APIG",
    trigger: Some(API),
    input: REQUEST,
    output: r#"{"statusCode":200,"isBase64Encoded":false,"body":"Hello, Ada! You sent 2 characters."}"#,
    warning: "",
};

pub(super) static TIMER: Kind = Kind {
    word: "timer",
    title: "Scheduled task",
    description: "Runs each time its timer fires and reads the text that the timer carries.",
    scene: "schedule",
    service: "TIMER",
    trigger: Some(TriggerHint {
        name: "daily",
        kind: "TIMER",
        data: r#"{"name":"daily","schedule_type":"Rate","schedule":"1d","user_event":"water the flowers"}"#,
    }),
    input: r#"{"version":"v1.0","time":"2026-01-02T03:04:05Z","trigger_type":"TIMER","trigger_name":"daily","user_event":"water the flowers"}"#,
    output: "daily did: water the flowers",
    warning: "",
};

pub(super) static SERVER: Kind = Kind {
    word: "server",
    title: "Web server of your own",
    description: "An http function: a web server on port 8000, which gets the requests of its gateway trigger as they are.",
    scene: "web",
    service: "APIG",
    trigger: Some(API),
    input: REQUEST,
    output: r#"{"statusCode":200,"isBase64Encoded":true,"body":"SGVsbG8sIEFkYSE="}"#,
    warning: "The server is written in Python: the host of the functions needs a Python 3.",
};
