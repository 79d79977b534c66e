//! The user's program as a file: whether this machine can run it, told before it is tried, because the kernel's own words
//! ("exec format error", "no such file") do not help whoever uploaded a zip.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};

/// Bytes of a file's beginning that tell what it is.
const HEAD: usize = 20;

/// How to make a program that runs here.
const BUILD: &str = "build it with GOOS=linux GOARCH={arch} CGO_ENABLED=0 go build -o {handler}";

/// Why a program cannot be started. Each text says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoProgram {
    /// The handler points out of the code folder, or at nothing that can be a file.
    #[error("the handler {0:?} is not the name of a file in the code package; set it to the name of the executable")]
    BadName(String),
    /// There is no such file.
    #[error(
        "the code package has no file {0:?}; the handler of a Go1.x function is the name of its executable: {build}",
        build = build_hint(.0)
    )]
    Missing(String),
    /// It is a folder, or a device.
    #[error("{0:?} is not a file; set the handler to the name of the executable")]
    NoFile(String),
    /// Nobody may run it.
    #[error("{0:?} is not executable; run chmod +x {0} before packing it into the zip")]
    NotExecutable(String),
    /// It cannot be read.
    #[error("{0:?} cannot be read ({1})")]
    Unreadable(String, ErrorKind),
    /// It is a script, a plugin, or something else.
    #[error("{0:?} is not a Linux executable; {build}", build = build_hint(.0))]
    NotElf(String),
    /// It was built for another processor.
    #[error("{handler:?} was built for {found}, and this host has {here}; {build}", here = std::env::consts::ARCH, build = build_hint(.handler))]
    OtherProcessor {
        /// The file.
        handler: String,
        /// Its processor.
        found: String,
    },
}

/// The file that a handler names, if it can be run.
pub(super) fn find(code_root: &Path, handler: &str) -> Result<PathBuf, NoProgram> {
    let name = || handler.to_owned();
    let relative = Path::new(handler);
    let plain = relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if handler.is_empty() || handler.contains('\0') || !plain {
        return Err(NoProgram::BadName(name()));
    }
    let path = code_root.join(relative);
    let about = match path.metadata() {
        Ok(about) => about,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Err(NoProgram::Missing(name()));
        }
        Err(error) => return Err(NoProgram::Unreadable(name(), error.kind())),
    };
    if !about.is_file() {
        return Err(NoProgram::NoFile(name()));
    }
    if about.permissions().mode() & 0o111 == 0 {
        return Err(NoProgram::NotExecutable(name()));
    }
    let mut head = Vec::with_capacity(HEAD);
    File::open(&path)
        .and_then(|file| file.take(HEAD as u64).read_to_end(&mut head))
        .map_err(|error| NoProgram::Unreadable(name(), error.kind()))?;
    check_head(&head, handler)?;
    Ok(path)
}

/// Why a program that was found did not start.
pub(super) fn explain(handler: &str, error: &std::io::Error) -> String {
    match error.kind() {
        // The file is there, so it is the loader that it names.
        ErrorKind::NotFound => format!(
            "{handler:?} was linked for a loader that is not here (as programs built on Alpine are); {}",
            build_hint(handler)
        ),
        _ => format!("{handler:?} cannot be started ({error}); {}", build_hint(handler)),
    }
}

/// The processor is a number at offset 18, in the byte order that offset 5 names; 4 is the width.
fn check_head(head: &[u8], handler: &str) -> Result<(), NoProgram> {
    let Some([0x7f, b'E', b'L', b'F', width, order, ..]) = head.get(..HEAD) else {
        return Err(NoProgram::NotElf(handler.to_owned()));
    };
    let bytes = [head[18], head[19]];
    let machine = if *order == 2 { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) };
    if (*width, *order, machine) == (2, 1, this_processor()) {
        return Ok(());
    }
    Err(NoProgram::OtherProcessor { handler: handler.to_owned(), found: processor(machine, *order) })
}

