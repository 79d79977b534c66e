//! Dependencies: archives that are merged into the code of the functions they are attached to.

use jiff::Timestamp;

use crate::{CodePackage, CodeType, Digest, DomainId, ProjectId, Runtime};

/// One version of a dependency. It never changes: what is uploaded under the same name is the next version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// Id of this version (`id`), which functions name.
    pub id: String,
    /// Id of the dependency itself (`dep_id`), the same for all versions.
    pub dependency: String,
    /// Owning project.
    pub project: ProjectId,
    /// Owning account.
    pub domain: DomainId,
    /// Name, unique in its project.
    pub name: String,
    /// 1 for the first, one more for each after it; none is used twice.
    pub version: u32,
    /// The runtime it was made for.
    pub runtime: Runtime,
    /// Free text.
    pub description: String,
    /// Bytes as uploaded, decoded from base64.
    pub size: u64,
    /// SHA-512 of those bytes.
    pub digest: Digest,
    /// When it was uploaded.
    pub last_modified: Timestamp,
}

impl Dependency {
    /// The archive.
    #[must_use]
    pub fn package(&self) -> CodePackage {
        let filename = format!("{}.zip", self.name);
        CodePackage { code_type: CodeType::Zip, filename, size: self.size, digest: self.digest.clone() }
    }
}
