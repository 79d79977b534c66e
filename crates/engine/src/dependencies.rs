//! Dependencies: uploaded once, attached to functions, merged into their code.

use std::{collections::HashSet, fmt::Write as _, sync::Arc};

use fungraph_model::{Caller, Dependency, ErrorCode, Fault, FunctionVersion, ProjectId, RequestId, limits};
use fungraph_store::{
    DependencyQuery, Error as StoreError, PackageError, Pin, Tree,
    logs::{LogEntry, LogText},
};
use jiff::Timestamp;
use uuid::Uuid;

use crate::{
    DependencyDraft, Engine, Error,
    code::{self, Fetched, package_error},
    draft::AttachedDraft,
    to_end::to_end,
    validate,
};

/// Which dependencies to list.
#[derive(Clone, Debug, Default)]
pub struct DependencyFilter {
    /// All versions of this one; else the last version of each.
    pub dependency: Option<String>,
    /// Of this name.
    pub name: Option<String>,
    /// Made for this runtime.
    pub runtime: Option<String>,
    /// How many to pass over.
    pub marker: u32,
    /// How many to give, 1 to 400.
    pub limit: u32,
}

/// A page of dependencies.
#[derive(Clone, Debug, Default)]
pub struct DependencyList {
    /// The dependencies.
    pub dependencies: Vec<Dependency>,
    /// Where the next page begins; 0 where there is none.
    pub next_marker: u32,
    /// All that match.
    pub count: usize,
}

/// What merging came to.
#[derive(Debug, Default)]
pub(crate) struct Merging {
    /// A line for each file that gave way.
    pub(crate) conflicts: Vec<String>,
    /// Of the folder, to be held until a function names it.
    pub(crate) pin: Option<Pin>,
}

