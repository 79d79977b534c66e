//! Templates: small functions to begin with, for every runtime whose code is a text, a program that needs no building, or is compiled
//! here by what runs it.
//!
//! The files are in `templates/`. Each kind of template has an event and what its function answers to it, so that a test calls what
//! the list offers.

mod compiled;
mod kinds;

use std::io::{Cursor, Write as _};

use bytes::Bytes;
use fungraph_instance::Sources;
use fungraph_model::{CodeType, ErrorCode, Fault, Language, Runtime};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

pub(crate) use compiled::Compiled;
pub use kinds::{Kind, TriggerHint};

use crate::{Engine, validate::clip};

/// A function to begin with.
#[derive(Clone, Debug)]
pub struct Template {
    /// Its id: kind and runtime.
    pub id: String,
    /// What it shows.
    pub kind: &'static Kind,
    /// The runtime it is for.
    pub runtime: Runtime,
    /// Handler to create it with.
    pub handler: &'static str,
    /// How its code is sent.
    pub code_type: CodeType,
    /// The code: a source text, or an archive.
    pub code: Bytes,
}

/// Which templates to list.
#[derive(Clone, Debug, Default)]
pub struct TemplateFilter {
    /// Of this runtime.
    pub runtime: Option<String>,
    /// Of this scene.
    pub scene: Option<String>,
    /// For this service.
    pub service: Option<String>,
    /// How many to pass over.
    pub marker: u32,
    /// How many to give.
    pub limit: u32,
}

/// A page of templates.
#[derive(Clone, Debug)]
pub struct TemplateList {
    /// The templates.
    pub templates: Vec<Template>,
    /// Where the next page begins; 0 where there is none.
    pub next_marker: u32,
}

/// The files of one kind in one language.
struct Source {
    language: Language,
    kind: &'static Kind,
    handler: &'static str,
    code: Code,
}

