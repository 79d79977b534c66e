//! `fungraph runtimes`: every runtime name of the service, and what it means on this host.

mod table;

use std::sync::Arc;

use fungraph_instance::interpreters::{Choice, Unavailable};
use fungraph_instance::{Interpreter, Interpreters};
use fungraph_model::Runtime;
use serde_json::{Value, json};

use crate::args::RuntimesArgs;
use crate::config::{RuntimeImage, Settings};
use crate::exit::Exit;
use crate::{environment, runtime_images, say};

pub(crate) fn run(args: &RuntimesArgs) -> anyhow::Result<Exit> {
    let settings = Settings::of(&environment::document(&args.locate, None, None)?)?;
    let plan = environment::search_plan(&settings.runtimes);
    let mut found = Interpreters::discover(&plan, None);
    let folder = environment::data_folder(&settings);
    let unseen = runtime_images::recall(&settings, folder.as_deref(), &mut found);
    let strict = settings.runtimes.strict;
    let offers = offers(&found, &unseen, strict);
    if args.json {
        say::out(object(&offers, &found, strict).to_string());
    } else {
        say::raw(table::text(&offers, &found, table::width()).as_bytes());
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
    /// An interpreter of this host, or of an image, runs it.
    Interpreter(Choice),
    /// An image is to run it that no start of a server has looked into.
    Unseen(String),
    /// The function brings its own program.
    OwnProgram,
    /// This host lacks an interpreter.
    Missing(Unavailable),
    /// This version of the platform does not do it, and why or what instead.
    NotBuilt(&'static str),
}

impl Means {
    fn of(runtime: Runtime, found: &Interpreters, unseen: &[RuntimeImage], strict: bool) -> Self {
        if let Some(wanted) = unseen.iter().find(|wanted| wanted.runtime == runtime) {
            return Self::Unseen(wanted.image.clone());
        }
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
            Self::Unseen(_) => "unseen_image",
            Self::OwnProgram => "own_program",
            Self::Missing(_) => "missing",
            Self::NotBuilt(_) => "not_built",
        }
    }
}

/// All names of the service, in the order of its list.
pub(crate) fn offers(found: &Interpreters, unseen: &[RuntimeImage], strict: bool) -> Vec<Offer> {
    Runtime::all().map(|runtime| Offer { runtime, means: Means::of(runtime, found, unseen, strict) }).collect()
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
fn object(offers: &[Offer], found: &Interpreters, strict: bool) -> Value {
    let runtimes: Vec<Value> = offers.iter().map(entry).collect();
    let interpreters: Vec<Value> = found.all().iter().map(|interpreter| program(interpreter)).collect();
    json!({ "strict": strict, "runtimes": runtimes, "interpreters": interpreters, "notes": found.notes() })
}

fn entry(offer: &Offer) -> Value {
    let (interpreter, install, message) = match &offer.means {
        Means::Interpreter(choice) => (Some(program(&choice.interpreter)), None, None),
        Means::OwnProgram => (None, None, None),
        Means::Unseen(image) => (None, None, Some(unseen(image))),
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
        "image": interpreter.image.as_ref().map(|image| &image.name),
    })
}

/// What is to be said of an image before a server has looked into it.
pub(crate) fn unseen(image: &str) -> String {
    format!("from image {image}, which is looked into when the server starts")
}
