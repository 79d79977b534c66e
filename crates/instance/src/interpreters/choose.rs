//! Which interpreter a runtime name means: the rule "nearest version" as a pure function.

use std::sync::Arc;

use fungraph_model::Runtime;

use super::kind::{Kind, Series};
use super::{Choice, Interpreter};

/// No interpreter of this host may run a runtime.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.message())]
pub struct Unavailable {
    runtime: Runtime,
    reason: Reason,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Reason {
    /// The language has no bootstrap yet.
    NotBuilt,
    /// Its generation is older than the bootstrap.
    TooOld,
    /// Nothing of its generation is installed.
    Missing,
    /// Others of its generation are installed, by their series.
    Strict(Vec<String>),
    /// The library that its bootstrap needs.
    Library,
}

impl Unavailable {
    /// What is missing, and what to install or to set: for the caller as well as for the operator.
    #[must_use]
    pub fn message(&self) -> String {
        let name = self.runtime.name();
        let Some(kind) = Kind::of(self.runtime.language()) else {
            return format!("The runtime {name} cannot run here yet: only Python, Node.js and Java functions do");
        };
        let title = kind.title;
        match &self.reason {
            Reason::NotBuilt => format!("The runtime {name} cannot run here yet"),
            Reason::TooOld => {
                let (major, minor, _) = kind.oldest;
                format!(
                    "The runtime {name} is not available: functions need {title} {major}.{minor} or newer, and no newer \
                     {title} stands in for it. Choose a later runtime"
                )
            }
            Reason::Missing => format!(
                "The runtime {name} is not available: this host has no {title} that can run it. Install one \
                 ({}), or name the folder of one in the setting runtimes.search, and restart the server",
                kind.install
            ),
            Reason::Library => format!(
                "The runtime {name} is not available: this host lacks a library that {title} functions need. Install {}, and \
                 restart the server",
                kind.library.unwrap_or_default()
            ),
            Reason::Strict(found) => {
                let series = kind.series_text(kind.series(self.runtime.version()));
                format!(
                    "The runtime {name} needs {title} {series} because the setting runtimes.strict is on, and this host has \
                     {title} {}. Install that version ({}), or set runtimes.strict = false to use the nearest one, and \
                     restart the server",
                    found.join(", "),
                    kind.install_series.replace("{series}", &series)
                )
            }
        }
    }
}

/// See [`super::Interpreters::choose`].
pub(super) fn choose(all: &[Arc<Interpreter>], runtime: Runtime, strict: bool) -> Result<Choice, Unavailable> {
    let unavailable = |reason| Unavailable { runtime, reason };
    let kind = Kind::of(runtime.language()).ok_or_else(|| unavailable(Reason::NotBuilt))?;
    let wanted = kind.series(runtime.version());
    if wanted.generation < kind.series((kind.oldest.0, kind.oldest.1)).generation {
        return Err(unavailable(Reason::TooOld));
    }
    let series = |interpreter: &Interpreter| kind.series((interpreter.version.0, interpreter.version.1));
    let candidates: Vec<&Arc<Interpreter>> = all
        .iter()
        .filter(|interpreter| interpreter.language == kind.language)
        .filter(|interpreter| series(interpreter).generation == wanted.generation)
        .collect();
    let best = candidates.iter().copied().min_by_key(|interpreter| distance(wanted, series(interpreter)));
    let best = best.ok_or_else(|| unavailable(Reason::Missing))?;
    let exact = series(best) == wanted;
    if strict && !exact {
        let mut found: Vec<Series> = candidates.iter().map(|interpreter| series(interpreter)).collect();
        found.dedup();
        return Err(unavailable(Reason::Strict(found.into_iter().map(|series| kind.series_text(series)).collect())));
    }
    if kind.library.is_some() && best.library.is_none() {
        return Err(unavailable(Reason::Library));
    }
    Ok(Choice { interpreter: Arc::clone(best), exact })
}

/// Nearness: the same series, then those above from below upwards, then those below from above downwards.
///
/// The list is sorted newest first and `min_by_key` takes the first of equals, so a series gives its newest.
fn distance(wanted: Series, found: Series) -> (bool, u16) {
    (found.number < wanted.number, found.number.abs_diff(wanted.number))
}
