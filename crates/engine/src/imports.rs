//! A function from an archive that another server wrote, checked as a request that says the same would be.
//!
//! What a request may not do, an archive may not: its description is read by the readers of requests, and its code is an upload. The function
//! and all that belongs to it are stored in one step, or none of it is.

use std::sync::Arc;

use bytes::Bytes;
use fungraph_model::{Caller, Dependency, Digest, ErrorCode, Fault, FunctionVersion, ProjectId, RequestId, limits};
use fungraph_store::{DependencyQuery, PackageError, Packages, Turn, logs::LogEntry};
use jiff::Timestamp;
use tokio::task::spawn_blocking;

use crate::{
    AttachedDraft, Encoded, Engine, Error, FunctionDraft, TestEventDraft, TriggerDraft,
    code::{self, Upload, package_error},
    exports::{CODE, DESCRIPTION, DESCRIPTION_BYTES},
    functions::BelongingsDraft,
    run_log::BareLog,
    validate::clip,
};

/// Entries that an archive has.
const ENTRIES: &[(&str, u64)] = &[(DESCRIPTION, DESCRIPTION_BYTES), (CODE, limits::PACKAGE_BYTES as u64)];
/// Versions of a dependency on one page while one of them is looked for.
const PAGE: u32 = limits::PAGE_FUNCTIONS;
/// Lines about what is missing that are repeated in the function's log, and characters of each: they are a stranger's.
const LINES: usize = 40;

const ARCHIVE: Upload = Upload {
    field: "file_code",
    what: "archive",
    most: limits::EXPORT_BYTES as usize,
    unreadable: ErrorCode::BadCode,
    too_large: ErrorCode::ImportTooLarge,
};

/// An archive, opened; nothing of it is believed yet.
#[derive(Debug)]
pub struct Archive {
    /// The description, as it is.
    pub description: Bytes,
    /// The code.
    pub code: Option<Bytes>,
    /// Kept as long as either is in memory.
    pub turn: Turn,
}

/// A dependency, as an archive names it.
#[derive(Clone, Debug, Default)]
pub struct DependencyName {
    /// Its name.
    pub name: Option<String>,
    /// SHA-512 of its archive.
    pub digest: Option<String>,
}

/// ImportFunction.
#[derive(Clone, Debug, Default)]
pub struct ImportDraft {
    /// The function, with the code from the archive.
    pub function: FunctionDraft,
    /// SHA-512 that the code must have.
    pub digest: Option<String>,
    /// Its dependencies.
    pub dependencies: Vec<DependencyName>,
    /// What calls it.
    pub triggers: Vec<TriggerDraft>,
    /// Its test events.
    pub events: Vec<TestEventDraft>,
    /// What was not put into the archive.
    pub left_out: Vec<String>,
}

impl Engine {
    /// Opens an archive that a request brings as base64.
    ///
    /// # Errors
    /// FSS.1023 where it is too large, FSS.1011 where it is none or has other entries than an export has, FSS.1025 where it does not say what
    /// it is; FSS.0429 where the project imports two already.
    pub async fn open_archive(&self, caller: &Caller, file: Encoded) -> Result<Archive, Error> {
        let bytes = code::decode(file, &ARCHIVE).await?;
        let read = self.packages.read_bundle(&caller.project.0, bytes, ENTRIES).await;
        let (mut entries, turn) = read.map_err(archive_error)?;
        let description = entries.remove(DESCRIPTION).ok_or_else(|| {
            Fault::new(
                ErrorCode::BadDescription,
                format!("The archive holds no {DESCRIPTION}: ExportFunction of a server of this kind puts one in. Code alone is created with CreateFunction"),
            )
        })?;
        Ok(Archive { description, code: entries.remove(CODE), turn })
    }

    /// Creates a function from an archive, with its triggers and test events. After a refusal nothing of it is there.
    ///
    /// # Errors
    /// As [`Self::create_function`], [`Self::create_trigger`] and [`Self::create_test_event`]; FSS.1012 and FSS.1011 for the code, FSS.1056 for a
    /// dependency that is not here.
    pub async fn import_function(
        self: &Arc<Self>,
        caller: &Caller,
        draft: ImportDraft,
    ) -> Result<Arc<FunctionVersion>, Error> {
        let ImportDraft { mut function, digest, dependencies, triggers, events, left_out } = draft;
        check_code(&function, digest).await?;
        let attached = self.named(&caller.project, dependencies).await?;
        function.attached = AttachedDraft { versions: Some(attached), list: None };
        let version = self.create_with(caller, function, BelongingsDraft { triggers, events }).await?;
        self.tell_left_out(&version, &left_out);
        Ok(version)
    }

