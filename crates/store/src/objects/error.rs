//! Why a package was not fetched: the client's fault, the other side's, or this machine's.

use std::time::Duration;

use fungraph_model::{ErrorCode, Fault};

use crate::packages::PackageError;

/// A failed operation of [`Objects`](crate::Objects).
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// The text is for the client.
    #[error("the package was not fetched")]
    Refused(#[source] Fault),
    /// It could not be kept, or is too large to be.
    #[error(transparent)]
    Package(#[from] PackageError),
}

fn refuse(code: ErrorCode, message: String) -> ObjectError {
    ObjectError::Refused(Fault::new(code, message))
}

/// The link cannot be read, or must not be followed.
pub(super) fn bad_link(message: String) -> ObjectError {
    refuse(ErrorCode::BadUrl, message)
}

/// There is nothing, or nothing for this server.
pub(super) fn missing(message: String) -> ObjectError {
    refuse(ErrorCode::CodeObjectNotFound, message)
}

/// The other side does not give it.
pub(super) fn not_given(message: String) -> ObjectError {
    refuse(ErrorCode::BadGateway, message)
}

/// Nobody can be asked at all.
pub(super) fn refused(why: &str) -> ObjectError {
    not_given(format!("This server cannot fetch anything: {why}"))
}

pub(super) fn too_slow(name: &str, limit: Duration) -> ObjectError {
    let seconds = limit.as_secs();
    refuse(
        ErrorCode::GatewayTimeout,
        format!("{name} was not here after {seconds} seconds. Send the request again, or raise obs.fetch_seconds"),
    )
}
