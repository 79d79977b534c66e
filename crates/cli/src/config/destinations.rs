//! `[destinations]`: who takes what asynchronous calls leave behind, beside functions and the object store.

use std::path::PathBuf;
use std::time::Duration;

use fungraph_engine::ObsBucket;

use super::Error;
use super::document::{Document, value_error};
use super::reader::Section;
use super::settings::folder;

/// Its name.
pub(super) const SECTION: &str = "destinations";

/// What is set.
#[derive(Clone, Debug)]
pub(crate) struct Destinations {
    pub(crate) give_up: Duration,
    pub(crate) obs_buckets: Vec<ObsBucket>,
    /// `None`: topics are refused.
    pub(crate) smn_endpoint: Option<String>,
    pub(crate) smn_secret_file: Option<PathBuf>,
    /// `None`: streams are refused.
    pub(crate) dis_server: Option<String>,
    pub(crate) dis_user: String,
    pub(crate) dis_password_file: Option<PathBuf>,
}

pub(super) fn read(section: &Section<'_>) -> Result<Destinations, Error> {
    let file = |text: &str| if text.is_empty() { Ok(None) } else { folder(text).map(Some) };
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Ok(Destinations {
        give_up: Duration::from_secs(section.number("hours", 1..=720)?.into()) * 3600,
        obs_buckets: section.texts("obs_buckets", ObsBucket::parse)?,
        smn_endpoint: section.text("smn_endpoint", |text| endpoint(text, &["http", "https"]).map(|()| some(text)))?,
        smn_secret_file: section.text("smn_secret_file", file)?,
        dis_server: section.text("dis_server", |text| endpoint(text, &["nats", "tls"]).map(|()| some(text)))?,
        dis_user: section.text("dis_user", |text| Ok(text.to_owned()))?,
        dis_password_file: section.text("dis_password_file", file)?,
    })
}

/// A scheme and a host, without a user in it: settings are printed.
fn endpoint(text: &str, schemes: &[&str]) -> Result<(), String> {
    if text.is_empty() {
        return Ok(());
    }
    let good = text.split_once("://").is_some_and(|(scheme, rest)| {
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        schemes.contains(&scheme)
            && !host.is_empty()
            && !host.contains('@')
            && text.bytes().all(|byte| byte.is_ascii_graphic())
    });
    let [first, second] = schemes else { return Err("it must be an address".to_owned()) };
    good.then_some(()).ok_or_else(|| {
        format!("it must be an address that begins with {first}:// or {second}://, without a user in it")
    })
}

impl Destinations {
    /// What no single value shows.
    pub(super) fn check(&self, document: &Document) -> Result<(), Error> {
        let alone = |key: &str, other: &str| {
            let (value, place) = document.get(SECTION, key);
            Err(value_error(&place, &format!("{SECTION}.{key}"), value, &format!("it needs {SECTION}.{other} too")))
        };
        if self.smn_endpoint.is_none() && self.smn_secret_file.is_some() {
            return alone("smn_secret_file", "smn_endpoint");
        }
        if self.dis_server.is_none() && self.dis_password_file.is_some() {
            return alone("dis_password_file", "dis_server");
        }
        if self.dis_user.is_empty() && self.dis_password_file.is_some() {
            return alone("dis_password_file", "dis_user");
        }
        if !self.dis_user.is_empty() && self.dis_password_file.is_none() {
            return alone("dis_user", "dis_password_file");
        }
        Ok(())
    }
}
