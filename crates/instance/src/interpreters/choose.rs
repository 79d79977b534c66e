//! Which interpreter a runtime name means: the rule "nearest version" as a pure function.

use std::sync::Arc;

use fungraph_model::{Language, Runtime};

use super::kind::{Kind, Series};
use super::{Choice, Interpreter};
use crate::native;

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
    /// Nothing of the language is installed.
    Missing,
    /// Only others of the language are installed, by their series.
    OtherGeneration(Vec<String>),
    /// Others of its generation are installed, by their series.
    Strict(Vec<String>),
    /// The library that its bootstrap needs.
    Library,
}

impl Unavailable {
    /// The same in a few words, for a table that has the runtime's name already.
    #[must_use]
    pub fn brief(&self) -> String {
        let Some(kind) = Kind::of(self.runtime.language()) else { return "not built yet".to_owned() };
        match &self.reason {
            Reason::NotBuilt => "not built yet".to_owned(),
            Reason::TooOld => {
                let (major, minor, _) = kind.oldest;
                format!("too old: functions need {} {major}.{minor} or newer", kind.title)
            }
            Reason::Missing | Reason::OtherGeneration(_) | Reason::Strict(_) => match self.install(kind) {
                Some(install) => format!("missing: {install}"),
                None => format!("too old for functions, and runtimes.strict wants this very {}", kind.title),
            },
            Reason::Library => format!("missing: {}", kind.library.unwrap_or_default()),
        }
    }

    /// What to install, where that would help.
    #[must_use]
    pub fn remedy(&self) -> Option<String> {
        self.install(Kind::of(self.runtime.language())?)
    }

    /// What is missing, and what to install or to set: for the caller as well as for the operator.
    #[must_use]
    pub fn message(&self) -> String {
        let name = self.runtime.name();
        let Some(kind) = Kind::of(self.runtime.language()) else {
            return format!("The runtime {name} cannot run here yet: only {} functions do", Language::built_titles());
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
                self.install(kind).unwrap_or_default()
            ),
            Reason::OtherGeneration(found) => format!(
                "The runtime {name} is not available: this host has {title} {}, and no other major version stands in for it. \
                 Install one of its own ({}), or name the folder of one in the setting runtimes.search, and restart the server",
                found.join(", "),
                self.install(kind).unwrap_or_default()
            ),
            Reason::Library => format!(
                "The runtime {name} is not available: this host lacks a library that {title} functions need. Install {}, and \
                 restart the server",
                kind.library.unwrap_or_default()
            ),
            Reason::Strict(found) => {
                let series = kind.series_text(kind.series(self.runtime.version()));
                let install = self.install(kind).map(|install| format!("Install that version ({install}), or "));
                let ways =
                    install.unwrap_or_else(|| "It is too old for functions: choose a later runtime, or ".to_owned());
                format!(
                    "The runtime {name} needs {title} {series} because the setting runtimes.strict is on, and this host has \
                     {title} {}. {ways}set runtimes.strict = false to use the nearest one, and restart the server",
                    found.join(", ")
                )
            }
        }
    }

    /// How to get an interpreter that runs it: the system's package where any of its generation will do, and that is the one that
    /// systems have today.
    fn install(&self, kind: &Kind) -> Option<String> {
        let wanted = kind.series(self.runtime.version());
        let newest = Runtime::all().filter(|runtime| runtime.language() == kind.language).map(Runtime::version).max();
        let is_todays = newest.is_some_and(|newest| kind.series(newest).generation == wanted.generation);
        match &self.reason {
            Reason::NotBuilt | Reason::TooOld => None,
            Reason::Library => kind.library.map(str::to_owned),
            Reason::Strict(_) if wanted < kind.series((kind.oldest.0, kind.oldest.1)) => None,
            Reason::Missing | Reason::OtherGeneration(_) if is_todays => Some(kind.install.to_owned()),
            Reason::Missing | Reason::OtherGeneration(_) | Reason::Strict(_) => {
                Some(kind.install_series.replace("{series}", &kind.series_text(wanted)))
            }
        }
    }
}

/// See [`super::Interpreters::choose`].
pub(super) fn choose(all: &[Arc<Interpreter>], runtime: Runtime, strict: bool) -> Result<Choice, Unavailable> {
    if runtime.is_native() {
        return Ok(Choice { interpreter: Arc::new(native::no_interpreter()), exact: true });
    }
    let unavailable = |reason| Unavailable { runtime, reason };
    let kind = Kind::of(runtime.language()).ok_or_else(|| unavailable(Reason::NotBuilt))?;
    let wanted = kind.series(runtime.version());
    if wanted.generation < kind.series((kind.oldest.0, kind.oldest.1)).generation {
        return Err(unavailable(Reason::TooOld));
    }
    let series = |interpreter: &Interpreter| kind.series((interpreter.version.0, interpreter.version.1));
    let texts = |found: &[&Arc<Interpreter>]| {
        let mut found: Vec<Series> = found.iter().map(|interpreter| series(interpreter)).collect();
        found.dedup();
        found.into_iter().map(|series| kind.series_text(series)).collect()
    };
    let (candidates, others): (Vec<_>, Vec<_>) = all
        .iter()
        .filter(|interpreter| interpreter.language == kind.language)
        .partition(|interpreter| series(interpreter).generation == wanted.generation);
    let best = candidates.iter().copied().min_by_key(|interpreter| distance(wanted, series(interpreter)));
    let best = best.ok_or_else(|| match others.as_slice() {
        [] => unavailable(Reason::Missing),
        others => unavailable(Reason::OtherGeneration(texts(others))),
    })?;
    let exact = series(best) == wanted;
    if strict && !exact {
        return Err(unavailable(Reason::Strict(texts(&candidates))));
    }
    if kind.library.is_some() && best.library.is_none() {
        return Err(unavailable(Reason::Library));
    }
    Ok(Choice { interpreter: Arc::clone(best), exact })
}

/// Whether an interpreter is of the very series that a runtime's name asks for.
pub(super) fn is_exact(runtime: Runtime, interpreter: &Interpreter) -> bool {
    let (major, minor, _) = interpreter.version;
    Kind::of(runtime.language()).is_some_and(|kind| kind.series(runtime.version()) == kind.series((major, minor)))
}

/// Nearness: the same series, then those above from below upwards, then those below from above downwards.
///
/// The list is sorted newest first and `min_by_key` takes the first of equals, so a series gives its newest.
fn distance(wanted: Series, found: Series) -> (bool, u16) {
    (found.number < wanted.number, found.number.abs_diff(wanted.number))
}
