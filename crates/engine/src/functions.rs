//! Functions: create, read, list, change, delete.

use std::sync::Arc;

use bytes::Bytes;
use fungraph_instance::{Blueprint, Plan};
use fungraph_model::{
    Caller, CodePackage, CodeType, Dependency, ErrorCode, Fault, FunctionImage, FunctionKey, FunctionRef,
    FunctionVersion, Language, Qualifier, Runtime, limits,
};
use fungraph_store::{Belongings, Error as StoreError, FunctionPage, FunctionQuery, Pin, Store};
use jiff::Timestamp;
use uuid::Uuid;

use crate::{
    AttachedDraft, CodeDraft, Engine, Error, FunctionDraft, SpecDraft, TestEventDraft, TriggerDraft, code,
    dependencies::{self, Merging},
    footprint,
    images::{self, Pulled},
    resolve::Changed,
    tags, test_events,
    to_end::to_end,
    turns::Turn,
    validate, versions,
};

/// How often an update that lost against another one is tried again before the caller is asked to.
const UPDATE_TRIES: usize = 10;

/// Which functions to list.
#[derive(Clone, Debug, Default)]
pub struct ListQuery {
    /// Only this package.
    pub package: Option<String>,
    /// Only names that contain this.
    pub name_contains: Option<String>,
    /// How many to pass over.
    pub marker: u32,
    /// How many to give, 1 to 400.
    pub limit: u32,
}

/// A page of functions.
#[derive(Clone, Debug)]
pub struct FunctionList {
    /// The functions.
    pub functions: Vec<FunctionVersion>,
    /// Where the next page begins; 0 where there is none.
    pub next_marker: u32,
    /// How many of them are pinned: the first ones.
    pub pinned: usize,
    /// How many calls of each failed within the last day, as far as that is written.
    pub failures: Vec<u64>,
    /// All that match.
    pub count: u64,
}

/// Code as it can be shown.
#[derive(Clone, Debug)]
pub struct FunctionCode {
    /// Whose code.
    pub version: Arc<FunctionVersion>,
    /// Source text of inline code; packages are downloaded.
    pub inline: Option<Bytes>,
}

/// What a function is created with, beside itself.
#[derive(Debug, Default)]
pub(crate) struct BelongingsDraft {
    pub(crate) triggers: Vec<TriggerDraft>,
    pub(crate) events: Vec<TestEventDraft>,
}

impl Engine {
    /// Creates a function; its version `latest` exists at once.
    ///
    /// # Errors
    /// The code of the field that is wrong; FSS.1061 where the name is taken; FSS.1041 and FSS.1042 over quota.
    pub async fn create_function(
        self: &Arc<Self>,
        caller: &Caller,
        draft: FunctionDraft,
    ) -> Result<Arc<FunctionVersion>, Error> {
        self.create_with(caller, draft, BelongingsDraft::default()).await
    }

