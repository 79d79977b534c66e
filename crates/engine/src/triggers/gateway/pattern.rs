//! Paths of gateway triggers: `/orders/{id}`, `/files/{rest+}`. Pure.

use std::collections::HashSet;

/// A path, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::triggers) struct Pattern {
    pub(super) segments: Vec<Segment>,
}

/// A part of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    /// These letters.
    Fixed(String),
    /// Anything, under a name.
    Parameter(String),
    /// All the rest, at least one segment, under a name.
    Rest(String),
}

impl Pattern {
    /// Reads a path.
    ///
    /// # Errors
    /// What is wrong with it, to stand after the name of the field.
    pub(in crate::triggers) fn parse(text: &str) -> Result<Self, String> {
        if !text.starts_with('/') {
            return Err("must start with '/'".to_owned());
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#\"<>\\^`|".contains(&byte)) {
            return Err(
                "holds characters that no path has. Write them percent-encoded, and leave the query out".to_owned()
            );
        }
        if text.contains("//") {
            return Err("has an empty segment".to_owned());
        }
        let mut names = HashSet::new();
        let read = segments(text);
        let last = read.len().saturating_sub(1);
        let segments = read.iter().enumerate().map(|(index, segment)| {
            let read = Segment::parse(segment)?;
            match &read {
                Segment::Rest(_) if index != last => {
                    Err(format!("has '{segment}' before its end: nothing can follow it"))
                }
                Segment::Parameter(name) | Segment::Rest(name) if !names.insert(name.clone()) => {
                    Err(format!("names the parameter '{name}' twice"))
                }
                _ => Ok(read),
            }
        });
        Ok(Self { segments: segments.collect::<Result<_, _>>()? })
    }

    /// Whether the same requests fit both.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let same = |(one, other): (&Segment, &Segment)| match (one, other) {
            (Segment::Fixed(one), Segment::Fixed(other)) => one == other,
            (Segment::Parameter(_), Segment::Parameter(_)) | (Segment::Rest(_), Segment::Rest(_)) => true,
            _ => false,
        };
        self.segments.len() == other.segments.len() && self.segments.iter().zip(&other.segments).all(same)
    }

    /// The parameters of a path that fits; where it is a prefix, what follows under the empty name.
    pub(super) fn parameters(&self, path: &[&str], is_prefix: bool) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for (index, segment) in self.segments.iter().enumerate() {
            match segment {
                Segment::Fixed(_) => {}
                Segment::Parameter(name) => found.push((name.clone(), path[index].to_owned())),
                Segment::Rest(name) => found.push((name.clone(), path[index..].join("/"))),
            }
        }
        let takes_all = matches!(self.segments.last(), Some(Segment::Rest(_)));
        if is_prefix && !takes_all {
            found.push((String::new(), path[self.segments.len()..].join("/")));
        }
        found
    }
}

impl Segment {
    fn parse(text: &str) -> Result<Self, String> {
        if matches!(text, "." | "..") {
            return Err("has a segment '.' or '..', which clients take out".to_owned());
        }
        if !text.contains(['{', '}']) {
            return Ok(Self::Fixed(text.to_owned()));
        }
        let wrong = || format!("has '{text}': a parameter is a whole segment, '{{name}}', or '{{name+}}' at the end");
        let name = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).ok_or_else(wrong)?;
        let (name, rest) = name.strip_suffix('+').map_or((name, false), |name| (name, true));
        let good = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        match (good, rest) {
            (false, _) => Err(wrong()),
            (true, true) => Ok(Self::Rest(name.to_owned())),
            (true, false) => Ok(Self::Parameter(name.to_owned())),
        }
    }
}

/// The segments of a path. A slash at the end makes none.
pub(super) fn segments(path: &str) -> Vec<&str> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() { Vec::new() } else { path.split('/').collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_path_is_refused() {
        for (text, word) in [
            ("", "start with '/'"),
            ("a", "start with '/'"),
            ("/a b", "percent-encoded"),
            ("/ž", "percent-encoded"),
            ("/a?b", "percent-encoded"),
            ("/a//b", "empty segment"),
            ("//", "empty segment"),
            ("/a/../b", "'.' or '..'"),
            ("/{}", "whole segment"),
            ("/a{id}", "whole segment"),
            ("/{id}x", "whole segment"),
            ("/{a}/{a}", "'a' twice"),
            ("/{a+}/b", "nothing can follow"),
            ("/{+}", "whole segment"),
        ] {
            let why = Pattern::parse(text).expect_err(text);
            assert!(why.contains(word), "{text}: {why}");
        }
        for text in ["/", "/a", "/a/", "/{id}", "/a/{id}/b.json", "/{rest+}", "/a%20b/~x:1@2", "/v1/{a-b_c.d}"] {
            assert!(Pattern::parse(text).is_ok(), "{text}");
        }
    }
}
