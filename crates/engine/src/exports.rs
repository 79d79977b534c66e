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
use fungraph_store::Bundled;
use serde_json::{Map, Value};
use tokio::fs::File;

use crate::{Engine, Error, code::package_error, triggers};

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
    /// FSS.1071 where it would be too large to be imported.
    pub async fn export_archive(
        &self,
        exported: &Exported,
        description: Bytes,
        with_code: bool,
    ) -> Result<File, Error> {
        let code = &exported.version.code;
        let mut entries = vec![(DESCRIPTION.to_owned(), Bundled::Bytes(description))];
        if with_code && code.code_type != CodeType::Image {
            check_size(code.size)?;
            entries.push((CODE.to_owned(), Bundled::Package(code.clone())));
        }
        self.packages.bundle(entries).await.map(File::from_std).map_err(package_error)
    }

    /// The code of a version alone, with a name for it: an archive as it was uploaded, or one with the file of inline code.
    ///
    /// # Errors
    /// FSS.1006 for an image; else as [`Self::function`].
    pub async fn export_code(&self, caller: &Caller, function: &FunctionRef) -> Result<(String, File), Error> {
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
                let file = self.packages.bundle(vec![entry]).await.map_err(package_error)?;
                Ok((format!("{}.zip", version.key.name), File::from_std(file)))
            }
            CodeType::Zip | CodeType::Jar | CodeType::Object => {
                let ending = if code.filename.ends_with(".jar") { "jar" } else { "zip" };
                Ok((format!("{}.{ending}", version.key.name), self.open_package(code).await?))
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
