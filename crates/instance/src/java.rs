//! Java's bootstrap: sources that are compiled in as text, the commands with which a JDK makes programs of them, and the command line
//! of an instance.
//!
//! Building fungraph takes no JDK. The JDK that will run functions compiles the sources itself, once for each run of the server, and
//! then writes down an archive of its classes (class data sharing), which the next processes map instead of parsing.

mod events;
mod sources;

use std::path::{Path, PathBuf};

use crate::{
    Interpreter, Sources,
    bootstrap::RUNTIME_ROOT,
    script::{self, quote},
};

/// Folder of the sources, below that of the bootstraps.
const FOLDER: &str = "java";
/// Memory of a sandbox in which a JDK compiles.
pub(crate) const PREPARING_MB: u32 = 512;
/// Of the files that are prepared, in their order.
pub(crate) const EXTENSIONS: [&str; 2] = ["jar", "jsa"];
/// A jar of 90 KB, and an archive of 13 MB.
pub(crate) const MOST_BYTES: u64 = 64 << 20;
/// Where a Gson outside `/usr` appears inside.
const GSON: &str = "/home/snuser/gson.jar";
/// The first version whose archive of classes can hold those of applications.
const ARCHIVES_SINCE: u16 = 11;

/// Flags of every Java process: the collector that needs least, and no file in `/tmp` for monitors that nobody runs.
const FLAGS: [&str; 4] = ["-XX:+UseSerialGC", "-XX:-UsePerfData", "-Xshare:auto", "-Dfile.encoding=UTF-8"];

/// How the compiler and the packer of jars run.
const COMPILER: &str =
    "-J-Xmx256m -J-XX:+UseSerialGC -J-XX:-UsePerfData -J-XX:TieredStopAtLevel=1 -proc:none -nowarn -encoding UTF-8";
const PACKER: &str = "-J-Xmx64m -J-XX:+UseSerialGC -J-XX:-UsePerfData";
/// The file that a step makes.
const OUT: &str = "/tmp/out";
/// The oldest version whose classes functions are made of.
const OLDEST: u16 = 8;

/// Every source, by its path below the bootstraps' folder.
pub(crate) fn sources() -> Vec<(String, String)> {
    sources::all().into_iter().map(|(name, text)| (format!("{FOLDER}/{name}"), text)).collect()
}

/// The API that Java functions are compiled against: path and text of each source. Handlers get its context, and its event classes.
#[must_use]
pub fn api_sources() -> Vec<(String, String)> {
    sources::all().into_iter().filter(|(name, _)| name.starts_with("com/")).collect()
}

/// What has to be shown inside beside the JDK: a Gson that is not below `/usr`.
pub(crate) fn gson_bind(interpreter: &Interpreter) -> Option<(PathBuf, String)> {
    let gson = interpreter.library.as_ref().filter(|gson| !is_there(interpreter, gson))?;
    Some((gson.clone(), GSON.to_owned()))
}

/// Whether a file of the host's `/usr` is seen inside; an image has a `/usr` of its own.
fn is_there(interpreter: &Interpreter, file: &Path) -> bool {
    file.starts_with("/usr") && interpreter.image.is_none()
}

fn gson(interpreter: &Interpreter) -> String {
    match &interpreter.library {
        Some(gson) if is_there(interpreter, gson) => gson.to_string_lossy().into_owned(),
        _ => GSON.to_owned(),
    }
}

/// Heap of an instance in MB: what its code, its threads and the machine itself take comes beside it.
fn heap_mb(memory_mb: u32) -> u32 {
    memory_mb - (memory_mb / 4).max(64)
}

/// The command line of an instance. `files` are the jar, and the archive if there is one.
pub(crate) fn args(interpreter: &Interpreter, files: &[String], memory_mb: u32) -> Vec<String> {
    let mut args = vec![text(&interpreter.program), format!("-Xmx{}m", heap_mb(memory_mb))];
    args.extend(FLAGS.map(str::to_owned));
    if let Some(archive) = files.get(1) {
        args.push(format!("-XX:SharedArchiveFile={RUNTIME_ROOT}/{archive}"));
    }
    let jar = files.first().map(String::as_str).unwrap_or_default();
    args.extend(["-jar".to_owned(), format!("{RUNTIME_ROOT}/{jar}")]);
    args
}

/// How many files are prepared.
pub(crate) fn steps(interpreter: &Interpreter) -> usize {
    if interpreter.version.0 >= ARCHIVES_SINCE { EXTENSIONS.len() } else { 1 }
}

/// The command that prints the file of a step, after `mark` and its length.
pub(crate) fn command(interpreter: &Interpreter, mark: &str, files: &[String]) -> Vec<String> {
    let work = match files.first() {
        None => compile(interpreter),
        Some(jar) => archive(interpreter, jar),
    };
    script::command(mark, &work, [OUT])
}

/// The command that prints the jar of functions, with their sources in it. Its classes are those of Java 8, which every runtime of Java
/// takes, here and elsewhere.
pub(crate) fn function_command(interpreter: &Interpreter, mark: &str, sources: &Sources) -> Vec<String> {
    let (javac, jar, gson) = (tool(interpreter, "javac"), tool(interpreter, "jar"), quote(&gson(interpreter)));
    let release = if interpreter.version.0 > OLDEST { format!("--release {OLDEST} ") } else { String::new() };
    let root = format!("{RUNTIME_ROOT}/{}", sources.name);
    let all = |form: &dyn Fn(&str) -> String| sources.files.iter().map(|(path, _)| form(path)).collect::<String>();
    let work = format!(
        "mkdir /tmp/classes\n\
         {javac} {COMPILER} {release}-implicit:none -sourcepath {RUNTIME_ROOT}/{FOLDER} -cp {gson} -d /tmp/classes{files}\n\
         {jar} {PACKER} cf {OUT} -C /tmp/classes .{beside}\n",
        files = all(&|path| format!(" {root}/{path}")),
        beside = all(&|path| format!(" -C {root} {path}")),
    );
    script::command(mark, &work, [OUT])
}

