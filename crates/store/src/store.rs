//! The database, whichever it is.
//!
//! A closed choice, so an enum: each backend answers the same questions and passes the same suite (`suite.rs`).

mod belongings;
mod projects;
mod statistics;

use std::collections::HashSet;
use std::path::PathBuf;

use fungraph_model::{
    Alias, Dependency, Digest, FunctionKey, FunctionVersion, Grant, KeyRecord, Project, ProjectId, Qualifier, Register,
    Reservation, Runtime, Secret, Trigger, TriggerId, User, UserId, limits,
};
use jiff::Timestamp;

use crate::sqlite::Sqlite;
use crate::{
    Belongings, DependencyPage, DependencyQuery, Error, FunctionPage, FunctionQuery, Publication, Reservations,
    SecretBox, Tree, TriggerPage, TriggerQuery, Usage, VersionPage, VersionQuery,
};

/// Settings of the store.
#[derive(Clone, Debug)]
pub struct Config {
    /// The data folder, which exists; relative paths work.
    pub folder: PathBuf,
    /// Connections for reading, at least 1; writing has one of its own.
    pub readers: u32,
}

/// Accounts, functions and their versions. Cheap to clone; all clones are one store.
///
/// A change that was answered with `Ok` survives a power loss.
#[derive(Clone, Debug)]
pub enum Store {
    /// A SQLite file in the data folder.
    Sqlite(Sqlite),
}

impl Store {
    /// Opens the database of a data folder and brings its schema up to date; makes it where there is none.
    ///
    /// All connections are opened here and kept: SQLite resolves the path from the root of the file system, which
    /// may be out of reach once the server has given up its rights.
    ///
    /// # Errors
    /// [`Error::Open`], [`Error::NewerSchema`] or [`Error::Migrate`]; [`Error::KeyLost`], [`Error::KeyDiffers`] or [`Error::KeyFile`] where the
    /// secrets in it cannot be opened.
    pub async fn open(config: &Config) -> Result<Self, Error> {
        Sqlite::open(config).await.map(Self::Sqlite)
    }

    /// Folds the write-ahead log into the database and closes it. Operations that still run finish first.
    pub async fn close(self) {
        match self {
            Self::Sqlite(sqlite) => sqlite.close().await,
        }
    }

    /// What seals secrets at rest, with the key of the data folder.
    #[must_use]
    pub fn secrets(&self) -> &SecretBox {
        match self {
            Self::Sqlite(sqlite) => sqlite.secrets(),
        }
    }

