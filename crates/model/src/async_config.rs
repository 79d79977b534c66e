//! Settings of asynchronous calls (contract: async.md section 2). Made by engine from a request; each field is inside its range.

use std::collections::BTreeMap;

use jiff::Timestamp;

/// What is set for the asynchronous calls of a version or alias.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AsyncConfig {
    /// Seconds after which an event that nobody took is thrown away.
    pub max_age_s: u32,
    /// Further attempts after a failed one.
    pub max_retries: u32,
    /// Who is told of a success.
    pub on_success: Option<Destination>,
    /// Who is told of a failure.
    pub on_failure: Option<Destination>,
    /// Whether the states of calls are asked to be kept.
    pub status_log: bool,
    /// Group and stream for those states, under the API's names; kept and given back.
    pub log: BTreeMap<String, String>,
    /// When it was set first.
    pub created: Timestamp,
    /// When it was set last.
    pub last_modified: Timestamp,
}

/// Where the record of a call goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Kind of target.
    pub kind: DestinationKind,
    /// Text of a JSON object, as it was sent: clients compare it with what they have.
    pub param: String,
}

/// Kinds of targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DestinationKind {
    /// A bucket.
    Obs,
    /// A topic.
    Smn,
    /// A stream.
    Dis,
    /// Another function.
    Function,
}

impl DestinationKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Obs, Self::Smn, Self::Dis, Self::Function];

    /// The API's word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Obs => "OBS",
            Self::Smn => "SMN",
            Self::Dis => "DIS",
            Self::Function => "FunctionGraph",
        }
    }

    /// Reads the API's word, letter for letter.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}
