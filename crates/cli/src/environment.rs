//! Everything taken from the process's environment: nothing outside this crate reads it, and here only this file.

use std::env;
use std::path::{Path, PathBuf};

use fungraph_instance::interpreters::SearchPlan;
use fungraph_store::queue::Clock;
use toml::Value;

use crate::args::{Locate, Switch};
use crate::config::{Document, Error, Runtimes, Settings};

/// Data folder of a server that root runs.
const ROOT_DATA: &str = "/var/lib/fungraph";

/// Folders of version managers, where people moved them.
const MANAGERS: [&str; 12] = [
    "PYENV_ROOT",
    "PHPENV_ROOT",
    "NVM_DIR",
    "UV_PYTHON_INSTALL_DIR",
    "FNM_DIR",
    "VOLTA_HOME",
    "ASDF_DATA_DIR",
    "MISE_DATA_DIR",
    "NODENV_ROOT",
    "N_PREFIX",
    "SDKMAN_DIR",
    "DOTNET_ROOT",
];

/// The clock of the queue. `cargo xtask crash` sets it, since it may not set that of the host.
pub(crate) fn queue_clock() -> Clock {
    let step = variable("FUNGRAPH_TEST_CLOCK_STEP").and_then(|step| step.parse().ok());
    step.map_or_else(Clock::default, Clock::set_by)
}

/// Defaults, file, variables and flags in one document.
///
/// # Errors
/// The file cannot be read, or holds what does not exist.
pub(crate) fn document(locate: &Locate, listen: Option<&str>, auth: Option<Switch>) -> Result<Document, Error> {
    let mut document = Document::load(locate.config.as_deref())?;
    if let Some(listen) = listen {
        document.set("server", "listen", &Value::from(listen), "--listen (FUNGRAPH_LISTEN)")?;
    }
    if let Some(auth) = auth {
        document.set("server", "auth", &Value::from(auth == Switch::On), "--auth (FUNGRAPH_AUTH)")?;
    }
    if let Some(folder) = &locate.data_dir {
        let folder = folder.to_string_lossy().into_owned();
        document.set("server", "data_dir", &Value::from(folder), "--data-dir (FUNGRAPH_DATA_DIR)")?;
    }
    Ok(document)
}

/// The data folder in effect.
pub(crate) fn data_folder(settings: &Settings) -> Option<PathBuf> {
    settings.server.data_dir.clone().or_else(default_data_folder)
}

/// Data folders a client may find a server's credentials in: the one given, or the default and then root's.
pub(crate) fn client_folders(locate: &Locate) -> Result<Vec<PathBuf>, Error> {
    let given = Settings::of(&document(locate, None, None)?)?.server.data_dir;
    Ok(match given {
        Some(folder) => vec![folder],
        None => default_data_folder()
            .into_iter()
            .filter(|own| own != Path::new(ROOT_DATA))
            .chain([ROOT_DATA.into()])
            .collect(),
    })
}

fn default_data_folder() -> Option<PathBuf> {
    if rustix::process::geteuid().is_root() {
        return Some(ROOT_DATA.into());
    }
    let data = folder("XDG_DATA_HOME").or_else(|| Some(env::home_dir()?.join(".local/share")))?;
    Some(data.join("fungraph"))
}

/// Where interpreters may be.
pub(crate) fn search_plan(runtimes: &Runtimes) -> SearchPlan {
    let path = path();
    let java_home = folder("JAVA_HOME").map(|home| home.join("bin"));
    SearchPlan {
        path: java_home.into_iter().chain(env::split_paths(&path)).collect(),
        homes: env::home_dir().into_iter().chain(home_behind_sudo()).collect(),
        roots: vec!["/".into()],
        managers: MANAGERS.into_iter().filter_map(folder).collect(),
        extra: runtimes.search.clone(),
        gson: runtimes.gson.clone(),
        hidden: fungraph_sandbox::OWN_PLACES.map(PathBuf::from).to_vec(),
    }
}

/// Home of the person who ran sudo: their interpreters are the ones they mean.
fn home_behind_sudo() -> Option<PathBuf> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let name = env::var("SUDO_USER").ok()?;
    crate::privileges::Account::named(&name).map(|account| account.home)
}

/// Where programs are looked for.
pub(crate) fn path() -> std::ffi::OsString {
    env::var_os("PATH").unwrap_or_default()
}

/// A variable that people set themselves; empty is as good as absent.
pub(crate) fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn folder(name: &str) -> Option<PathBuf> {
    variable(name).map(PathBuf::from).filter(|path| path.is_absolute())
}
