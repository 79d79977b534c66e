//! Calls a server over its API: where it is, who we are, one signed request at a time.

mod sign;

pub(crate) use sign::encode;

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use fungraph_model::Secret;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::args::Locate;
use crate::credentials::Credentials;
use crate::environment::{client_folders, variable};
use crate::exit::Stop;

/// What an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Who we are, and where the server is: variables first where they say all, then `credentials.json`.
///
/// # Errors
/// Neither is there, with what to do.
pub(crate) fn credentials(locate: &Locate) -> anyhow::Result<Credentials> {
    if locate.data_dir.is_none()
        && let Some(found) = from_variables()
    {
        return Ok(found);
    }
    let folders = client_folders(locate)?;
    for folder in &folders {
        if let Some(found) = Credentials::read(folder)? {
            return Ok(found);
        }
    }
    let looked: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
    Err(Stop::usage(format!(
        "no server was found: there is no credentials.json in {}. Start one with `fungraph serve`, name its data folder \
         with --data-dir, or set FUNGRAPH_ENDPOINT, HUAWEICLOUD_SDK_AK, HUAWEICLOUD_SDK_SK and HUAWEICLOUD_SDK_PROJECT_ID",
        looked.join(" or ")
    )))
}

fn from_variables() -> Option<Credentials> {
    Some(Credentials {
        endpoint: variable("FUNGRAPH_ENDPOINT")?,
        region: variable("FUNGRAPH_REGION").unwrap_or_else(|| "local".to_owned()),
        domain_id: variable("HUAWEICLOUD_SDK_DOMAIN_ID").unwrap_or_default(),
        project_id: variable("HUAWEICLOUD_SDK_PROJECT_ID")?,
        access_key: variable("HUAWEICLOUD_SDK_AK")?,
        secret_key: Secret::new(variable("HUAWEICLOUD_SDK_SK")?),
    })
}

/// Sends one signed POST and reads the whole answer.
///
/// # Errors
/// The endpoint cannot be used or reached.
pub(crate) async fn post(who: &Credentials, path: &str, extra: &[(&str, &str)], body: Bytes) -> anyhow::Result<Answer> {
    send(who, Method::POST, path, extra, body).await
}

/// Sends one signed GET and reads the whole answer.
///
/// # Errors
/// The endpoint cannot be used or reached.
pub(crate) async fn get(who: &Credentials, path: &str) -> anyhow::Result<Answer> {
    send(who, Method::GET, path, &[], Bytes::new()).await
}

/// One signed request of a command that does nothing else: the JSON of the answer, null where it has none.
///
/// # Errors
/// The endpoint cannot be used or reached, or the server refuses.
pub(crate) fn ask(who: &Credentials, method: Method, path: &str, body: &Value) -> anyhow::Result<Value> {
    let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(async {
        let answer = tokio::time::timeout(PATIENCE, send(who, method, path, &[], body));
        answer.await.map_err(|_| Stop::failed("the server did not answer within 30 seconds"))?
    })?;
    if !(200..300).contains(&answer.status) {
        return Err(refusal(answer.status, &answer.body));
    }
    if answer.body.is_empty() {
        return Ok(Value::Null);
    }
    let broken = |_| Stop::failed("the server's answer is no JSON; is there something else at that address?");
    serde_json::from_slice(&answer.body).map_err(broken)
}

/// The envelope of a refused request, as one sentence.
pub(crate) fn refusal(status: u16, body: &[u8]) -> anyhow::Error {
    let envelope: Value = serde_json::from_slice(body).unwrap_or_default();
    let field = |name: &str| envelope.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    match (field("error_code"), field("error_msg")) {
        (code, message) if !message.is_empty() => {
            Stop::failed(format!("the server refused the call: {message} ({status} {code})"))
        }
        _ => Stop::failed(format!("the server refused the call with status {status}")),
    }
}

/// Sends one request that is not signed and reads the whole answer: who logs in has no other proof.
///
/// # Errors
/// The endpoint cannot be used or reached.
pub(crate) async fn post_unsigned(endpoint: &str, path: &str, body: Bytes) -> anyhow::Result<Answer> {
    let host = host(endpoint)?;
    let request = Request::post(path).header("host", &host).header("content-type", "application/json");
    exchange(&host, request.body(Full::new(body))?).await
}

async fn send(
    who: &Credentials,
    method: Method,
    path: &str,
    extra: &[(&str, &str)],
    body: Bytes,
) -> anyhow::Result<Answer> {
    let host = host(&who.endpoint)?;
    let date = Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let mut headers =
        vec![("content-type", "application/json"), ("host", host.as_str()), ("x-sdk-date", date.as_str())];
    headers.extend(extra);
    let authorization = sign::authorization(who, method.as_str(), path, &headers, &body);
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let mut authorization = HeaderValue::from_str(&authorization)?;
    authorization.set_sensitive(true);
    let request = request.header(header::AUTHORIZATION, authorization).body(Full::new(body))?;
    exchange(&host, request).await
}

async fn exchange(host: &str, request: Request<Full<Bytes>>) -> anyhow::Result<Answer> {
    let stream = TcpStream::connect(host).await.map_err(|error| {
        Stop::failed(format!("no server answers at http://{host} ({error}); start it with `fungraph serve`"))
    })?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let answer = sender.send_request(request).await?;
    let (head, body) = answer.into_parts();
    let body = body.collect().await?.to_bytes();
    connection.abort();
    Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
}

/// Whether an address never leaves this machine.
pub(crate) fn is_of_this_host(endpoint: &str) -> bool {
    let host = endpoint.parse::<Uri>().ok().and_then(|uri| uri.host().map(str::to_owned)).unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// `host:port` of an endpoint.
fn host(endpoint: &str) -> anyhow::Result<String> {
    let uri: Uri = endpoint.parse().map_err(|_| bad_endpoint(endpoint))?;
    match (uri.scheme_str(), uri.host()) {
        (Some("http"), Some(host)) => Ok(format!("{host}:{}", uri.port_u16().unwrap_or(80))),
        (Some("https"), _) => Err(Stop::usage(format!(
            "{endpoint}: this client speaks plain HTTP only for now, so it reaches servers of your own and not the cloud"
        ))),
        _ => Err(bad_endpoint(endpoint)),
    }
}

fn bad_endpoint(endpoint: &str) -> anyhow::Error {
    Stop::usage(format!("the endpoint {endpoint:?} is no address such as http://127.0.0.1:3470"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_this_host() {
        for endpoint in ["http://127.0.0.1:3470", "http://127.9.9.9", "http://[::1]:3470", "http://localhost:1"] {
            assert!(is_of_this_host(endpoint), "{endpoint}");
        }
        for endpoint in
            ["http://127.evil.example", "http://10.0.0.7:3470", "http://localhost.example.com", "http://[fe80::1]", ""]
        {
            assert!(!is_of_this_host(endpoint), "{endpoint}");
        }
    }
}
