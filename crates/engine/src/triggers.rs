//! Triggers: what is set, what is live, and what a request may do with them.

mod agenda;
mod board;
mod check;
mod fields;
mod gateway;
mod kinds;
mod obs;
mod operations;
mod schedule;
pub(crate) mod timers;

use std::sync::Arc;

use fungraph_model::{
    Caller, ErrorCode, Fault, FunctionKey, FunctionRef, FunctionSpec, FunctionVersion, Qualifier, RequestId, Trigger,
    TriggerId, TriggerKind, limits,
};
use fungraph_store::{Error as StoreError, TriggerPage, TriggerQuery, TriggersOf, logs::LogEntry};
use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Map, Value};
use uuid::Uuid;

pub(crate) use board::Board;
pub use gateway::{GatewayApi, GatewayAuth, GatewayRoute, api_id};

use crate::{
    Engine, Error, TriggerChange, TriggerDraft, functions,
    resolve::Changed,
    run_log::BareLog,
    to_end::to_end,
    turns::{Scope, Turn},
};

/// Which of a project's triggers to list.
#[derive(Clone, Debug, Default)]
pub struct TriggerFilter {
    /// Only of this type.
    pub kind: Option<String>,
    /// The `next` of the page before; 0 at the start.
    pub marker: u64,
    /// How many to give, 1 to 500.
    pub limit: u32,
}

/// A page of a project's triggers, in order of creation.
#[derive(Clone, Debug)]
pub struct TriggerList {
    /// The triggers.
    pub triggers: Vec<Trigger>,
    /// Where the next page begins, also where there is none: a client that asks gets an empty one.
    pub next_marker: u64,
    /// All that match.
    pub count: u64,
}

impl Engine {
    /// Creates a trigger of a version or alias.
    ///
    /// # Errors
    /// The code of the field that is wrong; FSS.1101 for its type; 409 with the type's code where there is such a trigger already;
    /// FSS.1306 and FSS.1123 for too many; FSS.0426 for an http function; FSS.1051, FSS.1052 and FSS.1053.
    pub async fn create_trigger(
        self: &Arc<Self>,
        caller: &Caller,
        function: &FunctionRef,
        draft: TriggerDraft,
    ) -> Result<Trigger, Error> {
        let kind = check::kind(draft.kind.as_deref())?;
        let enabled = check::enabled(kind, draft.status.as_deref())?;
        let version = self.function(caller, function).await?;
        let of = (kind, enabled, function.version());
        let new = self.drafted(caller, &version.key, &version.spec, of, &draft.data.unwrap_or_default())?;
        let (engine, caller, trigger) = (Arc::clone(self), caller.clone(), new.clone());
        let whole = async move {
            // Nobody else creates one between the look at the others and what counts against them.
            let _alone = engine.turns.of_project(&caller.project).await;
            let _alone_there = engine.wider_turns(std::slice::from_ref(&trigger)).await;
            engine.check_others(&caller, &trigger, &[]).await?;
            match engine.store.add_trigger(&trigger).await {
                Ok(()) => {}
                Err(StoreError::Missing { .. }) => return Err(functions::missing(&trigger.key).into()),
                Err(source) => return Err(Error::internal("store a trigger", source)),
            }
            engine.look_at_triggers(&trigger.key).await;
            tracing::info!(function = %trigger.key, trigger = %trigger.id, kind = trigger.kind.code(), "trigger created");
            engine.tell_unconnected(&version, &trigger);
            Ok(())
        };
        to_end(whole, self.orphans.clone()).await?;
        Ok(new)
    }

    fn drafted(
        &self,
        caller: &Caller,
        key: &FunctionKey,
        spec: &FunctionSpec,
        (kind, enabled, qualifier): (TriggerKind, Option<bool>, Qualifier),
        data: &Map<String, Value>,
    ) -> Result<Trigger, Fault> {
        check::runtime(kind, spec.runtime, &spec.handler)?;
        let checked = check::data(kind, data, &self.config.time_zone)?;
        let now = Timestamp::now();
        Ok(Trigger {
            id: TriggerId(Uuid::new_v4().to_string()),
            key: key.clone(),
            domain: caller.domain.clone(),
            qualifier,
            kind,
            enabled: enabled.unwrap_or(!kind.starts_disabled()),
            data: Value::Object(checked.data).to_string(),
            secrets: checked.secrets,
            created: now,
            updated: now,
            counts_from: now,
        })
    }

