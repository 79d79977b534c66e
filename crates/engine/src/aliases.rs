//! Aliases: created, changed, read, deleted. What a call makes of one is in `fungraph_model::Alias`.

mod check;

use std::sync::Arc;

use fungraph_model::{Alias, Caller, FunctionKey, FunctionRef, Qualifier, limits};
use fungraph_store::Store;
use jiff::Timestamp;

use crate::{AliasDraft, Engine, Error, functions, resolve::Changed, validate, versions};

impl Engine {
    /// Creates an alias; a version or alias in the URN makes no difference.
    ///
    /// # Errors
    /// FSS.1014, FSS.1019, FSS.1091 to FSS.1093 and FSS.0400 for its fields; FSS.1063 where the name is taken, FSS.1066 where its
    /// version has another alias; FSS.1043 for too many; FSS.1051 and FSS.1052.
    pub async fn create_alias(
        self: &Arc<Self>,
        caller: &Caller,
        function: &FunctionRef,
        name: Option<String>,
        draft: AliasDraft,
    ) -> Result<(FunctionKey, Alias), Error> {
        let key = functions::key(caller, function)?;
        let alias = check::alias(validate::alias_name(name)?, draft, Timestamp::now())?;
        let (new, of) = (alias.clone(), key.clone());
        let create = |store: Store| async move { store.add_alias(&of, &new, limits::ALIASES).await };
        let created = self.change(key.clone(), Changed::Aliases, create).await;
        created.map_err(|error| self.refused(&key, "store an alias", error))?;
        tracing::info!(function = %key, alias = alias.name, version = alias.version, "alias created");
        Ok((key, alias))
    }

    /// Replaces an alias's version, description and split: what the draft leaves out is none, but for the description.
    ///
    /// # Errors
    /// As [`Self::create_alias`]; FSS.1053 where there is no such alias.
    pub async fn update_alias(
        self: &Arc<Self>,
        caller: &Caller,
        function: &FunctionRef,
        name: &str,
        draft: AliasDraft,
    ) -> Result<(FunctionKey, Alias), Error> {
        let key = functions::key(caller, function)?;
        // A missing alias is told before a field that is wrong. What of it stays, the store knows: others may change it meanwhile.
        let name = self.stored_alias(&key, name).await?.name;
        let keeps_description = draft.description.is_none();
        let new = check::alias(name, draft, Timestamp::now())?;
        let of = key.clone();
        let update = |store: Store| async move {
            let description = (!keeps_description).then_some(new.description.as_str());
            store.update_alias(&of, &new, description).await
        };
        let updated = self.change(key.clone(), Changed::Aliases, update).await;
        let alias = updated.map_err(|error| self.refused(&key, "change an alias", error))?;
        tracing::info!(function = %key, alias = alias.name, version = alias.version, "alias changed");
        Ok((key, alias))
    }

    /// Deletes an alias; its versions stay.
    ///
    /// # Errors
    /// FSS.1053 where there is no such alias, FSS.1051.
    pub async fn delete_alias(
        self: &Arc<Self>,
        caller: &Caller,
        function: &FunctionRef,
        name: &str,
    ) -> Result<(), Error> {
        let key = functions::key(caller, function)?;
        let (of, gone) = (key.clone(), name.to_owned());
        let engine = Arc::clone(self);
        let delete = |store: Store| async move {
            let qualifiers = vec![Qualifier::Alias(gone.clone())];
            engine.retire_counters(&of, qualifiers, store.delete_alias(&of, &gone)).await
        };
        let deleted = self.change(key.clone(), Changed::Aliases, delete).await;
        deleted.map_err(|error| self.refused(&key, "delete an alias", error))?;
        tracing::info!(function = %key, alias = name, "alias deleted");
        Ok(())
    }

    /// One alias.
    ///
    /// # Errors
    /// FSS.1053 where there is no such alias, FSS.1051.
    pub async fn alias(
        &self,
        caller: &Caller,
        function: &FunctionRef,
        name: &str,
    ) -> Result<(FunctionKey, Alias), Error> {
        let key = functions::key(caller, function)?;
        let alias = self.stored_alias(&key, name).await?;
        Ok((key, alias))
    }

    /// All aliases of a function, in the order of their creation.
    ///
    /// # Errors
    /// FSS.1051.
    pub async fn aliases(&self, caller: &Caller, function: &FunctionRef) -> Result<(FunctionKey, Vec<Alias>), Error> {
        let key = functions::key(caller, function)?;
        self.read(&key).await?.ok_or_else(|| functions::missing(&key))?;
        let all = self.store.aliases(&key).await.map_err(|source| Error::internal("list aliases", source))?;
        Ok((key, all))
    }

    /// An alias that a management path names.
    pub(crate) async fn stored_alias(&self, key: &FunctionKey, name: &str) -> Result<Alias, Error> {
        if let Some(alias) = self.read_alias(key, name).await? {
            return Ok(alias);
        }
        self.read(key).await?.ok_or_else(|| functions::missing(key))?;
        Err(versions::missing_alias(key, name).into())
    }

    pub(crate) async fn read_alias(&self, key: &FunctionKey, name: &str) -> Result<Option<Alias>, Error> {
        self.store.alias(key, name).await.map_err(|source| Error::internal("read an alias", source))
    }
}
