//! Why a change of versions or aliases does not fit what is stored. Nothing was changed then.

/// What stands in the way.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// There is no such version.
    #[error("the version {version} does not exist")]
    VersionMissing {
        /// Its name.
        version: String,
    },
    /// The name is taken.
    #[error("the version {version} exists already")]
    VersionExists {
        /// Its name.
        version: String,
    },
    /// Latest does what the last published version does.
    #[error("nothing changed since the version {version}")]
    Unchanged {
        /// The last published version.
        version: String,
    },
    /// Latest has other code than the one that was to be published.
    #[error("latest has other code")]
    OtherCode,
    /// The function has its most versions.
    #[error("the function has its most versions")]
    TooManyVersions,
    /// The project's code would be over its quota.
    #[error("the project's code would be over its quota")]
    CodeQuota,
    /// An alias sends calls to the version as its additional one.
    #[error("the alias {alias} sends calls to the version")]
    VersionInUse {
        /// Its name.
        alias: String,
    },
    /// There is no such alias.
    #[error("the alias does not exist")]
    AliasMissing,
    /// Triggers call the alias.
    #[error("the alias has triggers")]
    AliasHasTriggers,
    /// The name is taken.
    #[error("the alias exists already")]
    AliasExists,
    /// Another alias has the version as its main one.
    #[error("the alias {alias} has the version already")]
    VersionHasAlias {
        /// Its name.
        alias: String,
    },
    /// The additional version of an alias is not there.
    #[error("the additional version does not exist")]
    AdditionalVersionMissing,
    /// Instances would be reserved for an alias and for its version.
    #[error("instances are reserved for {other} already")]
    ReservedTwice {
        /// Version, or alias with `!` before it, that has some.
        other: String,
    },
    /// The function has its most aliases.
    #[error("the function has its most aliases")]
    TooManyAliases,
}
