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

/// What this host makes of one runtime name.
#[derive(Debug)]
pub(crate) struct Offer {
    /// The name.
    pub(crate) runtime: Runtime,
    /// What runs it, or what is missing.
    pub(crate) choice: Result<Choice, Unavailable>,
}

impl Offer {
    /// One word: `exact`, `nearest`, `missing`, or `not built`.
    fn state(&self) -> &'static str {
        match &self.choice {
            Ok(choice) if choice.exact => "exact",
            Ok(_) => "nearest",
            Err(_) if self.runtime.language().is_built() => "missing",
            Err(_) => "not built",
        }
    }
}

/// All names of the service, in the order of its list.
pub(crate) fn offers(found: &Interpreters, strict: bool) -> Vec<Offer> {
    Runtime::all().map(|runtime| Offer { runtime, choice: found.choose(runtime, strict) }).collect()
}

/// Which names each interpreter runs, by interpreter; those that run none are left out.
pub(crate) fn by_interpreter(offers: &[Offer]) -> Vec<(Arc<Interpreter>, Vec<&'static str>)> {
    let mut lines: Vec<(Arc<Interpreter>, Vec<&'static str>)> = Vec::new();
    for (offer, choice) in offers.iter().filter_map(|offer| Some((offer, offer.choice.as_ref().ok()?))) {
        match lines.iter_mut().find(|(interpreter, _)| Arc::ptr_eq(interpreter, &choice.interpreter)) {
            Some((_, names)) => names.push(offer.runtime.name()),
            None => lines.push((Arc::clone(&choice.interpreter), vec![offer.runtime.name()])),
        }
    }
    lines
}

/// The same for programs.
fn object(found: &Interpreters, strict: bool) -> Value {
    let runtimes: Vec<Value> = offers(found, strict).iter().map(entry).collect();
    let interpreters: Vec<Value> = found.all().iter().map(|interpreter| program(interpreter)).collect();
    json!({ "strict": strict, "runtimes": runtimes, "interpreters": interpreters, "notes": found.notes() })
}

fn entry(offer: &Offer) -> Value {
    let missing = offer.choice.as_ref().err();
    json!({
        "name": offer.runtime.name(),
        "language": offer.runtime.language().title(),
        "state": offer.state().replace(' ', "_"),
        "interpreter": offer.choice.as_ref().ok().map(|choice| program(&choice.interpreter)),
        "install": missing.and_then(Unavailable::remedy),
        "message": missing.map(Unavailable::message),
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
