//! The spawner's private folder, and the part of a root file system that all sandboxes share.
//!
//! A tmpfs in the spawner's own mount namespace, which nobody else sees. Bind sources are looked up inside the user namespace
//! later, where anything below a closed folder cannot be reached, so all of it is open to pass.
//!
//! ```text
//! etc/       a few files of the host's /etc, and our own passwd, group, hosts, resolv.conf
//! roots/N/   one skeleton per set of bind targets (see skeleton.rs), the host's /usr and our etc mounted in it, or an image
//! images/N/  what such an image is laid under, and the image itself
//! launch/    where one root at a time is put together
//! empty/     what a running sandbox sees in its late folder at first
//! late/ID/   where that folder is filled (see late.rs)
//! bundles/   the bundle of that launch; it holds the environment, so it is closed and short-lived
//! state/     libcontainer's notes
//! ```

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};

use super::mounts;

/// Folders of `/etc` that interpreters and their libraries read: whole, as they are.
const ETC_FOLDERS: [&str; 8] =
    ["alternatives", "ssl", "ca-certificates", "pki", "crypto-policies", "fonts", "ld.so.conf.d", "magic.mime"];
/// And those named after a language and a version.
const ETC_PREFIXES: [&str; 5] = ["python", "java", "php", "node", "perl"];
/// Files of `/etc` that hold nothing private.
const ETC_FILES: [&str; 14] = [
    "ld.so.cache",
    "ld.so.conf",
    "localtime",
    "timezone",
    "nsswitch.conf",
    "mime.types",
    "services",
    "protocols",
    "gai.conf",
    "host.conf",
    "os-release",
    "debian_version",
    "magic",
    "locale.conf",
];
/// The user of every sandbox, as the cloud has it.
pub(super) const USER_ID: u32 = 1003;

const PASSWD: &str = "root:x:0:0:root:/root:/usr/sbin/nologin
snuser:x:1003:1003::/home/snuser:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
";
const GROUP: &str = "root:x:0:
snuser:x:1003:
nogroup:x:65534:
";
pub(super) const HOSTS: &str = "127.0.0.1 localhost
::1 localhost ip6-localhost ip6-loopback
";

/// Where there is no network: an address of nobody (TEST-NET-1), which has no route. To ask it fails at once and is counted as
/// refused; without it the C library would ask the sandbox's own loopback, and nobody could tell why a name does not resolve.
pub(super) const NO_RESOLVER: &str = "nameserver 192.0.2.53\n";

/// Where the tmpfs is mounted. A folder of our own would stay behind a killed spawner, and whoever removed it, another spawner for
/// one, would take this spawner's mounts away: the kernel detaches what other namespaces have mounted on a removed folder. This
/// one is on every host, cannot be removed, is open to pass, and holds nothing that is of use here.
const PLACE: &str = "/sys/dev";

/// The folder and what is prepared in it.
#[derive(Debug)]
pub(super) struct Staging {
    folder: PathBuf,
}

impl Staging {
    /// Mounts and fills the folder. The caller has left the host's mount namespace.
    pub(super) fn prepare() -> io::Result<Staging> {
        let staging = Staging { folder: PathBuf::from(PLACE) };
        mounts::staging(&staging.folder)?;
        for folder in ["etc", "roots", "images", "launch", "empty", "late"] {
            fs::create_dir(staging.path(folder))?;
        }
        for folder in ["bundles", "state"] {
            fs::DirBuilder::new().mode(0o700).create(staging.path(folder))?;
        }
        fill_etc(Path::new("/etc"), &staging.path("etc"))?;
        Ok(staging)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

fn fill_etc(host: &Path, etc: &Path) -> io::Result<()> {
    for name in ETC_FILES {
        // Copied through links; localtime is one, and its target below /usr is not the same everywhere.
        match fs::read(host.join(name)) {
            Ok(bytes) => fs::write(etc.join(name), bytes)?,
            Err(_absent_here) => {}
        }
    }
    for entry in fs::read_dir(host)? {
        let entry = entry?;
        let name = entry.file_name();
        let wanted = name.to_str().is_some_and(|name| {
            ETC_FOLDERS.contains(&name) || ETC_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        });
        if wanted && entry.file_type()?.is_dir() {
            fs::create_dir(etc.join(&name))?;
            mounts::bind_read_only(&entry.path(), &etc.join(&name))?;
        }
    }
    fs::write(etc.join("passwd"), PASSWD)?;
    fs::write(etc.join("group"), GROUP)?;
    fs::write(etc.join("hosts"), HOSTS)?;
    fs::write(etc.join("resolv.conf"), NO_RESOLVER)?;
    symlink("/proc/self/mounts", etc.join("mtab"))
}
