//! `fungraph runtimes`: every runtime name of the service, and what it means on this host.

mod table;

use std::sync::Arc;

use fungraph_instance::interpreters::{Choice, Unavailable};
use fungraph_instance::{Interpreter, Interpreters};
use fungraph_model::Runtime;
use serde_json::{Value, json};

use crate::args::RuntimesArgs;
use crate::config::Settings;
use crate::exit::Exit;
use crate::{environment, say};

pub(crate) fn run(args: &RuntimesArgs) -> anyhow::Result<Exit> {
    let settings = Settings::of(&environment::document(&args.locate, None, None)?)?;
    let plan = environment::search_plan(&settings.runtimes);
    let found = Interpreters::discover(&plan, None);
    let strict = settings.runtimes.strict;
    if args.json {
        say::out(object(&found, strict).to_string());
    } else {
        say::raw(table::text(&offers(&found, strict), &found, table::width()).as_bytes());
    }
    Ok(Exit::Clean)
}

/// One runtime name on this host.
#[derive(Debug)]
pub(crate) struct Offer {
    /// The name.
    pub(crate) runtime: Runtime,
    /// What it means here.
    pub(crate) means: Means,
}

/// What a runtime name means.
#[derive(Debug)]
pub(crate) enum Means {
    /// An interpreter of this host runs it.
    Interpreter(Choice),
    /// The function brings its own program.
    OwnProgram,
    /// This host lacks an interpreter.
    Missing(Unavailable),
    /// This version of the platform does not do it, and why or what instead.
    NotBuilt(&'static str),
}

impl Means {
    fn of(runtime: Runtime, found: &Interpreters, strict: bool) -> Self {
        if runtime.loads_plugin() {
            return Self::NotBuilt("not built: build an executable instead, for Go1.x");
        }
        if !runtime.language().is_built() {
            return Self::NotBuilt("not built yet");
        }
        if runtime.is_native() {
            return Self::OwnProgram;
        }
        found.choose(runtime, strict).map_or_else(Self::Missing, Self::Interpreter)
    }

    /// One word for programs.
    fn state(&self) -> &'static str {
        match self {
            Self::Interpreter(choice) if choice.exact => "exact",
            Self::Interpreter(_) => "nearest",
            Self::OwnProgram => "own_program",
            Self::Missing(_) => "missing",
            Self::NotBuilt(_) => "not_built",
        }
    }
}

/// All names of the service, in the order of its list.
pub(crate) fn offers(found: &Interpreters, strict: bool) -> Vec<Offer> {
    Runtime::all().map(|runtime| Offer { runtime, means: Means::of(runtime, found, strict) }).collect()
}

/// Which names each interpreter runs; those that run none are left out.
pub(crate) fn by_interpreter(offers: &[Offer]) -> Vec<(Arc<Interpreter>, Vec<&'static str>)> {
    let mut lines: Vec<(Arc<Interpreter>, Vec<&'static str>)> = Vec::new();
    for offer in offers {
        let Means::Interpreter(choice) = &offer.means else { continue };
        match lines.iter_mut().find(|(interpreter, _)| Arc::ptr_eq(interpreter, &choice.interpreter)) {
            Some((_, names)) => names.push(offer.runtime.name()),
            None => lines.push((Arc::clone(&choice.interpreter), vec![offer.runtime.name()])),
        }
    }
    lines
}

/// The names that some kind of offer has, with commas.
pub(crate) fn names(offers: &[Offer], wanted: impl Fn(&Means) -> bool) -> String {
    let names: Vec<&str> =
        offers.iter().filter(|offer| wanted(&offer.means)).map(|offer| offer.runtime.name()).collect();
    names.join(", ")
}

/// The same for programs.
fn object(found: &Interpreters, strict: bool) -> Value {
    let runtimes: Vec<Value> = offers(found, strict).iter().map(entry).collect();
    let interpreters: Vec<Value> = found.all().iter().map(|interpreter| program(interpreter)).collect();
    json!({ "strict": strict, "runtimes": runtimes, "interpreters": interpreters, "notes": found.notes() })
}

fn entry(offer: &Offer) -> Value {
    let (interpreter, install, message) = match &offer.means {
        Means::Interpreter(choice) => (Some(program(&choice.interpreter)), None, None),
        Means::OwnProgram => (None, None, None),
        Means::Missing(missing) => (None, missing.remedy(), Some(missing.message())),
        Means::NotBuilt(why) => (None, None, Some((*why).to_owned())),
    };
    json!({
        "name": offer.runtime.name(), "language": offer.runtime.language().title(), "state": offer.means.state(),
        "interpreter": interpreter, "install": install, "message": message,
    })
}

fn program(interpreter: &Interpreter) -> Value {
    let (major, minor, patch) = interpreter.version;
    json!({
        "language": interpreter.language.title(),
        "version": format!("{major}.{minor}.{patch}"),
        "program": interpreter.program,
        "origin": interpreter.origin.name(),
    })
}
