//! What the checks need of this machine beyond Rust and gcc, and how to get it.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// Something needed: how to see that it is there, and Debian's package that brings it.
struct Need {
    package: &'static str,
    why: &'static str,
    there: fn() -> bool,
}

const NEEDS: &[Need] = &[
    Need {
        package: "python3",
        why: "runs functions, and the official SDK",
        there: || answers("python3", &["--version"]),
    },
    Need {
        package: "python3-venv",
        why: "makes the SDK's virtual environment",
        there: || answers("python3", &["-c", "import ensurepip, venv"]),
    },
    Need { package: "nodejs", why: "runs functions", there: || answers("node", &["--version"]) },
    Need { package: "npm", why: "brings the .NET SDK for C# functions", there: || answers("npm", &["--version"]) },
    Need {
        package: "openjdk-17-jdk-headless",
        why: "compiles and runs Java functions; any JDK with javac does",
        there: || answers("javac", &["-version"]) && answers("java", &["-version"]),
    },
    Need {
        package: "libgoogle-gson-java",
        why: "the library Java functions see",
        there: || Path::new("/usr/share/java/gson.jar").exists(),
    },
    Need { package: "golang-go", why: "builds functions written in Go", there: || answers("go", &["version"]) },
    Need { package: "php-cli", why: "runs functions", there: || answers("php", &["--version"]) },
    Need {
        package: "docker-registry",
        why: "holds images for functions",
        there: || answers("docker-registry", &["--version"]),
    },
    Need { package: "crun", why: "makes sandboxes, as one of the engines", there: || answers("crun", &["--version"]) },
    Need { package: "runc", why: "makes sandboxes, as one of the engines", there: || on_disk("runc") },
    Need { package: "e2fsprogs", why: "gives each sandbox a /tmp with a limit", there: || on_disk("mkfs.ext4") },
    Need {
        package: "ca-certificates",
        why: "lets pip fetch the SDK",
        there: || Path::new("/etc/ssl/certs/ca-certificates.crt").exists(),
    },
];

/// Refuses to go on where a sandbox could not be made.
pub(crate) fn need_root(what: &str) -> Result<()> {
    let uid = fs::metadata("/proc/self").context("cannot read /proc")?.uid();
    if uid != 0 {
        bail!(
            "{what} starts real sandboxes (namespaces, cgroups, mounts), and for that it needs root. Run:\n  \
             sudo env \"PATH=$PATH\" \"HOME=$HOME\" cargo xtask {what}\n\
             Single steps that need no root: cargo xtask tidy, cargo fmt --check, cargo clippy"
        );
    }
    Ok(())
}

/// Puts in place what is missing, with apt where there is one.
pub(crate) fn prepare() -> Result<()> {
    let missing: Vec<&Need> = NEEDS.iter().filter(|need| !(need.there)()).collect();
    for need in &missing {
        println!("    missing: {} ({})", need.package, need.why);
    }
    if missing.is_empty() {
        println!(
            "    python3, venv, node, npm, javac, gson, php, go, docker-registry, crun, runc, mkfs.ext4: all there"
        );
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().map(|need| need.package).collect();
    if !answers("apt-get", &["--version"]) {
        bail!("install these with this system's own tool, by their Debian names: {}", packages.join(" "));
    }
    apt(&["update", "--quiet=2"])?;
    apt(&[&["install", "--yes", "--quiet=2", "--no-install-recommends"], &packages[..]].concat())?;
    let still: Vec<&str> = missing.iter().filter(|need| !(need.there)()).map(|need| need.package).collect();
    if !still.is_empty() {
        bail!(
            "still missing after apt-get: {}. If `python3`, `node` or `php` is not Debian's own, install what its packager calls this",
            still.join(" ")
        );
    }
    Ok(())
}

fn apt(words: &[&str]) -> Result<()> {
    crate::step::run(Command::new("apt-get").env("DEBIAN_FRONTEND", "noninteractive").args(words))
}

fn answers(program: &str, words: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn on_disk(program: &str) -> bool {
    ["/usr/sbin", "/sbin", "/usr/bin"].iter().any(|folder| Path::new(folder).join(program).exists())
}
