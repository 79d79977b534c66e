//! Where a link leads: to an object of the store, or to a host of the list.
//!
//! Objects are named as clients of the service name them, by `https://BUCKET.obs.REGION.DOMAIN/KEY`, whatever region and domain: here
//! there is one store. Or by its own address, with the bucket in the path or before the host, or by `obs://BUCKET/KEY`.

use percent_encoding::percent_decode_str;
use reqwest::Url;
use rusty_s3::UrlStyle;

use super::error::bad_link;
use super::{Endpoint, ObjectError, ObjectSettings};
use crate::guard;

/// Longest link.
const CHARS: usize = 2048;
/// What stands before the host of the service's store.
const LABEL: &str = "obs";
/// Parameters of signatures that a link may carry: of the store's own form, and of S3's two.
const SIGNATURES: [&str; 3] = ["signature", "x-amz-signature", "x-obs-signature"];
/// The one parameter that means something beside them.
const VERSION: &str = "versionId";

/// Where a package is to be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the object store.
    Object {
        bucket: String,
        key: String,
        /// The whole query of a link that is signed.
        signed: Option<String>,
        /// Which version of the object.
        version: Option<String>,
        /// The link as it was given, without a signature.
        link: String,
    },
    /// With a host of the list.
    Link(Url),
}

impl Place {
    /// What it is called in messages: no query, which may be as good as a password.
    pub(super) fn name(&self) -> String {
        let text = match self {
            Self::Object { bucket, key, .. } => format!("The object {key} of the bucket {bucket}"),
            Self::Link(url) => format!("https://{}{}", url.host_str().unwrap_or_default(), url.path()),
        };
        cut(&text)
    }

    /// The link as it may be kept and shown.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Object { link, .. } => link.clone(),
            Self::Link(url) => without_query(url),
        }
    }

    pub(super) fn style(endpoint: &Endpoint) -> UrlStyle {
        if endpoint.path_style { UrlStyle::Path } else { UrlStyle::VirtualHost }
    }
}

/// Reads a link.
///
/// # Errors
/// FSS.1010: it is none, or leads where nobody is asked.
pub(super) fn read(link: &str, settings: &ObjectSettings) -> Result<Place, ObjectError> {
    let link = link.trim();
    let unreadable = || {
        bad_link(format!("'{}' is no link. Use https://bucket.obs.region.domain/key or obs://bucket/key", cut(link)))
    };
    if link.len() > CHARS {
        return Err(bad_link(format!("The link has more than {CHARS} characters")));
    }
    let url = Url::parse(link).map_err(|_| unreadable())?;
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(unreadable)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad_link("A link with a user or a password in it is not followed. Leave them out".to_owned()));
    }
    if !matches!(url.scheme(), "obs" | "http" | "https") {
        return Err(bad_link(format!("A link of the scheme '{}' is not followed. Use https", cut(url.scheme()))));
    }
    if url.scheme() == "https" && guard::is_listed(&url, &settings.hosts) {
        return if guard::check(&url).is_ok() { Ok(Place::Link(url)) } else { Err(nobody(host, settings)) };
    }
    let Some(endpoint) = &settings.endpoint else { return Err(nobody(host, settings)) };
    match bucket_and_key(&url, host, endpoint) {
        Some((bucket, key)) => object(&url, bucket, &key, settings),
        None => Err(nobody(host, settings)),
    }
}

/// Bucket and key, as written, of a link that leads to the store.
fn bucket_and_key(url: &Url, host: &str, endpoint: &Endpoint) -> Option<(String, String)> {
    let path = url.path().trim_start_matches('/');
    let in_path = || path.split_once('/').map(|(bucket, key)| (bucket.to_owned(), key.to_owned()));
    let before_host = |bucket: &str| Some((bucket.to_owned(), path.to_owned()));
    if url.scheme() == "obs" {
        return before_host(host);
    }
    let is_same_server =
        url.scheme() == endpoint.url.scheme() && url.port_or_known_default() == endpoint.url.port_or_known_default();
    let own = endpoint.url.host_str().unwrap_or_default();
    if is_same_server && host == own {
        return in_path();
    }
    if is_same_server && let Some(bucket) = host.strip_suffix(own).and_then(|before| before.strip_suffix('.')) {
        return before_host(bucket);
    }
    // Of the service's own form, which has neither a port nor anything but TLS.
    if url.scheme() != "https" || url.port().is_some() {
        return None;
    }
    if host.starts_with(&format!("{LABEL}.")) {
        return in_path();
    }
    host.rsplit_once(&format!(".{LABEL}.")).and_then(|(bucket, _)| before_host(bucket))
}

