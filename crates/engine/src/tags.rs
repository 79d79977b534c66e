//! Tags of functions: labels to find them by. There is one set of them for each function, whichever operation writes it.

mod check;

use std::collections::{BTreeMap, BTreeSet};

use fungraph_model::{Caller, ErrorCode, Fault, FunctionKey, FunctionRef, limits};
use fungraph_store::{Error as StoreError, ResourceQuery};
use serde_json::Value;

pub(crate) use check::of_text;
pub use check::{ResourceFilter, TagDraft, TagValues};

use crate::{Engine, Error, functions};

/// The key under which an enterprise project shows as a system tag.
pub(crate) const ENTERPRISE_PROJECT: &str = "_sys_enterprise_project_id";

/// Tags of a function, or of a project with all their values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags<T> {
    /// What people set.
    pub own: BTreeMap<String, T>,
    /// What follows from the configuration.
    pub system: BTreeMap<String, T>,
}

/// A function found by its tags.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Which one.
    pub key: FunctionKey,
    /// Its tags.
    pub tags: Tags<String>,
}

/// What a search by tags found.
#[derive(Clone, Debug)]
pub struct ResourceList {
    /// One page.
    pub resources: Vec<Resource>,
    /// All that match.
    pub count: u64,
}

impl Engine {
    /// The tags of a function.
    ///
    /// # Errors
    /// FSS.1051 where it is missing.
    pub async fn tags(&self, caller: &Caller, function: &FunctionRef) -> Result<Tags<String>, Error> {
        let key = functions::key(caller, function)?;
        let version = self.read(&key).await?.ok_or_else(|| functions::missing(&key))?;
        let passive: Value = serde_json::from_str(&version.spec.passive).unwrap_or_default();
        let enterprise = passive["enterprise_project_id"].as_str().map(str::to_owned);
        let own = self.store.tags(&key).await.map_err(|source| Error::internal("read tags", source))?;
        Ok(Tags { own, system: system(enterprise) })
    }

    /// Every tag in a project, with all its values.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn project_tags(&self, caller: &Caller) -> Result<Tags<BTreeSet<String>>, Error> {
        let failed = |source| Error::internal("list the tags of a project", source);
        let own = self.store.project_tags(&caller.project).await.map_err(failed)?;
        let enterprise = self.store.enterprise_projects(&caller.project).await.map_err(failed)?;
        let key = || ENTERPRISE_PROJECT.to_owned();
        let system = if enterprise.is_empty() { BTreeMap::new() } else { BTreeMap::from([(key(), enterprise)]) };
        Ok(Tags { own, system })
    }

    /// Adds tags to a function, or gives those it has another value.
    ///
    /// # Errors
    /// FSS.0400 naming the tag, or where there would be too many; FSS.1051 where the function is missing.
    pub async fn put_tags(&self, caller: &Caller, function: &FunctionRef, tags: Vec<TagDraft>) -> Result<(), Error> {
        let tags = check::new_tags(tags)?;
        let key = functions::key(caller, function)?;
        let put = self.store.put_tags(&key, &tags, limits::TAGS).await;
        put.map_err(|error| match error {
            StoreError::Full { most } => too_many(most).into(),
            error => self.refused(&key, "store tags", error),
        })
    }

    /// Removes tags of a function; those it does not have are no error.
    ///
    /// # Errors
    /// FSS.0400 naming the tag; FSS.1051 where the function is missing.
    pub async fn remove_tags(&self, caller: &Caller, function: &FunctionRef, tags: Vec<TagDraft>) -> Result<(), Error> {
        let tags = check::old_tags(tags)?;
        let key = functions::key(caller, function)?;
        let removed = self.store.remove_tags(&key, &tags).await;
        removed.map_err(|error| self.refused(&key, "remove tags", error))
    }

    /// The functions whose tags match.
    ///
    /// # Errors
    /// FSS.0400 naming what is wrong with the filter.
    pub async fn resources(&self, caller: &Caller, filter: ResourceFilter) -> Result<ResourceList, Error> {
        let query = ResourceQuery { project: caller.project.clone(), ..check::query(filter)? };
        let page = self.store.resources(&query).await;
        let page = page.map_err(|source| Error::internal("search functions by their tags", source))?;
        let resource = |found: fungraph_store::TaggedFunction| Resource {
            key: found.key,
            tags: Tags { own: found.tags, system: system(found.enterprise_project) },
        };
        Ok(ResourceList { resources: page.functions.into_iter().map(resource).collect(), count: page.total })
    }
}

fn system(enterprise: Option<String>) -> BTreeMap<String, String> {
    let tag = enterprise.filter(|id| !id.is_empty()).map(|id| (ENTERPRISE_PROJECT.to_owned(), id));
    tag.into_iter().collect()
}

fn too_many(most: usize) -> Fault {
    Fault::new(
        ErrorCode::BadParameter,
        format!("A function may have {most} tags, and these would be more. Nothing was changed; remove some first"),
    )
}