impl Engine {
    /// Keeps an archive as the next version of the dependency of that name.
    ///
    /// # Errors
    /// FSS.1002, FSS.1005, FSS.1019 and FSS.1032 for the fields; FSS.1024 and FSS.1071 for the archive; FSS.1042 and FSS.1045 over quota;
    /// FSS.1010, FSS.1054, FSS.0502 and FSS.0504 for a link.
    pub async fn create_dependency(
        self: &Arc<Self>,
        caller: &Caller,
        draft: DependencyDraft,
    ) -> Result<Dependency, Error> {
        let name = validate::dependency_name(draft.name)?;
        let is_elsewhere = is_elsewhere(draft.kind.as_deref())?;
        let runtime = validate::runtime(draft.runtime.as_deref())?;
        let description = validate::description(draft.description.unwrap_or_default())?;
        let filename = format!("{name}.zip");
        let _way = self.way(&caller.project).await?;
        let (bytes, fetched) = if is_elsewhere {
            let link = given(draft.link, "depend_link is missing. Give the link of the zip in depend_link")?;
            (None, Some(self.fetch(&caller.project, &link).await?))
        } else {
            let file = given(draft.file, "depend_file is missing. Send the zip as base64 in depend_file")?;
            (Some(code::decode(file, &code::DEPENDENCY).await?), None)
        };
        let size = fetched.as_ref().map_or(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64), Fetched::size);
        self.room_for_code(caller).await?.check(size)?;
        let kept = match fetched {
            Some(fetched) => self.packages.keep_dependency(&filename, fetched.arrival).await,
            None => self.packages.put_dependency(&filename, bytes.unwrap_or_default()).await,
        };
        let (kept, pin) = kept.map_err(dependency_error)?;
        let id = || Uuid::new_v4().to_string();
        let new = Dependency {
            id: id(),
            dependency: id(),
            project: caller.project.clone(),
            domain: caller.domain.clone(),
            name,
            version: 1,
            runtime,
            description,
            size: kept.size,
            digest: kept.digest,
            last_modified: Timestamp::now(),
        };
        let alone = self.turns.of_project(&caller.project).await;
        self.is_still_there(&caller.project)?;
        self.check_quota(caller, new.size, false).await?;
        self.check_number(caller).await?;
        self.check_footprint(&caller.project, HashSet::from([Tree::of(&new.package())]), None).await?;
        let store = self.store.clone();
        let whole = async move {
            let _alone = alone;
            let stored = store.add_dependency(&new).await;
            if stored.is_ok() {
                pin.named();
            }
            stored
        };
        let stored = to_end(whole, self.orphans.clone()).await;
        let stored = stored.map_err(|source| Error::internal("store a dependency", source))?;
        tracing::info!(project = %stored.project, name = stored.name, version = stored.version, "dependency created");
        Ok(stored)
    }

    /// The caller has the project's turn.
    async fn check_number(&self, caller: &Caller) -> Result<(), Error> {
        let usage = self.store.usage(&caller.project).await;
        let usage = usage.map_err(|source| Error::internal("count what a project uses", source))?;
        let most = self.config.dependencies_per_project;
        if usage.dependencies < most {
            return Ok(());
        }
        Err(Fault::new(
            ErrorCode::TooManyDependencies,
            format!(
                "The project holds {most} versions of dependencies, its most. Delete those that no function has, or raise limits.dependencies_per_project"
            ),
        )
        .into())
    }

    /// One page of a project's dependencies, or of the versions of one.
    ///
    /// # Errors
    /// FSS.1056 where the one whose versions are asked for is missing.
    pub async fn dependencies(&self, caller: &Caller, filter: DependencyFilter) -> Result<DependencyList, Error> {
        let DependencyFilter { dependency, name, runtime, marker, limit } = filter;
        let asked = dependency.clone();
        let query = DependencyQuery { project: caller.project.clone(), dependency, name, runtime, marker, limit };
        let page = self.store.dependencies(&query).await;
        let page = page.map_err(|source| Error::internal("list dependencies", source))?;
        if let Some(asked) = asked.filter(|_| page.total == 0) {
            return Err(missing(&asked).into());
        }
        let end = marker as usize + page.dependencies.len();
        let more = end < page.total && !page.dependencies.is_empty();
        let next_marker = if more { u32::try_from(end).unwrap_or(0) } else { 0 };
        Ok(DependencyList { dependencies: page.dependencies, next_marker, count: page.total })
    }

    /// One version of a dependency.
    ///
    /// # Errors
    /// FSS.1056 where it is missing.
    pub async fn dependency(&self, caller: &Caller, dependency: &str, version: &str) -> Result<Dependency, Error> {
        let found = match number(version) {
            Some(version) => self.store.dependency_version(&caller.project, dependency, version).await,
            None => Ok(None),
        };
        let found = found.map_err(|source| Error::internal("read a dependency", source))?;
        found.ok_or_else(|| missing(&format!("{dependency}, version {version}")).into())
    }

    /// Removes one version of a dependency.
    ///
    /// # Errors
    /// FSS.1033 where a function has it; FSS.1056 where it is missing.
    pub async fn delete_dependency(&self, caller: &Caller, dependency: &str, version: &str) -> Result<(), Error> {
        let deleted = match number(version) {
            Some(version) => self.store.delete_dependency(&caller.project, dependency, version).await,
            None => Ok(false),
        };
        match deleted {
            Ok(true) => {
                self.nudge_cleaner();
                Ok(())
            }
            Ok(false) => Err(missing(&format!("{dependency}, version {version}")).into()),
            Err(StoreError::DependencyInUse) => Err(Fault::new(
                ErrorCode::DependencyInUse,
                "A function has this version of the dependency. Take it out of the function's depend_version_list first",
            )
            .into()),
            Err(source) => Err(Error::internal("delete a dependency", source)),
        }
    }

    /// The dependencies that a draft names, in its order; `None` where it names no list.
    pub(crate) async fn attached(
        &self,
        project: &ProjectId,
        draft: AttachedDraft,
    ) -> Result<Option<Vec<Dependency>>, Error> {
        // Clients of before send depend_list; a client that knows both means the newer one.
        let Some(ids) = draft.versions.or(draft.list) else { return Ok(None) };
        let most = limits::DEPENDENCIES;
        if ids.len() > most {
            let many = ids.len();
            return Err(
                bad(format!("A function may have {most} dependencies, not {many}. Put some into one archive")).into()
            );
        }
        let mut all: Vec<Dependency> = Vec::new();
        for id in ids {
            let found = self.store.dependency(project, &id).await;
            let found = found.map_err(|source| Error::internal("read a dependency", source))?;
            let found = found.ok_or_else(|| missing(&id))?;
            if all.iter().any(|other| other.dependency == found.dependency) {
                return Err(
                    bad(format!("The dependency '{}' is named twice. Name one version of it", found.name)).into()
                );
            }
            all.push(found);
        }
        Ok(Some(all))
    }

    /// Merges what a version has into one folder and names it in the version.
    pub(crate) async fn merge(&self, version: &mut FunctionVersion) -> Result<Merging, Error> {
        version.merged = None;
        if version.dependencies.is_empty() {
            return Ok(Merging::default());
        }
        match self.packages.merge(&version.code, &version.dependencies).await {
            Ok((merged, pin)) => {
                version.merged = Some(merged.digest);
                Ok(Merging { conflicts: merged.conflicts, pin: Some(pin) })
            }
            // Somebody may have deleted one since it was looked for.
            Err(error @ PackageError::Missing { .. }) => {
                for dependency in &version.dependencies {
                    let found = self.store.dependency(&dependency.project, &dependency.id).await;
                    if found.map_err(|source| Error::internal("read a dependency", source))?.is_none() {
                        return Err(missing(&dependency.id).into());
                    }
                }
                Err(package_error(error))
            }
            Err(error) => Err(package_error(error)),
        }
    }

    /// Tells the operator and the function's author which files gave way, since nothing fails by itself.
    pub(crate) fn tell_conflicts(&self, version: &Arc<FunctionVersion>, conflicts: Vec<String>) {
        if conflicts.is_empty() {
            return;
        }
        tracing::warn!(function = %version.key, conflicts = conflicts.len(), first = conflicts[0],
            "files of its code and its dependencies are in the same place; all are in the function's log");
        let started = Timestamp::now();
        let text = Box::new(MergeLog { started, conflicts });
        let (function, request) = (Arc::clone(version), RequestId::random());
        self.logs.append(LogEntry { function, request, started, call: None, text });
    }
}