fn object(url: &Url, bucket: String, key: &str, settings: &ObjectSettings) -> Result<Place, ObjectError> {
    if !is_bucket(&bucket) {
        return Err(bad_link(format!("'{}' is no name of a bucket", cut(&bucket))));
    }
    if !settings.buckets.is_empty() && !settings.buckets.contains(&bucket) {
        let known = settings.buckets.join(", ");
        return Err(bad_link(format!(
            "Packages do not come from the bucket '{bucket}' here. This server's operator allows: {known}"
        )));
    }
    let key =
        percent_decode_str(key).decode_utf8().map_err(|_| bad_link("The key of the object is not UTF-8".to_owned()))?;
    // Such a key would be another one, or one of another bucket, once it stands in a URL again.
    if key.is_empty() || key.split('/').any(|part| matches!(part, "." | "..")) || key.contains('\0') {
        return Err(bad_link(
            "The link names no object: it needs a key without '.' and '..' behind the bucket".to_owned(),
        ));
    }
    let parameters: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let is_signed = parameters.iter().any(|(name, _)| SIGNATURES.contains(&name.to_ascii_lowercase().as_str()));
    if !is_signed && let Some((name, _)) = parameters.iter().find(|(name, _)| name != VERSION) {
        return Err(bad_link(format!(
            "The link has the parameter '{}', which means nothing here. Leave it out",
            cut(name)
        )));
    }
    let link = if is_signed { without_query(url) } else { url.to_string() };
    let signed = url.query().filter(|_| is_signed).map(str::to_owned);
    let version = parameters.into_iter().find(|(name, _)| name == VERSION).map(|(_, value)| value);
    Ok(Place::Object { bucket, key: key.into_owned(), signed, version, link })
}

fn without_query(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.into()
}

/// 3 to 63 small letters, digits, dots and dashes, first and last a letter or digit.
fn is_bucket(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (3..=63).contains(&name.len())
        && name.bytes().all(|byte| is_plain(byte) || matches!(byte, b'.' | b'-'))
        && name.bytes().next().is_some_and(is_plain)
        && name.bytes().last().is_some_and(is_plain)
        && !name.contains("..")
}

fn nobody(host: &str, settings: &ObjectSettings) -> ObjectError {
    let host = cut(host);
    if settings.endpoint.is_none() && settings.hosts.is_empty() {
        return bad_link(
            "This server fetches nothing: its operator has named neither an object store (obs.endpoint) nor hosts \
             (obs.link_hosts). Send the package itself as zip"
                .to_owned(),
        );
    }
    bad_link(format!(
        "{host} is not asked: packages come from this server's object store, and by https from hosts on public addresses that its \
         operator lists in obs.link_hosts"
    ))
}