    /// Accounts, projects, users, grants and keys, each in the order in which they were made.
    ///
    /// # Errors
    /// [`Error::BadRow`] or [`Error::Database`].
    pub async fn register(&self) -> Result<Register, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.register().await,
        }
    }

    /// Stores the first of everything, all or nothing.
    ///
    /// # Errors
    /// [`Error::Taken`], [`Error::Database`].
    pub async fn found(&self, register: &Register) -> Result<(), Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.found(register).await,
        }
    }

    /// Stores a project of a domain that exists.
    ///
    /// # Errors
    /// [`Error::Taken`] where its domain has one of that name.
    pub async fn add_project(&self, project: &Project) -> Result<(), Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.add_project(project).await,
        }
    }

    /// Removes a project with what users may do in it.
    ///
    /// # Errors
    /// [`Error::ProjectInUse`] where something is left in it; [`Error::Gone`].
    pub async fn delete_project(&self, id: &ProjectId) -> Result<(), Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.delete_project(id).await,
        }
    }

    /// Stores a user of a domain that exists.
    ///
    /// # Errors
    /// [`Error::Taken`] where its domain has one of that name.
    pub async fn add_user(&self, user: &User) -> Result<(), Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.add_user(user).await,
        }
    }

    /// Gives a user another password and generation.
    ///
    /// # Errors
    /// [`Error::Gone`].
    pub async fn set_password(&self, user: &UserId, password: &Secret, generation: u64) -> Result<(), Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.set_password(user, password, generation).await,
        }
    }

    /// Removes a user with its keys and grants.
    ///
    /// # Errors
    /// [`Error::Gone`].
    pub async fn delete_user(&self, id: &UserId) -> Result<(), Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.delete_user(id).await,
        }
    }

    /// Stores that a user has a role.
    ///
    /// # Errors
    /// [`Error::Taken`] where it has it already; [`Error::Gone`] where user or project are not there.
    pub async fn add_grant(&self, grant: &Grant) -> Result<(), Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.add_grant(grant).await,
        }
    }

    /// Removes a role of a user.
    ///
    /// # Errors
    /// [`Error::Gone`].
    pub async fn delete_grant(&self, grant: &Grant) -> Result<(), Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.delete_grant(grant).await,
        }
    }

    /// Stores a key of a user.
    ///
    /// # Errors
    /// [`Error::Taken`]; [`Error::Gone`] where its user is not there.
    pub async fn add_key(&self, key: &KeyRecord) -> Result<(), Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.add_key(key).await,
        }
    }

    /// Replaces a key's secret, and whether it is enabled.
    ///
    /// # Errors
    /// [`Error::Gone`].
    pub async fn update_key(&self, key: &KeyRecord) -> Result<(), Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.update_key(key).await,
        }
    }

    /// Removes a key.
    ///
    /// # Errors
    /// [`Error::Gone`].
    pub async fn delete_key(&self, access: &str) -> Result<(), Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.delete_key(access).await,
        }
    }

    /// Keeps the id of a token that must not count any more until its end, in seconds since 1970, and forgets those whose end was before `now`.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn revoke_token(&self, id: &str, expires: i64, now: i64) -> Result<(), Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.revoke_token(id, expires, now).await,
        }
    }

    /// Ids of tokens that must not count any more, with their ends.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn revoked_tokens(&self) -> Result<Vec<(String, i64)>, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.revoked_tokens().await,
        }
    }

    /// Stores a new function with its first version.
    ///
    /// # Errors
    /// [`Error::Exists`] where the name is taken in its package; [`Error::Gone`] where its project is not there; [`Error::OtherDomain`];
    /// [`Error::DependencyMissing`].
    pub async fn create_function(&self, function: &FunctionVersion) -> Result<(), Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.create_function(function).await,
        }
    }

    /// As [`Store::create_function`], with what belongs to it: all of it, or nothing.
    ///
    /// # Errors
    /// As there, and [`Error::Taken`] where two test events have one name.
    pub async fn create_function_with(&self, function: &FunctionVersion, belongings: &Belongings) -> Result<(), Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.create_function_with(function, belongings).await,
        }
    }

    /// Stores many new functions, all or nothing, and waits for the disk once. For those who fill a store.
    ///
    /// # Errors
    /// As [`Store::create_function`], for the first that cannot be stored.
    pub async fn create_functions(&self, functions: &[FunctionVersion]) -> Result<(), Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.create_functions(functions).await,
        }
    }

    /// The latest version of a function, `None` where there is no such function.
    ///
    /// # Errors
    /// [`Error::UnknownRuntime`], [`Error::BadRow`] or [`Error::Database`].
    pub async fn function(&self, key: &FunctionKey) -> Result<Option<FunctionVersion>, Error> {
        self.version(key, limits::LATEST).await
    }

    /// A version of a function by its name, `None` where there is no such version or function.
    ///
    /// # Errors
    /// As [`Store::function`].
    pub async fn version(&self, key: &FunctionKey, version: &str) -> Result<Option<FunctionVersion>, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.version(key, version).await,
        }
    }

    /// One page of the functions that match.
    ///
    /// # Errors
    /// As [`Store::function`].
    pub async fn functions(&self, query: &FunctionQuery) -> Result<FunctionPage, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.functions(query).await,
        }
    }

    /// Replaces configuration and code of `function.version` if its stored revision still is `expected_revision`;
    /// `function.revision` becomes the stored one and must be higher. The domain stays as it was. A function that
    /// was deleted and made again under its name is another one: its `func_id` differs.
    ///
    /// # Errors
    /// [`Error::Changed`] where somebody was faster, [`Error::Missing`] where the function is gone, [`Error::DependencyMissing`].
    pub async fn update_function(&self, function: &FunctionVersion, expected_revision: u64) -> Result<(), Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.update_function(function, expected_revision).await,
        }
    }

    /// One page of the versions of a function; `None` where there is no such function.
    ///
    /// # Errors
    /// As [`Store::function`].
    pub async fn versions(&self, query: &VersionQuery) -> Result<Option<VersionPage>, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.versions(query).await,
        }
    }

    /// Makes a version of what latest is at this moment, and gives it.
    ///
    /// # Errors
    /// [`Error::Missing`], or a [`Conflict`](crate::Conflict): the name is taken, nothing changed, other code, too many, over quota.
    pub async fn publish(&self, new: &Publication) -> Result<FunctionVersion, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.publish(new).await,
        }
    }

    /// Removes a published version with the alias whose main version it is, and what is reserved for both.
    ///
    /// # Errors
    /// [`Error::Missing`], or a [`Conflict`](crate::Conflict): no such version, or an alias has it as its additional one.
    pub async fn delete_version(&self, key: &FunctionKey, version: &str) -> Result<(), Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.delete_version(key, version).await,
        }
    }

    /// Every alias of a function, in the order of their creation.
    ///
    /// # Errors
    /// [`Error::BadRow`] or [`Error::Database`].
    pub async fn aliases(&self, key: &FunctionKey) -> Result<Vec<Alias>, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.aliases(key).await,
        }
    }

    /// An alias by its name, `None` where there is no such alias or function.
    ///
    /// # Errors
    /// [`Error::BadRow`] or [`Error::Database`].
    pub async fn alias(&self, key: &FunctionKey, name: &str) -> Result<Option<Alias>, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.alias(key, name).await,
        }
    }

    /// Stores a new alias of a function that has fewer than `most`.
    ///
    /// # Errors
    /// [`Error::Missing`], or a [`Conflict`](crate::Conflict): the name is taken, too many, a version is missing or another alias's.
    pub async fn add_alias(&self, key: &FunctionKey, alias: &Alias, most: u32) -> Result<(), Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.add_alias(key, alias, most).await,
        }
    }

    /// Replaces the alias of that name, and gives it as it is stored now. Its description is the one given here, whatever `alias`
    /// has; with `None` it stays, also where another change of this moment set it.
    ///
    /// # Errors
    /// [`Error::Missing`], or a [`Conflict`](crate::Conflict): no such alias, a version is missing or another alias's.
    pub async fn update_alias(
        &self,
        key: &FunctionKey,
        alias: &Alias,
        description: Option<&str>,
    ) -> Result<Alias, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.update_alias(key, alias, description).await,
        }
    }

    /// Removes an alias with what is reserved for it.
    ///
    /// # Errors
    /// [`Error::Missing`], or [`Conflict::AliasMissing`](crate::Conflict::AliasMissing).
    pub async fn delete_alias(&self, key: &FunctionKey, name: &str) -> Result<(), Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.delete_alias(key, name).await,
        }
    }

    /// Removes a function with all its versions, aliases and reservations, and gives its `func_id`; `None` where there was none.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn delete_function(&self, key: &FunctionKey) -> Result<Option<String>, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.delete_function(key).await,
        }
    }

    /// What is reserved for a version or alias.
    ///
    /// # Errors
    /// [`Error::BadRow`] or [`Error::Database`].
    pub async fn reservation(&self, key: &FunctionKey, qualifier: &Qualifier) -> Result<Option<Reservation>, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.reservation(key, qualifier).await,
        }
    }

    /// Every reservation, in the order in which their functions were created.
    ///
    /// # Errors
    /// [`Error::Database`], and [`Error::BadRow`] where not even its function can be read.
    pub async fn reservations(&self) -> Result<Reservations, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.reservations().await,
        }
    }

    /// Replaces what is reserved for a version or alias, or removes it. It goes with its function.
    ///
    /// # Errors
    /// [`Error::Missing`] where there is no such function.
    pub async fn reserve(
        &self,
        key: &FunctionKey,
        qualifier: &Qualifier,
        reservation: Option<&Reservation>,
    ) -> Result<(), Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.reserve(key, qualifier, reservation).await,
        }
    }

    /// The triggers that match.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn triggers(&self, query: &TriggerQuery) -> Result<TriggerPage, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.triggers(query).await,
        }
    }

    /// Stores a new trigger. It goes with its function.
    ///
    /// # Errors
    /// [`Error::Missing`] where there is no such function, version or alias.
    pub async fn add_trigger(&self, trigger: &Trigger) -> Result<(), Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.add_trigger(trigger).await,
        }
    }

    /// Replaces what of a trigger can change; `false` where it is gone.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn update_trigger(&self, trigger: &Trigger) -> Result<bool, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.update_trigger(trigger).await,
        }
    }

    /// Removes a trigger; `false` where there was none.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn delete_trigger(&self, id: &TriggerId) -> Result<bool, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.delete_trigger(id).await,
        }
    }

    /// Until when the times of timers have been looked at; `None` where no server did yet.
    ///
    /// # Errors
    /// [`Error::BadRow`] or [`Error::Database`].
    pub async fn timers_looked_until(&self) -> Result<Option<Timestamp>, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.timers_looked_until().await,
        }
    }

    /// Notes until when the times of timers have been looked at.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn set_timers_looked_until(&self, until: Timestamp) -> Result<(), Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.set_timers_looked_until(until).await,
        }
    }

    /// Removes the triggers of a function, or of one version or alias of it.
    ///
    /// # Errors
    /// [`Error::Missing`] where there is no such function.
    pub async fn delete_triggers(&self, key: &FunctionKey, qualifier: Option<&Qualifier>) -> Result<(), Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.delete_triggers(key, qualifier).await,
        }
    }

    /// What a project uses; nothing for a project that was never seen.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn usage(&self, project: &ProjectId) -> Result<Usage, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.usage(project).await,
        }
    }

    /// The runtimes that functions have, with their memory in MB, each pair once.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn runtimes_in_use(&self) -> Result<Vec<(Runtime, u32)>, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.runtimes_in_use().await,
        }
    }

    /// Stores one more version of a dependency: the first of its name gets version 1 and `new.dependency` as id of all; what
    /// `new.version` says is not looked at. Gives what was stored.
    ///
    /// # Errors
    /// [`Error::Gone`] where its project is not there, [`Error::OtherDomain`] or [`Error::Database`].
    pub async fn add_dependency(&self, new: &Dependency) -> Result<Dependency, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.add_dependency(new).await,
        }
    }

    /// A dependency of a project by the id of one version, or by the id of all: then the last one.
    ///
    /// # Errors
    /// [`Error::BadRow`] or [`Error::Database`].
    pub async fn dependency(&self, project: &ProjectId, id: &str) -> Result<Option<Dependency>, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.dependency(project, id).await,
        }
    }

    /// One version of a dependency of a project.
    ///
    /// # Errors
    /// [`Error::BadRow`] or [`Error::Database`].
    pub async fn dependency_version(
        &self,
        project: &ProjectId,
        dependency: &str,
        version: u32,
    ) -> Result<Option<Dependency>, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.dependency_version(project, dependency, version).await,
        }
    }

    /// One page of the dependencies that match.
    ///
    /// # Errors
    /// [`Error::BadRow`] or [`Error::Database`].
    pub async fn dependencies(&self, query: &DependencyQuery) -> Result<DependencyPage, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.dependencies(query).await,
        }
    }

    /// Removes one version of a dependency; `false` where there was none.
    ///
    /// # Errors
    /// [`Error::DependencyInUse`] where a function has it; [`Error::Database`].
    pub async fn delete_dependency(&self, project: &ProjectId, dependency: &str, version: u32) -> Result<bool, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.delete_dependency(project, dependency, version).await,
        }
    }

    /// The image of every function that is one, with the function's project; each pair once.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn images_in_use(&self) -> Result<Vec<(ProjectId, Digest)>, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.images_in_use().await,
        }
    }

    /// The folders of unpacked code that a project has: of its functions, without latest of one that is named, and of its dependencies.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn trees_in_use(
        &self,
        project: &ProjectId,
        but_latest_of: Option<&FunctionKey>,
    ) -> Result<HashSet<Tree>, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.trees_in_use(project, but_latest_of).await,
        }
    }

    /// Digests of every version's code, of what it was merged into, and of every dependency, for
    /// [`Packages::collection`](crate::Packages::collection).
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn digests_in_use(&self) -> Result<HashSet<Digest>, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.digests_in_use().await,
        }
    }
}
