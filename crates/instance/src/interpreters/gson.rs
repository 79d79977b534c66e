//! Where this host keeps Gson, the one library that Java's bootstrap needs and that functions see.

use std::fs;
use std::path::{Path, PathBuf};

use super::Version;
use super::places::SearchPlan;

/// Where Debian's libgoogle-gson-java puts it, below a root of the file system.
const SYSTEM: &str = "usr/share/java/gson.jar";
/// Where Maven keeps what it has downloaded, below a home; a folder for each version.
const MAVEN: &str = ".m2/repository/com/google/code/gson/gson";

/// The jar that the plan names, else the system's, else the newest that Maven has.
pub(super) fn find(plan: &SearchPlan) -> Option<PathBuf> {
    if let Some(named) = &plan.gson {
        return jar(named).filter(|path| plan.hides(path).is_none());
    }
    let system = plan.roots.iter().find_map(|root| jar(&root.join(SYSTEM)));
    system.or_else(|| plan.homes.iter().find_map(|home| newest(&home.join(MAVEN))))
}

/// What to tell of a jar that is named and is not there.
pub(super) fn note(plan: &SearchPlan) -> Option<String> {
    let named = plan.gson.as_ref()?;
    let why = match jar(named) {
        Some(path) => plan.hides(&path)?.replace("runtimes.search", "runtimes.gson"),
        None => "the setting runtimes.gson names it, and there is no such file".to_owned(),
    };
    Some(format!("{} is not used: {why}", named.display()))
}

fn jar(path: &Path) -> Option<PathBuf> {
    fs::canonicalize(path).ok().filter(|path| path.is_file())
}

fn newest(folder: &Path) -> Option<PathBuf> {
    let versions = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<(Version, PathBuf)> = versions
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            Some((version(&name)?, jar(&entry.path().join(format!("gson-{name}.jar")))?))
        })
        .collect();
    found.sort();
    found.pop().map(|(_, path)| path)
}

/// `2.10`, `2.8.9`.
fn version(name: &str) -> Option<Version> {
    let mut parts = name.split('.').map(|part| part.parse().ok());
    let version = (parts.next()??, parts.next()??, parts.next().unwrap_or(Some(0))?);
    parts.next().is_none().then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_one_first_then_the_systems_then_mavens_newest() {
        let host = tempfile::tempdir().expect("a folder");
        let write = |name: &str| {
            let path = host.path().join(name);
            fs::create_dir_all(path.parent().expect("below")).expect("mkdir");
            fs::write(&path, "").expect("write");
            path.canonicalize().expect("it is there")
        };
        let mut plan = SearchPlan {
            homes: vec![host.path().join("home")],
            roots: vec![host.path().to_path_buf()],
            ..SearchPlan::default()
        };
        assert_eq!(find(&plan), None);
        write("home/.m2/repository/com/google/code/gson/gson/2.8.9/gson-2.8.9.jar");
        let newest = write("home/.m2/repository/com/google/code/gson/gson/2.10/gson-2.10.jar");
        write("home/.m2/repository/com/google/code/gson/gson/2.9.1/gson-2.9.1.pom");
        assert_eq!(find(&plan), Some(newest));
        let system = write(SYSTEM);
        assert_eq!(find(&plan), Some(system));
        plan.gson = Some(host.path().join("none.jar"));
        assert_eq!(find(&plan), None);
        assert!(note(&plan).expect("it is told").contains("runtimes.gson"));
        let named = write("named.jar");
        plan.gson = Some(named.clone());
        assert_eq!((find(&plan), note(&plan)), (Some(named), None));
        plan.hidden = vec![host.path().canonicalize().expect("it is there")];
        assert_eq!(find(&plan), None);
        let told = note(&plan).expect("it is told");
        assert!(told.contains("every sandbox has a") && told.contains("runtimes.gson"), "{told}");
    }
}