/// Text of others in a message is cut short.
fn cut(text: &str) -> String {
    text.chars().take(200).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(endpoint: &str) -> ObjectSettings {
        ObjectSettings {
            endpoint: (!endpoint.is_empty()).then(|| Endpoint::new(endpoint).expect(endpoint)),
            hosts: vec!["files.example.com".to_owned(), "10.0.0.9".to_owned()],
            ..ObjectSettings::default()
        }
    }

    fn check(link: &str, expected: Result<(&str, &str), &str>) {
        let read = read(link, &settings("http://10.0.0.7:9000"));
        match (read, expected) {
            (Ok(Place::Object { bucket, key, .. }), Ok(expected)) => {
                assert_eq!((bucket.as_str(), key.as_str()), expected, "{link}");
            }
            (Err(ObjectError::Refused(fault)), Err(word)) => {
                assert!(fault.message.contains(word), "{link}: {}", fault.message);
            }
            (other, _) => panic!("{link}: {other:?}"),
        }
    }

    #[test]
    fn every_form_of_an_object_leads_to_the_one_store() {
        check("https://code.obs.cn-north-4.example.com/a/b%20c.zip", Ok(("code", "a/b c.zip")));
        check("https://obs.cn-north-4.example.com/code/a.zip", Ok(("code", "a.zip")));
        check("https://my.obs.code.obs.eu-1.example.com/a.zip", Ok(("my.obs.code", "a.zip")));
        check("http://10.0.0.7:9000/code/a.zip", Ok(("code", "a.zip")));
        check("obs://code/dir/ž.zip", Ok(("code", "dir/ž.zip")));
        let own = settings("https://store.example.com");
        for link in ["https://store.example.com/code/a.zip", "https://code.store.example.com/a.zip"] {
            let Ok(Place::Object { bucket, key, .. }) = read(link, &own) else { panic!("{link}") };
            assert_eq!((bucket.as_str(), key.as_str()), ("code", "a.zip"), "{link}");
        }
    }

    #[test]
    fn links_that_lead_elsewhere_are_refused() {
        check("https://169.254.169.254/latest/meta-data", Err("is not asked"));
        check("http://10.0.0.7:9001/code/a.zip", Err("is not asked"));
        check("http://code.obs.eu-1.example.com/a.zip", Err("is not asked"));
        check("https://code.obs.eu-1.example.com:8443/a.zip", Err("is not asked"));
        check("https://10.0.0.9/a.zip", Err("is not asked"));
        check("http://files.example.com/a.zip", Err("is not asked"));
        check("file:///etc/passwd", Err("no link"));
        check("ftp://files.example.com/a.zip", Err("scheme 'ftp'"));
        check("https://files.example.com@10.0.0.1/a.zip", Err("a user or a password"));
        check("a.zip", Err("no link"));
        check(&format!("obs://code/{}", "x".repeat(3000)), Err("2048"));
    }

    #[test]
    fn keys_that_would_be_others_are_refused() {
        check("obs://code/a%2F..%2F..%2Fother/b.zip", Err("'..'"));
        check("obs://code/", Err("key"));
        check("http://10.0.0.7:9000/code", Err("is not asked"));
        check("obs://co/a.zip", Err("bucket"));
        check("http://10.0.0.7:9000/CODE/a.zip", Err("bucket"));
        check("obs://code/a.zip?acl", Err("'acl'"));
        check("obs://code/a%FFb.zip", Err("UTF-8"));
    }

    #[test]
    fn a_signature_goes_along_and_is_not_shown() {
        let link = "https://code.obs.eu-1.example.com/a.zip?AccessKeyId=K&Expires=1&Signature=s%2Fx";
        let place = read(link, &settings("http://10.0.0.7:9000")).expect(link);
        let Place::Object { signed, version, .. } = &place else { panic!("{place:?}") };
        assert_eq!((signed.as_deref(), version), (Some("AccessKeyId=K&Expires=1&Signature=s%2Fx"), &None));
        assert_eq!(
            (place.shown(), place.name()),
            ("https://code.obs.eu-1.example.com/a.zip".to_owned(), "The object a.zip of the bucket code".to_owned())
        );
        let link = "https://files.example.com/a.zip?token=secret";
        let place = read(link, &settings("")).expect(link);
        assert_eq!(place.shown(), "https://files.example.com/a.zip");
        assert!(!place.name().contains("secret"));
    }

    #[test]
    fn only_buckets_of_the_list_are_read() {
        let settings = ObjectSettings { buckets: vec!["code".to_owned()], ..settings("http://10.0.0.7:9000") };
        assert!(read("obs://code/a.zip", &settings).is_ok());
        assert!(read("obs://other/a.zip", &settings).is_err());
    }
}