    /// Triggers that a function is created with, for latest; whether they can be beside others is asked later.
    ///
    /// # Errors
    /// As [`Self::create_trigger`], naming the trigger by its place.
    pub(crate) fn drafted_triggers(
        &self,
        caller: &Caller,
        key: &FunctionKey,
        spec: &FunctionSpec,
        drafts: Vec<TriggerDraft>,
    ) -> Result<Vec<Trigger>, Fault> {
        let one = |draft: TriggerDraft| {
            let kind = check::kind(draft.kind.as_deref())?;
            let enabled = check::enabled(kind, draft.status.as_deref())?;
            self.drafted(caller, key, spec, (kind, enabled, Qualifier::Latest), &draft.data.unwrap_or_default())
        };
        let named = |(index, draft)| one(draft).map_err(|fault| of_place(index, &fault));
        drafts.into_iter().enumerate().map(named).collect()
    }

    /// Whether triggers of a function that is not there yet can be, beside all others and beside one another. The caller has its
    /// turns.
    pub(crate) async fn check_together(&self, caller: &Caller, new: &[Trigger]) -> Result<(), Error> {
        for (index, trigger) in new.iter().enumerate() {
            self.check_others(caller, trigger, &new[..index]).await.map_err(|error| match error {
                Error::Refused(fault) => of_place(index, &fault).into(),
                error => error,
            })?;
        }
        Ok(())
    }

    /// The triggers of a function, or of the version or alias that is named.
    ///
    /// # Errors
    /// FSS.1051, FSS.1052 and FSS.1053 where it is missing.
    pub async fn triggers(&self, caller: &Caller, function: &FunctionRef) -> Result<Vec<Trigger>, Error> {
        let version = self.function(caller, function).await?;
        let mut triggers = self.stored_triggers(&version.key).await?;
        if let Some(qualifier) = &function.qualifier {
            triggers.retain(|trigger| trigger.qualifier == *qualifier);
        }
        Ok(triggers)
    }

    /// One page of the triggers of a project.
    ///
    /// # Errors
    /// FSS.1137 for a type that does not exist.
    pub async fn project_triggers(&self, caller: &Caller, filter: TriggerFilter) -> Result<TriggerList, Error> {
        let kind = filter.kind.as_deref().map(type_of).transpose()?;
        let of = TriggersOf::Project(caller.project.clone());
        let query = TriggerQuery { of, kind, after: filter.marker, limit: Some(filter.limit) };
        let page = self.store.triggers(&query).await;
        let page = page.map_err(|source| Error::internal("list triggers", source))?;
        let next_marker = page.last.unwrap_or(filter.marker);
        Ok(TriggerList { triggers: page.triggers, next_marker, count: page.total })
    }

    /// One trigger.
    ///
    /// # Errors
    /// FSS.1131 where it is missing, FSS.1137 where its type does not exist; FSS.1051, FSS.1052 and FSS.1053.
    pub async fn trigger(
        &self,
        caller: &Caller,
        function: &FunctionRef,
        kind: &str,
        id: &str,
    ) -> Result<Trigger, Error> {
        let kind = type_of(kind)?;
        let triggers = self.triggers(caller, function).await?;
        let found = triggers.into_iter().find(|trigger| trigger.kind == kind && trigger.id.0.eq_ignore_ascii_case(id));
        found.ok_or_else(|| missing(ErrorCode::TriggerNotFound, kind, id).into())
    }

    /// Enables or disables a trigger, or changes its event data; what the change leaves out stays.
    ///
    /// # Errors
    /// As [`Self::create_trigger`], and FSS.0404 where it is missing.
    pub async fn update_trigger(
        self: &Arc<Self>,
        caller: &Caller,
        function: &FunctionRef,
        (kind, id): (&str, &str),
        change: TriggerChange,
    ) -> Result<Trigger, Error> {
        let (kind, id) = (type_of(kind)?, id.to_owned());
        let enabled = check::enabled(kind, change.status.as_deref())?;
        let (engine, caller, function) = (Arc::clone(self), caller.clone(), function.clone());
        let whole = async move {
            // What is changed is what is stored: two changes at once are one after the other.
            let _alone = engine.turns.of_project(&caller.project).await;
            let old = engine.trigger(&caller, &function, kind.code(), &id).await;
            let old = old.map_err(|error| not_found_of_updates(error, kind, &id))?;
            let new = changed(&old, enabled, &change.data, &engine.config.time_zone)?;
            let _alone_there = engine.wider_turns(std::slice::from_ref(&new)).await;
            if new.data != old.data {
                engine.check_others(&caller, &new, &[]).await?;
            }
            let stored = engine.store.update_trigger(&new).await;
            if !stored.map_err(|source| Error::internal("store a trigger", source))? {
                return Err(missing(ErrorCode::NotFound, kind, &id).into());
            }
            engine.look_at_triggers(&new.key).await;
            tracing::info!(function = %new.key, trigger = %new.id, "trigger changed");
            Ok(new)
        };
        to_end(whole, self.orphans.clone()).await
    }

