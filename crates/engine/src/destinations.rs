//! Who is told of the end of an asynchronous call: another function, or a service outside (contract: async.md, sections 2 and 3).
//!
//! What is owed is worked out when a call ends ([`owed`]) and stored in the same commit as the end; the job in `queue/notices.rs` delivers it
//! afterwards, as often as it takes. So this module has two halves that share nothing but [`Address`]: one that decides, and one that sends.

mod address;
mod buckets;
mod client;
pub(crate) mod courier;
mod dis;
mod obs;
mod owed;
mod payload;
mod smn;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fungraph_model::{DestinationKind, ProjectId};
use fungraph_store::objects::Objects;

pub use buckets::ObsBucket;
pub use dis::DisSettings;
pub use smn::SmnSettings;

pub(crate) use address::Address;
pub(crate) use owed::{Finished, Origin};
pub(crate) use payload::CallEnd;

use self::{courier::Nudges, dis::Dis, smn::Smn};

/// Functions that tell one another of their ends: longer chains are cut, since they may be circles (contract: async.md section 2).
pub(crate) const MOST_HOPS: u32 = 16;

/// What the operator has for those who are told.
#[derive(Debug)]
pub struct DestinationSettings {
    /// The store of objects.
    pub objects: Option<Objects>,
    /// Its buckets that notices may be put into; without any, those of the only project may be put into all.
    pub buckets: Vec<ObsBucket>,
    /// The subscriber of topics.
    pub smn: Option<SmnSettings>,
    /// The server of streams.
    pub dis: Option<DisSettings>,
    /// How long a notice is tried.
    pub give_up: Duration,
}

impl Default for DestinationSettings {
    fn default() -> Self {
        Self { objects: None, buckets: Vec::new(), smn: None, dis: None, give_up: Duration::from_secs(24 * 3600) }
    }
}

/// Why what is set up for destinations cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DestinationsError {
    /// Not a URL.
    #[error("destinations.smn_endpoint is no URL")]
    Endpoint {
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No HTTP client.
    #[error("cannot prepare requests to destinations")]
    Client {
        /// What the library said.
        source: reqwest::Error,
    },
    /// Not an address of NATS.
    #[error("destinations.dis_server = {server:?} cannot be used as an address of NATS, such as nats://10.0.0.7:4222")]
    Stream {
        /// What was given.
        server: String,
    },
}

/// Why a notice has not arrived. The text names no address: a tenant may read it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Undelivered {
    /// Nothing is there to deliver to, whatever the notice.
    #[error("{0}")]
    Unreachable(String),
    /// It was not taken; another one may be.
    #[error("{0}")]
    Refused(String),
    /// It will not be taken, however often it is tried.
    #[error("{0}")]
    Impossible(String),
}

/// The ways out.
#[derive(Debug, Default)]
pub struct Destinations {
    objects: Option<Objects>,
    buckets: Vec<ObsBucket>,
    smn: Option<Smn>,
    dis: Option<Dis>,
    pub(crate) give_up: Duration,
    pub(crate) nudges: Arc<Nudges>,
}

impl Destinations {
    /// Prepares what the settings name. Nothing is asked yet.
    ///
    /// # Errors
    /// A setting that cannot be used.
    pub async fn open(settings: DestinationSettings) -> Result<Self, DestinationsError> {
        let dis = match settings.dis {
            Some(dis) => Some(Dis::new(dis).await?),
            None => None,
        };
        let smn = settings.smn.map(Smn::new).transpose()?;
        let objects = settings.objects.filter(Objects::has_store);
        Ok(Self { objects, buckets: settings.buckets, smn, dis, give_up: settings.give_up, nudges: Arc::default() })
    }

    /// Why a kind of destination cannot be told of anything, and what to do about it.
    pub(crate) fn missing(&self, kind: DestinationKind) -> Option<&'static str> {
        match kind {
            DestinationKind::Obs if self.objects.is_none() => {
                Some("this server has no object store; its operator can name one (obs.endpoint)")
            }
            DestinationKind::Smn if self.smn.is_none() => Some(
                "this server has nobody who takes messages of topics; its operator can name one (destinations.smn_endpoint)",
            ),
            DestinationKind::Dis if self.dis.is_none() => {
                Some("this server has no streams; its operator can name a NATS server (destinations.dis_server)")
            }
            _ => None,
        }
    }

    /// Why notices of a project may not be put into a bucket, and what to do about it. Where the operator has not said, the only project there
    /// is may use all that his key may; of several, none may write into what may be another's.
    pub(crate) fn closed(&self, project: &ProjectId, bucket: &str, is_only_project: bool) -> Option<String> {
        match buckets::listed(&self.buckets, project, bucket) {
            Some(true) => None,
            None if is_only_project => None,
            Some(false) => Some(format!(
                "the bucket '{bucket}' is not open to this project; the operator can add it to destinations.obs_buckets"
            )),
            None => Some(format!(
                "this server has several projects, and its operator has not said which of them may write into the bucket '{bucket}'; he \
                 can add it to destinations.obs_buckets"
            )),
        }
    }

    /// Why a notice of a project may not go where it was to go, though that was allowed when it was set: the operator has closed it since. How many
    /// projects there are was looked at then: that others came since is nobody's fault.
    pub(crate) fn closed_since(&self, project: &ProjectId, address: &Address) -> Option<String> {
        match address {
            Address::Object { bucket, .. } => self.closed(project, bucket, true),
            Address::Topic { .. } | Address::Stream { .. } => None,
        }
    }

    /// Delivers one notice.
    pub(crate) async fn deliver(&self, address: &Address, payload: Bytes) -> Result<(), Undelivered> {
        match address {
            Address::Object { bucket, name, expires_days } => {
                let objects = self.objects.as_ref().ok_or_else(|| self.gone(DestinationKind::Obs))?;
                obs::put(objects, bucket, name, *expires_days, payload).await
            }
            Address::Topic { urn, message, subject } => {
                let smn = self.smn.as_ref().ok_or_else(|| self.gone(DestinationKind::Smn))?;
                smn.publish(urn, message, subject, &payload).await
            }
            Address::Stream { subject, message } => {
                let dis = self.dis.as_ref().ok_or_else(|| self.gone(DestinationKind::Dis))?;
                dis.publish(subject, message, payload).await
            }
        }
    }

    /// It was there when the notice was made.
    fn gone(&self, kind: DestinationKind) -> Undelivered {
        Undelivered::Unreachable(self.missing(kind).unwrap_or_default().to_owned())
    }
}
