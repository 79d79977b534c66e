//! Who the server is: root only until everything that needs root is done.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::process::{Resource, Rlimit, getrlimit, nice, setrlimit};

use crate::exit::Stop;

/// User and group of a server that nobody chose one for; unused by distributions and below those of sandboxes.
const FALLBACK: u32 = 64_646;
/// User of a packaged server.
const PACKAGED: &str = "fungraph";

/// Numbers to become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// A line of `/etc/passwd`.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) identity: Identity,
    pub(crate) home: PathBuf,
}

impl Account {
    /// The local account of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let passwd = fs::read_to_string("/etc/passwd").ok()?;
        passwd.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let [found, _, uid, gid, _, home, ..] = *fields.as_slice() else { return None };
            let identity = Identity { uid: uid.parse().ok()?, gid: gid.parse().ok()? };
            (found == name).then(|| Self { identity, home: home.into() })
        })
    }
}

impl Identity {
    /// Whom a server of root becomes; see `server.user` in `default.toml`.
    ///
    /// # Errors
    /// The setting names nobody, or root.
    pub(crate) fn of_server(setting: Option<&str>, data_folder: &Path) -> anyhow::Result<Self> {
        let identity = match setting {
            Some(text) => Self::parse(text).ok_or_else(|| {
                Stop::usage(format!(
                    "server.user = {text:?}: there is no such user; use a user name, \"uid\" or \"uid:gid\""
                ))
            })?,
            None => Self::automatic(data_folder),
        };
        if identity.uid == 0 || identity.gid == 0 {
            return Err(Stop::usage(
                "server.user must not be root: the server keeps one small process as root and needs no more",
            ));
        }
        Ok(identity)
    }

    fn parse(text: &str) -> Option<Self> {
        let (uid, gid) = text.split_once(':').unwrap_or((text, text));
        match (uid.parse(), gid.parse()) {
            (Ok(uid), Ok(gid)) => Some(Self { uid, gid }),
            _ => Account::named(text).map(|account| account.identity),
        }
    }

    fn automatic(data_folder: &Path) -> Self {
        let owner = fs::metadata(data_folder).ok().map(|folder| Self { uid: folder.uid(), gid: folder.gid() });
        owner
            .filter(|owner| owner.uid != 0 && owner.gid != 0)
            .or_else(|| Account::named(PACKAGED).map(|account| account.identity))
            .unwrap_or(Self { uid: FALLBACK, gid: FALLBACK })
    }
}

/// Puts this process, which has one thread and has started its spawner, before those that are as nice as it was.
pub(crate) fn take_precedence(steps: u32) {
    if steps > 0
        && let Err(error) = nice(-steps.cast_signed())
    {
        tracing::info!(
            "the server does not go before functions where processors are short ({error}): give it CAP_SYS_NICE, or set \
             server.precedence to 0"
        );
    }
}

/// As many open files as the system lets us have: every instance and connection takes a few.
pub(crate) fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    // Refused only if the limit were to go up, which it does not.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}
