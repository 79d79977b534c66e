//! `[obs]`: the object store, and who else packages come from.

use std::path::PathBuf;
use std::time::Duration;

use fungraph_model::Secret;
use fungraph_store::objects::Endpoint;
use toml::Value;

use super::Error;
use super::document::{Document, value_error};
use super::reader::Section;
use super::settings::folder;

/// The section.
pub(super) const SECTION: &str = "obs";
/// Its key that is shown to nobody.
pub(super) const SECRET: &str = "secret_key";

/// What is in effect.
#[derive(Clone, Debug)]
pub(crate) struct Obs {
    /// `None`: there is no object store.
    pub(crate) endpoint: Option<Endpoint>,
    /// `None`: nothing is signed.
    pub(crate) access_key: Option<String>,
    pub(crate) secret_key: Option<SecretKey>,
    /// Empty: all.
    pub(crate) buckets: Vec<String>,
    pub(crate) hosts: Vec<String>,
    pub(crate) fetch: Duration,
}

/// Where the secret of the access key is.
#[derive(Clone, Debug)]
pub(crate) enum SecretKey {
    /// In the settings.
    Here(Secret),
    /// In a file of its own, read at the start.
    File(PathBuf),
}

pub(super) fn read(section: &Section<'_>) -> Result<Obs, Error> {
    let given = |text: &str| Ok((!text.is_empty()).then(|| text.to_owned()));
    let region = section.text("region", region)?;
    let path_style = section.truth("path_style")?;
    let mut endpoint =
        section.text("endpoint", |text| if text.is_empty() { Ok(None) } else { Endpoint::new(text).map(Some) })?;
    if let Some(endpoint) = &mut endpoint {
        (endpoint.region, endpoint.path_style) = (region, path_style);
    }
    let here = section.text(SECRET, given)?.map(|text| SecretKey::Here(Secret::new(text)));
    let file =
        section.text("secret_key_file", |text| if text.is_empty() { Ok(None) } else { folder(text).map(Some) })?;
    if here.is_some() && file.is_some() {
        section.value::<()>("secret_key_file", |_| {
            Err("the secret is in secret_key already; keep one of the two".to_owned())
        })?;
    }
    Ok(Obs {
        endpoint,
        access_key: section.text("access_key", given)?,
        secret_key: here.or(file.map(SecretKey::File)),
        buckets: section.texts("buckets", given_text)?,
        hosts: section.texts("link_hosts", host)?,
        fetch: section.seconds("fetch_seconds", 1..=3600)?,
    })
}

impl Obs {
    /// What no single value shows.
    pub(super) fn check(&self, document: &Document) -> Result<(), Error> {
        let problem = match (&self.endpoint, &self.access_key, &self.secret_key) {
            (None, Some(_), _) => "there is nobody to show it to: name the object store in obs.endpoint",
            (_, Some(_), None) => "it has no secret: give it in obs.secret_key_file or obs.secret_key",
            (_, None, Some(_)) => "it is missing: a secret key belongs to it",
            _ => return Ok(()),
        };
        let (value, place) = document.get(SECTION, "access_key");
        Err(value_error(&place, "obs.access_key", value, problem))
    }
}

/// A secret as it is shown: that there is one.
pub(super) fn masked(value: &Value) -> Value {
    match value.as_str() {
        Some("") | None => value.clone(),
        Some(_) => Value::String("******".to_owned()),
    }
}

fn region(text: &str) -> Result<String, String> {
    let good =
        !text.is_empty() && text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    good.then(|| text.to_owned()).ok_or_else(|| "it must be 1 to 64 letters, digits and dashes".to_owned())
}

fn given_text(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("it must be the name of a bucket".to_owned()) } else { Ok(text.to_owned()) }
}

fn host(text: &str) -> Result<String, String> {
    let good = !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']'))
        && !text.ends_with(":443");
    good.then(|| text.to_ascii_lowercase()).ok_or_else(|| {
        format!("{text:?} must be a host, with its port where it is not 443, such as files.example.com or files.example.com:8443")
    })
}
