//! Registries: what of them is asked, and their failures in words for the client.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::errors::OciDistributionError;
use oci_client::manifest::OciImageManifest;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference, RegistryOperation};
use serde::Deserialize;

use super::ImageSettings;
use super::error::{ImageError, bad_name, missing, not_read, unusable};

const CONNECT: Duration = Duration::from_secs(10);
/// A registry that says nothing for this long is gone.
const SILENCE: Duration = Duration::from_secs(30);

/// Users and passwords by registry.
#[derive(Clone, Default)]
pub struct Credentials(HashMap<String, (String, String)>);

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[derive(Deserialize)]
struct AuthFile {
    #[serde(default)]
    auths: HashMap<String, AuthEntry>,
}

#[derive(Deserialize)]
struct AuthEntry {
    auth: Option<String>,
}

impl Credentials {
    /// Reads a file as `docker login`, `podman login` and `skopeo login` write it.
    ///
    /// # Errors
    /// A text that says what is wrong with it, without what is in it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let file: AuthFile = serde_json::from_str(text).map_err(|error| {
            format!("it is no JSON with \"auths\" as docker login writes it (line {})", error.line())
        })?;
        let mut all = HashMap::new();
        for (registry, entry) in file.auths {
            let Some(auth) = entry.auth else {
                return Err(format!("it has no \"auth\" for {registry}: a credential helper cannot be asked"));
            };
            let plain = STANDARD.decode(auth).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let pair = plain.as_deref().and_then(|plain| plain.split_once(':'));
            let (user, password) =
                pair.ok_or_else(|| format!("\"auth\" of {registry} is not the base64 of user:password"))?;
            all.insert(host(&registry).to_owned(), (user.to_owned(), password.to_owned()));
        }
        Ok(Self(all))
    }

    fn of(&self, registry: &str) -> RegistryAuth {
        self.0
            .get(registry)
            .map_or(RegistryAuth::Anonymous, |(user, password)| RegistryAuth::Basic(user.clone(), password.clone()))
    }
}

/// Docker's file names its own registry by an address.
fn host(registry: &str) -> &str {
    let registry = registry.trim_start_matches("https://").trim_start_matches("http://");
    let host = registry.split('/').next().unwrap_or(registry);
    if host == "docker.io" { "index.docker.io" } else { host }
}

/// A connection to registries.
pub(super) struct Registry {
    tls: Client,
    plain: Client,
    insecure: Vec<String>,
    credentials: Credentials,
}

/// What is to be fetched of an image.
pub(super) struct Found {
    pub(super) manifest: OciImageManifest,
    /// Of the manifest: `sha256:…`.
    pub(super) digest: String,
}

/// The name of an image, checked.
pub(super) fn reference(text: &str, settings: &ImageSettings) -> Result<Reference, ImageError> {
    let parsed: Result<Reference, _> = text.parse();
    let reference = parsed.map_err(|error| {
        bad_name(format!(
            "'{}' is no name of an image: {error}. Use registry/repository:tag or registry/repository@sha256:…",
            shown(text)
        ))
    })?;
    let registry = reference.resolve_registry();
    let allowed = settings.registries.is_empty() || settings.registries.iter().any(|known| host(known) == registry);
    if !allowed {
        return Err(bad_name(format!(
            "Images from {registry} are not allowed on this server. Its operator allows: {}",
            settings.registries.join(", ")
        )));
    }
    Ok(reference)
}

impl Registry {
    /// Ready to ask; nobody is asked yet.
    pub(super) fn new(settings: &ImageSettings) -> Result<Self, ImageError> {
        // Somebody else may have chosen before, which is as good.
        let _chosen = rustls::crypto::ring::default_provider().install_default();
        Ok(Self {
            tls: client(ClientProtocol::Https)?,
            plain: client(ClientProtocol::Http)?,
            insecure: settings.insecure.clone(),
            credentials: settings.credentials.clone(),
        })
    }

    /// The manifest of an image, for this kind of machine where there are several.
    pub(super) async fn find(&self, image: &Reference) -> Result<Found, ImageError> {
        let auth = self.credentials.of(image.resolve_registry());
        let failed = |error| told(image, &error);
        let client = self.client(image);
        client.auth(image, &auth, RegistryOperation::Pull).await.map_err(failed)?;
        let (manifest, digest) = client.pull_image_manifest(image, &auth).await.map_err(failed)?;
        Ok(Found { manifest, digest })
    }