    /// Deletes one trigger.
    ///
    /// # Errors
    /// As [`Self::trigger`].
    pub async fn delete_trigger(
        self: &Arc<Self>,
        caller: &Caller,
        function: &FunctionRef,
        kind: &str,
        id: &str,
    ) -> Result<(), Error> {
        let trigger = self.trigger(caller, function, kind, id).await?;
        let engine = Arc::clone(self);
        let whole = async move {
            let deleted = engine.store.delete_trigger(&trigger.id).await;
            let deleted = deleted.map_err(|source| Error::internal("delete a trigger", source))?;
            engine.look_at_triggers(&trigger.key).await;
            if !deleted {
                return Err(missing(ErrorCode::TriggerNotFound, trigger.kind, &trigger.id.0).into());
            }
            tracing::info!(function = %trigger.key, trigger = %trigger.id, "trigger deleted");
            Ok(())
        };
        to_end(whole, self.orphans.clone()).await
    }

    /// Deletes all triggers of a function, or of the version or alias that is named.
    ///
    /// # Errors
    /// FSS.1051, FSS.1052 and FSS.1053 where it is missing.
    pub async fn delete_triggers(self: &Arc<Self>, caller: &Caller, function: &FunctionRef) -> Result<(), Error> {
        let key = self.function(caller, function).await?.key.clone();
        let (engine, qualifier) = (Arc::clone(self), function.qualifier.clone());
        let whole = async move {
            let deleted = engine.store.delete_triggers(&key, qualifier.as_ref()).await;
            engine.look_at_triggers(&key).await;
            match deleted {
                Ok(()) => {
                    tracing::info!(function = %key, "triggers deleted");
                    Ok(())
                }
                Err(StoreError::Missing { .. }) => Err(functions::missing(&key).into()),
                Err(source) => Err(Error::internal("delete the triggers of a function", source)),
            }
        };
        to_end(whole, self.orphans.clone()).await
    }

    /// Where a request of a gateway goes: `group` is an API group, or the id of one trigger or API; `path` is as sent, without its
    /// query. From memory.
    #[must_use]
    pub fn gateway_route(&self, group: &str, path: &str, method: &str) -> Option<GatewayRoute> {
        self.board.route(group, path, method)
    }

    /// What `event_data` of an answer holds, but for what depends on where the client is; secrets are masked.
    #[must_use]
    pub fn shown_trigger_data(&self, trigger: &Trigger) -> Map<String, Value> {
        let mut data = check::shown(&trigger.data);
        data.extend(trigger.secrets.keys().map(|name| (name.clone(), Value::from(fields::MASK))));
        if trigger.kind.is_gateway() {
            let urn = trigger.key.urn(self.region(), &trigger.qualifier.to_string());
            gateway::complete(trigger, &urn, &mut data);
        }
        if trigger.kind == TriggerKind::Obs && !data.contains_key("name") {
            data.insert("name".to_owned(), Value::from(trigger.id.0.as_str()));
        }
        data
    }

    /// When a timer fires next; `None` where it is disabled, or no timer.
    #[must_use]
    pub fn next_firing(&self, trigger: &Trigger) -> Option<Timestamp> {
        let fires = trigger.kind == TriggerKind::Timer && trigger.is_active();
        fires.then(|| schedule::next_of(trigger, Timestamp::now(), &self.config.time_zone)).flatten()
    }

    /// Timers fire no more, and the queue gives no call out. Those that run end like all others.
    pub fn stop_triggers(&self) {
        self.jobs.stop_triggers();
        self.queue.stop();
    }

    /// Puts all that is stored on the board.
    pub(crate) async fn read_triggers(&self) -> Result<(), StoreError> {
        let _alone = self.board.reading.lock().await;
        let query = TriggerQuery { of: TriggersOf::All, kind: None, after: 0, limit: None };
        let TriggerPage { triggers, unreadable, .. } = self.store.triggers(&query).await?;
        for (id, why) in &unreadable {
            tracing::warn!(trigger = %id, cause = crate::error::chain(why), "a trigger is left out; delete all triggers of its function, and set them anew");
        }
        self.board.replace_all(triggers);
        self.board.set_stale(false);
        Ok(())
    }