/// The number of the processor that this program itself was built for.
fn this_processor() -> u16 {
    let here = PROCESSORS.iter().find(|(_, _, name)| *name == std::env::consts::ARCH);
    here.map_or(0, |(number, ..)| *number)
}

/// Numbers of ELF's `e_machine`, Go's name, and Rust's.
const PROCESSORS: [(u16, &str, &str); 8] = [
    (62, "amd64", "x86_64"),
    (183, "arm64", "aarch64"),
    (3, "386", "x86"),
    (40, "arm", "arm"),
    (243, "riscv64", "riscv64"),
    (258, "loong64", "loongarch64"),
    (21, "ppc64le", "powerpc64"),
    (22, "s390x", "s390x"),
];

fn processor(machine: u16, order: u8) -> String {
    match PROCESSORS.iter().find(|(number, ..)| *number == machine) {
        Some((_, "ppc64le", _)) if order == 2 => "ppc64".to_owned(),
        Some((_, name, _)) => (*name).to_owned(),
        None => format!("a processor of number {machine}"),
    }
}

fn build_hint(handler: &str) -> String {
    let here = PROCESSORS.iter().find(|(_, _, name)| *name == std::env::consts::ARCH);
    BUILD.replace("{arch}", here.map_or(std::env::consts::ARCH, |(_, go, _)| go)).replace("{handler}", handler)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn check(name: &str, content: &[u8], mode: u32) -> Result<PathBuf, NoProgram> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(folder.path().join("bin")).expect("it is new");
        let file = folder.path().join("handler");
        fs::write(&file, content).expect("it is new");
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("it is ours");
        let found = find(folder.path(), name)?;
        assert_eq!(found, folder.path().join(name));
        Ok(found)
    }

    fn elf(width: u8, order: u8, machine: u16) -> Vec<u8> {
        let number = if order == 2 { machine.to_be_bytes() } else { machine.to_le_bytes() };
        [&[0x7f, b'E', b'L', b'F', width, order, 1, 0][..], &[0; 8], &[2, 0], &number].concat()
    }

    fn text(result: Result<PathBuf, NoProgram>) -> String {
        result.expect_err("it cannot be run").to_string()
    }

    #[test]
    fn a_program_of_this_processor_is_found() {
        let own = fs::read("/proc/self/exe").expect("this test is a program");
        assert!(check("handler", &own[..64], 0o755).is_ok());
        assert!(check("./handler", &own[..64], 0o500).is_ok());
    }

    #[test]
    fn what_cannot_run_says_why() {
        let fine = elf(2, 1, this_processor());
        assert!(text(check("other", &fine, 0o755)).contains("no file \"other\""));
        assert!(text(check("handler/x", &fine, 0o755)).contains("no file"));
        assert!(text(check("bin", &fine, 0o755)).contains("not a file"));
        for name in ["", "../handler", "/bin/sh", "a\0b"] {
            assert!(matches!(check(name, &fine, 0o755), Err(NoProgram::BadName(_))), "{name:?}");
        }
        assert!(text(check("handler", &fine, 0o644)).contains("chmod +x handler"));
        assert!(
            text(check("handler", b"#!/bin/sh\nexec ./server forever\n", 0o755)).contains("not a Linux executable")
        );
        assert!(text(check("handler", b"", 0o755)).contains("GOOS=linux"));
        assert!(text(check("handler", &fine[..19], 0o755)).contains("not a Linux executable"));
    }

    #[test]
    fn another_processor_is_named() {
        assert!(text(check("handler", &elf(2, 2, 22), 0o755)).contains("built for s390x"));
        assert!(text(check("handler", &elf(2, 2, 21), 0o755)).contains("built for ppc64,"));
        assert!(text(check("handler", &elf(1, 1, 3), 0o755)).contains("built for 386"));
        assert!(text(check("handler", &elf(2, 1, 9999), 0o755)).contains("number 9999"));
    }
}
