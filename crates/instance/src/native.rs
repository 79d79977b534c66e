//! Programs of the user's own: the native bootstrap, and what their sandboxes have that others do not.
//!
//! The bootstrap is the server's executable. It is copied beside the other bootstraps when it is first wanted, from the file that
//! this process runs: whoever replaces the executable while the server runs must not change what instances are started with.

use std::{
    collections::{BTreeSet, HashSet},
    fs::{self, File, Permissions},
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use fungraph_model::{Language, Runtime};
use fungraph_sandbox::Bind;
use tokio::sync::OnceCell;

use crate::{Interpreter, Interpreters, bootstrap::RUNTIME_ROOT, interpreters::Origin};

/// File name of the bootstrap below [`RUNTIME_ROOT`].
const FILE: &str = "bootstrap-native";
/// Folder below it with what the bootstrap is linked with, for roots that have nothing of it.
const LIBRARIES: &str = "libraries";
/// Where scripts find interpreters (contract: runtimes.md 1.1).
const INTERPRETERS: &str = "/opt/function/runtime";

/// How the native bootstrap is started.
#[derive(Clone, Debug)]
pub struct NativeBootstrap {
    /// The executable that runs, opened for reading.
    pub executable: Arc<File>,
    /// The program loader and the libraries that this process has loaded, by their names; none where it is linked statically.
    pub libraries: Vec<(String, Arc<File>)>,
    /// The argument that makes it a bootstrap.
    pub argument: &'static str,
    /// What scripts find at the documented places, the nearest version as for functions.
    pub interpreters: Interpreters,
    /// Only those of the very version.
    pub strict: bool,
}

/// The bootstrap of this run of the server.
#[derive(Debug)]
pub(crate) struct Native {
    bootstrap: NativeBootstrap,
    copied: OnceCell<()>,
    binds: Vec<Bind>,
    links: Vec<(String, String)>,
}

/// Stands where other functions have their interpreter. All programs have the same one, so that they share blank instances.
pub(crate) fn no_interpreter() -> Interpreter {
    let program = format!("{RUNTIME_ROOT}/{FILE}").into();
    Interpreter {
        language: Language::Custom,
        version: (0, 0, 0),
        program,
        prefix: None,
        library: None,
        origin: Origin::System,
        image: None,
    }
}

impl Native {
    pub(crate) fn new(bootstrap: NativeBootstrap) -> Self {
        let links = links(&bootstrap.interpreters, bootstrap.strict);
        let parts: Vec<PathBuf> = links.iter().flat_map(|(_, interpreter)| interpreter.parts()).collect();
        let binds = binds(parts.iter().map(PathBuf::as_path));
        let is_bound = |part: &PathBuf| binds.iter().any(|bind| part.starts_with(&bind.source));
        let there = |interpreter: &Interpreter| interpreter.parts().iter().all(is_bound);
        let links = links.into_iter().filter(|(_, interpreter)| there(interpreter));
        let links = links.map(|(place, found)| (place, found.program.to_string_lossy().into_owned())).collect();
        Self { bootstrap, copied: OnceCell::new(), binds, links }
    }

    /// Sees to it that the bootstrap lies in the folder of the bootstraps.
    pub(crate) async fn copy_to(&self, folder: &Path) -> io::Result<()> {
        let copy = || async {
            let (executable, folder) = (Arc::clone(&self.bootstrap.executable), folder.to_owned());
            let libraries = self.bootstrap.libraries.clone();
            tokio::task::spawn_blocking(move || copy_all(&executable, &libraries, &folder)).await?
        };
        self.copied.get_or_try_init(copy).await.copied()
    }

    pub(crate) fn args(&self) -> Vec<String> {
        vec![format!("{RUNTIME_ROOT}/{FILE}"), self.bootstrap.argument.to_owned()]
    }

    /// The same in a root file system that need not have a C library, or has another one: the host's own loader is told where the
    /// host's own libraries are. Nothing of it is passed on to what the bootstrap starts.
    pub(crate) fn args_anywhere(&self) -> Vec<String> {
        let at = format!("{RUNTIME_ROOT}/{LIBRARIES}");
        let loader = self.bootstrap.libraries.iter().find(|(name, _)| is_loader(name));
        let loaded = loader.map(|(name, _)| [format!("{at}/{name}"), "--library-path".to_owned(), at]);
        loaded.into_iter().flatten().chain(self.args()).collect()
    }

    pub(crate) fn binds(&self) -> &[Bind] {
        &self.binds
    }

    pub(crate) fn links(&self) -> &[(String, String)] {
        &self.links
    }
}

/// glibc's are `ld-linux-x86-64.so.2` and the like.
fn is_loader(name: &str) -> bool {
    name.starts_with("ld-linux") || name.starts_with("ld64.so") || name.starts_with("ld.so")
}

/// The libraries first: whoever finds the executable finds them too.
fn copy_all(executable: &File, libraries: &[(String, Arc<File>)], folder: &Path) -> io::Result<()> {
    let below = folder.join(LIBRARIES);
    fs::create_dir_all(&below)?;
    fs::set_permissions(&below, Permissions::from_mode(0o755))?;
    libraries.iter().try_for_each(|(name, library)| copy(library, &below.join(name)))?;
    copy(executable, &folder.join(FILE))
}

/// Under another name first: a sandbox sees the folder as it is, and must not see a part.
fn copy(mut from: &File, whole: &Path) -> io::Result<()> {
    use io::{Seek as _, SeekFrom};
    let part = whole.with_extension("part");
    from.seek(SeekFrom::Start(0))?;
    io::copy(&mut from, &mut File::create(&part)?)?;
    fs::set_permissions(&part, Permissions::from_mode(0o755))?;
    fs::rename(part, whole)
}

/// What this process has loaded beside its executable: every file that it has mapped as a program.
///
/// # Errors
/// `/proc` cannot be read, or a library was removed while this process runs.
pub fn loaded_libraries() -> io::Result<Vec<(String, Arc<File>)>> {
    let executable = fs::read_link("/proc/self/exe")?;
    let maps = fs::read_to_string("/proc/self/maps")?;
    let mapped: BTreeSet<&str> = maps.lines().filter_map(mapped_program).collect();
    let mut libraries = Vec::new();
    for path in mapped.into_iter().map(Path::new).filter(|path| *path != executable) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let opened =
            File::open(path).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())));
        libraries.push((name, Arc::new(opened?)));
    }
    Ok(libraries)
}

