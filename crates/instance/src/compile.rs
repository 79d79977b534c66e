//! How functions are compiled of sources, by language: what a compiler of the host is told, and what it may take. Another language is
//! another line here.

use std::time::Duration;

use fungraph_model::Language;

use crate::{Interpreter, Sources, dotnet, go, java, prepared::MARK, recipe::Work};

/// Most that all files of one compilation have together.
const MOST_BYTES: u64 = 64 << 20;
/// What a compiler may take on a host that has much else to do.
const WITHIN: Duration = Duration::from_secs(60);

/// The work that makes functions of their sources, and its limit; `None` where functions of the language are not compiled, or not by us.
pub(crate) fn work(compiler: &Interpreter, sources: &Sources) -> Option<(Work, Duration)> {
    let (command, texts, tools, memory_mb, within) = match compiler.language {
        // A JDK and an SDK that made their bootstraps have the API that functions are compiled against: it is one with those.
        Language::Java => {
            let command = java::function_command(compiler, MARK, sources);
            (command, java::sources(), Vec::new(), java::PREPARING_MB, WITHIN)
        }
        Language::CSharp => {
            let command = dotnet::function_command(compiler, MARK, sources);
            (command, dotnet::sources(compiler), dotnet::tools(compiler), dotnet::PREPARING_MB, WITHIN)
        }
        Language::Go => {
            let command = go::function_command(compiler, MARK, sources);
            (command, go::library(), Vec::new(), go::BUILDING_MB, go::WITHIN)
        }
        _ => return None,
    };
    let own = sources.files.iter().map(|(path, text)| (format!("{}/{path}", sources.name), (*text).to_owned()));
    let sources = texts.into_iter().chain(own).collect();
    Some((Work { command, most_bytes: MOST_BYTES, memory_mb, sources, tools }, within))
}
