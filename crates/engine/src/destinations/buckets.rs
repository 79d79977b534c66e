//! Buckets that notices may be put into. Objects are written with the operator's key, whoever's call it was, so he says where.

use fungraph_model::ProjectId;

use crate::async_configs::is_bucket;

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObsBucket {
    /// Whose notices it takes; `None`: of all projects.
    project: Option<ProjectId>,
    name: String,
}

impl ObsBucket {
    /// `BUCKET`, or `PROJECT_ID/BUCKET`.
    ///
    /// # Errors
    /// A text that says what it must be.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (project, name) = text.split_once('/').map_or((None, text), |(project, name)| (Some(project), name));
        let is_id =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !is_bucket(name) || !project.is_none_or(is_id) {
            return Err(format!("{text:?} must be the name of a bucket, or PROJECT_ID/BUCKET (fungraph project list)"));
        }
        Ok(Self { project: project.map(|id| ProjectId(id.to_owned())), name: name.to_owned() })
    }
}

/// Whether the operator's list leaves a bucket to a project; one without entries leaves it open.
pub(super) fn listed(buckets: &[ObsBucket], project: &ProjectId, name: &str) -> Option<bool> {
    let is_it = |bucket: &ObsBucket| bucket.name == name && bucket.project.as_ref().is_none_or(|of| of == project);
    (!buckets.is_empty()).then(|| buckets.iter().any(is_it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_everybodys_or_one_projects() {
        let project = |id: &str| ProjectId(id.to_owned());
        assert_eq!(listed(&[], &project("a"), "results"), None, "nobody has said anything");
        let list = ["results", "a1/of-a"].map(|text| ObsBucket::parse(text).expect(text));
        for (of, name, expected) in [
            ("a1", "results", true),
            ("b2", "results", true),
            ("a1", "of-a", true),
            ("b2", "of-a", false),
            ("a1", "x", false),
        ] {
            assert_eq!(listed(&list, &project(of), name), Some(expected), "{name} for {of}");
        }
    }

    #[test]
    fn what_is_no_bucket_is_refused() {
        for text in ["", "ab", "Results", "/results", "a/", "a/b/results", "a b/results", "../results", "res*"] {
            assert!(ObsBucket::parse(text).is_err(), "{text}");
        }
    }
}
