//! What a registry that is none, or a bad one, says.

use sha2::{Digest as _, Sha256};

use super::super::config::architecture;
use super::super::hex;
pub(crate) use crate::fake::{Fake, answer};

pub(crate) fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// A configuration, and a manifest with it and one plain layer of this digest and size.
pub(crate) fn image(layer: &str, size: usize) -> (String, String) {
    let config = format!(r#"{{"architecture":"{}","os":"linux","config":{{"Cmd":["/a"]}}}}"#, architecture());
    let manifest = format!(
        r#"{{"schemaVersion":2,"config":{{"digest":"sha256:{}","size":{}}},"layers":[{{"mediaType":
        "application/vnd.oci.image.layer.v1.tar","digest":"sha256:{layer}","size":{size}}}]}}"#,
        digest(config.as_bytes()),
        config.len()
    );
    (config, manifest)
}
