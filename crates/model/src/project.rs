//! What is set for a project, or for a function beside its configuration: kept and given back.

use crate::Secret;

/// A way from a private network to the functions (CreateVpcEndpoint).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VpcEndpoint {
    /// The network.
    pub vpc_id: String,
    /// Its part.
    pub subnet_id: String,
    /// Size; may be empty.
    pub flavor: String,
    /// Agency; may be empty.
    pub xrole: String,
}

/// A place of a log service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogPlace {
    /// Id of the group.
    pub group_id: String,
    /// Name of the group.
    pub group_name: String,
    /// Id of the stream.
    pub stream_id: String,
    /// Name of the stream.
    pub stream_name: String,
}

/// What a project's place in a log service is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogKind {
    /// What functions print.
    Functions,
    /// The states of asynchronous calls.
    AsyncStates,
}

impl LogKind {
    /// A word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Functions => "functions",
            Self::AsyncStates => "async",
        }
    }
}

/// Keys of a tracing service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracingKeys {
    /// Public half.
    pub access: String,
    /// Private half.
    pub secret: Secret,
}