    /// A function has changed. Its triggers come and go with a version, and with the whole; nothing else that happens to it changes them.
    pub(crate) async fn triggers_may_have_changed(&self, key: &FunctionKey, changed: &Changed) {
        if !matches!(changed, Changed::Latest | Changed::Aliases) {
            self.look_at_triggers(key).await;
        }
    }

    /// What is stored of a function's triggers has changed.
    pub(crate) async fn look_at_triggers(&self, key: &FunctionKey) {
        let _alone = self.board.reading.lock().await;
        match self.stored_triggers(key).await {
            Ok(triggers) => self.board.replace(key, triggers),
            Err(error) => {
                let cause = crate::error::chain(&error);
                tracing::warn!(cause, function = %key, "a change of its triggers takes effect later");
                self.board.set_stale(true);
                self.board.nudge.notify_one();
            }
        }
    }

    pub(crate) async fn stored_triggers(&self, key: &FunctionKey) -> Result<Vec<Trigger>, Error> {
        let query = TriggerQuery { of: TriggersOf::Function(key.clone()), kind: None, after: 0, limit: None };
        let page = self.store.triggers(&query).await;
        Ok(page.map_err(|source| Error::internal("read the triggers of a function", source))?.triggers)
    }

    /// The turns where what triggers are compared with is more than their project's.
    pub(crate) async fn wider_turns(&self, triggers: &[Trigger]) -> Vec<Turn> {
        let scope = |trigger: &Trigger| match trigger.kind {
            kind if kind.is_pulled() => Some(Scope::Account(trigger.domain.clone())),
            kind if kind.is_gateway() => Some(Scope::ApiGroup(GatewayApi::of(trigger)?.group)),
            _ => None,
        };
        self.turns.of_all(triggers.iter().filter_map(scope).collect()).await
    }

    /// Whether a trigger can be there beside all others, and beside those that come with it. The caller has its turns.
    async fn check_others(&self, caller: &Caller, new: &Trigger, with: &[Trigger]) -> Result<(), Error> {
        let data = check::shown(&new.data);
        let mut of_version = self.stored_triggers(&new.key).await?;
        of_version.extend_from_slice(with);
        let others = of_version.iter().filter(|other| other.qualifier == new.qualifier && other.id != new.id);
        if others.clone().count() >= limits::TRIGGERS {
            return Err(too_many().into());
        }
        let mut same = others.filter(|other| other.kind == new.kind);
        if let Some(fault) = same.find_map(|other| check::same(new.kind, &data, &check::shown(&other.data))) {
            return Err(fault.into());
        }
        if new.kind.is_gateway() {
            self.check_gateway(caller, new, with)?;
        }
        if new.kind.is_pulled() {
            self.check_pulled(new, with).await?;
        }
        if new.kind == TriggerKind::Obs {
            self.check_obs(new, &data, with).await?;
        }
        Ok(())
    }

    fn check_gateway(&self, caller: &Caller, new: &Trigger, with: &[Trigger]) -> Result<(), Fault> {
        let Some(api) = GatewayApi::of(new) else { return Ok(()) };
        if self.board.is_of_others(&api.group, caller) {
            let message = format!("The API group '{}' belongs to another project. Choose another group_id", api.group);
            return Err(Fault::new(ErrorCode::BadApig, message));
        }
        let beside = with.iter().filter_map(GatewayApi::of).find(|other| other.is_in_place_of(&api));
        let beside = beside.map(|other| other.trigger);
        let known = || self.board.look(|routes| routes.same(&api).map(|other| other.trigger.clone()));
        if let Some(other) = beside.or_else(known) {
            let message = format!(
                "The trigger {other} of the API group '{}' has the same path and method. Choose others, or another group_id",
                api.group
            );
            return Err(Fault::new(ErrorCode::RequestPathTaken, message));
        }
        Ok(())
    }

    async fn check_pulled(&self, new: &Trigger, with: &[Trigger]) -> Result<(), Error> {
        let most = limits::PULL_TRIGGERS;
        let mut others = with.iter().filter(|other| other.kind.is_pulled()).count();
        for kind in TriggerKind::ALL.into_iter().filter(|kind| kind.is_pulled()) {
            let of = TriggersOf::Domain(new.domain.clone());
            let query = TriggerQuery { of, kind: Some(kind), after: 0, limit: None };
            let page = self.store.triggers(&query).await;
            let page = page.map_err(|source| Error::internal("count the triggers of an account", source))?;
            others += page.triggers.iter().filter(|other| other.id != new.id).count();
        }
        if others >= most {
            let message = format!(
                "The account has {most} triggers whose source is asked for events, its most. Delete one of them (DDS, DIS, DMS, \
                 Kafka, RabbitMQ, RocketMQ)"
            );
            return Err(Fault::new(ErrorCode::TooManyPullTriggers, message).into());
        }
        Ok(())
    }

