//! Which addresses may be asked: a tenant who names an image or a link must not make this server ask others in its own network.
//!
//! A registry that the operator names may be anywhere, and send us anywhere. Every other one, and whoever it names for tokens or sends us
//! to, must be on a public address and speak TLS. Names are looked up here and the connection goes to what was looked up, so a
//! name that means another address a moment later gains nothing.
//!
//! For links it is stricter, since their paths are a tenant's too: the object store may be anywhere, and send us to nobody but itself; hosts
//! of the operator's list are on public addresses, speak TLS, and send us to one another.

mod reason;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::{Action, Attempt, Policy};
use reqwest::{Client, Url};

pub(crate) use reason::{is_final, reason};

const CONNECT: Duration = Duration::from_secs(10);
/// A registry that says nothing for this long is gone.
const SILENCE: Duration = Duration::from_secs(30);
/// Registries send layers from elsewhere, in one step as a rule.
const REDIRECTS: usize = 5;

/// Said of an address that is not asked.
#[derive(Debug, thiserror::Error)]
#[error("it has no public address")]
pub(crate) struct NotPublic;

/// Said of a host that we are sent to and nobody named.
#[derive(Debug, thiserror::Error)]
#[error("it sends us to a host that this server's operator has not named")]
pub(crate) struct NotNamed;

/// For registries that the operator names.
pub(crate) fn open_client() -> reqwest::Result<Client> {
    builder().redirect(Policy::limited(REDIRECTS)).build()
}

/// For all others.
pub(crate) fn public_client() -> reqwest::Result<Client> {
    builder().https_only(true).dns_resolver(Arc::new(PublicNames)).redirect(Policy::custom(follow)).build()
}

/// For a service that the operator names, and that sends us to nobody else.
pub(crate) fn client_of(service: &Url) -> reqwest::Result<Client> {
    let service = service.clone();
    builder().redirect(Policy::custom(move |attempt| go_on(attempt, |url| is_part_of(url, &service)))).build()
}

/// Whether a URL leads to a service, or to a name below its own: buckets may stand there.
fn is_part_of(url: &Url, service: &Url) -> bool {
    let (host, own) = (url.host_str().unwrap_or_default(), service.host_str().unwrap_or_default());
    let is_below = || service.domain().is_some() && host.strip_suffix(own).is_some_and(|before| before.ends_with('.'));
    let is_same_port = url.port_or_known_default() == service.port_or_known_default();
    url.scheme() == service.scheme() && is_same_port && (host == own || is_below())
}

/// For hosts of a list, on public addresses.
pub(crate) fn listed_client(hosts: Vec<String>) -> reqwest::Result<Client> {
    builder().https_only(true).dns_resolver(Arc::new(PublicNames)).redirect(within(hosts)).build()
}

fn within(hosts: Vec<String>) -> Policy {
    Policy::custom(move |attempt| match check(attempt.url()) {
        Err(why) => attempt.error(why),
        Ok(()) => go_on(attempt, |url| is_listed(url, &hosts)),
    })
}

/// Whether a list of hosts, with their port where it is not that of https, has that of a URL.
pub(crate) fn is_listed(url: &Url, hosts: &[String]) -> bool {
    let host = url.host_str().unwrap_or_default();
    let named = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    hosts.iter().any(|known| known.eq_ignore_ascii_case(&named))
}

fn builder() -> reqwest::ClientBuilder {
    // A proxy would look names up itself, where nobody checks them. And nobody that we are sent to is told where from: the signature of
    // a link is part of that.
    Client::builder()
        .no_proxy()
        .referer(false)
        .connect_timeout(CONNECT)
        .read_timeout(SILENCE)
        .user_agent(concat!("fungraph/", env!("CARGO_PKG_VERSION")))
}

/// Addresses in numbers are not looked up, so they are checked wherever a URL comes from.
///
/// # Errors
/// It is not a public one.
pub(crate) fn check(url: &Url) -> Result<(), NotPublic> {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    match host.parse::<IpAddr>() {
        Ok(address) if !is_public(address) => Err(NotPublic),
        _ => Ok(()),
    }
}

