//! Interpreters inside a container image of the operator's: a host needs none of its own then.
//!
//! Nothing of an image is run here: its files are looked at from outside, by paths that the kernel keeps inside, and a version that
//! they do not tell is asked in a sandbox, by whoever can make one.

mod inside;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fungraph_model::{Language, Runtime};

use super::choose::choose;
use super::kind::Kind;
use super::places::Origin;
use super::{Interpreter, Interpreters, Version, version};
use crate::java;
use inside::{Found, Inside, USUAL, places};

/// A container image that a runtime runs in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InImage {
    /// Its name, as the operator wrote it.
    pub name: String,
    /// The unpacked root file system; below the data folder or absolute.
    pub tree: PathBuf,
    /// Its environment.
    pub env: Vec<(String, String)>,
}

/// An interpreter of an image whose version is not known yet.
#[derive(Debug)]
pub struct Candidate {
    /// As it will be.
    interpreter: Interpreter,
    /// What its files tell.
    version: Option<Version>,
}

impl Candidate {
    /// What to run for its version.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.interpreter.program
    }

    /// With the version that its files tell, or what `--version` printed where they do not; `None` where neither says.
    #[must_use]
    pub fn known(self, printed: Option<&str>) -> Option<Interpreter> {
        let version = self.version.or_else(|| printed.and_then(version::from_output))?;
        Some(Interpreter { version, ..self.interpreter })
    }

    /// The interpreter, without a version, where it has to be asked.
    #[must_use]
    pub fn to_ask(&self) -> Option<&Interpreter> {
        self.version.is_none().then_some(&self.interpreter)
    }
}

