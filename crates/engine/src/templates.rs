//! Templates: small functions to begin with, for every runtime but images, which are no code.
//!
//! The files are in `templates/`. Each kind of template has an event and what its function answers to it, so that a test calls what
//! the list offers.

mod compiled;
mod kinds;

use std::{
    io::{Cursor, Write as _},
    time::Duration,
};

use bytes::Bytes;
use fungraph_instance::Sources;
use fungraph_model::{CodeType, ErrorCode, Fault, Language, Runtime};
use tokio::time::Instant;
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

pub(crate) use compiled::Compiled;
use compiled::{Asked, Missing, Package, Project};
pub use kinds::{Kind, TriggerHint};

use crate::{Engine, validate::clip};

/// How long a request for one template waits for what is still to be compiled, less than clients wait for an answer. Go takes longer on a
/// slow host.
const WAITS: Duration = Duration::from_secs(50);
/// How long a list waits, which has the template without its code then.
const LIST_WAITS: Duration = Duration::from_secs(3);

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
    /// The code: a source text, or an archive. Empty in a list where it is still being compiled.
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
    /// What a compiler makes of a project: the package of this place in it.
    Compiled(&'static Project, usize),
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

/// Files of `templates/`, each by its path below a folder.
macro_rules! files {
    ($folder:literal, $($name:literal),*) => {
        &[$(($name, include_str!(concat!("../templates/", $folder, "/", $name)))),*]
    };
}

/// One jar holds the three classes, so a JDK is asked once.
static JAVA: Project = Project {
    sources: Sources {
        name: "java-templates",
        files: files!("java", "templates/Hello.java", "templates/Gateway.java", "templates/Timer.java"),
        makes: &["templates.jar"],
    },
    packages: &[Package::Whole],
};

/// And one assembly.
static CSHARP: Project = Project {
    sources: Sources {
        name: "csharp-templates",
        files: files!("csharp", "Hello.cs", "Gateway.cs", "Timer.cs"),
        makes: &["Templates.dll"],
    },
    packages: &[Package::In("Templates.dll", files!("csharp", "Hello.cs", "Gateway.cs", "Timer.cs"))],
};

/// A program serves one function, so there are three; they are built at once, since most of the work is for all.
static GO: Project = Project {
    sources: Sources {
        name: "go-templates",
        files: files!("go", "go.mod", "hello/main.go", "gateway/main.go", "timer/main.go"),
        makes: &["hello", "gateway", "timer"],
    },
    packages: &[
        Package::In("handler", &[GO_MODULE, ("main.go", include_str!("../templates/go/hello/main.go"))]),
        Package::In("handler", &[GO_MODULE, ("main.go", include_str!("../templates/go/gateway/main.go"))]),
        Package::In("handler", &[GO_MODULE, ("main.go", include_str!("../templates/go/timer/main.go"))]),
    ],
};
const GO_MODULE: (&str, &str) = ("go.mod", include_str!("../templates/go/go.mod"));

const fn compiled(
    language: Language,
    kind: &'static Kind,
    handler: &'static str,
    project: &'static Project,
    place: usize,
) -> Source {
    Source { language, kind, handler, code: Code::Compiled(project, place) }
}

static SOURCES: [Source; 20] = [
    compiled(Language::Java, &kinds::HELLO, "templates.Hello.handle", &JAVA, 0),
    compiled(Language::Java, &kinds::GATEWAY, "templates.Gateway.handle", &JAVA, 0),
    compiled(Language::Java, &kinds::TIMER, "templates.Timer.handle", &JAVA, 0),
    compiled(Language::CSharp, &kinds::HELLO, "Templates::Templates.Hello::Handle", &CSHARP, 0),
    compiled(Language::CSharp, &kinds::GATEWAY, "Templates::Templates.Gateway::Handle", &CSHARP, 0),
    compiled(Language::CSharp, &kinds::TIMER, "Templates::Templates.Timer::Handle", &CSHARP, 0),
    compiled(Language::Go, &kinds::HELLO, "handler", &GO, 0),
    compiled(Language::Go, &kinds::GATEWAY, "handler", &GO, 1),
    compiled(Language::Go, &kinds::TIMER, "handler", &GO, 2),
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
        code: Code::Archive(files!("http", "bootstrap", "server.py")),
    },
];

