//! Why an image is not here: the client's fault, the registry's, or this machine's.

use std::io;
use std::path::{Path, PathBuf};

use fungraph_model::{ErrorCode, Fault};

/// A failed operation of [`Images`](crate::Images).
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The name, the registry or the image itself is at fault; the text is for the client.
    #[error("the image was refused")]
    Refused(#[source] Fault),
    /// The file system of this machine failed.
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
pub(super) fn during(action: &'static str, path: &Path) -> impl Fn(io::Error) -> ImageError {
    move |source| ImageError::Io { action, path: path.to_owned(), source }
}

/// The name of an image cannot be read, or must not be used.
pub(super) fn bad_name(message: String) -> ImageError {
    ImageError::Refused(Fault::new(ErrorCode::BadImageUrl, message))
}

/// There is no such image, or none that can be had.
pub(super) fn missing(message: String) -> ImageError {
    ImageError::Refused(Fault::new(ErrorCode::ImageMissing, message))
}

/// The image is there and cannot be used.
pub(super) fn unusable(message: String) -> ImageError {
    ImageError::Refused(Fault::new(ErrorCode::BadCode, message))
}

/// The registry does not say, or does not give, what it should.
pub(super) fn not_read(message: String) -> ImageError {
    ImageError::Refused(Fault::new(ErrorCode::ImageNotRead, message))
}