    /// The same, with triggers and test events: all of it, or nothing.
    pub(crate) async fn create_with(
        self: &Arc<Self>,
        caller: &Caller,
        draft: FunctionDraft,
        belongings: BelongingsDraft,
    ) -> Result<Arc<FunctionVersion>, Error> {
        let name = validate::function_name(draft.name)?;
        let package = validate::package(draft.package)?;
        let runtime = validate::runtime(draft.spec.runtime.as_deref())?;
        let spec = validate::new_spec(draft.spec, runtime)?;
        let tags = tags::of_text(draft.tags.as_deref().unwrap_or_default())?;
        self.check_runtime(runtime)?;
        self.check_mounts(&caller.project, &spec.mounts)?;
        let key = FunctionKey { project: caller.project.clone(), package, name };
        if self.read(&key).await?.is_some() {
            return Err(exists(&key));
        }
        let BelongingsDraft { triggers, events } = belongings;
        let triggers = self.drafted_triggers(caller, &key, &spec, triggers)?;
        let belongings = Belongings { tags, triggers, events: test_events::drafted(events)? };
        // A pull may take minutes and gigabytes: what can be said without one is said before.
        self.check_quota(caller, 0, true).await?;
        let pulled = self.image_of(&key, &draft.code, runtime, None).await?;
        let _way = if pulled.is_none() { Some(self.way(&key.project).await?) } else { None };
        let fetched = self.fetch_code(&key.project, &draft.code, runtime).await?;
        let spec = code::from_link(spec, fetched.as_ref().map(|fetched| fetched.link.as_str()));
        let dependencies = self.attached(&caller.project, draft.attached).await?.unwrap_or_default();
        check_attached(runtime, &dependencies)?;
        let (code, code_pin) = match &pulled {
            Some(pulled) => (pulled.code.clone(), None),
            None => {
                let room = self.room_for_code(caller).await?;
                let (code, pin) = self.first_code(draft.code, runtime, fetched, &room).await?;
                (code, Some(pin))
            }
        };
        let mut version = FunctionVersion {
            key,
            domain: caller.domain.clone(),
            version: limits::LATEST.to_owned(),
            func_id: Uuid::new_v4().simple().to_string(),
            spec,
            code,
            dependencies,
            merged: None,
            image: pulled.as_ref().map(|pulled| pulled.image.clone()),
            revision: 1,
            last_modified: Timestamp::now(),
            remark: String::new(),
        };
        let Merging { conflicts, pin } = self.merge(&mut version).await?;
        let pins: Vec<Pin> = code_pin.into_iter().chain(pin).collect();
        let version = Arc::new(version);
        let alone = self.turns.of_project(&caller.project).await;
        self.is_still_there(&caller.project)?;
        self.check_quota(caller, version.code.size, true).await?;
        self.check_footprint(&caller.project, footprint::trees(&version), None).await?;
        let alone_there = self.wider_turns(&belongings.triggers).await;
        self.check_together(caller, &belongings.triggers).await?;
        self.clear_lost_logs(&version.key).await?;
        let (new, triggers) = (Arc::clone(&version), belongings.triggers.clone());
        let stored = self
            .change(version.key.clone(), Changed::Function, |store| async move {
                // With the change, which goes on if the client leaves: what was looked at still holds when it is stored.
                let _turns = (alone, alone_there);
                let stored = store.create_function_with(&new, &belongings).await;
                if stored.is_ok() {
                    pins.iter().for_each(Pin::named);
                }
                stored
            })
            .await;
        match stored {
            Ok(()) => {}
            Err(StoreError::Exists { .. }) => return Err(exists(&version.key)),
            Err(StoreError::DependencyMissing { id }) => return Err(dependencies::missing(&id).into()),
            Err(source) => return Err(Error::internal("store a new function", source)),
        }
        tracing::info!(function = %version.key, runtime = runtime.name(), "function created");
        self.tell_conflicts(&version, conflicts);
        triggers.iter().for_each(|trigger| self.tell_unconnected(&version, trigger));
        self.expect_calls(runtime, version.spec.memory_mb);
        Ok(version)
    }