/// A manifest opens the two packages: the same on the command line would keep the machine from mapping its modules.
fn compile(interpreter: &Interpreter) -> String {
    let (javac, jar, gson) = (tool(interpreter, "javac"), tool(interpreter, "jar"), gson(interpreter));
    let quoted = quote(&gson);
    let listed = quote(&format!(
        "Main-Class: fungraph.Bootstrap\nAdd-Opens: java.base/java.io java.base/java.util\nClass-Path: {}\n",
        url_path(&gson)
    ));
    format!(
        "cd {RUNTIME_ROOT}/{FOLDER}\nmkdir /tmp/classes\nfind . -name '*.java' > /tmp/sources\nprintf %s {listed} > /tmp/manifest\n\
         {javac} {COMPILER} -cp {quoted} -d /tmp/classes @/tmp/sources\n\
         {jar} {PACKER} cfm {OUT} /tmp/manifest -C /tmp/classes .\n"
    )
}

/// The classes that a rehearsed call loads are listed, and the list is made an archive. The collector that dumps must be the one that
/// can write objects down; the one that runs can read them all the same.
fn archive(interpreter: &Interpreter, jar: &str) -> String {
    let (java, flags) = (quote(&text(&interpreter.program)), FLAGS.join(" "));
    let jar = format!("{RUNTIME_ROOT}/{jar}");
    format!(
        "{java} {flags} -Xmx64m -Xshare:off -XX:DumpLoadedClassList=/tmp/list -jar {jar} rehearse 1>&2\n\
         {java} -Xmx128m -XX:+UseG1GC -XX:-UsePerfData -Xshare:dump -XX:SharedClassListFile=/tmp/list \
         -XX:SharedArchiveFile={OUT} -jar {jar} 1>&2\n"
    )
}

/// A program of the JDK. In Java 8 the one that runs is a folder deeper than the others.
fn tool(interpreter: &Interpreter, name: &str) -> String {
    quote(&text(&home(&interpreter.program).join("bin").join(name)))
}

/// The JDK's folder, from the path of its `java`.
pub(crate) fn home(java: &Path) -> &Path {
    let jre = java.ancestors().nth(2).is_some_and(|folder| folder.ends_with("jre"));
    java.ancestors().nth(if jre { 3 } else { 2 }).unwrap_or(java)
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// A path as a manifest names it: entries are URLs, divided by blanks.
fn url_path(path: &str) -> String {
    path.replace('%', "%25").replace(' ', "%20")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interpreters::Origin;
    use fungraph_model::Language;

    static FUNCTIONS: Sources = Sources { name: "some", files: &[("a/A.java", "")], makes: &["some.jar"] };

    fn java(program: &str, major: u16, gson: &str) -> Interpreter {
        Interpreter {
            language: Language::Java,
            version: (major, 0, 1),
            program: program.into(),
            prefix: None,
            library: Some(gson.into()),
            origin: Origin::System,
            image: None,
        }
    }

    #[test]
    fn a_jdk_is_where_its_java_is() {
        for (java, expected) in [
            ("/usr/lib/jvm/java-17-openjdk-amd64/bin/java", "/usr/lib/jvm/java-17-openjdk-amd64"),
            ("/opt/jdk8/jre/bin/java", "/opt/jdk8"),
        ] {
            assert_eq!(home(Path::new(java)), Path::new(expected));
        }
    }

    #[test]
    fn the_heap_leaves_room_for_the_rest() {
        for (memory, heap) in [(128, 64), (256, 192), (512, 384), (1024, 768), (10240, 7680)] {
            assert_eq!(heap_mb(memory), heap);
        }
    }

    #[test]
    fn command_lines_use_what_is_prepared() {
        let newer = java("/opt/a b/bin/java", 17, "/usr/share/java/gson.jar");
        let files = ["b.jar".to_owned(), "b.jsa".to_owned()];
        let line = args(&newer, &files, 128).join(" ");
        assert!(line.starts_with("/opt/a b/bin/java -Xmx64m -XX:+UseSerialGC"), "{line}");
        assert!(
            line.ends_with("-XX:SharedArchiveFile=/home/snuser/runtime/b.jsa -jar /home/snuser/runtime/b.jar"),
            "{line}"
        );
        assert!(!args(&newer, &files[..1], 128).join(" ").contains("SharedArchiveFile"));
        assert!(command(&newer, "m", &[])[2].contains("'/opt/a b/bin/javac' -J-Xmx256m"));
        let script = &function_command(&newer, "m", &FUNCTIONS)[2];
        assert!(script.contains("--release 8 -implicit:none"), "{script}");
        assert!(script.contains(" -C /tmp/classes . -C /home/snuser/runtime/some a/A.java\n"), "{script}");
        assert_eq!((steps(&newer), gson_bind(&newer)), (2, None));
    }

    #[test]
    fn a_gson_of_a_home_is_brought_along() {
        let older = java("/opt/jdk8/jre/bin/java", 8, "/home/ada/.m2/gson.jar");
        assert_eq!(steps(&older), 1);
        assert!(!function_command(&older, "m", &FUNCTIONS)[2].contains("--release"), "it knows no such option");
        assert_eq!(gson_bind(&older), Some(("/home/ada/.m2/gson.jar".into(), GSON.to_owned())));
        assert!(command(&older, "m", &[])[2].contains("Class-Path: /home/snuser/gson.jar"));
    }
}