impl Engine {
    /// One page of the templates, in the order of the runtimes. Those that have to be compiled are there where this host can; with their code
    /// where it has by now.
    pub async fn templates(&self, filter: &TemplateFilter) -> TemplateList {
        let TemplateFilter { runtime, scene, service, marker, limit } = filter;
        let wanted = |given: &Option<String>, own: &str| given.as_deref().is_none_or(|given| given == own);
        let asked = all().filter(|(own, source)| {
            wanted(runtime, own.name()) && wanted(scene, source.kind.scene) && wanted(service, source.kind.service)
        });
        // All compilers begin before anybody waits for one.
        let until = Instant::now() + LIST_WAITS;
        let asked = asked.filter(|_| *limit > 0).map(|(runtime, source)| (runtime, source, self.ask(runtime, source)));
        let mut all = Vec::new();
        for (runtime, source, asked) in asked.collect::<Vec<_>>() {
            match asked.code(until).await {
                Ok(code) => all.push(source.template(runtime, code)),
                Err(Missing::NotYet) => all.push(source.template(runtime, Bytes::new())),
                Err(Missing::Impossible | Missing::Failed(_)) => {}
            }
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
    /// FSS.1059 where there is none of that id, or this host cannot compile it; FSS.0503 while it is being compiled.
    pub async fn template(&self, id: &str) -> Result<Template, Fault> {
        let found = all().find(|(runtime, source)| source.id(*runtime) == id);
        let (runtime, source) = found.ok_or_else(|| {
            let text = format!("There is no template '{}'. ListFunctionTemplate shows their ids", clip(id));
            Fault::new(ErrorCode::TemplateNotFound, text)
        })?;
        let code = self.ask(runtime, source).code(Instant::now() + WAITS).await;
        code.map(|code| source.template(runtime, code)).map_err(|missing| match missing {
            Missing::Impossible => Fault::new(
                ErrorCode::TemplateNotFound,
                format!(
                    "The template '{id}' has to be compiled, and this host has no compiler that can. ListFunctionTemplate shows the others"
                ),
            ),
            Missing::Failed(again) => Fault::new(
                ErrorCode::TemplateNotFound,
                format!(
                    "The template '{id}' has to be compiled, and the compiler of this host failed; the operator finds the cause in the server's \
                     log. It is tried again when somebody asks after {} minutes. ListFunctionTemplate shows the others",
                    again.as_secs().div_ceil(60).max(1)
                ),
            ),
            Missing::NotYet => Fault::new(
                ErrorCode::Unavailable,
                format!("The template '{id}' is being compiled, which is done once. Ask again after a minute"),
            ),
        })
    }

    /// The code of a template, which may have to be compiled.
    fn ask(&self, runtime: Runtime, source: &Source) -> Asked {
        match source.code {
            Code::Inline(text) => Asked::Known(text.into()),
            Code::Archive(files) => {
                Asked::Known(archive(files.iter().map(|(name, text)| (*name, text.as_bytes()))).into())
            }
            Code::Compiled(project, place) => {
                let compiler = self.interpreters.compiler(runtime, self.config.strict_runtimes);
                compiler.map_or(Asked::Impossible, |compiler| self.compiled.ask(compiler, project, place))
            }
        }
    }
}

fn all() -> impl Iterator<Item = (Runtime, &'static Source)> {
    let of = |runtime: Runtime| SOURCES.iter().filter(move |source| source.language == runtime.language());
    let runtimes = Runtime::all().filter(|runtime| !runtime.loads_plugin());
    runtimes.flat_map(move |runtime| of(runtime).map(move |source| (runtime, source)))
}

impl Source {
    fn template(&self, runtime: Runtime, code: Bytes) -> Template {
        let code_type = match self.code {
            Code::Inline(_) => CodeType::Inline,
            Code::Compiled(..) if self.language == Language::Java => CodeType::Jar,
            Code::Archive(_) | Code::Compiled(..) => CodeType::Zip,
        };
        let Self { kind, handler, .. } = *self;
        Template { id: self.id(runtime), kind, runtime, handler, code_type, code }
    }

    /// It stands in paths, so it has nothing that must be escaped there, as the names of .NET's runtimes have.
    fn id(&self, runtime: Runtime) -> String {
        let (word, (major, minor)) = (self.kind.word, runtime.version());
        match runtime.language() {
            Language::CSharp => format!("{word}-csharp{major}.{minor}"),
            _ => format!("{word}-{}", runtime.name().to_ascii_lowercase()),
        }
    }
}

/// The same bytes each time; every file may be run.
fn archive<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(zip::DateTime::default())
        .unix_permissions(0o755);
    for (name, bytes) in files {
        let written = writer.start_file(name, options).and_then(|()| Ok(writer.write_all(bytes)?));
        written.expect("files with short names go into an archive in memory");
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
            assert!(id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.')), "{id}");
            assert!(!runtime.handler_needs_dot() || source.handler.contains('.'), "{id}");
            assert_eq!(matches!(source.code, Code::Inline(_)), runtime.main_file().is_some(), "{id}");
            assert!(serde_json::from_str::<serde_json::Value>(source.kind.input).is_ok(), "{id}");
        }
    }

    #[test]
    fn every_runtime_has_templates_but_images_and_plugins() {
        for runtime in Runtime::all().filter(|runtime| runtime.language().is_built()) {
            let none = runtime.language() == Language::Image || runtime.loads_plugin();
            assert_eq!(all().any(|(own, _)| own == runtime), !none, "{}", runtime.name());
        }
    }

    #[test]
    fn each_template_has_a_place_in_its_project_and_each_file_a_package() {
        for source in &SOURCES {
            let Code::Compiled(project, place) = source.code else { continue };
            assert!(place < project.packages.len(), "{}", source.handler);
            assert_eq!(project.packages.len(), project.sources.makes.len(), "{}", project.sources.name);
        }
    }

    #[test]
    fn archives_are_the_same_each_time() {
        let files = [("bootstrap", &b"#!/bin/sh\n"[..]), ("a.py", b"")];
        assert_eq!(archive(files), archive(files));
    }
}
