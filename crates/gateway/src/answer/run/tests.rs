//! Golden answers of calls, without the headers that every answer gets.

use fungraph_model::{Failure, LogTail, Summary};

use super::*;

const ID: &str = "6f2c0c1e-0b1d-4c55-9d63-2f0e7c1f1f10";

fn answer(form: Form, tail: bool, runtime: &str, outcome: Outcome<Bytes>) -> (u16, Vec<String>, String) {
    let invocation = Invocation {
        outcome,
        summary: Summary { duration_us: 2049, billing_ms: 100, memory_mb: 128, memory_used: 19_136_512 },
        tail: LogTail::of(if tail { b"a line\n" } else { b"" }),
        runtime: Runtime::parse(runtime).expect(runtime),
    };
    let statuses = Statuses::from(UserFailureStatus { v0: 500, v1: 200 });
    let response = run(RequestId::parse(ID).expect("an id"), form, tail, invocation, statuses);
    let headers = response.headers().iter().map(|(name, value)| format!("{name}: {}", value.to_str().expect("ASCII")));
    let headers = headers.collect();
    (response.status().as_u16(), headers, String::from_utf8_lossy(response.body().bytes()).into_owned())
}

fn check_value(runtime: &str, value: Value<Bytes>, content_type: &str, body: &str) {
    let (status, headers, text) = answer(Form::V0, false, runtime, Outcome::Returned(value));
    assert_eq!((status, text.as_str()), (200, body));
    assert!(headers.contains(&format!("content-type: {content_type}")), "{headers:?}");
}

fn failed(code: FailureCode) -> Outcome<Bytes> {
    let object = Bytes::from_static(br#"{"errorMessage":"no","errorType":"E"}"#);
    Outcome::Failed(Failure { code, object })
}

#[test]
fn a_result_in_form_v0() {
    let value = Value::Json(Bytes::from_static(br#"{"sum":3}"#));
    let (status, headers, body) = answer(Form::V0, true, "Python3.9", Outcome::Returned(value));
    assert_eq!((status, body.as_str()), (200, r#"{"sum":3}"#));
    assert_eq!(
        headers,
        [
            r#"x-cff-invoke-summary: {"duration":2.049,"billingDuration":100,"memorySize":128,"memoryUsed":18.25}"#,
            "x-cff-billing-duration: 100",
            "x-cff-response-version: v0",
            "x-cff-function-log: YSBsaW5lCg==",
            "x-func-err-code: 0",
            "x-is-func-err: false",
            "content-type: application/json",
        ]
    );
}

#[test]
fn content_types_follow_the_value_and_the_runtime() {
    const TEXT: &str = "text/plain; charset=utf-8";
    check_value("Python3.9", Value::Nothing, TEXT, "");
    check_value("Python3.9", Value::Text(Bytes::from_static(b"{}")), TEXT, "{}");
    check_value("Python3.9", Value::Bytes(Bytes::from_static(b"{}")), TEXT, "{}");
    check_value("Go1.x", Value::Bytes(Bytes::from_static(b"{}")), "application/json", "{}");
    check_value("Custom", Value::Bytes(Bytes::from_static(b"plain")), TEXT, "plain");
}

#[test]
fn a_result_in_form_v1() {
    let text = |value| answer(Form::V1, true, "Python3.9", Outcome::Returned(value)).2;
    let expected = |result: &str| {
        format!(r#"{{"request_id":"{ID}","result":"{result}","log":"a line\n","status":200,"error_code":""}}"#)
    };
    assert_eq!(text(Value::Json(Bytes::from_static(b"{\"a\":1}"))), expected("{\\\"a\\\":1}"));
    assert_eq!(text(Value::Text(Bytes::from_static("ž".as_bytes()))), expected("ž"));
    assert_eq!(text(Value::Nothing), expected(""));
    assert_eq!(text(Value::Bytes(Bytes::from_static(&[0xFF, 0]))), expected("/wA="));
}

#[test]
fn a_failure_by_the_functions_fault() {
    let (status, headers, body) = answer(Form::V0, false, "Python3.9", failed(FailureCode::HandlerFailed));
    assert_eq!(status, 500);
    assert_eq!(body, r#"{"error_code":"FSS.4002","error_msg":"no","errorMessage":"no","errorType":"E"}"#);
    assert!(headers.contains(&"x-func-err-code: 4002".to_owned()), "{headers:?}");
    assert!(headers.contains(&"x-is-func-err: true".to_owned()), "{headers:?}");
    let (status, headers, body) = answer(Form::V1, false, "Python3.9", failed(FailureCode::TimedOut));
    assert_eq!(status, 200);
    assert!(headers.contains(&"x-cff-response-version: v1".to_owned()), "{headers:?}");
    assert_eq!(
        body,
        format!(
            r#"{{"request_id":"{ID}","result":"{{\"errorMessage\":\"no\",\"errorType\":\"E\"}}","log":"","status":500,"error_code":"FSS.4010"}}"#
        )
    );
}

#[test]
fn a_failure_by_the_platforms_fault_is_500_in_both_forms() {
    for form in [Form::V0, Form::V1] {
        for (code, number, fss) in
            [(FailureCode::ExecutorFailed, 6001, "FSS.6001"), (FailureCode::InstanceBroken, 161_903, "FSS.0500")]
        {
            let (status, headers, body) = answer(form, false, "Python3.9", failed(code));
            assert_eq!(status, 500);
            assert!(body.starts_with(&format!(r#"{{"error_code":"{fss}","error_msg":"no""#)), "{body}");
            assert!(headers.contains(&format!("x-func-err-code: {number}")), "{headers:?}");
            assert!(headers.contains(&"x-is-func-err: false".to_owned()), "{headers:?}");
        }
    }
}

#[test]
fn statuses_of_own_failures_can_be_set() {
    let statuses = Statuses::from(UserFailureStatus { v0: 502, v1: 7 });
    assert_eq!((statuses.v0.as_u16(), statuses.v1), (502, StatusCode::OK));
}
