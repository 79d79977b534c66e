//! Streams: messages for JetStream of a NATS server. The subject is `dis.<project>.<stream_name>`; which stream of JetStream keeps it is
//! the operator's choice, one for `dis.>` being the simplest. A message counts as delivered once JetStream says that it is stored.

use std::time::Duration;

use async_nats::{Client, ConnectOptions, HeaderMap, Request, RequestErrorKind, ServerAddr, connection::State, header};
use bytes::Bytes;
use fungraph_model::Secret;
use serde_json::Value;

use super::{DestinationsError, Undelivered};

/// Longest that the server may take to store a message.
const PATIENCE: Duration = Duration::from_secs(10);

/// The NATS server that keeps streams.
#[derive(Clone, Debug)]
pub struct DisSettings {
    /// `nats://HOST:PORT` or `tls://HOST:PORT`.
    pub server: String,
    /// Who we are there; empty for nobody.
    pub user: String,
    /// And our password.
    pub password: Option<Secret>,
}

/// The connection to it, made again whenever it breaks.
#[derive(Debug)]
pub(crate) struct Dis {
    client: Client,
}

impl Dis {
    /// Does not wait for the server: it may come up later than we do.
    pub(crate) async fn new(settings: DisSettings) -> Result<Self, DestinationsError> {
        let unusable = || DestinationsError::Stream { server: settings.server.clone() };
        let _chosen = rustls::crypto::ring::default_provider().install_default();
        let address: ServerAddr = settings.server.parse().map_err(|_| unusable())?;
        let mut options = ConnectOptions::new().name("fungraph").retry_on_initial_connect();
        if let Some(password) = &settings.password {
            options = options.user_and_password(settings.user.clone(), password.reveal().to_owned());
        }
        let client = options.connect(address).await.map_err(|_| unusable())?;
        Ok(Self { client })
    }

    pub(crate) async fn publish(&self, subject: &str, message: &str, payload: Bytes) -> Result<(), Undelivered> {
        // What is sent meanwhile would wait in the client, and perhaps arrive after we have tried again.
        if self.client.connection_state() != State::Connected {
            return Err(Undelivered::Unreachable("the NATS server cannot be reached".to_owned()));
        }
        let mut headers = HeaderMap::new();
        headers.insert(header::NATS_MESSAGE_ID, message);
        let length = payload.len();
        let request = Request::new().payload(payload).headers(headers).timeout(Some(PATIENCE));
        match self.client.send_request(subject.to_owned(), request).await {
            Ok(answer) => stored(&answer.payload),
            Err(error) => Err(match error.kind() {
                RequestErrorKind::NoResponders => {
                    Undelivered::Refused(format!("no stream of JetStream has the subject {subject}"))
                }
                RequestErrorKind::MaxPayloadExceeded => Undelivered::Impossible(format!(
                    "its {length} bytes are more than the NATS server takes at once, {} with the headers (max_payload)",
                    self.client.max_payload()
                )),
                RequestErrorKind::TimedOut => Undelivered::Refused("JetStream did not answer in time".to_owned()),
                _ => Undelivered::Refused("the NATS server did not take the message".to_owned()),
            }),
        }
    }
}

/// Whether JetStream says that the message is stored.
fn stored(answer: &[u8]) -> Result<(), Undelivered> {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    if answer.get("seq").is_some_and(Value::is_u64) && answer.get("error").is_none_or(Value::is_null) {
        return Ok(());
    }
    let why = answer.pointer("/error/description").and_then(Value::as_str).unwrap_or("its answer is not JetStream's");
    Err(Undelivered::Refused(format!("JetStream did not store the message: {}", crate::validate::clip(why))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_stored_message_is_delivered() {
        for (answer, expected) in [
            (&br#"{"stream":"S","seq":7}"#[..], None),
            (br#"{"stream":"S","seq":7,"duplicate":true}"#, None),
            (br#"{"error":{"code":503,"description":"insufficient resources"}}"#, Some("insufficient resources")),
            (br#"{"stream":"S","seq":0,"error":{"code":400}}"#, Some("not JetStream's")),
            (b"+OK", Some("not JetStream's")),
            (b"", Some("not JetStream's")),
        ] {
            let got = stored(answer).err().map(|error| error.to_string());
            match expected {
                None => assert_eq!(got, None),
                Some(word) => assert!(got.as_deref().is_some_and(|got| got.contains(word)), "{got:?}"),
            }
        }
    }
}
