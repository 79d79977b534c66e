//! Where interpreters may live: the caller's folders, the system's, and those of the version managers.

use std::path::{Path, PathBuf};

/// Where to look. Only cli knows the environment it is made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchPlan {
    /// Entries of `PATH`, in order.
    pub path: Vec<PathBuf>,
    /// Home folders: our own, and under sudo that of the person behind it.
    pub homes: Vec<PathBuf>,
    /// Roots of file systems whose `usr`, `usr/local` and `opt` are looked through: `/`, or a folder in tests.
    pub roots: Vec<PathBuf>,
    /// Folders of version managers that were moved (`PYENV_ROOT`, `NVM_DIR`, ...).
    pub managers: Vec<PathBuf>,
    /// Setting `runtimes.search`: folders that hold interpreters, installations, or folders of installations.
    pub extra: Vec<PathBuf>,
    /// Setting `runtimes.gson`: the library of Java's bootstrap, a jar.
    pub gson: Option<PathBuf>,
    /// Folders that a sandbox has of its own: what lies below the host's cannot be shown there.
    pub hidden: Vec<PathBuf>,
}

impl SearchPlan {
    /// Why a file cannot be used that lies where every sandbox has a folder of its own.
    pub(super) fn hides(&self, path: &Path) -> Option<String> {
        let place = self.hidden.iter().find(|place| path.starts_with(place))?.display();
        Some(format!(
            "it lies below {place}, and every sandbox has a {place} of its own, so no function could see it: move it elsewhere, below \
             /opt for instance, and have it found there (setting runtimes.search)"
        ))
    }
}

/// What led to an interpreter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// Setting `runtimes.search`.
    Setting,
    /// An entry of `PATH`.
    Path,
    /// A folder of the system.
    System,
    /// A version manager, by its name.
    Manager(&'static str),
    /// A container image of the operator's.
    Image,
}

impl Origin {
    /// A word for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Setting => "runtimes.search",
            Self::Path => "PATH",
            Self::System => "system",
            Self::Manager(name) => name,
            Self::Image => "image",
        }
    }
}

/// A folder that may hold interpreters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) folder: PathBuf,
    pub(super) origin: Origin,
}

/// Folders below a home, by the manager that makes them; `*` stands for any name, or for the rest of one.
const HOME: &[(&str, &str)] = &[
    ("pyenv", ".pyenv/versions/*/bin"),
    ("uv", ".local/share/uv/python/*/bin"),
    ("nvm", ".nvm/versions/node/*/bin"),
    ("nvm", ".config/nvm/versions/node/*/bin"),
    ("fnm", ".local/share/fnm/node-versions/*/installation/bin"),
    ("fnm", ".fnm/node-versions/*/installation/bin"),
    ("volta", ".volta/tools/image/node/*/bin"),
    ("asdf", ".asdf/installs/python/*/bin"),
    ("asdf", ".asdf/installs/nodejs/*/bin"),
    ("mise", ".local/share/mise/installs/python/*/bin"),
    ("mise", ".local/share/mise/installs/node/*/bin"),
    ("phpenv", ".phpenv/versions/*/bin"),
    ("asdf", ".asdf/installs/php/*/bin"),
    ("mise", ".local/share/mise/installs/php/*/bin"),
    ("nodenv", ".nodenv/versions/*/bin"),
    ("n", "n/n/versions/node/*/bin"),
    ("n", ".n/n/versions/node/*/bin"),
    ("sdkman", ".sdkman/candidates/java/*/bin"),
    ("jdks", ".jdks/*/bin"),
    ("jenv", ".jenv/versions/*/bin"),
    ("asdf", ".asdf/installs/java/*/bin"),
    ("mise", ".local/share/mise/installs/java/*/bin"),
    ("dotnet-install", ".dotnet"),
    ("asdf", ".asdf/installs/dotnet/*"),
    ("asdf", ".asdf/installs/dotnet-core/*"),
    ("mise", ".local/share/mise/dotnet-root"),
    ("mise", ".local/share/mise/installs/dotnet/*"),
    ("go", "sdk/*/bin"),
    ("goenv", ".goenv/versions/*/bin"),
    ("gvm", ".gvm/gos/*/bin"),
    ("asdf", ".asdf/installs/golang/*/go/bin"),
    ("mise", ".local/share/mise/installs/go/*/bin"),
    ("conda", "miniconda3/bin"),
    ("conda", "miniconda3/envs/*/bin"),
    ("conda", "anaconda3/bin"),
    ("conda", "anaconda3/envs/*/bin"),
    ("conda", "miniforge3/bin"),
    ("conda", "miniforge3/envs/*/bin"),
];

