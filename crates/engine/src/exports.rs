//! A function as an archive for another server: what it is, its code, and what belongs to it.
//!
//! The description is JSON, which gateway writes; here is what goes in, and what does not. Secrets do not: an archive is mailed and
//! checked in, and no key is known to both servers. Their names are told instead, so that somebody can set them again.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use fungraph_model::{
    Caller, CodeType, ErrorCode, Fault, FunctionRef, FunctionVersion, Qualifier, TestEvent, Trigger, TriggerKind,
    limits,
};
use fungraph_store::{Bundled, PackageError, Turn};
use serde_json::{Map, Value};
use tokio::fs::File;

use crate::{Engine, Error, code::read_error, triggers};

/// Where the description is in an archive, and the code.
pub(crate) const DESCRIPTION: &str = "function.json";
pub(crate) const CODE: &str = "code";
/// Bytes of a description: what a function may have comes to a quarter of it.
pub(crate) const DESCRIPTION_BYTES: u64 = 1 << 20;

/// What of a function goes into an archive, but for its code.
#[derive(Clone, Debug)]
pub struct Exported {
    /// The version.
    pub version: Arc<FunctionVersion>,
    /// Its function's tags.
    pub tags: BTreeMap<String, String>,
    /// What calls latest, without what is secret; those that are nothing without it are left out.
    pub triggers: Vec<ExportedTrigger>,
    /// Its function's test events.
    pub events: Vec<TestEvent>,
    /// What is not in the archive, a line for each.
    pub left_out: Vec<String>,
}

/// One trigger of an archive.
#[derive(Clone, Debug)]
pub struct ExportedTrigger {
    /// Where its events come from.
    pub kind: TriggerKind,
    /// Whether its owner wants it to call.
    pub enabled: bool,
    /// `event_data` as it was given.
    pub data: Map<String, Value>,
}

/// A file for whoever asked for it.
#[derive(Debug)]
pub struct ExportFile {
    /// What to call it.
    pub name: String,
    /// The file.
    pub file: File,
    /// Kept as long as it is read, where it takes disk of its own.
    pub turn: Option<Turn>,
}

impl Exported {
    /// What its code is imported as: whoever has the archive needs no link.
    #[must_use]
    pub fn code_type(&self) -> CodeType {
        match self.version.code.code_type {
            CodeType::Object if self.version.code.filename.ends_with(".jar") => CodeType::Jar,
            CodeType::Object => CodeType::Zip,
            other => other,
        }
    }
}

impl Engine {
    /// What of a version goes into an archive.
    ///
    /// # Errors
    /// FSS.1051, FSS.1052 and FSS.1053 where it is missing.
    pub async fn export(&self, caller: &Caller, function: &FunctionRef) -> Result<Exported, Error> {
        let version = self.function(caller, function).await?;
        let failed = |source| Error::internal("read what belongs to a function", source);
        let tags = self.store.tags(&version.key).await.map_err(failed)?;
        let events = self.store.test_events(&version.key).await.map_err(failed)?;
        let mut left_out = secret_variables(&version);
        let mut triggers = Vec::new();
        for trigger in self.stored_triggers(&version.key).await?.iter().filter(|one| one.qualifier == Qualifier::Latest)
        {
            if trigger.secrets.is_empty() {
                let (kind, enabled) = (trigger.kind, trigger.enabled);
                triggers.push(ExportedTrigger { kind, enabled, data: triggers::stored_data(trigger) });
            } else {
                left_out.push(secret_trigger(trigger));
            }
        }
        Ok(Exported { version, tags, triggers, events, left_out })
    }

    /// The archive of a function: its description, and its code where it is wanted and no image.
    ///
    /// # Errors
    /// FSS.1071 where it would be too large to be imported; FSS.0429 where the project has two that are still read.
    pub async fn export_archive(
        &self,
        exported: &Exported,
        description: Bytes,
        with_code: bool,
    ) -> Result<ExportFile, Error> {
        let code = &exported.version.code;
        let mut entries = vec![(DESCRIPTION.to_owned(), Bundled::Bytes(description))];
        if with_code && code.code_type != CodeType::Image {
            check_size(code.size)?;
            entries.push((CODE.to_owned(), Bundled::Package(code.clone())));
        }
        self.bundle(&exported.version, entries).await
    }

    async fn bundle(&self, version: &FunctionVersion, entries: Vec<(String, Bundled)>) -> Result<ExportFile, Error> {
        let bundled = self.packages.bundle(&version.key.project.0, entries).await;
        let (file, turn) = bundled.map_err(|error| match error {
            PackageError::Busy => Fault::new(
                ErrorCode::TooManyRequests,
                "Two archives of this project are being downloaded already. Send the request again when one of them is done",
            )
            .into(),
            error => read_error(error),
        })?;
        Ok(ExportFile { name: format!("{}.zip", version.key.name), file: File::from_std(file), turn: Some(turn) })
    }

    /// The code of a version alone: an archive as it was uploaded, or one with the file of inline code.
    ///
    /// # Errors
    /// FSS.1006 for an image; else as [`Self::function`].
    pub async fn export_code(&self, caller: &Caller, function: &FunctionRef) -> Result<ExportFile, Error> {
        let version = self.function(caller, function).await?;
        let code = &version.code;
        match code.code_type {
            CodeType::Image => Err(Fault::new(
                ErrorCode::BadCodeType,
                "The code of an image function is its image, which its registry gives. Export the configuration alone",
            )
            .into()),
            CodeType::Inline => {
                let entry = (code.filename.clone(), Bundled::Package(code.clone()));
                self.bundle(&version, vec![entry]).await
            }
            CodeType::Zip | CodeType::Jar | CodeType::Object => {
                let ending = if code.filename.ends_with(".jar") { "jar" } else { "zip" };
                let name = format!("{}.{ending}", version.key.name);
                Ok(ExportFile { name, file: self.open_package(code).await?, turn: None })
            }
        }
    }
}

fn check_size(bytes: u64) -> Result<(), Fault> {
    if bytes + DESCRIPTION_BYTES <= limits::EXPORT_BYTES {
        return Ok(());
    }
    let most = (limits::EXPORT_BYTES - DESCRIPTION_BYTES) >> 20;
    Err(Fault::new(
        ErrorCode::PackageTooLarge,
        format!(
            "The code is over {most} MB, and so too large for an archive. Export the configuration alone, and the code with type=code"
        ),
    ))
}

fn secret_variables(version: &FunctionVersion) -> Vec<String> {
    let names = version.spec.encrypted_user_data.keys();
    names.map(|name| format!("the encrypted variable {name}: set it again with encrypted_user_data")).collect()
}

fn secret_trigger(trigger: &Trigger) -> String {
    let data = triggers::stored_data(trigger);
    let name = data.get("name").and_then(Value::as_str).unwrap_or(&trigger.id.0);
    format!("the {} trigger {name}, which holds a secret: create it again", trigger.kind.code())
}
