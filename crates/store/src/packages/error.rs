//! Why code was not stored: the client's fault with a text for the client, or the system's for the operator.

use std::io;
use std::path::{Path, PathBuf};

use fungraph_model::{Digest, Fault};

/// A failed operation of [`Packages`](crate::Packages).
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// The code breaks a rule; the fault is for the client.
    #[error("the code was refused")]
    Refused(#[source] Fault),
    /// Code that should be there is not: somebody removed it from the data folder.
    #[error("the code package {} is missing below the data folder; upload the code again or restore the folder", digest.0)]
    Missing {
        /// Which one.
        digest: Digest,
    },
    /// Too many archives are being read at the same time.
    #[error("too many archives are being read at the same time")]
    Busy,
    /// No room left, or a disk quota is used up; nothing half-made stays.
    #[error("no space left to {action} {}; free space on that file system", path.display())]
    DiskFull {
        /// Verb phrase of what was being done.
        action: &'static str,
        /// File or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Any other failure of the file system.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// Verb phrase of what was being done.
        action: &'static str,
        /// File or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// For `map_err`: a failure while doing `action` to `path`.
pub(super) fn during(action: &'static str, path: &Path) -> impl Fn(io::Error) -> PackageError {
    move |source| {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                PackageError::DiskFull { action, path, source }
            }
            _ => PackageError::Io { action, path, source },
        }
    }
}

/// Texts for the client. Each names the entry and says what to do.
pub(super) mod fault {
    use fungraph_model::{ErrorCode, Fault};

    use super::PackageError;

    fn refuse(code: ErrorCode, message: String) -> PackageError {
        PackageError::Refused(Fault::new(code, message))
    }

    pub(in super::super) fn inline_too_large(size: usize, most: usize) -> PackageError {
        let text = format!("Inline code has {size} bytes, {most} are allowed; upload the code as a zip instead");
        refuse(ErrorCode::InlineTooLarge, text)
    }

    pub(in super::super) fn package_too_large(size: usize, most: usize) -> PackageError {
        let text =
            format!("The code package has {size} bytes, {most} are allowed; leave out what the function does not need");
        refuse(ErrorCode::PackageTooLarge, text)
    }

    pub(in super::super) fn dependency_too_large(size: usize, most: usize) -> PackageError {
        let text = format!("The dependency has {size} bytes, {most} are allowed; leave out what functions do not need");
        refuse(ErrorCode::PackageTooLarge, text)
    }

    pub(in super::super) fn fetched_too_large(most: u64) -> PackageError {
        let text =
            format!("The package has more than {most} bytes, the most that is fetched; leave out what is not needed");
        refuse(ErrorCode::PackageTooLarge, text)
    }

    pub(in super::super) fn bundle(why: &str) -> PackageError {
        refuse(ErrorCode::BadCode, format!("The archive is no exported function: {why}"))
    }

    pub(in super::super) fn merged(why: &str) -> PackageError {
        refuse(ErrorCode::BadDependency, format!("The code and its dependencies cannot be merged: {why}"))
    }

    pub(in super::super) fn merged_entry(name: &str, why: &str) -> PackageError {
        refuse(
            ErrorCode::BadDependency,
            format!("With its dependencies, the entry '{}' of the code {why}", shown(name)),
        )
    }

    pub(in super::super) fn filename(filename: &str, why: &str) -> PackageError {
        let text = format!(
            "The code_filename '{}' cannot be used: {why}. Use a relative name such as index.py",
            shown(filename)
        );
        refuse(ErrorCode::BadFilename, text)
    }

    pub(in super::super) fn archive(why: &str) -> PackageError {
        refuse(ErrorCode::BadCode, format!("The code package cannot be used: {why}"))
    }

    pub(in super::super) fn entry(name: &str, why: &str) -> PackageError {
        refuse(ErrorCode::BadCode, format!("The entry '{}' of the code package {why}", shown(name)))
    }

    /// Names come from strangers: control characters are escaped and the length is bounded.
    pub(in super::super) fn shown(name: &str) -> String {
        let mut text: String = name.chars().take(120).flat_map(char::escape_debug).collect();
        if name.chars().nth(120).is_some() {
            text.push('…');
        }
        text
    }
}