/// Why a runtime cannot run in an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit(String);

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Interpreters {
    /// All programs of an image that may be an interpreter of this language, those of its `PATH` first.
    #[must_use]
    pub fn candidates(&self, image: &Arc<InImage>, language: Language) -> Vec<Candidate> {
        let (Some(kind), Ok(root)) = (Kind::of(language), Inside::open(&image.tree)) else { return Vec::new() };
        let mut found: Vec<Candidate> = Vec::new();
        for folder in places(&root, &image.env) {
            for name in kind.programs {
                let Some(program) = root.program(&folder.join(name), kind) else { continue };
                if found.iter().all(|known| known.program() != program.inside) {
                    found.push(self.candidate(image, kind, program));
                }
            }
        }
        found
    }

    fn candidate(&self, image: &Arc<InImage>, kind: &Kind, program: Found) -> Candidate {
        let of_java = kind.language == Language::Java;
        Candidate {
            version: if of_java { version::from_release(java::home(&program.outside)) } else { None },
            interpreter: Interpreter {
                language: kind.language,
                version: (0, 0, 0),
                program: program.inside,
                prefix: None,
                library: kind.library.and_then(|_| self.gson.clone()),
                origin: Origin::Image,
                image: Some(Arc::clone(image)),
            },
        }
    }

    /// The one of `found` that a runtime gets, as among a host's: the nearest version, or none but its own where `strict`.
    ///
    /// # Errors
    /// None of them will do; the text says why.
    pub fn fitting(found: Vec<Interpreter>, runtime: Runtime, strict: bool) -> Result<Interpreter, Unfit> {
        let Some(kind) = Kind::of(runtime.language()) else {
            return Err(Unfit(format!("the runtime {} needs no interpreter", runtime.name())));
        };
        let names: Vec<String> = found.iter().map(ToString::to_string).collect();
        if names.is_empty() {
            let looked = format!("looked for {} in its PATH, {}", kind.programs.join(", "), USUAL.join(", "));
            return Err(Unfit(format!("the image has no {} ({looked})", kind.title)));
        }
        let mut all: Vec<Arc<Interpreter>> =
            found.into_iter().filter(|one| one.version >= kind.oldest).map(Arc::new).collect();
        all.sort_by_key(|one| std::cmp::Reverse(one.version));
        match choose(&all, runtime, strict) {
            Ok(choice) => Ok(Interpreter::clone(&choice.interpreter)),
            Err(why) => {
                let (names, why) = (names.join(", "), why.brief());
                Err(Unfit(format!("the image has {names}, which does not run {}: {why}", runtime.name())))
            }
        }
    }

    /// An interpreter that was found in this very image before.
    #[must_use]
    pub fn remembered(
        &self,
        image: Arc<InImage>,
        language: Language,
        program: PathBuf,
        version: Version,
    ) -> Interpreter {
        let library = Kind::of(language).and_then(|kind| kind.library).and_then(|_| self.gson.clone());
        Interpreter { language, version, program, prefix: None, library, origin: Origin::Image, image: Some(image) }
    }

    /// A runtime gets this interpreter from here on, and no other.
    pub fn assign(&mut self, runtime: Runtime, interpreter: Interpreter) {
        self.assigned.insert(runtime, Arc::new(interpreter));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::super::program::native_machine;
    use super::*;

    /// As much of a program as is looked at.
    fn elf(path: &Path) {
        let mut head = b"\x7fELF\x02".to_vec();
        head.resize(18, 0);
        head.extend(native_machine().to_ne_bytes());
        fs::create_dir_all(path.parent().expect("a folder")).expect("it is made");
        fs::write(path, head).expect("it is written");
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("it is ours");
    }

    fn image(tree: &Path, env: &[(&str, &str)]) -> Arc<InImage> {
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Arc::new(InImage { name: "some/image:v1".to_owned(), tree: tree.to_owned(), env })
    }

    fn programs(tree: &Path, env: &[(&str, &str)], language: Language) -> Vec<PathBuf> {
        let found = Interpreters::default().candidates(&image(tree, env), language);
        found.iter().map(|found| found.program().to_owned()).collect()
    }

    #[test]
    fn programs_are_found_by_path_and_in_the_usual_places_and_links_stay_inside() {
        let folder = tempfile::tempdir().expect("a folder");
        let tree = folder.path();
        elf(&tree.join("usr/local/bin/python3.9"));
        symlink("python3.9", tree.join("usr/local/bin/python3")).expect("a link");
        elf(&tree.join("usr/bin/python3.11"));
        symlink("/usr/bin/python3.11", tree.join("usr/bin/python3")).expect("a link");
        symlink("usr/bin", tree.join("bin")).expect("a link");
        assert_eq!(
            programs(tree, &[], Language::Python),
            [Path::new("/usr/local/bin/python3.9"), Path::new("/usr/bin/python3.11")]
        );
        assert_eq!(
            programs(tree, &[("PATH", "/bin:relative:/nowhere")], Language::Python)[0],
            Path::new("/usr/bin/python3.11")
        );
        assert_eq!(programs(tree, &[], Language::NodeJs), Vec::<PathBuf>::new());
        // The host's own, by a link out of the image, is none of it.
        fs::create_dir_all(tree.join("opt/x/bin")).expect("a folder");
        symlink("/proc/self/exe", tree.join("opt/x/bin/node")).expect("a link");
        symlink(std::env::current_exe().expect("ours"), tree.join("opt/x/bin/nodejs")).expect("a link");
        fs::write(tree.join("usr/bin/php"), "#!/bin/sh\n").expect("a script");
        for language in [Language::NodeJs, Language::Php] {
            assert_eq!(programs(tree, &[], language), Vec::<PathBuf>::new());
        }
    }

    #[test]
    fn a_jdk_tells_its_version_and_a_jre_is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = folder.path().join("opt/java/openjdk");
        elf(&home.join("bin/java"));
        assert_eq!(programs(folder.path(), &[], Language::Java), Vec::<PathBuf>::new());
        elf(&home.join("bin/javac"));
        fs::write(home.join("release"), "JAVA_VERSION=\"17.0.15\"\n").expect("a file");
        let found = Interpreters::default()
            .candidates(&image(folder.path(), &[("JAVA_HOME", "/opt/java/openjdk")]), Language::Java);
        let [found] = <[Candidate; 1]>::try_from(found).expect("one");
        assert!(found.to_ask().is_none());
        assert_eq!(found.known(None).expect("it is known").version, (17, 0, 15));
    }

    #[test]
    fn the_nearest_version_is_taken_and_the_rest_is_told() {
        let image = image(Path::new("/tree"), &[]);
        let python = |minor: u16| {
            let program = format!("/usr/bin/python3.{minor}").into();
            Interpreters::default().remembered(Arc::clone(&image), Language::Python, program, (3, minor, 1))
        };
        let runtime = Runtime::parse("Python3.9").expect("in the list");
        let chosen = Interpreters::fitting(vec![python(8), python(11)], runtime, false).expect("one fits");
        assert_eq!(chosen.version, (3, 11, 1));
        let told = |found: Vec<Interpreter>, runtime: &str, strict: bool| {
            let runtime = Runtime::parse(runtime).expect("in the list");
            Interpreters::fitting(found, runtime, strict).expect_err("none fits").to_string()
        };
        assert!(told(Vec::new(), "Python3.9", false).starts_with("the image has no Python (looked for python3, "));
        let strict = told(vec![python(11)], "Python3.9", true);
        assert!(strict.starts_with("the image has Python 3.11.1, which does not run Python3.9"), "{strict}");
        assert!(told(vec![python(5)], "Python3.9", false).contains("Python 3.5.1"));
    }

    #[test]
    fn an_assigned_interpreter_is_the_only_one_of_its_runtime() {
        let mut all = Interpreters::default();
        let runtime = Runtime::parse("Python3.9").expect("in the list");
        let own = all.remembered(image(Path::new("/tree"), &[]), Language::Python, "/p".into(), (3, 11, 1));
        all.assign(runtime, own);
        let choice = all.choose(runtime, false).expect("it is assigned");
        assert_eq!((choice.interpreter.program.as_path(), choice.exact), (Path::new("/p"), false));
        assert!(all.choose(Runtime::parse("Python3.10").expect("in the list"), false).is_err());
    }
}