/// The path of a line of `/proc/PID/maps` whose pages are run.
fn mapped_program(line: &str) -> Option<&str> {
    let mut parts = line.splitn(6, ' ');
    let rights = parts.nth(1)?;
    let path = parts.nth(3)?.trim_start();
    (rights.contains('x') && path.starts_with('/')).then_some(path)
}

/// Every documented place that this host has an interpreter for.
fn links(found: &Interpreters, strict: bool) -> Vec<(String, Arc<Interpreter>)> {
    let all = Runtime::all().filter_map(|runtime| {
        let place = place(runtime)?;
        let choice = found.choose(runtime, strict).ok()?;
        Some((format!("{INTERPRETERS}/{place}"), choice.interpreter))
    });
    all.collect()
}

/// Where a runtime's interpreter is, below [`INTERPRETERS`].
fn place(runtime: Runtime) -> Option<String> {
    let (major, minor) = runtime.version();
    Some(match runtime.language() {
        Language::NodeJs => format!("nodejs{major}.{minor}/rtsp/nodejs/bin/node"),
        Language::Python if major == 2 => format!("python{major}.{minor}/rtsp/python/bin/python"),
        Language::Python => format!("python{major}.{minor}/rtsp/python/bin/python3"),
        Language::Java => format!("java{major}/rtsp/jre/bin/java"),
        Language::Php => format!("php{major}.{minor}/rtsp/php/bin/php"),
        Language::CSharp => format!("dotnet{major}.{minor}/rtsp/dotnet/dotnet"),
        _ => return None,
    })
}

/// The prefixes to bring, each once: not one inside another, which is there with it, and none that a sandbox cannot have.
fn binds<'a>(prefixes: impl Iterator<Item = &'a Path>) -> Vec<Bind> {
    let prefixes: HashSet<&Path> = prefixes.collect();
    let outermost = prefixes.iter().filter(|prefix| !prefix.ancestors().skip(1).any(|above| prefixes.contains(above)));
    let binds = outermost.map(|prefix| Bind { source: prefix.into(), target: prefix.to_string_lossy().into_owned() });
    let mut binds: Vec<Bind> = binds.filter(|bind| bind.check().is_ok()).collect();
    // Launches of one kind have the same ones in the same order, and share what the spawner prepares for them.
    binds.sort_by(|one, other| one.target.cmp(&other.target));
    binds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_brought_once_and_only_where_they_can_be() {
        let prefixes = ["/opt/b", "/opt/a", "/opt/a/inner", "/opt/a", "/tmp/x", "/proc/1"];
        let targets: Vec<String> = binds(prefixes.iter().map(Path::new)).into_iter().map(|bind| bind.target).collect();
        assert_eq!(targets, ["/opt/a", "/opt/b"]);
    }

    #[test]
    fn libraries_are_what_is_mapped_to_be_run() {
        let check = |line: &str, expected: Option<&str>| assert_eq!(mapped_program(line), expected, "{line}");
        check(
            "7f01-7f02 r-xp 00028000 fe:00 1234                       /usr/lib/libc.so.6",
            Some("/usr/lib/libc.so.6"),
        );
        check("7f01-7f02 r--p 00028000 fe:00 1234                       /usr/lib/libc.so.6", None);
        check("7ffc-7ffd r-xp 00000000 00:00 0                          [vdso]", None);
        check("7ffc-7ffd rwxp 00000000 00:00 0 ", None);
        let names: Vec<String> =
            loaded_libraries().expect("this test runs").into_iter().map(|(name, _)| name).collect();
        assert!(
            names.iter().any(|name| is_loader(name)) && names.iter().any(|name| name.starts_with("libc.so")),
            "{names:?}"
        );
    }

    #[test]
    fn each_documented_place_has_a_runtime() {
        let places: Vec<String> = Runtime::all().filter_map(place).collect();
        for expected in [
            "nodejs6.10/rtsp/nodejs/bin/node",
            "nodejs20.15/rtsp/nodejs/bin/node",
            "python2.7/rtsp/python/bin/python",
            "python3.12/rtsp/python/bin/python3",
            "java8/rtsp/jre/bin/java",
            "php8.3/rtsp/php/bin/php",
            "dotnet6.0/rtsp/dotnet/dotnet",
        ] {
            assert!(places.iter().any(|place| place == expected), "{expected}");
        }
    }
}
