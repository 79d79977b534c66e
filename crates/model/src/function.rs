//! A function and its code, as resolved for a call.

use std::fmt;

use jiff::Timestamp;

use crate::{Dependency, DomainId, FunctionSpec, ProjectId};

/// Identity of a function within the platform.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FunctionKey {
    /// Owning project.
    pub project: ProjectId,
    /// Grouping word of the API.
    pub package: String,
    /// Name, unique in its package.
    pub name: String,
}

/// One version of a function: `latest`, which changes, or a published one, which does not.
#[derive(Clone, Debug)]
pub struct FunctionVersion {
    /// Which function.
    pub key: FunctionKey,
    /// Owning account.
    pub domain: DomainId,
    /// `latest` or the published name.
    pub version: String,
    /// Id of the function itself (`func_id`), the same for all versions.
    pub func_id: String,
    /// Checked configuration.
    pub spec: FunctionSpec,
    /// The code.
    pub code: CodePackage,
    /// What is merged into the code, later ones winning over earlier ones and all of them over the code.
    pub dependencies: Vec<Dependency>,
    /// Name of the folder that holds the result; `None` without dependencies.
    pub merged: Option<Digest>,
    /// Goes up with every change of configuration or code; instances are keyed by it.
    pub revision: u64,
    /// Time of the last change.
    pub last_modified: Timestamp,
}

/// How code came in (`code_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeType {
    /// One source file as text.
    Inline,
    /// A zip archive.
    Zip,
    /// A jar, or a zip that holds jars.
    Jar,
}

impl CodeType {
    /// The API's word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Inline => "inline",
            Self::Zip => "zip",
            Self::Jar => "jar",
        }
    }

    /// Reads the API's word; other words exist in the API but are not built (`obs`, `Custom-Image-Swr`).
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Inline, Self::Zip, Self::Jar].into_iter().find(|t| t.name() == name)
    }
}

/// Uploaded code, kept under its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodePackage {
    /// How it came in.
    pub code_type: CodeType,
    /// File name given by the client, or the main file of inline code.
    pub filename: String,
    /// Bytes as uploaded, decoded from base64.
    pub size: u64,
    /// SHA-512 of those bytes.
    pub digest: Digest,
}

/// SHA-512 (FIPS 180-4) of an uploaded package, 128 lower-case hexadecimal characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Digest(pub String);

impl FunctionKey {
    /// The full URN in a region, ending in `version`.
    #[must_use]
    pub fn urn(&self, region: &str, version: &str) -> String {
        format!("urn:fss:{region}:{}:function:{}:{}:{version}", self.project, self.package, self.name)
    }
}

impl fmt::Display for FunctionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.project, self.package, self.name)
    }
}