/// Folders below a root of the file system.
const SYSTEM: &[&str] = &[
    "usr/lib/jvm/*/bin",
    "usr/lib/go/bin",
    "usr/lib/golang/bin",
    "usr/lib/go-*/bin",
    "usr/bin",
    "usr/local/bin",
    "usr/local/*/bin",
    "usr/local/n/versions/node/*/bin",
    "opt/*/bin",
    "usr/share/dotnet",
    "usr/lib/dotnet",
    "usr/lib64/dotnet",
    "usr/local/share/dotnet",
    "opt/dotnet",
];

/// Folders below the moved folder of a manager.
const MANAGER: &[&str] = &[
    "versions/*/bin",
    "versions/node/*/bin",
    "n/versions/node/*/bin",
    "node-versions/*/installation/bin",
    "tools/image/node/*/bin",
    "installs/python/*/bin",
    "installs/node/*/bin",
    "installs/nodejs/*/bin",
    "installs/java/*/bin",
    "candidates/java/*/bin",
    "installs/php/*/bin",
    "*/bin",
    // DOTNET_ROOT: the program lies in no `bin`.
    "",
];

/// Folders below an entry of `runtimes.search`.
const EXTRA: &[&str] = &["", "bin", "*", "*/bin", "versions/*/bin", "versions/node/*/bin"];

/// Every folder of a plan that exists. The first place that leads to a program names its origin.
pub(super) fn places(plan: &SearchPlan) -> Vec<Place> {
    let mut places = Vec::new();
    let mut add = |base: &Path, pattern: &str, origin: Origin| {
        places.extend(expand(base, pattern).into_iter().map(|folder| Place { folder, origin }));
    };
    for base in &plan.extra {
        EXTRA.iter().for_each(|pattern| add(base, pattern, Origin::Setting));
    }
    // A version manager's own folder says more than the PATH entry that leads to the same program.
    for base in &plan.homes {
        HOME.iter().for_each(|(name, pattern)| add(base, pattern, Origin::Manager(name)));
    }
    for base in &plan.managers {
        MANAGER.iter().for_each(|pattern| add(base, pattern, Origin::Manager("version manager")));
    }
    for base in &plan.roots {
        SYSTEM.iter().for_each(|pattern| add(base, pattern, Origin::System));
    }
    for base in &plan.path {
        add(base, "", Origin::Path);
    }
    places
}

/// Folders that a pattern means below `base`, in the order of their names.
fn expand(base: &Path, pattern: &str) -> Vec<PathBuf> {
    let mut folders = vec![base.to_path_buf()];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        folders = match part.strip_suffix('*') {
            Some(start) => folders.iter().flat_map(|folder| children(folder, start)).collect(),
            None => folders.into_iter().map(|folder| folder.join(part)).collect(),
        };
    }
    // An empty or relative entry of PATH means the current folder, which nobody meant to be searched.
    folders.retain(|folder| folder.is_absolute() && folder.is_dir());
    folders
}

fn children(folder: &Path, start: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let entries = entries.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(start.as_bytes()));
    let mut children: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    children.sort();
    children
}
