//! Registries: their names, what of them is asked, and their failures in words for the client.

use std::sync::Mutex;

use oci_spec::distribution::Reference;
use reqwest::{Client, StatusCode};
use sha2::{Digest as _, Sha256};

use super::ImageSettings;
use super::ask::{AskError, Conversation};
use super::credentials::host;
use super::error::{ImageError, bad_name, missing, not_read, unusable};
use super::plan::{ImageManifest, Manifest, sha256};
use crate::guard;

impl ImageSettings {
    /// Whether the operator has named a registry.
    fn names(&self, registry: &str) -> bool {
        is_in(&self.registries, registry) || is_in(&self.insecure, registry)
    }
}

fn is_in(list: &[String], registry: &str) -> bool {
    list.iter().any(|known| host(known) == registry)
}

/// Whoever asks registries.
pub(super) struct Registry {
    /// For those that the operator names.
    open: Client,
    /// For all others.
    public: Client,
    settings: ImageSettings,
}

/// What is to be fetched of an image.
pub(super) struct Found {
    pub(super) manifest: ImageManifest,
    /// Of the manifest, 64 hexadecimal characters.
    pub(super) digest: String,
}

/// The name of an image, checked.
pub(super) fn reference(text: &str) -> Result<Reference, ImageError> {
    let parsed: Result<Reference, _> = text.parse();
    parsed.map_err(|error| {
        bad_name(format!(
            "'{}' is no name of an image: {error}. Use registry/repository:tag or registry/repository@sha256:…",
            shown(text)
        ))
    })
}

/// Whether a text can be the name of an image.
///
/// # Errors
/// A text that says why not.
pub fn check_name(text: &str) -> Result<(), String> {
    match reference(text) {
        Err(ImageError::Refused(fault)) => Err(fault.message),
        Err(error) => Err(error.to_string()),
        Ok(_) => Ok(()),
    }
}

/// Whether users may have images of this registry.
pub(super) fn check_allowed(image: &Reference, settings: &ImageSettings) -> Result<(), ImageError> {
    let registry = image.resolve_registry();
    if settings.registries.is_empty() || settings.names(registry) {
        return Ok(());
    }
    Err(bad_name(format!(
        "Images from {registry} are not allowed on this server. Its operator allows: {}",
        settings.registries.join(", ")
    )))
}

impl Registry {
    /// Ready to ask; nobody is asked yet.
    pub(super) fn new(settings: &ImageSettings) -> Result<Self, ImageError> {
        // Somebody else may have chosen before, which is as good.
        let _chosen = rustls::crypto::ring::default_provider().install_default();
        let failed =
            |error: reqwest::Error| unusable(format!("This server cannot ask registries: {}", innermost(&error)));
        let (open, public) = (guard::open_client().map_err(failed)?, guard::public_client().map_err(failed)?);
        Ok(Self { open, public, settings: settings.clone() })
    }

    /// The beginning of a conversation; nobody is asked yet. What the operator wants himself is named by that.
    pub(super) fn talk<'a>(&'a self, image: &'a Reference, by_operator: bool) -> Conversation<'a> {
        let registry = image.resolve_registry();
        let is_named = by_operator || self.settings.names(registry);
        let insecure = is_in(&self.settings.insecure, registry);
        // Nobody listens on the way to a loopback address, so no certificate is asked for there.
        let plain = insecure || is_named && is_loopback(registry);
        Conversation {
            client: if is_named { &self.open } else { &self.public },
            image,
            is_named,
            scheme: if plain { "http" } else { "https" },
            account: self.settings.credentials.of(registry),
            proof: Mutex::default(),
        }
    }
}

