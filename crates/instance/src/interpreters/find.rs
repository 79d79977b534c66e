//! Walks the places of a plan and keeps what can run functions.

use std::collections::HashSet;
use std::error::Error as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fungraph_model::Language;

use super::cache::Cache;
use super::kind::{GO, KINDS, Kind};
use super::places::{Origin, Place, SearchPlan, places};
use super::program::Program;
use super::{Interpreter, Interpreters, ask, gson, prefix, version};
use crate::dotnet;

pub(super) fn all(plan: &SearchPlan, cache: Option<&Path>) -> Interpreters {
    let mut search = Search {
        plan,
        cache: Cache::read(cache),
        gson: gson::find(plan),
        seen: HashSet::new(),
        found: Interpreters::default(),
    };
    search.found.notes.extend(gson::note(plan));
    for place in places(plan) {
        for kind in KINDS.iter().chain([&GO]) {
            search.look(&place, kind);
        }
    }
    search.finish()
}

struct Search<'a> {
    plan: &'a SearchPlan,
    cache: Cache,
    gson: Option<PathBuf>,
    /// Device and inode of the programs met so far: each is one interpreter, however many names it has.
    seen: HashSet<(u64, u64)>,
    found: Interpreters,
}

impl Search<'_> {
    fn look(&mut self, place: &Place, kind: &Kind) {
        for name in kind.programs {
            let Some(program) = Program::at(&place.folder.join(name), kind) else { continue };
            if !self.seen.insert(program.file()) {
                continue;
            }
            match self.examine(&program, kind, place.origin) {
                Ok(interpreters) => self.found.all.extend(interpreters.into_iter().map(Arc::new)),
                Err(why) => self.found.notes.push(format!("{} is not used: {why}", program.path.display())),
            }
        }
    }

    fn examine(&mut self, program: &Program, kind: &Kind, origin: Origin) -> Result<Vec<Interpreter>, String> {
        if let Some(why) = program.objection(kind) {
            return Err(why.to_owned());
        }
        if let Some(why) = self.plan.hides(&program.path) {
            return Err(why);
        }
        let prefix = prefix::of(program, kind, &self.plan.homes)?;
        if kind.language == Language::CSharp {
            return several(program, kind, prefix.as_deref(), origin);
        }
        let version = match version::from_files(program, prefix.as_deref(), kind, origin) {
            Some(version) => version,
            None => self
                .cache
                .version(program.identity(), || ask::ask(program, ask::LIMIT))
                .map_err(|error| reason(&error))?,
        };
        if version < kind.oldest {
            let (major, minor, _) = kind.oldest;
            return Err(format!(
                "it is {} {}, and functions need {major}.{minor} or newer",
                kind.title,
                version_text(version)
            ));
        }
        let library = kind.library.and_then(|_| self.gson.clone());
        let (language, program) = (kind.language, program.path.clone());
        Ok(vec![Interpreter { language, version, program, prefix, library, origin, image: None }])
    }

    fn finish(mut self) -> Interpreters {
        self.cache.write();
        self.found.gson = self.gson;
        let order = |interpreter: &Interpreter| KINDS.iter().position(|kind| kind.language == interpreter.language);
        // Stable: of two with the same version the one found first stays first.
        self.found.all.sort_by(|a, b| order(a).cmp(&order(b)).then(b.version.cmp(&a.version)));
        let (toolchains, all) = self.found.all.into_iter().partition(|one| one.language == GO.language);
        let toolchains: Vec<_> = toolchains;
        Interpreters { all, go: toolchains.into_iter().next(), ..self.found }
    }
}

/// One program starts every .NET that is installed beside it: each of them is an interpreter.
fn several(program: &Program, kind: &Kind, prefix: Option<&Path>, origin: Origin) -> Result<Vec<Interpreter>, String> {
    let versions = dotnet::runtimes(&program.path);
    let (old, usable): (Vec<_>, Vec<_>) = versions.into_iter().partition(|version| *version < kind.oldest);
    if usable.is_empty() {
        let (major, minor, _) = kind.oldest;
        let found: Vec<String> = old.into_iter().map(version_text).collect();
        let found = if found.is_empty() { "no .NET".to_owned() } else { format!("only .NET {}", found.join(", ")) };
        return Err(format!("there is {found} beside it, and functions need {major}.{minor} or newer"));
    }
    let compiler = dotnet::compiler(&program.path);
    let interpreter = |version| Interpreter {
        language: kind.language,
        version,
        program: program.path.clone(),
        prefix: prefix.map(Path::to_path_buf),
        library: compiler.clone(),
        origin,
        image: None,
    };
    Ok(usable.into_iter().map(interpreter).collect())
}

fn version_text((major, minor, patch): super::Version) -> String {
    format!("{major}.{minor}.{patch}")
}

fn reason(error: &ask::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
