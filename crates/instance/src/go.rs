//! Go: a toolchain of the host compiles functions. None runs them: what it makes is a program of its own.
//!
//! The service's Go library comes from the service's site. What stands in for it here is compiled in as text (`runtimes/go`): it has the
//! same names and speaks the same on the wire, so sources that are built with one are built with the other.

use std::{path::Path, time::Duration};

use crate::{
    Interpreter, Sources,
    bootstrap::RUNTIME_ROOT,
    script::{self, quote},
};

/// Memory of a sandbox in which Go builds: two of the standard library's largest packages at once.
pub(crate) const BUILDING_MB: u32 = 1024;
/// What it may take: Go comes without a compiled standard library, so it compiles a good part of that first.
pub(crate) const WITHIN: Duration = Duration::from_secs(300);
/// Folder of the library, below that of the bootstraps.
const FOLDER: &str = "go";
/// Name of the library's module.
const MODULE: &str = "huaweicloud.com/go-runtime";
/// Where the programs are put.
const OUT: &str = "/tmp/out";

/// Nothing is fetched: neither modules nor another Go. And nothing of the host's settings counts.
const SETTINGS: &str = "HOME=/tmp GOPATH=/tmp/path GOCACHE=/tmp/cache GOENV=off GOFLAGS=-mod=mod GOPROXY=off GOSUMDB=off GOTOOLCHAIN=local \
                        GOWORK=off GOTELEMETRY=off CGO_ENABLED=0";

macro_rules! library {
    ($($name:literal),* $(,)?) => { [$(($name, include_str!(concat!("../../../runtimes/go/", $name)))),*] };
}

const LIBRARY: [(&str, &str); 6] = library![
    "go.mod",
    "go-api/context/context.go",
    "pkg/runtime/call.go",
    "pkg/runtime/function.go",
    "pkg/runtime/panic.go",
    "pkg/runtime/runtime.go",
];

/// Every source of the library, by its path below the bootstraps' folder.
pub(crate) fn library() -> Vec<(String, String)> {
    LIBRARY.map(|(name, text)| (format!("{FOLDER}/{name}"), text.to_owned())).into()
}

/// The toolchain's folder, from the path of its `go`.
pub(crate) fn root(program: &Path) -> &Path {
    program.ancestors().nth(2).unwrap_or(program)
}

/// The command that prints the programs of a module, each made of the folder that has its name. It works on a copy, since Go writes to
/// `go.mod`, and with two processors, since each compiler it starts takes memory.
pub(crate) fn function_command(toolchain: &Interpreter, mark: &str, sources: &Sources) -> Vec<String> {
    let text = |path: &Path| quote(&path.to_string_lossy());
    let (go, root) = (text(&toolchain.program), text(root(&toolchain.program)));
    let folders: String = sources.makes.iter().map(|name| format!(" ./{name}")).collect();
    let work = format!(
        "export {SETTINGS} GOROOT={root}\n\
         cp -r {RUNTIME_ROOT}/{FOLDER} /tmp/library\ncp -r {RUNTIME_ROOT}/{name} /tmp/sources\ncd /tmp/sources\n\
         {go} mod edit -replace={MODULE}=/tmp/library 1>&2\n\
         {go} build -p 2 -trimpath -buildvcs=false -ldflags='-s -w' -o {OUT}/{folders} 1>&2\n",
        name = sources.name,
    );
    let made: Vec<String> = sources.makes.iter().map(|name| format!("{OUT}/{name}")).collect();
    script::command(mark, &work, made.iter().map(String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compiled_in;

    #[test]
    fn every_file_of_the_library_is_compiled_in() {
        assert_eq!(compiled_in::files(FOLDER), LIBRARY.iter().map(|(name, _)| (*name).to_owned()).collect());
    }
}