    /// One page of a project's functions.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn functions(&self, caller: &Caller, query: ListQuery) -> Result<FunctionList, Error> {
        let page = self
            .store
            .functions(&FunctionQuery {
                project: caller.project.clone(),
                package: query.package,
                name_part: query.name_contains,
                marker: query.marker.into(),
                limit: query.limit,
                failures_from: self.failures_from(),
            })
            .await
            .map_err(|source| Error::internal("list functions", source))?;
        // The API writes 0 where there is no next page; its markers have 32 bits.
        let next_marker = page.next.and_then(|next| u32::try_from(next).ok()).unwrap_or(0);
        let FunctionPage { functions, pinned, failures, total: count, .. } = page;
        Ok(FunctionList { functions, next_marker, pinned, failures, count })
    }

    /// The version a management path names; of an alias, its main version.
    ///
    /// # Errors
    /// FSS.1051, FSS.1052 or FSS.1053 where it is missing; FSS.0403 for another project.
    pub async fn function(&self, caller: &Caller, function: &FunctionRef) -> Result<Arc<FunctionVersion>, Error> {
        let key = key(caller, function)?;
        let name = match function.version() {
            Qualifier::Latest => limits::LATEST.to_owned(),
            Qualifier::Version(name) => name,
            Qualifier::Alias(name) => self.stored_alias(&key, &name).await?.version,
        };
        if let Some(version) = self.read_version(&key, &name).await? {
            return Ok(Arc::new(version));
        }
        Err(self.missing_version(&key, &name).await?.into())
    }

    /// What is missing of a version that is not there.
    pub(crate) async fn missing_version(&self, key: &FunctionKey, name: &str) -> Result<Fault, Error> {
        let function = self.read(key).await?;
        Ok(function.map_or_else(|| missing(key), |_| versions::missing(key, name)))
    }

    /// A version with its code.
    ///
    /// # Errors
    /// As [`Self::function`].
    pub async fn function_code(&self, caller: &Caller, function: &FunctionRef) -> Result<FunctionCode, Error> {
        let mut version = self.function(caller, function).await?;
        loop {
            let error = match self.inline_source(&version).await {
                Ok(inline) => return Ok(FunctionCode { version, inline }),
                Err(error) => error,
            };
            // It may have got other code at this very moment.
            let now = self.function(caller, function).await?;
            if now.code.digest == version.code.digest {
                return Err(error);
            }
            version = now;
        }
    }

    /// Changes the configuration of latest; what the draft leaves out stays.
    ///
    /// # Errors
    /// FSS.1015 for a version or alias; the code of the field that is wrong.
    pub async fn update_spec(
        self: &Arc<Self>,
        caller: &Caller,
        function: &FunctionRef,
        name: Option<String>,
        draft: SpecDraft,
        attached: AttachedDraft,
    ) -> Result<Arc<FunctionVersion>, Error> {
        let key = latest_only(caller, function)?;
        if name.is_some_and(|name| name != key.name) {
            return Err(
                Fault::new(ErrorCode::BadName, "func_name cannot be changed. Send the name the function has").into()
            );
        }
        let runtime = draft.runtime.as_deref().map(|name| validate::runtime(Some(name))).transpose()?;
        let mut draft = draft;
        let pulled = match draft.image.take() {
            None => None,
            Some(image) => {
                let old = self.read(&key).await?.ok_or_else(|| missing(&key))?;
                check_same_runtime(runtime, &old)?;
                validate::changed_spec(draft.clone(), &old.spec)?;
                let code = CodeDraft { image: Some(image), ..CodeDraft::default() };
                self.image_of(&key, &code, old.spec.runtime, old.image.as_ref()).await?
            }
        };
        let dependencies = self.attached(&key.project, attached).await?;
        let alone = self.turns.of_project(&key.project).await;
        self.update(&key, Vec::new(), alone, |old| {
            check_same_runtime(runtime, &old)?;
            let spec = validate::changed_spec(draft.clone(), &old.spec)?;
            if draft.mounts.is_some() {
                self.check_mounts(&key.project, &spec.mounts)?;
            }
            let dependencies = dependencies.clone().unwrap_or(old.dependencies);
            check_attached(spec.runtime, &dependencies)?;
            let (code, image) = with_image(pulled.as_ref(), old.code, old.image);
            Ok(FunctionVersion { spec, dependencies, code, image, ..old })
        })
        .await
    }

    /// Replaces the code of latest, or its dependencies, or both.
    ///
    /// # Errors
    /// FSS.1015 for a version or alias; the code of what is wrong with the package.
    pub async fn update_code(
        self: &Arc<Self>,
        caller: &Caller,
        function: &FunctionRef,
        draft: CodeDraft,
        attached: AttachedDraft,
    ) -> Result<Arc<FunctionVersion>, Error> {
        let key = latest_only(caller, function)?;
        let old = self.read(&key).await?.ok_or_else(|| missing(&key))?;
        let pulled = self.image_of(&key, &draft, old.spec.runtime, old.image.as_ref()).await?;
        // A client that only attaches or detaches sends no code.
        let same_code = pulled.is_some() || attached.is_given() && !draft.brings_code();
        let _way = if same_code { None } else { Some(self.way(&key.project).await?) };
        let fetched = if same_code { None } else { self.fetch_code(&key.project, &draft, old.spec.runtime).await? };
        let link = fetched.as_ref().map(|fetched| fetched.link.clone());
        let dependencies = self.attached(&key.project, attached).await?;
        let kept = if same_code {
            None
        } else {
            let room = self.room_for_code(caller).await?.and(old.code.size);
            Some(self.keep_code(draft, old.spec.runtime, fetched, &room).await?)
        };
        let (code, pin) = kept.unzip();
        let alone = self.turns.of_project(&key.project).await;
        if let Some(code) = &code {
            let old = self.read(&key).await?.ok_or_else(|| missing(&key))?;
            self.check_quota(caller, code.size.saturating_sub(old.code.size), false).await?;
        }
        let change = |old: FunctionVersion| {
            let dependencies = dependencies.clone().unwrap_or(old.dependencies);
            check_attached(old.spec.runtime, &dependencies)?;
            let spec = if code.is_some() { code::from_link(old.spec, link.as_deref()) } else { old.spec };
            let (code, image) = with_image(pulled.as_ref(), code.clone().unwrap_or(old.code), old.image);
            Ok(FunctionVersion { spec, code, image, dependencies, ..old })
        };
        let updated = self.update(&key, pin.into_iter().collect(), alone, change).await?;
        self.nudge_cleaner();
        Ok(updated)
    }

    /// Deletes a function with everything that is its own.
    ///
    /// # Errors
    /// FSS.0403 for `latest` alone, FSS.1052 and FSS.1053 for a version or alias that is missing, FSS.1051.
    pub async fn delete_function(self: &Arc<Self>, caller: &Caller, function: &FunctionRef) -> Result<(), Error> {
        let key = key(caller, function)?;
        match &function.qualifier {
            None => {}
            Some(_) => {
                // An alias stands for its main version here too (contract: conventions.md).
                let version = self.function(caller, function).await?.version.clone();
                return self.delete_version(&key, version).await;
            }
        }
        let gone = key.clone();
        // Until the order to remove its logs is given: it would take the first lines of the next function of this name along.
        let alone = self.turns.of_project(&key.project).await;
        let deleted = self
            .change(key.clone(), Changed::Function, |store| async move { store.delete_function(&gone).await })
            .await;
        let deleted = deleted.map_err(|source| Error::internal("delete a function", source))?;
        let func_id = deleted.ok_or_else(|| missing(&key))?;
        self.forget_calls(&func_id);
        let removed = self.logs.remove(&key, &func_id);
        drop(alone);
        removed.await;
        self.nudge_cleaner();
        tracing::info!(function = %key, "function deleted");
        Ok(())
    }

    /// What instances of a version are made of.
    pub(crate) fn plan(&self, version: &Arc<FunctionVersion>) -> Result<Plan, Error> {
        let choice = self.interpreters.choose(version.spec.runtime, self.config.strict_runtimes);
        let choice = choice.map_err(|unavailable| Error::ExecutorMissing {
            message: unavailable.message(),
            version: Arc::clone(version),
            alias: None,
        })?;
        self.mounts_are_there(version)?;
        let root = self.root(version);
        let code = if root.is_some() { self.images.no_code() } else { self.packages.tree_of(version) };
        let region = self.region().into();
        Ok(Plan { version: Arc::clone(version), interpreter: choice.interpreter, code, root, region })
    }

    /// Functions of this runtime, with so much memory, exist: their first call should find a blank instance.
    pub(crate) fn expect_calls(&self, runtime: Runtime, memory_mb: u32) {
        // Each image has blank instances of its own: they are kept for a minute once one was wanted.
        if runtime.language() == Language::Image {
            return;
        }
        if let Ok(choice) = self.interpreters.choose(runtime, self.config.strict_runtimes) {
            self.pool.expect(&Blueprint::new(choice.interpreter, limits::TMP_MB[0], memory_mb));
        }
    }

    /// The image that a draft asks for; `None` where the function is none. Waits for a registry, so nothing may be held meanwhile.
    async fn image_of(
        &self,
        key: &FunctionKey,
        draft: &CodeDraft,
        runtime: Runtime,
        old: Option<&FunctionImage>,
    ) -> Result<Option<Pulled>, Error> {
        // An update may leave the type out: it cannot change.
        let given = draft.code_type.as_deref().filter(|name| !name.is_empty());
        let code_type = given.or(old.map(|_| CodeType::Image.name()));
        if !images::check_code_type(code_type, runtime)? {
            return if draft.image.is_some() { Err(images::unexpected(runtime).into()) } else { Ok(None) };
        }
        self.pull_image(key, draft.image.clone().unwrap_or_default(), old).await.map(Some)
    }

    /// The key of a function that is there, whatever version of it a URN names.
    pub(crate) async fn existing(&self, caller: &Caller, function: &FunctionRef) -> Result<FunctionKey, Error> {
        let key = key(caller, function)?;
        if self.read(&key).await?.is_none() {
            return Err(missing(&key).into());
        }
        Ok(key)
    }

    pub(crate) async fn read(&self, key: &FunctionKey) -> Result<Option<FunctionVersion>, Error> {
        self.read_version(key, limits::LATEST).await
    }

    pub(crate) async fn read_version(&self, key: &FunctionKey, name: &str) -> Result<Option<FunctionVersion>, Error> {
        self.store.version(key, name).await.map_err(|source| Error::internal("read a function", source))
    }

    /// Applies a change to what is stored; whoever changed it meanwhile is not lost, the change is applied to that. `pins` are of the code
    /// that the change brings, `alone` is the project's turn.
    async fn update(
        self: &Arc<Self>,
        key: &FunctionKey,
        pins: Vec<Pin>,
        alone: Turn,
        change: impl Fn(FunctionVersion) -> Result<FunctionVersion, Fault>,
    ) -> Result<Arc<FunctionVersion>, Error> {
        let held = Arc::new((pins, alone));
        for _ in 0..UPDATE_TRIES {
            let old = self.read(key).await?.ok_or_else(|| missing(key))?;
            let (revision, merged, trees) = (old.revision, old.merged.clone(), footprint::trees(&old));
            let mut new = FunctionVersion { revision: revision + 1, last_modified: Timestamp::now(), ..change(old)? };
            let Merging { conflicts, pin } = self.merge(&mut new).await?;
            let new_trees = footprint::trees(&new);
            if new_trees != trees {
                self.check_footprint(&key.project, new_trees, Some(key)).await?;
            }
            let new = Arc::new(new);
            let (updated, held) = (Arc::clone(&new), Arc::clone(&held));
            let stored = self
                .change(key.clone(), Changed::Latest, |store| async move {
                    // With the change, which goes on if the client leaves: what was looked at still holds when it is stored.
                    let stored = store.update_function(&updated, revision).await;
                    if stored.is_ok() {
                        held.0.iter().chain(&pin).for_each(Pin::named);
                    }
                    stored
                })
                .await;
            match stored {
                Ok(()) => {
                    if new.merged != merged {
                        self.tell_conflicts(&new, conflicts);
                        self.nudge_cleaner();
                    }
                    return Ok(new);
                }
                Err(StoreError::DependencyMissing { id }) => return Err(dependencies::missing(&id).into()),
                Err(StoreError::Changed { .. }) => {}
                Err(StoreError::Missing { .. }) => return Err(missing(key).into()),
                Err(source) => return Err(Error::internal("update a function", source)),
            }
        }
        Err(Fault::new(
            ErrorCode::TooManyRequests,
            "The function was changed by others again and again meanwhile. Nothing was changed by this request; send it again",
        )
        .into())
    }

    /// Changes what is stored of a function, then forgets what is remembered of it. Both happen even if the client leaves in
    /// between: calls would go on with the old one for ever.
    pub(crate) async fn change<T, F>(
        self: &Arc<Self>,
        key: FunctionKey,
        changed: Changed,
        write: impl FnOnce(Store) -> F,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let engine = Arc::clone(self);
        let written = write(self.store.clone());
        let whole = async move {
            let written = written.await;
            // After any other failure nobody knows what is stored.
            let refused = matches!(
                written,
                Err(StoreError::Exists { .. }
                    | StoreError::Changed { .. }
                    | StoreError::Missing { .. }
                    | StoreError::Conflict(_)
                    | StoreError::DependencyMissing { .. })
            );
            if !refused {
                engine.resolver.forget(&key, &changed);
                engine.queue.changed(&key);
                engine.jobs.keeper_news().function_changed(&key, &changed);
                engine.triggers_may_have_changed(&key, &changed).await;
            }
            written
        };
        to_end(whole, self.orphans.clone()).await
    }

    /// Logs under a name that no function has, left by a server that was killed while it deleted one, are no business of the next
    /// function of that name. The caller has the project's turn: nobody creates it meanwhile.
    pub(crate) async fn clear_lost_logs(&self, key: &FunctionKey) -> Result<(), Error> {
        if self.logs.has(key) && self.read(key).await?.is_none() {
            self.logs.clear(key).await;
        }
        Ok(())
    }

    fn check_runtime(&self, runtime: Runtime) -> Result<(), Fault> {
        if !runtime.language().is_built() {
            return Err(Fault::new(
                ErrorCode::NotSupported,
                format!("The runtime {} is not built yet. {} are", runtime.name(), Language::built_titles()),
            ));
        }
        if runtime.loads_plugin() {
            return Err(Fault::new(
                ErrorCode::NotSupported,
                format!(
                    "The runtime {} loads a Go plugin, which this platform does not do. Build the function as an executable that \
                     calls runtime.Register, and create it with the runtime Go1.x",
                    runtime.name()
                ),
            ));
        }
        let choice = self.interpreters.choose(runtime, self.config.strict_runtimes);
        choice.map(|_| ()).map_err(|unavailable| Fault::new(ErrorCode::BadRuntime, unavailable.message()))
    }
}

