//! Calls.

use fungraph_engine::{InvokeRequest, RequestHeaders};
use http::{HeaderMap, HeaderName};

use crate::{
    answer::{self, Form, Refusal, Response},
    service::{Call, Service},
};

const LOG_TYPE: HeaderName = HeaderName::from_static("x-cff-log-type");
const VERSION: HeaderName = HeaderName::from_static("x-cff-request-version");
const MEMORY: HeaderName = HeaderName::from_static("x-cff-instance-memory");

/// The headers of a request, for whom they may concern.
#[derive(Debug)]
pub(crate) struct Sent<'a>(pub(crate) &'a HeaderMap);

impl RequestHeaders for Sent<'_> {
    fn each(&self, name: &str, see: &mut dyn FnMut(&[u8])) {
        self.0.get_all(name).iter().for_each(|value| see(value.as_bytes()));
    }
}

/// InvokeFunction.
pub(crate) async fn invoke(service: &Service, call: Call<'_>) -> Result<Response, Refusal> {
    let under_way = service.awake.arrived(call.arrived);
    let headers = &call.head.headers;
    let form = if says(headers, &VERSION, "v1") { Form::V1 } else { Form::V0 };
    let tail = says(headers, &LOG_TYPE, "tail");
    let function = call.route.function()?;
    let request = InvokeRequest {
        request: call.id,
        event: call.body,
        tail,
        memory: memory(headers),
        headers: &Sent(headers),
        arrived: call.arrived,
        watch: call.watch,
        sink: None,
    };
    let invoked = service.engine.invoke(&call.caller, function, request).await;
    under_way.answered();
    let (invocation, record) = invoked?;
    let response = answer::run(call.id, form, tail, invocation, service.statuses);
    // Its last phase is over.
    drop(record);
    Ok(response)
}

/// `X-Cff-Instance-Memory` as it came.
pub(crate) fn memory(headers: &HeaderMap) -> Option<String> {
    headers.get(MEMORY).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// Whether a header has this word. Any other value acts as the default (invocation.md, "Request").
fn says(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    headers.get(name).is_some_and(|value| value.as_bytes().trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_words_are_the_default() {
        let mut headers = HeaderMap::new();
        assert!(!says(&headers, &LOG_TYPE, "tail"));
        for (value, expected) in [("tail", true), ("Tail", true), ("", false), ("all", false), ("tails", false)] {
            headers.insert(LOG_TYPE, value.parse().expect("a value"));
            assert_eq!(says(&headers, &LOG_TYPE, "tail"), expected, "{value}");
        }
    }
}
