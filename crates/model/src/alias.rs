//! Aliases: names for versions, which may share their calls between two of them (contract: async.md section 7).

use jiff::Timestamp;

use crate::RequestId;

/// A name that calls may use instead of a version's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// Its name, without the `!` that stands before it in a URN.
    pub name: String,
    /// The version that gets the calls, or what the split leaves of them.
    pub version: String,
    /// How another version gets some of them; `None` where it has all.
    pub split: Option<Split>,
    /// Free text.
    pub description: String,
    /// Time of the last change.
    pub last_modified: Timestamp,
}

/// How calls are shared with another version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Split {
    /// By chance.
    Weight {
        /// The other version.
        version: String,
        /// How many of a hundred calls it gets.
        percent: u32,
    },
    /// By what the caller's request says.
    Rules {
        /// The other version, which gets the calls that match.
        version: String,
        /// Whether all rules must match.
        combine: Combine,
        /// At least one.
        rules: Vec<Rule>,
    },
}

/// How several rules make one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Combine {
    /// All must match.
    And,
    /// One is enough.
    Or,
}

/// A value that a header, or a cookie, of the request must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Where to look.
    pub kind: RuleKind,
    /// Name of the header, in any case, or of the cookie.
    pub name: String,
    /// Whether it was given as a list (`in`), which is how it is shown.
    pub is_list: bool,
    /// The values that match; one where it is no list.
    pub values: Vec<String>,
}

/// Where a rule looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleKind {
    /// A header.
    Header,
    /// A cookie.
    Cookie,
}

impl Alias {
    /// The version of one call. Constant time, and chance is the call's own id: no state is shared, and whoever looks at a call
    /// again finds the same version. `header` hands each value of a header to its second argument.
    #[must_use]
    pub fn pick(&self, request: RequestId, header: impl Fn(&str, &mut dyn FnMut(&[u8]))) -> &str {
        match &self.split {
            Some(Split::Weight { version, percent }) if request.chance(100) < *percent => version,
            Some(Split::Rules { version, combine, rules }) => {
                let mut matches = rules.iter().map(|rule| rule.matches(&header));
                let is_other = match combine {
                    Combine::And => matches.all(|matches| matches),
                    Combine::Or => matches.any(|matches| matches),
                };
                if is_other { version } else { &self.version }
            }
            _ => &self.version,
        }
    }

    /// The version that gets some of the calls.
    #[must_use]
    pub fn additional_version(&self) -> Option<&str> {
        self.split.as_ref().map(|split| match split {
            Split::Weight { version, .. } | Split::Rules { version, .. } => version.as_str(),
        })
    }
}

impl Rule {
    fn matches(&self, header: &impl Fn(&str, &mut dyn FnMut(&[u8]))) -> bool {
        let mut found = false;
        let is_value = |given: &[u8]| self.values.iter().any(|value| value.as_bytes() == given.trim_ascii());
        match self.kind {
            RuleKind::Header => header(&self.name, &mut |value| found |= is_value(value)),
            RuleKind::Cookie => header("cookie", &mut |line| {
                found |= cookies(line).any(|(name, value)| name == self.name.as_bytes() && is_value(value));
            }),
        }
        found
    }
}

/// Names and values of a `Cookie` header (RFC 6265, section 4.2.1); what has no value is passed over.
fn cookies(line: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    line.split(|byte| *byte == b';').filter_map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=')?;
        Some((pair[..at].trim_ascii(), &pair[at + 1..]))
    })
}

#[cfg(test)]
mod tests;