fn check_same_runtime(new: Option<Runtime>, old: &FunctionVersion) -> Result<(), Fault> {
    let now = old.spec.runtime;
    if new.is_some_and(|new| new != now) {
        return Err(Fault::new(ErrorCode::BadRuntime, format!("runtime cannot be changed. It is {}", now.name())));
    }
    Ok(())
}

/// An image brings all it needs.
fn check_attached(runtime: Runtime, dependencies: &[Dependency]) -> Result<(), Fault> {
    if runtime.language() != Language::Image || dependencies.is_empty() {
        return Ok(());
    }
    Err(Fault::new(ErrorCode::BadDependency, "An image function has no dependencies. Build them into the image"))
}

fn with_image(
    pulled: Option<&Pulled>,
    code: CodePackage,
    image: Option<FunctionImage>,
) -> (CodePackage, Option<FunctionImage>) {
    pulled.map_or((code, image), |pulled| (pulled.code.clone(), Some(pulled.image.clone())))
}

/// The function a URN names, in the caller's project.
pub(crate) fn key(caller: &Caller, function: &FunctionRef) -> Result<FunctionKey, Fault> {
    into_key(caller, function.clone()).map(|(key, _)| key)
}

/// The same, with what the caller says of the version.
pub(crate) fn into_key(caller: &Caller, function: FunctionRef) -> Result<(FunctionKey, Option<Qualifier>), Fault> {
    let FunctionRef { project, package, name, qualifier } = function;
    let project = project.unwrap_or_else(|| caller.project.clone());
    if project != caller.project {
        return Err(Fault::new(
            ErrorCode::Forbidden,
            "The project in the function's URN is not the project of the path. Use the same project in both",
        ));
    }
    Ok((FunctionKey { project, package, name }, qualifier))
}

pub(crate) fn latest_only(caller: &Caller, function: &FunctionRef) -> Result<FunctionKey, Fault> {
    if !matches!(function.qualifier, None | Some(Qualifier::Latest)) {
        return Err(Fault::new(
            ErrorCode::BadVersion,
            "Published versions and aliases do not change. Leave the last field of the URN out to change latest",
        ));
    }
    key(caller, function)
}

pub(crate) fn missing(key: &FunctionKey) -> Fault {
    Fault::new(
        ErrorCode::FunctionNotFound,
        format!("There is no function '{}' in package '{}' of this project", key.name, key.package),
    )
}

fn exists(key: &FunctionKey) -> Error {
    Fault::new(
        ErrorCode::FunctionExists,
        format!(
            "The package '{}' has a function '{}' already. Update it, or choose another name",
            key.package, key.name
        ),
    )
    .into()
}