/// The fault of a function that names a dependency which is gone meanwhile.
pub(crate) fn missing(id: &str) -> Fault {
    let id: String = id.chars().take(100).collect();
    Fault::new(
        ErrorCode::DependencyNotFound,
        format!("There is no dependency {id} in this project. CreateDependencyVersion makes one, and gives its id"),
    )
}

/// What is said of a merge in the log of its function.
#[derive(Debug)]
struct MergeLog {
    started: Timestamp,
    conflicts: Vec<String>,
}

impl LogText for MergeLog {
    fn size(&self) -> usize {
        self.conflicts.iter().map(|line| line.len() + 40).sum()
    }

    fn write(&self, out: &mut Vec<u8>) {
        let second = Timestamp::new(self.started.as_second(), 0).unwrap_or(self.started);
        let mut text = String::new();
        for conflict in &self.conflicts {
            let _ = writeln!(text, "{second} Merge dependencies, {conflict}");
        }
        out.extend_from_slice(text.as_bytes());
    }
}

fn bad(message: impl Into<String>) -> Fault {
    Fault::new(ErrorCode::BadDependency, message)
}

fn given<T: AsRef<[u8]>>(text: Option<T>, missing: &str) -> Result<T, Fault> {
    text.filter(|text| !text.as_ref().is_empty()).ok_or_else(|| bad(missing))
}

/// Whether it is to be fetched from a link.
fn is_elsewhere(kind: Option<&str>) -> Result<bool, Fault> {
    match kind.filter(|kind| !kind.is_empty()) {
        Some("zip") => Ok(false),
        Some("obs") => Ok(true),
        None => Err(Fault::new(ErrorCode::BadDependencyType, "depend_type is missing. Use zip or obs")),
        Some(other) => Err(Fault::new(
            ErrorCode::BadDependencyType,
            format!("depend_type '{}' does not exist. Use zip or obs", other.chars().take(40).collect::<String>()),
        )),
    }
}

/// A version number of a path.
fn number(version: &str) -> Option<u32> {
    version.parse().ok().filter(|number| *number > 0)
}

/// What is wrong with the archive of a dependency has a code of its own.
fn dependency_error(error: PackageError) -> Error {
    match error {
        PackageError::Refused(fault) if fault.code == ErrorCode::BadCode => {
            Error::Refused(Fault::new(ErrorCode::BadDependency, fault.message.replace("code package", "dependency")))
        }
        error => package_error(error),
    }
}
