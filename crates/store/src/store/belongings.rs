//! What belongs to a function beside its versions. All of it goes with the function, and a change of what belongs to a function that is
//! not there is refused with [`Error::Missing`].

use std::collections::{BTreeMap, BTreeSet};

use fungraph_model::{AsyncConfig, FunctionKey, ProjectId, Qualifier, TestEvent, TestEventChange, TracingKeys};

use super::Store;
use crate::{Error, ResourcePage, ResourceQuery};

impl Store {
    /// The test events of a function, in the order in which they were made.
    ///
    /// # Errors
    /// [`Error::BadRow`] or [`Error::Database`].
    pub async fn test_events(&self, key: &FunctionKey) -> Result<Vec<TestEvent>, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.test_events(key).await,
        }
    }

    /// One test event of a function.
    ///
    /// # Errors
    /// [`Error::BadRow`] or [`Error::Database`].
    pub async fn test_event(&self, key: &FunctionKey, id: &str) -> Result<Option<TestEvent>, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.test_event(key, id).await,
        }
    }

    /// Stores a new test event of a function that may have so many.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::Taken`] where the function has one of that name, [`Error::Missing`].
    pub async fn add_test_event(&self, key: &FunctionKey, event: &TestEvent, most: usize) -> Result<(), Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.add_test_event(key, event, most).await,
        }
    }

    /// Changes a test event and gives the name it has then; `None` where there was none of that id.
    ///
    /// # Errors
    /// [`Error::Taken`] where the function has another one of that name, [`Error::Missing`].
    pub async fn update_test_event(
        &self,
        key: &FunctionKey,
        id: &str,
        change: &TestEventChange,
    ) -> Result<Option<String>, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.update_test_event(key, id, change).await,
        }
    }

    /// Removes a test event; `false` where there was none.
    ///
    /// # Errors
    /// [`Error::Missing`] where there is no such function.
    pub async fn delete_test_event(&self, key: &FunctionKey, id: &str) -> Result<bool, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.delete_test_event(key, id).await,
        }
    }

    /// The tags of a function; none of one that is not there.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn tags(&self, key: &FunctionKey) -> Result<BTreeMap<String, String>, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.tags(key).await,
        }
    }

    /// Every key that functions of a project have, with all its values.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn project_tags(&self, project: &ProjectId) -> Result<BTreeMap<String, BTreeSet<String>>, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.project_tags(project).await,
        }
    }

    /// The enterprise projects that functions of a project were given.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn enterprise_projects(&self, project: &ProjectId) -> Result<BTreeSet<String>, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.enterprise_projects(project).await,
        }
    }

    /// Adds tags, or gives those that are there another value. Nothing is stored where there would be more than `most`.
    ///
    /// # Errors
    /// [`Error::Full`] or [`Error::Missing`].
    pub async fn put_tags(&self, key: &FunctionKey, tags: &BTreeMap<String, String>, most: usize) -> Result<(), Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.put_tags(key, tags, most).await,
        }
    }

    /// Removes tags by their keys; where a value is given, only those that have it. One that is not there is none to remove.
    ///
    /// # Errors
    /// [`Error::Missing`] where there is no such function.
    pub async fn remove_tags(&self, key: &FunctionKey, tags: &BTreeSet<(String, Option<String>)>) -> Result<(), Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.remove_tags(key, tags).await,
        }
    }

    /// One page of the functions whose tags match, in the order of their creation.
    ///
    /// # Errors
    /// [`Error::BadRow`] or [`Error::Database`].
    pub async fn resources(&self, query: &ResourceQuery) -> Result<ResourcePage, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.resources(query).await,
        }
    }

    /// The asynchronous settings of a version or alias.
    ///
    /// # Errors
    /// [`Error::BadRow`] or [`Error::Database`].
    pub async fn async_config(&self, key: &FunctionKey, qualifier: &Qualifier) -> Result<Option<AsyncConfig>, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.async_config(key, qualifier).await,
        }
    }

    /// All asynchronous settings of a function, in the order in which they were first set: pages begin at a number, so what is new comes last.
    ///
    /// # Errors
    /// [`Error::BadRow`] or [`Error::Database`].
    pub async fn async_configs(&self, key: &FunctionKey) -> Result<Vec<(Qualifier, AsyncConfig)>, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.async_configs(key).await,
        }
    }

    /// Stores asynchronous settings in place of those before, whose time of creation stays. Gives what was stored.
    ///
    /// # Errors
    /// [`Error::Missing`] where there is no such function, [`Error::Conflict`] where it has no such version or alias.
    pub async fn set_async_config(
        &self,
        key: &FunctionKey,
        qualifier: &Qualifier,
        config: &AsyncConfig,
    ) -> Result<AsyncConfig, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.set_async_config(key, qualifier, config).await,
        }
    }

    /// Removes asynchronous settings; `false` where there were none.
    ///
    /// # Errors
    /// [`Error::Missing`] where there is no such function.
    pub async fn delete_async_config(&self, key: &FunctionKey, qualifier: &Qualifier) -> Result<bool, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.delete_async_config(key, qualifier).await,
        }
    }

    /// Makes a function stand first in lists, or takes that back.
    ///
    /// # Errors
    /// [`Error::Missing`] where there is no such function.
    pub async fn pin_function(&self, key: &FunctionKey, pinned: bool) -> Result<(), Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.pin_function(key, pinned).await,
        }
    }

    /// The tracing keys of a function.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn tracing_keys(&self, key: &FunctionKey) -> Result<Option<TracingKeys>, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.tracing_keys(key).await,
        }
    }

    /// Replaces the tracing keys of a function, or removes them.
    ///
    /// # Errors
    /// [`Error::Missing`] where there is no such function.
    pub async fn set_tracing_keys(&self, key: &FunctionKey, keys: Option<&TracingKeys>) -> Result<(), Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.set_tracing_keys(key, keys).await,
        }
    }
}
