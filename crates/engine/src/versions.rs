//! Published versions: made of latest, never changed, listed, deleted.

use std::sync::Arc;

use fungraph_model::{Caller, Digest, ErrorCode, Fault, FunctionKey, FunctionRef, FunctionVersion, Qualifier, limits};
use fungraph_store::{Conflict, Error as StoreError, Publication, Store, VersionQuery};
use jiff::Timestamp;

use crate::{Engine, Error, VersionDraft, functions, resolve::Changed, validate};

/// A page of versions.
#[derive(Clone, Debug)]
pub struct VersionList {
    /// The versions: latest, then the others in the order of their publication.
    pub versions: Vec<FunctionVersion>,
    /// Where the next page begins; 0 where there is none.
    pub next_marker: u64,
    /// All versions of the function.
    pub count: u64,
}

impl Engine {
    /// Publishes what latest is at this moment.
    ///
    /// # Errors
    /// FSS.1015 for a bad name, or a URN that names a version or alias; FSS.1062 where the name is taken; FSS.1016 where nothing
    /// changed since the last publication; FSS.0400 where latest has other code than the digest says; FSS.0403 for too many
    /// versions; FSS.1042 over quota; FSS.1051.
    pub async fn publish(
        self: &Arc<Self>,
        caller: &Caller,
        function: &FunctionRef,
        draft: VersionDraft,
    ) -> Result<FunctionVersion, Error> {
        let key = functions::latest_only(caller, function)?;
        let now = Timestamp::now();
        let given = draft.name.filter(|name| !name.is_empty()).map(validate::version_name).transpose()?;
        let mut new = Publication {
            key,
            version: given.clone().unwrap_or_else(|| generated(now, 1)),
            description: validate::description(draft.description.unwrap_or_default())?,
            digest: draft.digest.filter(|digest| !digest.is_empty()).map(Digest),
            now,
            most_versions: limits::VERSIONS,
            most_code_bytes: self.config.code_bytes_per_project,
        };
        // Another publication of the same second has the name already; there cannot be more of those than versions.
        for attempt in 2..=limits::VERSIONS + 1 {
            match self.publish_as(new.clone()).await {
                Err(StoreError::Conflict(Conflict::VersionExists { .. })) if given.is_none() => {
                    new.version = generated(now, attempt);
                }
                Err(error) => return Err(self.refused(&new.key, "publish a version", error)),
                Ok(published) => {
                    tracing::info!(function = %published.key, version = published.version, "version published");
                    return Ok(published);
                }
            }
        }
        Err(self.refused(&new.key, "publish a version", Conflict::TooManyVersions.into()))
    }

    async fn publish_as(self: &Arc<Self>, new: Publication) -> Result<FunctionVersion, StoreError> {
        // Whoever creates something in the project must know what is used there.
        let key = new.key.clone();
        let alone = self.turns.of_project(&new.key.project).await;
        // Nothing that is remembered changes; but the change goes on if the client leaves, as every other one does.
        let publish = |store: Store| async move {
            let _alone = alone;
            store.publish(&new).await
        };
        self.change(key, Changed::Aliases, publish).await
    }

    /// One page of the versions of a function; a version or alias in the URN makes no difference.
    ///
    /// # Errors
    /// FSS.1051.
    pub async fn versions(
        &self,
        caller: &Caller,
        function: &FunctionRef,
        marker: u64,
        limit: u32,
    ) -> Result<VersionList, Error> {
        let key = functions::key(caller, function)?;
        let page = self.store.versions(&VersionQuery { key: key.clone(), marker, limit }).await;
        let page = page.map_err(|source| Error::internal("list the versions of a function", source))?;
        let page = page.ok_or_else(|| functions::missing(&key))?;
        // The API writes 0 where there is no next page.
        Ok(VersionList { versions: page.versions, next_marker: page.next.unwrap_or(0), count: page.total })
    }

    /// Deletes one published version, with the alias whose main version it is.
    pub(crate) async fn delete_version(self: &Arc<Self>, key: &FunctionKey, version: String) -> Result<(), Error> {
        if version == limits::LATEST {
            return Err(Fault::new(
                ErrorCode::Forbidden,
                "The version latest cannot be deleted alone. Leave ':latest' out to delete the whole function",
            )
            .into());
        }
        let (engine, gone, name) = (Arc::clone(self), key.clone(), version.clone());
        // Of later calls nobody can say that they were not meant for another version of this name.
        let (latest, up_to) = (self.read(key).await?, self.queue.store.newest());
        // Else they would count for the next version of this name.
        self.write_counted().await;
        let deleted = self
            .change(key.clone(), Changed::Version(version.clone()), |store| async move {
                let aliases = store.aliases(&gone).await?;
                let theirs = aliases.into_iter().filter(|alias| alias.version == name);
                let theirs = theirs.map(|alias| Qualifier::Alias(alias.name));
                let qualifiers = theirs.chain([Qualifier::Version(name.clone())]).collect();
                engine.retire_counters(&gone, qualifiers, store.delete_version(&gone, &name)).await
            })
            .await;
        deleted.map_err(|error| self.refused(key, "delete a version", error))?;
        self.nudge_cleaner();
        if let Some(latest) = latest {
            self.forget_version(&latest.func_id, version.clone(), up_to);
        }
        tracing::info!(function = %key, version, "version deleted");
        Ok(())
    }