/// The manifest of an image, for this kind of machine where there are several.
pub(super) async fn find(talk: &Conversation<'_>) -> Result<Found, ImageError> {
    let image = talk.image;
    let name = image.digest().or(image.tag()).unwrap_or("latest");
    let mut found = read(talk, name).await?;
    if let (Manifest::List(digest), _) = &found {
        let digest = digest.clone();
        sha256(&digest)?;
        found = read(talk, &digest).await?;
    }
    match found {
        (Manifest::Image(manifest), digest) => Ok(Found { manifest, digest }),
        (Manifest::List(_), _) => Err(unusable(format!("The image {} is a list of lists", image.whole()))),
    }
}

async fn read(talk: &Conversation<'_>, name: &str) -> Result<(Manifest, String), ImageError> {
    let image = talk.image;
    let expected = if name.contains(':') { Some(sha256(name)?) } else { None };
    let bytes = talk.manifest(name).await.map_err(|error| told(image, error))?;
    let digest = super::hex(&Sha256::digest(&bytes));
    if expected.is_some_and(|expected| expected != digest) {
        let (name, registry) = (image.whole(), image.resolve_registry());
        return Err(unusable(format!("What the registry {registry} sent for {name} is not what its digest says")));
    }
    Ok((Manifest::read(&bytes)?, digest))
}

fn is_loopback(registry: &str) -> bool {
    let host = registry.rsplit_once(':').map_or(registry, |(host, _)| host).trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A failure of a registry for the client.
pub(super) fn told(image: &Reference, error: AskError) -> ImageError {
    let (name, registry) = (image.whole(), image.resolve_registry());
    let login = "An operator gives this server an account with images.auth_file";
    match error {
        AskError::Unreachable(why) => not_read(format!(
            "The registry {registry} cannot be reached: {why}. One that has no TLS is to be named in images.insecure, and one \
             that is on this host or in a private network in images.registries"
        )),
        AskError::NotPublic => bad_name(format!(
            "The registry {registry} is not asked, or sends elsewhere: only public addresses are asked, and registries that \
             the operator of this server names in images.registries"
        )),
        AskError::Status(StatusCode::NOT_FOUND) => {
            missing(format!("The registry {registry} has no image {name}. Push it there first, or correct the name"))
        }
        AskError::Status(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => missing(format!(
            "The registry {registry} does not give {name} to this server: it is absent, or takes an account. {login}"
        )),
        AskError::Status(status) if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            not_read(format!("The registry {registry} answered {} for {name}. Try again later", status.as_u16()))
        }
        AskError::Status(status) => {
            missing(format!("The registry {registry} refuses {name}: it answered {}", status.as_u16()))
        }
        AskError::Unusable(why) => {
            not_read(format!("The registry {registry} does not answer as a registry does: {why}"))
        }
    }
}

/// The innermost cause says most.
pub(super) fn innermost(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    shown(&last.to_string())
}

/// Text of others in a message is cut short.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(200).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_addresses_need_no_tls() {
        for (registry, loopback) in [
            ("127.0.0.1:5000", true),
            ("localhost", true),
            ("127.0.0.9", true),
            ("10.0.0.1:5000", false),
            ("127.example.com", false),
        ] {
            assert_eq!(is_loopback(registry), loopback, "{registry}");
        }
    }

    #[test]
    fn names_are_checked_and_registries_allowed() {
        let check = |text: &str, registries: &[&str], fine: bool| {
            let registries = registries.iter().map(|name| (*name).to_owned()).collect();
            let settings = ImageSettings { registries, ..ImageSettings::default() };
            let checked = reference(text).and_then(|image| check_allowed(&image, &settings));
            assert_eq!(checked.is_ok(), fine, "{text}");
        };
        check("127.0.0.1:5000/a/b:v1", &[], true);
        check("alpine", &["docker.io"], true);
        check("alpine", &["registry.example.com"], false);
        check("registry.example.com/a", &["registry.example.com"], true);
        for bad in ["", "a b", "registry.example.com/A", "x@sha256:12", "https://registry.example.com/a"] {
            check(bad, &[], false);
        }
    }
}
