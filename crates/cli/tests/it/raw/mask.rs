//! Replaces what differs from run to run, so that the rest of an answer can be compared word for word.

/// Numbers behind these words are measured.
const MEASURED: [&str; 10] = [
    "\"duration\":",
    "\"billingDuration\":",
    "\"memoryUsed\":",
    // Of dependencies: milliseconds.
    "\"last_modified\":",
    " duration: ",
    "billing duration: ",
    "memory used: ",
    "x-cff-billing-duration: ",
    "content-length: ",
    "x-cff-memory-used: ",
];

/// A text with ids, times and measured numbers replaced.
pub(super) fn mask(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let known = [
            (uuid as Form, "<id>"),
            (plain_id, "\"<id>\""),
            (time, "<time>"),
            (http_date, "<date>"),
            (link, "/code/<link>\""),
        ];
        if let Some((length, name)) = known.iter().find_map(|(form, name)| Some((form(rest)?, name))) {
            out.push_str(name);
            rest = &rest[length..];
        } else if let Some(word) = MEASURED.iter().find(|word| rest.starts_with(**word)) {
            out.push_str(word);
            rest = &rest[word.len()..];
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
            if digits > 0 {
                out.push_str("<number>");
            }
            rest = &rest[digits..];
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

/// How many bytes at the start of a text have some form.
type Form = fn(&str) -> Option<usize>;

/// `6f2c0c1e-0b1d-4c55-9d63-2f0e7c1f1f10`
fn uuid(text: &str) -> Option<usize> {
    matches(text, "hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh")
}

/// `2026-01-02T03:04:05Z`, with or without a fraction
fn time(text: &str) -> Option<usize> {
    matches(text, "dddd-dd-ddTdd:dd:ddZ").or_else(|| matches(text, "dddd-dd-ddTdd:dd:dd.dddZ"))
}

/// `Mon, 23 Nov 2026 09:10:11 GMT`
fn http_date(text: &str) -> Option<usize> {
    matches(text, "aaa, dd aaa dddd dd:dd:dd GMT")
}

/// `/code/MTc5NTM2…"`: the signed part of a link to code
fn link(text: &str) -> Option<usize> {
    let signed = text.strip_prefix("/code/").filter(|signed| !signed.starts_with(['"', ' ', '\n']))?;
    Some("/code/".len() + signed.find('"')? + 1)
}

/// `9e6a0ab574e946d882c10a1103b5d62f`, in quotes
fn plain_id(text: &str) -> Option<usize> {
    matches(text, "\"hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh\"")
}

/// `d` is a digit, `h` one of hex, `a` a letter; the rest is itself.
fn matches(text: &str, form: &str) -> Option<usize> {
    let mut found = text.bytes();
    let same = form.bytes().all(|wanted| {
        found.next().is_some_and(|found| match wanted {
            b'd' => found.is_ascii_digit(),
            b'h' => found.is_ascii_hexdigit(),
            b'a' => found.is_ascii_alphabetic(),
            other => other == found,
        })
    });
    same.then_some(form.len())
}

#[test]
fn only_what_differs_is_replaced() {
    let text =
        "id 6f2c0c1e-0b1d-4c55-9d63-2f0e7c1f1f10 at 2026-01-02T03:04:05.678Z, {\"duration\":1.913,\"memorySize\":128}";
    assert_eq!(mask(text), "id <id> at <time>, {\"duration\":<number>,\"memorySize\":128}");
    assert_eq!(
        mask(r#"{"link":"<endpoint>/code/abc","id":"9e6a0ab574e946d882c10a1103b5d62f"}"#),
        r#"{"link":"<endpoint>/code/<link>","id":"<id>"}"#
    );
    assert_eq!(mask("/code"), "/code");
    assert_eq!(mask("date: Mon, 23 Nov 2026 09:10:11 GMT\nä 2026"), "date: <date>\nä 2026");
}
