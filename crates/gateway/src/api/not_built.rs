//! Why operations answer 501, told by their paths: for the document and for docs/compatibility.md.

/// A part of the path, and the reason.
const REASONS: [(&str, &str); 5] = [
    ("/fgs/workflows", "function flows are not built"),
    ("/fgs/workflow-statistic", "function flows are not built"),
    ("/fgs/application", "applications are not built"),
    ("/servicebridge", "there are no bridges to other services here"),
    ("/snapshots/", "instances are not started from snapshots here"),
];

/// The reason for a path whose operations are not built.
pub(super) fn reason(path: &str) -> &'static str {
    REASONS.iter().find(|(part, _)| path.contains(part)).map_or("not built yet", |(_, reason)| reason)
}
