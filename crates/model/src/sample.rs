//! A function for tests that need one and do not look at it; made only with the feature `sample`.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::{
    CodePackage, CodeType, Digest, DomainId, FunctionKey, FunctionSpec, FunctionVersion, Mounts, ProjectId, Runtime,
    Strategy,
};

/// A Python function `name` of project `p`.
#[must_use]
pub fn function(name: &str) -> FunctionVersion {
    FunctionVersion {
        key: FunctionKey { project: ProjectId("p".into()), package: "default".into(), name: name.into() },
        domain: DomainId("d".into()),
        version: "latest".into(),
        func_id: name.into(),
        spec: FunctionSpec {
            runtime: Runtime::parse("Python3.9").expect("a runtime of the list"),
            handler: "index.handler".into(),
            timeout_s: 3,
            memory_mb: 128,
            tmp_mb: 512,
            initializer: None,
            pre_stop: None,
            user_data: BTreeMap::new(),
            encrypted_user_data: BTreeMap::new(),
            strategy: Strategy::default(),
            description: String::new(),
            dynamic_memory: false,
            mounts: Mounts::default(),
            passive: "{}".into(),
        },
        code: CodePackage {
            code_type: CodeType::Zip,
            filename: "index.zip".into(),
            size: 1,
            digest: Digest("ab".repeat(64)),
        },
        dependencies: Vec::new(),
        merged: None,
        image: None,
        revision: 1,
        last_modified: Timestamp::UNIX_EPOCH,
        remark: String::new(),
    }
}