    /// Whoever asks this image's registry. Nobody listens on the way to a loopback address, so no certificate is asked for there.
    pub(super) fn client(&self, image: &Reference) -> &Client {
        let registry = image.resolve_registry();
        if is_loopback(registry) || self.insecure.iter().any(|known| known == registry) {
            &self.plain
        } else {
            &self.tls
        }
    }
}

fn client(protocol: ClientProtocol) -> Result<Client, ImageError> {
    let config = ClientConfig {
        protocol,
        connect_timeout: Some(CONNECT),
        read_timeout: Some(SILENCE),
        user_agent: concat!("fungraph/", env!("CARGO_PKG_VERSION")),
        ..ClientConfig::default()
    };
    Client::try_from(config)
        .map_err(|error| unusable(format!("This server cannot ask registries: {}", innermost(&error))))
}

fn is_loopback(registry: &str) -> bool {
    let host = registry.rsplit_once(':').map_or(registry, |(host, _)| host).trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A failure of a registry for the client.
pub(super) fn told(image: &Reference, error: &OciDistributionError) -> ImageError {
    use OciDistributionError as E;
    let (name, registry) = (image.whole(), image.resolve_registry());
    let login = "An operator gives this server an account with images.auth_file";
    let absent =
        || missing(format!("The registry {registry} has no image {name}. Push it there first, or correct the name"));
    match error {
        E::UnauthorizedError { .. } | E::AuthenticationFailure(_) => missing(format!(
            "The registry {registry} does not give {name} to this server: it is absent, or takes an account. {login}"
        )),
        E::ServerError { code: 404, .. } | E::ImageManifestNotFoundError(_) => absent(),
        E::RegistryError { envelope, .. } => {
            let codes: Vec<String> = envelope.errors.iter().map(|error| format!("{:?}", error.code)).collect();
            let codes = codes.join(", ");
            if codes.contains("ManifestUnknown") || codes.contains("NameUnknown") || codes.contains("NotFound") {
                return absent();
            }
            if codes.contains("Denied") || codes.contains("Unauthorized") {
                return missing(format!(
                    "The registry {registry} does not give {name} to this server ({codes}). {login}"
                ));
            }
            missing(format!("The registry {registry} refuses {name}: {codes}"))
        }
        E::DigestError(error) => {
            unusable(format!("What the registry {registry} sent for {name} is not what its digest says: {error}"))
        }
        E::RequestError(_) => not_read(format!(
            "The registry {registry} cannot be reached: {}. One without TLS is to be named in images.insecure",
            innermost(error)
        )),
        E::ServerError { code, .. } => {
            not_read(format!("The registry {registry} answered {code} for {name}. Try again later"))
        }
        other => unusable(format!("The image {name} cannot be used: {}", shown(&other.to_string()))),
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

/// Reads a file of credentials.
///
/// # Errors
/// A text that names the file.
pub fn read_credentials(path: &Path) -> Result<Credentials, String> {
    let named = |why: String| format!("{}: {why}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| named(error.to_string()))?;
    Credentials::parse(&text).map_err(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_those_of_docker_login() {
        let text = r#"{"auths":{"registry.example.com":{"auth":"YWRhOnNlY3JldDp4"},"https://index.docker.io/v1/":{"auth":"YTpi"}}}"#;
        let credentials = Credentials::parse(text).expect("it is such a file");
        assert_eq!(credentials.of("registry.example.com"), RegistryAuth::Basic("ada".into(), "secret:x".into()));
        assert_eq!(credentials.of("index.docker.io"), RegistryAuth::Basic("a".into(), "b".into()));
        assert_eq!(credentials.of("other.example.com"), RegistryAuth::Anonymous);
        assert!(!format!("{credentials:?}").contains("secret"));
        for bad in
            ["", r#"{"auths":{"x":{}}}"#, r#"{"auths":{"x":{"auth":"!"}}}"#, r#"{"auths":{"x":{"auth":"YQ=="}}}"#]
        {
            assert!(Credentials::parse(bad).is_err(), "{bad}");
        }
    }

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
            assert_eq!(reference(text, &settings).is_ok(), fine, "{text}");
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