    /// Ids of dependencies here that are what an archive names.
    async fn named(&self, project: &ProjectId, names: Vec<DependencyName>) -> Result<Vec<String>, Error> {
        let mut ids = Vec::new();
        // No more are looked for than are refused for their number.
        for name in names.into_iter().take(limits::DEPENDENCIES + 1) {
            let DependencyName { name: Some(name), digest: Some(digest) } = name else {
                return Err(bad("names a dependency without name or digest").into());
            };
            ids.push(self.dependency_of(project, &name, Digest(digest)).await?.id);
        }
        Ok(ids)
    }

    async fn dependency_of(&self, project: &ProjectId, name: &str, digest: Digest) -> Result<Dependency, Error> {
        let query = DependencyQuery {
            project: project.clone(),
            dependency: None,
            name: Some(name.to_owned()),
            runtime: None,
            marker: 0,
            limit: 1,
        };
        let failed = |source| Error::internal("look for a dependency", source);
        let last = self.store.dependencies(&query).await.map_err(failed)?.dependencies.pop();
        let Some(last) = last else { return Err(absent(name, "there is none of that name in this project").into()) };
        let mut query = DependencyQuery { dependency: Some(last.dependency), name: None, limit: PAGE, ..query };
        loop {
            let page = self.store.dependencies(&query).await.map_err(failed)?.dependencies;
            query.marker += PAGE;
            let is_last = page.len() < PAGE as usize;
            if let Some(found) = page.into_iter().find(|one| one.digest == digest) {
                return Ok(found);
            }
            if is_last {
                return Err(absent(name, "the one of that name has another content in each of its versions").into());
            }
        }
    }

    /// Says in the function's log what the archive did not bring, since nothing fails by itself.
    fn tell_left_out(&self, version: &Arc<FunctionVersion>, left_out: &[String]) {
        if left_out.is_empty() {
            return;
        }
        let started = Timestamp::now();
        let second = Timestamp::new(started.as_second(), 0).unwrap_or(started);
        let line = |what: &String| {
            let what: String = clip(what).chars().flat_map(char::escape_debug).collect();
            format!("{second} Import, not in the archive: {what}\n")
        };
        let text: String = left_out.iter().take(LINES).map(line).collect();
        let (function, request) = (Arc::clone(version), RequestId::random());
        self.logs.append(LogEntry { function, request, started, call: None, text: Box::new(BareLog(text.into())) });
    }
}

/// The code must be what the description says; an image has none. A large one takes its time to read, away from the threads that serve
/// calls.
async fn check_code(function: &FunctionDraft, digest: Option<String>) -> Result<(), Error> {
    let Some(bytes) = function.code.bytes.clone() else {
        if function.code.image.is_some() {
            return Ok(());
        }
        return Err(Fault::new(
            ErrorCode::CodeMissing,
            "The archive holds a configuration without code. Export the function with config=true and code=true",
        )
        .into());
    };
    let expected = digest.ok_or_else(|| bad("has no code.digest"))?;
    let found = spawn_blocking(move || Packages::digest(&bytes)).await;
    if found.map_err(|source| Error::internal("check the code of an archive", source))?.0 == expected {
        return Ok(());
    }
    Err(Fault::new(
        ErrorCode::BadCode,
        format!(
            "The code in the archive is not what {DESCRIPTION} says: its digest is another one. Export the function again"
        ),
    )
    .into())
}

fn absent(name: &str, why: &str) -> Fault {
    Fault::new(
        ErrorCode::DependencyNotFound,
        format!(
            "The function needs the dependency '{}', and {why}. Upload it with CreateDependencyVersion first, then import again",
            clip(name)
        ),
    )
}

/// A description that does not say what it must.
fn bad(why: &str) -> Fault {
    Fault::new(ErrorCode::BadDescription, format!("{DESCRIPTION} of the archive {why}. Export the function again"))
}

fn archive_error(error: PackageError) -> Error {
    match error {
        PackageError::Refused(fault) => Fault::new(fault.code, fault.message.replace("code package", "archive")).into(),
        PackageError::Busy => Fault::new(
            ErrorCode::TooManyRequests,
            "Two archives of this project are being imported already. Send the request again when one of them is done",
        )
        .into(),
        error => package_error(error),
    }
}
