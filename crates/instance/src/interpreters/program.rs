//! One file that may be an interpreter: is it a real program of this machine, and which file is it.

use std::fs::{self, File, Metadata};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use fungraph_model::Language;

use super::kind::Kind;
use crate::{dotnet, java};

/// A real ELF program, its links resolved.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) path: PathBuf,
    /// File name of `path`.
    pub(super) name: String,
    pub(super) metadata: Metadata,
}

/// What tells one state of one file from every other.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub(super) struct Identity {
    pub(super) path: PathBuf,
    pub(super) device: u64,
    pub(super) inode: u64,
    pub(super) modified_s: i64,
    pub(super) modified_ns: i64,
    pub(super) size: u64,
}

impl Program {
    /// Follows `path` to a program of `kind`; `None` where there is none, which is the rule in most folders.
    pub(super) fn at(path: &Path, kind: &Kind) -> Option<Self> {
        let path = fs::canonicalize(path).ok()?;
        let name = path.file_name()?.to_str()?.to_owned();
        if !kind.is_program_name(&name) {
            return None;
        }
        let metadata = fs::metadata(&path).ok()?;
        let runs = metadata.is_file() && metadata.permissions().mode() & 0o111 != 0 && is_native_elf(&path);
        runs.then_some(Self { path, name, metadata })
    }

    /// The file itself, whatever name led to it.
    pub(super) fn file(&self) -> (u64, u64) {
        (self.metadata.dev(), self.metadata.ino())
    }

    /// The file in its present state.
    pub(super) fn identity(&self) -> Identity {
        Identity {
            path: self.path.clone(),
            device: self.metadata.dev(),
            inode: self.metadata.ino(),
            modified_s: self.metadata.mtime(),
            modified_ns: self.metadata.mtime_nsec(),
            size: self.metadata.size(),
        }
    }

    /// Why a function must not run it, or cannot, if so.
    pub(super) fn objection(&self, kind: &Kind) -> Option<&'static str> {
        if kind.language == Language::Java && !java::home(&self.path).join("bin/javac").exists() {
            return Some(
                "it has no compiler, which the bootstrap needs: install the JDK of this version, openjdk-17-jdk-headless for instance",
            );
        }
        if kind.language == Language::CSharp && dotnet::compiler(&self.path).is_none() {
            return Some(
                "it has no SDK, whose compiler the bootstrap needs: install the SDK of this version, not only its runtime",
            );
        }
        let mode = self.metadata.permissions().mode();
        if mode & 0o002 != 0 {
            return Some("everybody may write to it; take that right away with chmod o-w");
        }
        (mode & 0o005 != 0o005).then_some("only its owner may run it; allow it with chmod -R o+rX on its folder")
    }
}

/// Whether a file starts as a 64-bit ELF file of this machine does (System V ABI, ELF header: `e_ident`, `e_machine`).
pub(super) fn is_native_elf(path: &Path) -> bool {
    let mut header = [0; 20];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut header));
    let machine = u16::from_ne_bytes([header[18], header[19]]);
    read.is_ok() && header.starts_with(b"\x7fELF\x02") && machine == native_machine()
}

/// `e_machine` of this machine: EM_X86_64, EM_AARCH64 or EM_RISCV.
pub(super) fn native_machine() -> u16 {
    match std::env::consts::ARCH {
        "aarch64" => 183,
        "riscv64" => 243,
        _ => 62,
    }
}