    async fn check_obs(&self, new: &Trigger, data: &Map<String, Value>, with: &[Trigger]) -> Result<(), Error> {
        let of = TriggersOf::Project(new.key.project.clone());
        let query = TriggerQuery { of, kind: Some(TriggerKind::Obs), after: 0, limit: None };
        let all = self.store.triggers(&query).await;
        let all = all.map_err(|source| Error::internal("read the triggers of a project", source))?;
        let overlaps = |other: &&Trigger| {
            other.kind == TriggerKind::Obs && other.id != new.id && obs::overlap(data, &check::shown(&other.data))
        };
        if let Some(other) = all.triggers.iter().chain(with).find(overlaps) {
            let message = format!(
                "The OBS trigger {} of the function '{}' would be called for the same objects. Change events, prefix or suffix",
                other.id, other.key.name
            );
            return Err(Fault::new(ErrorCode::ObsOverlap, message).into());
        }
        Ok(())
    }

    /// Says in the function's log that nothing will call it, since nothing fails by itself.
    pub(crate) fn tell_unconnected(&self, version: &Arc<FunctionVersion>, trigger: &Trigger) {
        let Some(note) = unconnected(trigger.kind) else { return };
        let started = Timestamp::now();
        let second = Timestamp::new(started.as_second(), 0).unwrap_or(started);
        let text = format!("{second} Create trigger {}: {note}\n", trigger.id);
        let (function, request) = (Arc::clone(version), RequestId::random());
        self.logs.append(LogEntry { function, request, started, call: None, text: Box::new(BareLog(text.into())) });
    }
}

/// What there is to say of a kind whose source is not connected to this server.
#[must_use]
pub fn unconnected(kind: TriggerKind) -> Option<String> {
    (!kind.is_connected()).then(|| {
        format!(
            "{} is not connected to this server: the trigger is stored, and nothing calls the function for it",
            kind.code()
        )
    })
}

/// Stored event data, without what is secret.
pub(crate) fn stored_data(trigger: &Trigger) -> Map<String, Value> {
    check::shown(&trigger.data)
}

fn of_place(index: usize, fault: &Fault) -> Fault {
    Fault::new(fault.code, format!("triggers[{index}]: {}", fault.message))
}

/// The trigger after a change.
fn changed(
    old: &Trigger,
    enabled: Option<bool>,
    data: &[Map<String, Value>],
    zone: &TimeZone,
) -> Result<Trigger, Fault> {
    let now = Timestamp::now();
    let checked = check::changed(old, data, zone)?;
    let enabled = enabled.unwrap_or(old.enabled);
    let before = check::shown(&old.data);
    let same_schedule = ["schedule_type", "schedule"].iter().all(|name| before.get(*name) == checked.data.get(*name));
    let goes_on = same_schedule && (old.enabled || !enabled);
    Ok(Trigger {
        enabled,
        data: Value::Object(checked.data).to_string(),
        secrets: checked.secrets,
        updated: now,
        counts_from: if goes_on { old.counts_from } else { now },
        ..old.clone()
    })
}

/// The type that a path or query names.
fn type_of(code: &str) -> Result<TriggerKind, Fault> {
    TriggerKind::parse(code).ok_or_else(|| {
        let code: String = code.chars().take(40).collect();
        let known = TriggerKind::ALL.map(TriggerKind::code).join(", ");
        Fault::new(ErrorCode::TriggerTypeNotFound, format!("The trigger type '{code}' does not exist. Known: {known}"))
    })
}

fn missing(code: ErrorCode, kind: TriggerKind, id: &str) -> Fault {
    let id: String = id.chars().take(64).collect();
    Fault::new(
        code,
        format!("The function has no {} trigger '{id}' here. List its triggers to find its type and id", kind.code()),
    )
}

/// The contract has another code for updates than for all else.
fn not_found_of_updates(error: Error, kind: TriggerKind, id: &str) -> Error {
    match error {
        Error::Refused(fault) if fault.code == ErrorCode::TriggerNotFound => {
            missing(ErrorCode::NotFound, kind, id).into()
        }
        error => error,
    }
}

fn too_many() -> Fault {
    let most = limits::TRIGGERS;
    Fault::new(
        ErrorCode::TooManyTriggers,
        format!("The version has {most} triggers, its most. Delete one, or create the trigger for another version"),
    )
}
