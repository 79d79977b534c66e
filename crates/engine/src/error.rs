//! Why the engine did not do what was asked: one text for the caller, the cause for the operator.

use std::sync::Arc;

use fungraph_model::{ErrorCode, Fault, FunctionVersion};

/// A refusal, or a failure of the platform.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller is told why.
    #[error(transparent)]
    Refused(#[from] Fault),
    /// No interpreter, or no mount, for a function that exists: it was there when the function was created.
    #[error("{message}")]
    ExecutorMissing {
        /// What is missing, and what to do.
        message: String,
        /// The version that cannot run.
        version: Arc<FunctionVersion>,
        /// The alias that it was called by.
        alias: Option<String>,
    },
    /// The platform failed; the caller learns no more than that, the operator reads the cause in the log.
    #[error("{doing}")]
    Internal {
        /// What was being done, a short verb phrase.
        doing: &'static str,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// A failure of the platform while `doing` something.
    pub fn internal(doing: &'static str, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Internal { doing, source: Box::new(source) }
    }

    /// The same, of a call by an alias.
    pub(crate) fn of_alias(mut self, name: &str) -> Self {
        if let Self::ExecutorMissing { alias, .. } = &mut self {
            *alias = Some(name.to_owned());
        }
        self
    }

    /// What the caller is told.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::Refused(fault) => fault.clone(),
            Self::ExecutorMissing { message, .. } => Fault::new(ErrorCode::Internal, message.clone()),
            Self::Internal { .. } => Fault::new(
                ErrorCode::Internal,
                "The platform failed while it handled the request. The request id is in the header X-Request-Id; \
                 the operator finds the cause under it in the server's log",
            ),
        }
    }
}

/// An error with all its causes, for the log.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
