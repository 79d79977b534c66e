//! `credentials.json`: how clients of this host find the server and prove who they are.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context as _;
use fungraph_model::Secret;
use serde_json::{Value, json};

use crate::exit::Stop;

/// Its name below the data folder.
pub(crate) const FILE: &str = "credentials.json";

/// What the file holds.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    /// `http://host:port`.
    pub(crate) endpoint: String,
    pub(crate) region: String,
    pub(crate) domain_id: String,
    pub(crate) project_id: String,
    pub(crate) access_key: String,
    pub(crate) secret_key: Secret,
}

impl Credentials {
    /// Puts the file into a folder, mode 0600, in one step: a reader sees the old file or the new one.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let text = json!({
            "endpoint": self.endpoint,
            "region": self.region,
            "domain_id": self.domain_id,
            "project_id": self.project_id,
            "access_key": self.access_key,
            "secret_key": self.secret_key.reveal(),
        });
        let new = folder.join(".credentials.new");
        let write = || {
            let _ = fs::remove_file(&new);
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
            writeln!(file, "{text:#}")?;
            file.sync_all()?;
            fs::rename(&new, folder.join(FILE))?;
            File::open(folder)?.sync_all()
        };
        write().with_context(|| format!("cannot write {FILE}"))
    }

    /// Reads the file of a folder; `None` where there is none.
    ///
    /// # Errors
    /// It is there and cannot be read, with what to do.
    pub(crate) fn read(folder: &Path) -> anyhow::Result<Option<Self>> {
        let path = folder.join(FILE);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(Stop::usage(format!(
                    "you may not read {}: it belongs to the server's user; run this with sudo, or set \
                     HUAWEICLOUD_SDK_AK, HUAWEICLOUD_SDK_SK, HUAWEICLOUD_SDK_PROJECT_ID and FUNGRAPH_ENDPOINT",
                    path.display()
                )));
            }
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        let value: Option<Value> = serde_json::from_slice(&text).ok();
        let credentials = value.and_then(|value| Self::from_json(&value));
        let broken =
            || Stop::usage(format!("{} is damaged; the server writes it anew at its next start", path.display()));
        credentials.map(Some).ok_or_else(broken)
    }

    fn from_json(value: &Value) -> Option<Self> {
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            endpoint: text("endpoint")?,
            region: text("region")?,
            domain_id: text("domain_id")?,
            project_id: text("project_id")?,
            access_key: text("access_key")?,
            secret_key: Secret::new(text("secret_key")?),
        })
    }
}