    /// Why a change of versions or aliases was not made.
    pub(crate) fn refused(&self, key: &FunctionKey, doing: &'static str, error: StoreError) -> Error {
        match error {
            StoreError::Missing { .. } => functions::missing(key).into(),
            StoreError::Conflict(conflict) => fault(key, &conflict, self.config.code_bytes_per_project).into(),
            error => Error::internal(doing, error),
        }
    }
}

/// The service's own form of a name; a number makes it another one.
fn generated(now: Timestamp, attempt: u32) -> String {
    let name = now.strftime("v%Y%m%d-%H%M%S");
    if attempt == 1 { name.to_string() } else { format!("{name}-{attempt}") }
}

pub(crate) fn missing(key: &FunctionKey, version: &str) -> Fault {
    let (name, version) = (&key.name, validate::clip(version));
    Fault::new(
        ErrorCode::VersionNotFound,
        format!("The function '{name}' has no version '{version}'. Leave the version out to mean latest"),
    )
}

pub(crate) fn missing_alias(key: &FunctionKey, alias: &str) -> Fault {
    let (name, alias) = (&key.name, validate::clip(alias));
    Fault::new(
        ErrorCode::AliasNotFound,
        format!("The function '{name}' has no alias '{alias}'. Leave the alias out to mean latest"),
    )
}

fn fault(key: &FunctionKey, conflict: &Conflict, code_bytes: u64) -> Fault {
    let (code, message) = match conflict {
        Conflict::VersionMissing { version } => return missing(key, version),
        Conflict::AliasMissing => (ErrorCode::AliasNotFound, "The function has no such alias".to_owned()),
        Conflict::VersionExists { version } => (
            ErrorCode::VersionExists,
            format!("The function has a version '{version}' already. Choose another name, or leave it out to get one"),
        ),
        Conflict::Unchanged { version } => (
            ErrorCode::NothingChanged,
            format!("Code and configuration are those of the version '{version}'. Change latest, or use that version"),
        ),
        Conflict::OtherCode => (
            ErrorCode::BadParameter,
            "The field 'digest' is not the digest of latest's code: it was changed meanwhile. \
             Read the code again, or leave the field out"
                .to_owned(),
        ),
        Conflict::TooManyVersions => (
            ErrorCode::Forbidden,
            format!("The function has {} versions, latest among them: its most. Delete one", limits::VERSIONS),
        ),
        Conflict::CodeQuota => (
            ErrorCode::CodeQuota,
            format!(
                "The project's code would be over its quota of {} MB: the code of each version counts. \
                 Delete versions or functions, or raise limits.code_mb_per_project",
                code_bytes >> 20
            ),
        ),
        Conflict::VersionInUse { alias } => (
            ErrorCode::VersionInUse,
            format!("The alias '{alias}' sends calls to the version. Take it out of the alias first"),
        ),
        Conflict::AliasHasTriggers => (
            ErrorCode::AliasHasTriggers,
            "Triggers call the alias. Delete its triggers first, or those of the function".to_owned(),
        ),
        Conflict::AliasExists => (
            ErrorCode::AliasExists,
            "The function has an alias of this name already. Update it, or choose another name".to_owned(),
        ),
        Conflict::VersionHasAlias { alias } => (
            ErrorCode::VersionHasAlias,
            format!("The version belongs to the alias '{alias}' already. Use that alias, or point it elsewhere first"),
        ),
        Conflict::AdditionalVersionMissing => (
            ErrorCode::BadAdditionalVersion,
            "The function has no version of the additional version's name. Publish it first".to_owned(),
        ),
        Conflict::ReservedTwice { other } => (
            ErrorCode::BadParameter,
            format!(
                "Instances are reserved for '{other}', which is the same version. Reserve them for the version or for \
                 its alias, not for both: set count 0 for one of them first"
            ),
        ),
        Conflict::TooManyAliases => {
            (ErrorCode::TooManyAliases, format!("The function has {} aliases, its most. Delete one", limits::ALIASES))
        }
    };
    Fault::new(code, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_names_are_names() {
        let now: Timestamp = "2026-01-02T03:04:05.678Z".parse().expect("a time");
        assert_eq!(generated(now, 1), "v20260102-030405");
        for attempt in 1..=limits::VERSIONS + 1 {
            assert!(validate::version_name(generated(now, attempt)).is_ok());
        }
    }
}
