//! One package, brought and tried again where it does not come whole.

use std::time::Duration;

use reqwest::{Client, Response, StatusCode, Url};
use rusty_s3::{Bucket, Credentials, S3Action as _};
use tokio::time::sleep;

use super::address::Place;
use super::error::{bad_link, missing, not_given, refused};
use super::{ObjectError, ObjectSettings};
use crate::guard::{is_final, reason};
use crate::packages::Arrival;

/// How often it is tried, each time after a longer pause, and from the first byte: nobody says that it is still the same.
const TRIES: u32 = 4;
/// How long a signature counts: a request begins at once.
const SIGNED_FOR: Duration = Duration::from_secs(300);

/// What is to be brought.
pub(super) struct Fetch<'a> {
    pub(super) client: &'a Client,
    pub(super) place: &'a Place,
    pub(super) settings: &'a ObjectSettings,
}

/// Why one try brought nothing.
enum Broken {
    /// The next one may.
    Off(String),
    /// No other will.
    Final(ObjectError),
}

impl<E: Into<ObjectError>> From<E> for Broken {
    fn from(error: E) -> Self {
        Self::Final(error.into())
    }
}

impl Fetch<'_> {
    pub(super) async fn bring(&self, into: &mut Arrival) -> Result<(), ObjectError> {
        let mut why = String::new();
        for attempt in 0..TRIES {
            sleep(self.settings.pause * attempt * attempt).await;
            match self.once(into).await {
                Ok(()) => return Ok(()),
                Err(Broken::Final(error)) => return Err(error),
                Err(Broken::Off(cause)) => {
                    tracing::info!(
                        package = self.place.name(),
                        cause,
                        attempt,
                        "a package did not come; it is asked for again"
                    );
                    why = cause;
                }
            }
            into.restart().await?;
        }
        let name = self.place.name();
        Err(not_given(format!(
            "{name} does not come, however often it is asked for: {why}. Send the request again later"
        )))
    }

    async fn once(&self, into: &mut Arrival) -> Result<(), Broken> {
        let response = self.client.get(self.url()?).send().await.map_err(|error| self.unreachable(&error))?;
        self.check(&response)?;
        if let Some(length) = response.content_length() {
            into.check_size(length)?;
        }
        let mut response = response;
        while let Some(piece) = response.chunk().await.map_err(|error| Broken::Off(reason(&error)))? {
            into.write(&piece).await?;
        }
        Ok(into.end().await?)
    }

    fn url(&self) -> Result<Url, ObjectError> {
        let (bucket, key, signed, version) = match self.place {
            Place::Link(url) => return Ok(url.clone()),
            Place::Object { bucket, key, signed, version, .. } => (bucket, key, signed, version),
        };
        let endpoint = self.settings.endpoint.as_ref().ok_or_else(|| refused("it has no object store"))?;
        let bucket = Bucket::new(endpoint.url.clone(), Place::style(endpoint), bucket.clone(), endpoint.region.clone());
        let bucket = bucket.map_err(|_| bad_link("The name of the bucket cannot be part of an address".to_owned()))?;
        if signed.is_some() {
            let mut url = bucket.object_url(key);
            url.set_query(signed.as_deref());
            return Ok(url);
        }
        let account = endpoint.account.as_ref().map(|(key, secret)| Credentials::new(key.as_str(), secret.reveal()));
        let mut wanted = bucket.get_object(account.as_ref(), key);
        if let Some(version) = version {
            wanted.query_mut().insert("versionId", version.as_str());
        }
        Ok(wanted.sign(SIGNED_FOR))
    }

    fn check(&self, response: &Response) -> Result<(), Broken> {
        let (name, status) = (self.place.name(), response.status());
        let number = status.as_u16();
        Err(match status {
            StatusCode::OK => return Ok(()),
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                missing(format!("{name} does not exist. Put it there first, or correct the link")).into()
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => missing(format!(
                "{name} is not given to this server ({number}): it is absent, or its reading takes a signed link, or a key that the \
                 operator sets in [obs]"
            ))
            .into(),
            StatusCode::TOO_MANY_REQUESTS => Broken::Off(format!("the answer was {number}")),
            status if status.is_server_error() => Broken::Off(format!("the answer was {number}")),
            _ => not_given(format!("{name} cannot be had: the answer was {number}. Correct the link")).into(),
        })
    }

    /// What the other side will do again is not asked for again.
    fn unreachable(&self, error: &reqwest::Error) -> Broken {
        let why = reason(error);
        if is_final(error) {
            return not_given(format!("{} cannot be had: {why}", self.place.name())).into();
        }
        Broken::Off(why)
    }
}
