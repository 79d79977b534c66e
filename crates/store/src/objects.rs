//! Packages from elsewhere: code and dependencies that a request names by a link instead of sending them.
//!
//! Links lead to an object store that the operator names, or to hosts that he lists; nobody else is asked, and nobody is followed to
//! anybody else. What comes is written to disk as it comes and then checked as an upload is. Of what comes nothing is ever shown.

mod address;
mod error;
mod fetch;
mod put;
#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use fungraph_model::{ProjectId, Secret};
use reqwest::{Client, Url};

pub use error::ObjectError;
pub use put::PutError;

use crate::guard;
use crate::images::turns::Turns;
use crate::packages::Arrival;
use address::Place;
use error::refused;

/// Fetches of one project at a time; others of it wait.
const AT_ONCE: usize = 2;

/// The object store of the operator, for whoever reads or writes objects.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Where it is: scheme, host and port.
    url: Url,
    /// Region that signatures name.
    pub region: String,
    /// Whether buckets stand in the path, and not before the host.
    pub path_style: bool,
    /// Key to sign with; none asks for what everybody may read.
    pub account: Option<(String, Secret)>,
}

impl Endpoint {
    /// An object store at an address such as `https://obs.example.com`.
    ///
    /// # Errors
    /// A text that says what the address must be.
    pub fn new(address: &str) -> Result<Self, String> {
        let allowed = || "it must be an address such as https://obs.example.com or http://10.0.0.7:9000".to_owned();
        let url = Url::parse(address).map_err(|_| allowed())?;
        let is_plain = matches!(url.path(), "" | "/")
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        let is_web = matches!(url.scheme(), "http" | "https") && url.host_str().is_some();
        if !is_plain || !is_web {
            return Err(allowed());
        }
        Ok(Self { url, region: "us-east-1".to_owned(), path_style: true, account: None })
    }
}

/// Where packages may come from.
#[derive(Clone, Debug)]
pub struct ObjectSettings {
    /// The object store, where there is one.
    pub endpoint: Option<Endpoint>,
    /// Its buckets that may be read for packages; none named means all that the key may read.
    pub buckets: Vec<String>,
    /// Other hosts, with their port where it is not that of https.
    pub hosts: Vec<String>,
    /// How long one package may take, retries included.
    pub limit: Duration,
    /// Pause before a second try; it grows.
    pub pause: Duration,
}

impl Default for ObjectSettings {
    fn default() -> Self {
        Self {
            endpoint: None,
            buckets: Vec::new(),
            hosts: Vec::new(),
            limit: Duration::from_secs(300),
            pause: Duration::from_millis(200),
        }
    }
}

/// Whoever fetches. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Objects {
    settings: Arc<ObjectSettings>,
    /// Made when they are first wanted: most servers never fetch.
    clients: Arc<OnceLock<Clients>>,
    turns: Arc<Turns>,
}

#[derive(Debug)]
struct Clients {
    store: Option<Client>,
    listed: Client,
}

impl Objects {
    /// Ready to fetch; nobody is asked yet.
    #[must_use]
    pub fn new(settings: ObjectSettings) -> Self {
        Self { settings: Arc::new(settings), clients: Arc::default(), turns: Arc::default() }
    }

    /// Whether a link can be fetched at all, and how it may be shown: without the signature that it may have.
    ///
    /// # Errors
    /// FSS.1010.
    pub fn check(&self, link: &str) -> Result<String, ObjectError> {
        address::read(link, &self.settings).map(|place| place.shown())
    }

    /// Brings what a link leads to. A project has two turns at a time. If the caller stops waiting, the rest is not fetched.
    ///
    /// # Errors
    /// FSS.1010 where the link must not be followed, FSS.1054 where there is nothing, FSS.1071 where it is too large, FSS.0502 and FSS.0504
    /// where it does not come; or what the file system said.
    pub async fn fetch(&self, project: &ProjectId, link: &str, into: &mut Arrival) -> Result<(), ObjectError> {
        let place = address::read(link, &self.settings)?;
        let work = async {
            let _turn = self.turns.take(project.0.clone(), AT_ONCE).await;
            let fetch = fetch::Fetch { client: self.client(&place)?, place: &place, settings: &self.settings };
            fetch.bring(into).await
        };
        match tokio::time::timeout(self.settings.limit, work).await {
            Ok(done) => done,
            Err(_) => Err(error::too_slow(&place.name(), self.settings.limit)),
        }
    }

    fn clients(&self) -> reqwest::Result<&Clients> {
        if let Some(clients) = self.clients.get() {
            return Ok(clients);
        }
        let new = Clients::new(&self.settings)?;
        Ok(self.clients.get_or_init(|| new))
    }

    /// For the object store itself.
    fn store_client(&self) -> Option<&Client> {
        self.clients().ok()?.store.as_ref()
    }

    fn client(&self, place: &Place) -> Result<&Client, ObjectError> {
        let clients = self.clients().map_err(|error| refused(&guard::reason(&error)))?;
        Ok(match place {
            Place::Link(_) => &clients.listed,
            Place::Object { .. } => clients.store.as_ref().unwrap_or(&clients.listed),
        })
    }
}

impl Clients {
    fn new(settings: &ObjectSettings) -> reqwest::Result<Self> {
        // Somebody else may have chosen before, which is as good.
        let _chosen = rustls::crypto::ring::default_provider().install_default();
        let store = settings.endpoint.as_ref().map(|endpoint| guard::client_of(&endpoint.url)).transpose()?;
        Ok(Self { store, listed: guard::listed_client(settings.hosts.clone())? })
    }
}
