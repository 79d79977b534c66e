//! Why a question found no answer, in words for whoever had us ask.

use std::io;

use super::{NotNamed, NotPublic};

/// What went wrong on the way, without a word of what came: a stranger may have chosen whom we asked.
pub(crate) fn reason(error: &reqwest::Error) -> String {
    let causes = || causes(error);
    if causes().any(<dyn std::error::Error>::is::<NotPublic>) {
        return NotPublic.to_string();
    }
    if causes().any(<dyn std::error::Error>::is::<NotNamed>) {
        return NotNamed.to_string();
    }
    if error.is_timeout() {
        return "it does not answer in time".to_owned();
    }
    if error.is_builder() {
        return "it sends us to an address without TLS".to_owned();
    }
    if error.is_redirect() {
        return "it sends us on and on".to_owned();
    }
    if !error.is_connect() {
        return "the connection broke off".to_owned();
    }
    if let Some(tls) = causes().find_map(|cause| tls(cause)) {
        return tls.to_string();
    }
    let kind = causes().filter_map(|cause| cause.downcast_ref::<io::Error>()).last().map(io::Error::kind);
    kind.map_or_else(|| "there is no connection".to_owned(), |kind| kind.to_string())
}

/// Whether it will be the same the next time: nobody who may be asked is there, or we are sent to others.
pub(crate) fn is_final(error: &reqwest::Error) -> bool {
    error.is_redirect() || error.is_builder() || causes(error).any(<dyn std::error::Error>::is::<NotPublic>)
}

fn causes(error: &dyn std::error::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(error.source(), |cause| (*cause).source())
}

/// Rustls speaks through an error of the system.
fn tls<'a>(cause: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    let inner = || cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    cause.downcast_ref().or_else(|| inner().and_then(|inner| inner.downcast_ref()))
}