/// What the code of a template is made of.
#[derive(Clone, Copy)]
enum Code {
    /// It is this text.
    Inline(&'static str),
    /// These files in an archive, each with its name.
    Archive(&'static [(&'static str, &'static str)]),
    /// What a compiler makes of these.
    Compiled(&'static Sources),
}

/// The one file of inline code.
macro_rules! inline {
    ($language:ident, $kind:ident, $handler:literal, $path:literal) => {
        Source {
            language: Language::$language,
            kind: &kinds::$kind,
            handler: $handler,
            code: Code::Inline(include_str!(concat!("../templates/", $path))),
        }
    };
}

/// One jar holds the three classes, so a JDK is asked once.
static JAVA: Sources = Sources {
    name: "java-templates",
    files: &[
        ("templates/Hello.java", include_str!("../templates/java/templates/Hello.java")),
        ("templates/Gateway.java", include_str!("../templates/java/templates/Gateway.java")),
        ("templates/Timer.java", include_str!("../templates/java/templates/Timer.java")),
    ],
};

const fn java(kind: &'static Kind, handler: &'static str) -> Source {
    Source { language: Language::Java, kind, handler, code: Code::Compiled(&JAVA) }
}

static SOURCES: [Source; 14] = [
    java(&kinds::HELLO, "templates.Hello.handle"),
    java(&kinds::GATEWAY, "templates.Gateway.handle"),
    java(&kinds::TIMER, "templates.Timer.handle"),
    inline!(Python, HELLO, "index.handler", "python/hello.py"),
    inline!(Python, GATEWAY, "index.handler", "python/gateway.py"),
    inline!(Python, TIMER, "index.handler", "python/timer.py"),
    inline!(NodeJs, HELLO, "index.handler", "nodejs/hello.js"),
    inline!(NodeJs, GATEWAY, "index.handler", "nodejs/gateway.js"),
    inline!(NodeJs, TIMER, "index.handler", "nodejs/timer.js"),
    inline!(Php, HELLO, "index.handler", "php/hello.php"),
    inline!(Php, GATEWAY, "index.handler", "php/gateway.php"),
    inline!(Php, TIMER, "index.handler", "php/timer.php"),
    inline!(Custom, HELLO, "bootstrap", "custom/hello.sh"),
    Source {
        language: Language::Http,
        kind: &kinds::SERVER,
        handler: "bootstrap",
        code: Code::Archive(&[
            ("bootstrap", include_str!("../templates/http/bootstrap")),
            ("server.py", include_str!("../templates/http/server.py")),
        ]),
    },
];

impl Engine {
    /// One page of the templates, in the order of the runtimes. Those that would have to be compiled are there where this host can.
    pub async fn templates(&self, filter: &TemplateFilter) -> TemplateList {
        let TemplateFilter { runtime, scene, service, marker, limit } = filter;
        let wanted = |given: &Option<String>, own: &str| given.as_deref().is_none_or(|given| given == own);
        let asked = all().filter(|(own, source)| {
            wanted(runtime, own.name()) && wanted(scene, source.kind.scene) && wanted(service, source.kind.service)
        });
        let mut all = Vec::new();
        for (runtime, source) in asked.filter(|_| *limit > 0) {
            all.extend(self.made(runtime, source).await);
        }
        let most = all.len();
        let templates: Vec<_> = all.into_iter().skip(*marker as usize).take(*limit as usize).collect();
        let end = *marker as usize + templates.len();
        let next_marker = if end < most && !templates.is_empty() { u32::try_from(end).unwrap_or(0) } else { 0 };
        TemplateList { templates, next_marker }
    }

    /// One template.
    ///
    /// # Errors
    /// FSS.1059 where there is none of that id, or this host cannot compile it.
    pub async fn template(&self, id: &str) -> Result<Template, Fault> {
        let found = match all().find(|(runtime, source)| source.id(*runtime) == id) {
            Some((runtime, source)) => self.made(runtime, source).await,
            None => None,
        };
        found.ok_or_else(|| {
            Fault::new(
                ErrorCode::TemplateNotFound,
                format!("There is no template '{}'. ListFunctionTemplate shows their ids", clip(id)),
            )
        })
    }

    /// A template with its code; `None` where that would have to be compiled, and cannot be.
    async fn made(&self, runtime: Runtime, source: &Source) -> Option<Template> {
        let (code_type, code) = match source.code {
            Code::Inline(text) => (CodeType::Inline, text.into()),
            Code::Archive(files) => (CodeType::Zip, archive(files).into()),
            Code::Compiled(sources) => {
                let choice = self.interpreters.choose(runtime, self.config.strict_runtimes).ok()?;
                (CodeType::Jar, self.compiled.code(&choice.interpreter, sources).await?)
            }
        };
        Some(Template { id: source.id(runtime), kind: source.kind, runtime, handler: source.handler, code_type, code })
    }
}

fn all() -> impl Iterator<Item = (Runtime, &'static Source)> {
    let of = |runtime: Runtime| SOURCES.iter().filter(move |source| source.language == runtime.language());
    Runtime::all().flat_map(move |runtime| of(runtime).map(move |source| (runtime, source)))
}

impl Source {
    fn id(&self, runtime: Runtime) -> String {
        format!("{}-{}", self.kind.word, runtime.name().to_ascii_lowercase())
    }
}

/// The same bytes each time; every file may be run.
fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(zip::DateTime::default())
        .unix_permissions(0o755);
    for (name, text) in files {
        let written = writer.start_file(*name, options).and_then(|()| Ok(writer.write_all(text.as_bytes())?));
        written.expect("short names and texts go into an archive in memory");
    }
    writer.finish().expect("an archive in memory ends").into_inner()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_template_has_an_id_of_its_own_and_fits_its_runtime() {
        let ids: Vec<String> = all().map(|(runtime, source)| source.id(runtime)).collect();
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{ids:?}");
        for (runtime, source) in all() {
            let id = source.id(runtime);
            assert!(!runtime.handler_needs_dot() || source.handler.contains('.'), "{id}");
            assert_eq!(matches!(source.code, Code::Inline(_)), runtime.main_file().is_some(), "{id}");
            assert!(serde_json::from_str::<serde_json::Value>(source.kind.input).is_ok(), "{id}");
        }
    }

    #[test]
    fn languages_whose_code_needs_nothing_but_what_runs_it_have_templates() {
        for runtime in Runtime::all().filter(|runtime| runtime.language().is_built()) {
            let built = matches!(runtime.language(), Language::Go | Language::Image | Language::CSharp);
            assert_eq!(all().any(|(own, _)| own == runtime), !built, "{}", runtime.name());
        }
    }

    #[test]
    fn archives_are_the_same_each_time() {
        let files = [("bootstrap", "#!/bin/sh\n"), ("a.py", "")];
        assert_eq!(archive(&files), archive(&files));
    }
}
