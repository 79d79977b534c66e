//! Which version a call gets: from memory where it is known, from the store once after each change.

use std::{fmt, sync::Arc};

use fungraph_model::{Alias, FunctionKey, Qualifier, RequestId, limits};

use crate::{Engine, Error, resolve::Resolved};

/// How often an alias is looked at again whose version was deleted at this very moment.
const TRIES: usize = 3;

/// What the caller's request says beside its event. Only rules of aliases look at it.
pub trait RequestHeaders: fmt::Debug + Sync {
    /// Hands each value of a header, whose name may be in any case, to `see`.
    fn each(&self, name: &str, see: &mut dyn FnMut(&[u8]));
}

/// A call that came by another way than HTTP.
#[derive(Clone, Copy, Debug)]
pub struct NoHeaders;

impl RequestHeaders for NoHeaders {
    fn each(&self, _name: &str, _see: &mut dyn FnMut(&[u8])) {}
}

/// The version of one call, and the alias that it was asked for by.
pub(crate) struct Called {
    pub(crate) resolved: Arc<Resolved>,
    pub(crate) alias: Option<Arc<Alias>>,
}

impl Engine {
    /// Resolves what a call names; `None` where there is no such function, version or alias.
    pub(crate) async fn called(
        &self,
        key: &FunctionKey,
        qualifier: Option<&Qualifier>,
        request: RequestId,
        headers: &dyn RequestHeaders,
    ) -> Result<Option<Called>, Error> {
        let version = match qualifier {
            None | Some(Qualifier::Latest) => limits::LATEST,
            Some(Qualifier::Version(name)) => name,
            // In a box: most calls name no alias, and need not have room for it.
            Some(Qualifier::Alias(name)) => return Box::pin(self.called_by_alias(key, name, request, headers)).await,
        };
        let resolved = self.resolve(key, version).await?;
        Ok(resolved.map(|resolved| Called { resolved, alias: None }))
    }

    /// The same of a call that names no alias; `None` where the version is not in memory.
    pub(crate) fn called_by_version(&self, key: &FunctionKey, qualifier: Option<&Qualifier>) -> Option<Called> {
        let version = match qualifier {
            None | Some(Qualifier::Latest) => limits::LATEST,
            Some(Qualifier::Version(name)) => name,
            Some(Qualifier::Alias(_)) => return None,
        };
        let resolved = self.resolver.get(key, version).ok()??;
        Some(Called { resolved, alias: None })
    }

    async fn called_by_alias(
        &self,
        key: &FunctionKey,
        name: &str,
        request: RequestId,
        headers: &dyn RequestHeaders,
    ) -> Result<Option<Called>, Error> {
        for _ in 0..TRIES {
            let Some(alias) = self.resolve_alias(key, name).await? else { return Ok(None) };
            let version = alias.pick(request, |header, see| headers.each(header, see));
            let resolved = self.resolve(key, version).await.map_err(|error| error.of_alias(name))?;
            if let Some(resolved) = resolved {
                return Ok(Some(Called { resolved, alias: Some(alias) }));
            }
        }
        Ok(None)
    }

    /// A version of a function with its instances.
    pub(crate) async fn resolve(&self, key: &FunctionKey, version: &str) -> Result<Option<Arc<Resolved>>, Error> {
        loop {
            let epoch = match self.resolver.get(key, version) {
                Ok(known) => return Ok(known),
                Err(epoch) => epoch,
            };
            let Some(version) = self.read_version(key, version).await? else {
                self.resolver.lacks(epoch, key, version);
                return Ok(None);
            };
            let version = Arc::new(version);
            let group = self.pool.group(self.plan(&version)?);
            let counter = self.statistics.of_version(&version);
            if let Some(resolved) = self.resolver.insert(epoch, Resolved::new(version, group, counter)) {
                return Ok(Some(resolved));
            }
        }
    }

    /// An alias of a function.
    pub(crate) async fn resolve_alias(&self, key: &FunctionKey, name: &str) -> Result<Option<Arc<Alias>>, Error> {
        loop {
            let epoch = match self.resolver.alias(key, name) {
                Ok(known) => return Ok(known),
                Err(epoch) => epoch,
            };
            let Some(alias) = self.read_alias(key, name).await? else {
                self.resolver.lacks_alias(epoch, key, name);
                return Ok(None);
            };
            if let Some(alias) = self.resolver.insert_alias(epoch, key, Arc::new(alias)) {
                return Ok(Some(alias));
            }
        }
    }

    /// The version that instances of a qualifier belong to; of an alias, its main version.
    pub(crate) async fn resolve_main(
        &self,
        key: &FunctionKey,
        qualifier: &Qualifier,
    ) -> Result<Option<Arc<Resolved>>, Error> {
        match qualifier {
            Qualifier::Latest => self.resolve(key, limits::LATEST).await,
            Qualifier::Version(name) => self.resolve(key, name).await,
            Qualifier::Alias(name) => match self.resolve_alias(key, name).await? {
                Some(alias) => self.resolve(key, &alias.version).await,
                None => Ok(None),
            },
        }
    }
}
