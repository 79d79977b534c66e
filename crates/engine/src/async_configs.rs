//! Settings of asynchronous calls (contract: async.md section 2). Kept and checked here; the queue follows them.

mod check;

use std::collections::BTreeMap;
use std::sync::Arc;

use fungraph_model::{AsyncConfig, Caller, Destination, ErrorCode, Fault, FunctionKey, FunctionRef, Qualifier};
use jiff::Timestamp;

pub(crate) use check::{function, is_bucket, recheck};

use crate::{Engine, Error, functions, to_end::to_end};

/// UpdateFunctionAsyncInvokeConfig. It replaces all that was set: what is left out takes its default.
#[derive(Clone, Debug, Default)]
pub struct AsyncDraft {
    /// `max_async_event_age_in_seconds`.
    pub max_age: Option<i64>,
    /// `max_async_retry_attempts`.
    pub max_retries: Option<i64>,
    /// `destination_config.on_success`.
    pub on_success: Option<DestinationDraft>,
    /// `destination_config.on_failure`.
    pub on_failure: Option<DestinationDraft>,
    /// `enable_async_status_log`.
    pub status_log: Option<bool>,
    /// `log_group_id` and its kin, by their API names.
    pub log: BTreeMap<String, String>,
}

/// One destination. Clients send one with empty fields for none.
#[derive(Clone, Debug, Default)]
pub struct DestinationDraft {
    /// `destination`.
    pub kind: Option<String>,
    /// `param`: text of a JSON object.
    pub param: Option<String>,
}

/// A page of asynchronous settings.
#[derive(Clone, Debug)]
pub struct AsyncConfigList {
    /// Whose they are.
    pub key: FunctionKey,
    /// The settings, in the order in which they were first set.
    pub configs: Vec<(Qualifier, AsyncConfig)>,
    /// Where the next page begins; 0 where there is none.
    pub next_marker: u32,
    /// Where the page before begins.
    pub previous_marker: u32,
    /// All that there are.
    pub count: usize,
}

impl Engine {
    /// The asynchronous settings of a version or alias.
    ///
    /// # Errors
    /// FSS.0404 where none are set; FSS.1051, FSS.1052 and FSS.1053.
    pub async fn async_config(
        &self,
        caller: &Caller,
        function: &FunctionRef,
    ) -> Result<(FunctionKey, AsyncConfig), Error> {
        let version = self.function(caller, function).await?;
        let found = self.store.async_config(&version.key, &function.version()).await;
        let found = found.map_err(|source| Error::internal("read asynchronous settings", source))?;
        Ok((version.key.clone(), found.ok_or_else(not_set)?))
    }

    /// Sets them.
    ///
    /// # Errors
    /// FSS.0400 naming the field; FSS.1051, FSS.1052 and FSS.1053 for the function, and for one that is a destination.
    pub async fn set_async_config(
        self: &Arc<Self>,
        caller: &Caller,
        function: &FunctionRef,
        draft: AsyncDraft,
    ) -> Result<(FunctionKey, AsyncConfig), Error> {
        let key = self.function(caller, function).await?.key.clone();
        let config = check::config(draft, Timestamp::now())?;
        for (field, destination) in [("on_success", &config.on_success), ("on_failure", &config.on_failure)] {
            if let Some(destination) = destination {
                self.check_destination(caller, &key, destination, field).await?;
            }
        }
        let (engine, qualifier) = (Arc::clone(self), function.version());
        let whole = async move {
            let stored = engine.store.set_async_config(&key, &qualifier, &config).await;
            engine.queue.settings.forget(&key);
            let stored = stored.map_err(|error| engine.refused(&key, "store asynchronous settings", error))?;
            Ok((key, stored))
        };
        // What was stored is followed, though whoever set it has left before the answer.
        to_end(whole, self.orphans.clone()).await
    }

    /// Removes them.
    ///
    /// # Errors
    /// FSS.0404 where none are set; FSS.1051, FSS.1052 and FSS.1053.
    pub async fn delete_async_config(self: &Arc<Self>, caller: &Caller, function: &FunctionRef) -> Result<(), Error> {
        let key = self.function(caller, function).await?.key.clone();
        let (engine, qualifier) = (Arc::clone(self), function.version());
        let whole = async move {
            let deleted = engine.store.delete_async_config(&key, &qualifier).await;
            engine.queue.settings.forget(&key);
            let deleted = deleted.map_err(|error| engine.refused(&key, "delete asynchronous settings", error))?;
            if deleted { Ok(()) } else { Err(not_set().into()) }
        };
        to_end(whole, self.orphans.clone()).await
    }

    /// One page of the asynchronous settings of a function's versions and aliases.
    ///
    /// # Errors
    /// FSS.1051 where the function is missing.
    pub async fn async_configs(
        &self,
        caller: &Caller,
        function: &FunctionRef,
        marker: u32,
        limit: u32,
    ) -> Result<AsyncConfigList, Error> {
        let key = self.existing(caller, function).await?;
        let all = self.store.async_configs(&key).await;
        let all = all.map_err(|source| Error::internal("list asynchronous settings", source))?;
        let count = all.len();
        let configs: Vec<_> = all.into_iter().skip(marker as usize).take(limit as usize).collect();
        let end = marker as usize + configs.len();
        // The API writes 0 where there is no next page.
        let next_marker = if end < count && !configs.is_empty() { u32::try_from(end).unwrap_or(0) } else { 0 };
        Ok(AsyncConfigList { key, configs, next_marker, previous_marker: marker.saturating_sub(limit), count })
    }

    /// There must be somebody to tell: what this server cannot deliver is refused now, not lost later.
    async fn check_destination(
        &self,
        caller: &Caller,
        key: &FunctionKey,
        destination: &Destination,
        field: &str,
    ) -> Result<(), Error> {
        if let Some(why) = self.destinations.missing(destination.kind) {
            let message = format!("destination_config.{field}: {why}");
            return Err(Fault::new(ErrorCode::BadParameter, message).into());
        }
        if let Some(bucket) = check::bucket(destination) {
            let closed = self.destinations.closed(&key.project, &bucket, self.identity.has_one_project());
            if let Some(why) = closed {
                let message = format!("destination_config.{field}.param: {why}");
                return Err(Fault::new(ErrorCode::BadParameter, message).into());
            }
        }
        match function(destination)? {
            Some(target) => self.check_target(caller, key, &target, field).await,
            None => Ok(()),
        }
    }

    /// A function that is told must be another one, and there: a mistyped name would show only when a record is lost.
    async fn check_target(
        &self,
        caller: &Caller,
        key: &FunctionKey,
        target: &FunctionRef,
        field: &str,
    ) -> Result<(), Error> {
        let about =
            |fault: Fault| Fault::new(fault.code, format!("destination_config.{field}.param: {}", fault.message));
        if functions::key(caller, target).map_err(about)? == *key {
            let why = "a function cannot be its own destination, since each record would cause the next. Name another function";
            return Err(about(Fault::new(ErrorCode::BadParameter, why)).into());
        }
        match self.function(caller, target).await {
            Ok(_) => Ok(()),
            Err(Error::Refused(fault)) => Err(about(fault).into()),
            Err(error) => Err(error),
        }
    }
}

fn not_set() -> Fault {
    Fault::new(
        ErrorCode::NotFound,
        "No asynchronous settings are set for this version or alias. UpdateFunctionAsyncInvokeConfig sets them",
    )
}
