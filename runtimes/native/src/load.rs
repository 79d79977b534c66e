//! The LOAD frame's object: all there is to know of the function.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde::Deserialize;

/// See PROTOCOL.md, "LOAD's object".
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Load {
    /// `Custom`, `http`, `Go1.x` or `Custom Image`.
    pub(crate) runtime: String,
    /// Free text for Custom and http functions; the executable of a Go function; `-` or `http` of an image.
    pub(crate) handler: String,
    start_timeout_ms: u64,
    /// The user's variables.
    user_data: BTreeMap<String, String>,
    /// The `RUNTIME_*` variables.
    env: BTreeMap<String, String>,
    code_root: PathBuf,
    /// Of a Custom function only: where it asks for its events.
    #[serde(default)]
    pub(crate) runtime_api_addr: Option<String>,
    /// Of a container image only.
    #[serde(default)]
    pub(crate) image: Option<Image>,
}

/// How the program of a container image is started.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Image {
    /// The command.
    pub(crate) args: Vec<String>,
    /// What the image sets, in order.
    pub(crate) env: Vec<(String, String)>,
    /// Working directory.
    pub(crate) cwd: String,
}

impl Load {
    /// Reads it.
    pub(crate) fn parse(object: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(object)
    }

    /// Where the code is.
    pub(crate) fn code_root(&self) -> &std::path::Path {
        &self.code_root
    }

    /// How long the program may take until it is ready.
    pub(crate) fn start_limit(&self) -> Duration {
        Duration::from_millis(self.start_timeout_ms)
    }

    /// The same in words: whoever waited for most of the last second waited for it.
    pub(crate) fn start_seconds(&self) -> u64 {
        self.start_timeout_ms.div_ceil(1000)
    }

    /// What the user's program has beside what this process started with. The user's variables are real ones where a program
    /// has no context object to ask; Go's has. The platform's own names win.
    pub(crate) fn environment(&self) -> impl Iterator<Item = (&String, &String)> {
        let real = self.runtime != "Go1.x";
        self.user_data.iter().filter(move |_| real).chain(&self.env)
    }
}