fn follow(attempt: Attempt<'_>) -> Action {
    match check(attempt.url()) {
        Err(why) => attempt.error(why),
        Ok(()) => go_on(attempt, |_| true),
    }
}

fn go_on(attempt: Attempt<'_>, may_be_asked: impl Fn(&Url) -> bool) -> Action {
    if !may_be_asked(attempt.url()) {
        return attempt.error(NotNamed);
    }
    if attempt.previous().len() > REDIRECTS { attempt.error("it sends us on and on") } else { attempt.follow() }
}

struct PublicNames;

impl Resolve for PublicNames {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            // The same answer whether there is no such name or an inner one: that is not a stranger's business.
            let found = tokio::net::lookup_host((name.as_str(), 0)).await.map_err(|_| NotPublic)?;
            let public: Vec<SocketAddr> = found.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                return Err(Box::from(NotPublic));
            }
            let public: Addrs = Box::new(public.into_iter());
            Ok(public)
        })
    }
}

/// Whether an address is one of the public internet.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || a == 0
        || a >= 240
        // Shared between a provider and its customers; protocols; relays; measurements.
        || (a == 100 && b & 0xc0 == 64)
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && b & 0xfe == 18);
    !special
}

/// Only 2000::/3 is given out; parts of it hold an address of version 4, which another network would unpack.
fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    let [a, b, ..] = address.segments();
    let special = (a == 0x2001 && (b < 0x200 || b == 0xdb8)) || a == 0x2002 || (a == 0x3fff && b < 0x1000);
    a & 0xe000 == 0x2000 && !special
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{Fake, answer};

    #[test]
    fn only_public_addresses_are_public() {
        for (address, expected) in [
            ("8.8.8.8", true),
            ("100.63.0.1", true),
            ("172.32.0.1", true),
            ("2606:4700::1111", true),
            ("::ffff:8.8.8.8", true),
            ("127.0.0.1", false),
            ("127.9.9.9", false),
            ("10.1.2.3", false),
            ("172.16.0.1", false),
            ("192.168.1.1", false),
            ("169.254.169.254", false),
            ("100.64.0.1", false),
            ("0.0.0.0", false),
            ("255.255.255.255", false),
            ("224.0.0.1", false),
            ("198.18.0.1", false),
            ("192.0.0.170", false),
            ("::", false),
            ("::1", false),
            ("fe80::1", false),
            ("fd00:ec2::254", false),
            ("ff02::1", false),
            ("::ffff:169.254.169.254", false),
            ("::127.0.0.1", false),
            ("64:ff9b::a9fe:a9fe", false),
            ("2002:7f00:1::", false),
            ("2001:db8::1", false),
            ("2001::1", false),
        ] {
            let address: IpAddr = address.parse().expect(address);
            assert_eq!(is_public(address), expected, "{address}");
        }
    }

    #[test]
    fn addresses_in_numbers_are_checked_in_every_spelling() {
        for (url, expected) in [
            ("https://registry.example.com/v2/", true),
            ("https://8.8.8.8/", true),
            ("https://127.1/", false),
            ("https://2130706433/", false),
            ("https://0x7f.0.0.1:5000/", false),
            ("https://[::1]:5000/", false),
            ("https://[::ffff:10.0.0.1]/", false),
        ] {
            let url = Url::parse(url).expect(url);
            assert_eq!(check(&url).is_ok(), expected, "{url}");
        }
    }

    #[tokio::test]
    async fn a_name_of_an_inner_address_is_as_good_as_none() {
        let of = |name: &str| PublicNames.resolve(name.parse().expect("a name"));
        for name in ["localhost", "no-such-name.invalid"] {
            let Err(error) = of(name).await else { panic!("{name} was looked up") };
            assert_eq!(error.to_string(), NotPublic.to_string(), "{name}");
        }
    }

    #[tokio::test]
    async fn nobody_is_sent_to_an_inner_address() {
        let _chosen = rustls::crypto::ring::default_provider().install_default();
        let inner = Fake::start(|_| answer("200 OK", "", b"secret")).await;
        let to = format!("Location: http://{}/\r\n", inner.address);
        let outer = Fake::start(move |_| answer("307 Temporary Redirect", &to, b"")).await;
        let url = format!("http://{}/", outer.address);
        let client = builder().redirect(Policy::custom(follow)).build().expect("a client");
        let error = client.get(&url).send().await.expect_err("it is not followed");
        assert_eq!(reason(&error), NotPublic.to_string());
        assert!(inner.asked().is_empty());
        // Without TLS nobody is asked at all.
        let error = public_client().expect("a client").get(&url).send().await.expect_err("it is not asked");
        assert_eq!(reason(&error), "it sends us to an address without TLS");
        assert_eq!(outer.asked().len(), 1);
        // A registry that is named may send us where it likes.
        let answer = open_client().expect("a client").get(&url).send().await.expect("it is followed");
        assert_eq!(answer.status(), 200);
    }

    #[tokio::test]
    async fn a_service_sends_us_to_itself_and_hosts_of_a_list_to_one_another() {
        let _chosen = rustls::crypto::ring::default_provider().install_default();
        let inner = Fake::start(|_| answer("200 OK", "", b"secret")).await;
        let to = format!("Location: http://{}/\r\n", inner.address);
        let outer = Fake::start(move |head| match head.starts_with("GET /home") {
            true => answer("302 Found", "Location: /there\r\n", b""),
            false if head.starts_with("GET /there ") => answer("200 OK", "", b"here"),
            false => answer("302 Found", &to, b""),
        })
        .await;
        let service = Url::parse(&format!("http://{}/", outer.address)).expect("a URL");
        let client = client_of(&service).expect("a client");
        assert_eq!(
            client.get(service.join("home?secret").expect("a URL")).send().await.expect("followed").status(),
            200
        );
        assert!(!outer.asked()[1].contains("secret"), "it is told which link led to it");
        let error = client.get(service.clone()).send().await.expect_err("it is not followed");
        assert_eq!(reason(&error), NotNamed.to_string());
        // Addresses in numbers are refused before the list is looked at.
        let client = builder().redirect(within(vec![inner.address.clone()])).build().expect("a client");
        let error = client.get(service).send().await.expect_err("it is not followed");
        assert_eq!(reason(&error), NotPublic.to_string());
        assert!(inner.asked().is_empty());
    }

    #[test]
    fn buckets_are_parts_of_their_store() {
        for (service, url, expected) in [
            ("https://store.example.com", "https://store.example.com/a", true),
            ("https://store.example.com", "https://bucket.store.example.com/a", true),
            ("https://store.example.com", "https://evilstore.example.com/a", false),
            ("https://store.example.com", "http://store.example.com/a", false),
            ("https://store.example.com", "https://store.example.com:9000/a", false),
            ("http://10.0.0.7:9000", "http://10.0.0.7:9000/a", true),
            ("http://10.0.0.7:9000", "http://10.0.0.7:9001/a", false),
        ] {
            let parse = |text: &str| Url::parse(text).expect(text);
            assert_eq!(is_part_of(&parse(url), &parse(service)), expected, "{url} of {service}");
        }
    }

    #[test]
    fn a_list_has_hosts_with_their_ports() {
        let hosts = ["files.example.com".to_owned(), "other.example.com:8443".to_owned()];
        for (url, expected) in [
            ("https://files.example.com/a.zip", true),
            ("https://FILES.example.com:443/a.zip", true),
            ("https://files.example.com:8443/a.zip", false),
            ("https://other.example.com:8443/", true),
            ("https://other.example.com/", false),
            ("https://files.example.com.evil.example/", false),
            ("https://files.example.com@evil.example/", false),
        ] {
            assert_eq!(is_listed(&Url::parse(url).expect(url), &hosts), expected, "{url}");
        }
    }
}
