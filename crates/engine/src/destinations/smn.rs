//! Topics: each message is posted to one address of the operator's, in the form in which the cloud's message service posts to its
//! subscribers, so that what was written to be one of those works here unchanged.

use std::time::Duration;

use fungraph_model::Secret;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use serde_json::json;
use sha2::Sha256;

use super::{DestinationsError, Undelivered, client};

/// Longest that a subscriber may take.
const PATIENCE: Duration = Duration::from_secs(15);
const SIGNATURE: &str = "x-fungraph-signature";

/// Where messages of topics go.
#[derive(Clone, Debug)]
pub struct SmnSettings {
    /// `http` or `https` URL that is posted to.
    pub endpoint: String,
    /// Key of the signature in `X-Fungraph-Signature`; none, no signature.
    pub secret: Option<Secret>,
}

/// The subscriber of all topics.
#[derive(Debug)]
pub(crate) struct Smn {
    endpoint: Url,
    secret: Option<Secret>,
    client: Client,
}

impl Smn {
    pub(crate) fn new(settings: SmnSettings) -> Result<Self, DestinationsError> {
        let endpoint =
            Url::parse(&settings.endpoint).map_err(|error| DestinationsError::Endpoint { source: error.into() })?;
        // A subscriber that sends us elsewhere would get what it may not see, or make us ask whom it likes.
        let client = client::builder(PATIENCE).redirect(Policy::none()).build();
        let client = client.map_err(|source| DestinationsError::Client { source })?;
        Ok(Self { endpoint, secret: settings.secret, client })
    }

    pub(crate) async fn publish(
        &self,
        topic: &str,
        message: &str,
        subject: &str,
        payload: &[u8],
    ) -> Result<(), Undelivered> {
        let body = json!({
            "type": "Notification",
            "topic_urn": topic,
            "message_id": message,
            "subject": subject,
            "message": String::from_utf8_lossy(payload),
            "timestamp": Timestamp::now().to_string(),
        });
        let body = body.to_string();
        let mut request = self.client.post(self.endpoint.clone()).header(CONTENT_TYPE, "application/json");
        request = request.header("x-smn-message-type", "Notification").header("x-smn-message-id", message);
        // It was checked when the settings were made.
        if let Ok(topic) = HeaderValue::from_str(topic) {
            request = request.header("x-smn-topic-urn", topic);
        }
        if let Some(secret) = &self.secret {
            request = request.header(SIGNATURE, signature(secret, body.as_bytes()));
        }
        client::done(request.body(body).send().await)
    }
}

/// `sha256=` and HMAC-SHA256 of the body in hexadecimal digits, the form that many webhooks have.
fn signature(secret: &Secret, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.reveal().as_bytes()).expect("a key may have any length");
    mac.update(body);
    let digits: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={digits}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_the_standard() {
        // RFC 4231, test case 2.
        let signed = signature(&Secret::new("Jefe".to_owned()), b"what do ya want for nothing?");
        assert_eq!(signed, "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }
}
