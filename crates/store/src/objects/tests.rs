//! Fetches from servers that do as they should, and from others.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use fungraph_model::{CodeType, ErrorCode};
use tempfile::TempDir;

use super::*;
use crate::fake::{Fake, answer};
use crate::packages::{PackageError, PackageLimits, Packages};

/// Who fetches from a store, and where it goes.
struct Place {
    _folder: TempDir,
    packages: Packages,
    objects: Objects,
}

impl Place {
    fn new(store: &Fake, change: impl FnOnce(&mut ObjectSettings)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let limits = PackageLimits { fetched_bytes: 1000, ..PackageLimits::default() };
        let packages = Packages::open(folder.path(), limits).expect("opens");
        let mut settings = ObjectSettings {
            endpoint: Some(Endpoint::new(&format!("http://{}", store.address)).expect("an address")),
            pause: Duration::ZERO,
            ..ObjectSettings::default()
        };
        change(&mut settings);
        Self { _folder: folder, packages, objects: Objects::new(settings) }
    }

    async fn fetch(&self, link: &str) -> Result<Arrival, ObjectError> {
        let mut arrival = self.packages.arrive().await.expect("there is room");
        self.objects.fetch(&ProjectId("p".to_owned()), link, &mut arrival).await?;
        Ok(arrival)
    }

    async fn refused(&self, link: &str) -> (ErrorCode, String) {
        let fault = match self.fetch(link).await {
            Err(ObjectError::Refused(fault) | ObjectError::Package(PackageError::Refused(fault))) => fault,
            other => panic!("{other:?}"),
        };
        assert!(!fault.message.contains("hidden"), "what came is shown: {}", fault.message);
        let left = std::fs::read_dir(self._folder.path().join("code")).expect("a folder").count();
        assert_eq!(left, 0, "something stays of {link}");
        (fault.code, fault.message)
    }
}

fn zip_of(name: &str) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    writer.start_file(name, zip::write::SimpleFileOptions::default()).expect("a file");
    writer.finish().expect("an archive").into_inner()
}

#[tokio::test]
async fn a_package_is_fetched_signed_and_kept_as_an_upload_is() {
    let archive = zip_of("index.py");
    let sent = archive.clone();
    let store = Fake::start(move |_| answer("200 OK", "", &sent)).await;
    let place = Place::new(&store, |settings| {
        let endpoint = settings.endpoint.as_mut().expect("it is set");
        endpoint.account = Some(("KEY".to_owned(), Secret::new("hidden".to_owned())));
    });
    let arrival = place.fetch("https://code.obs.eu-1.example.com/dir/a.zip").await.expect("it is there");
    assert_eq!(arrival.size(), archive.len() as u64);
    let (fetched, _pin) = place.packages.keep(CodeType::Object, "a.zip", arrival).await.expect("it is a zip");
    let (uploaded, _pin) = place.packages.put(CodeType::Zip, "a.zip", archive.into()).await.expect("it is a zip");
    assert_eq!((&fetched.digest, fetched.size), (&uploaded.digest, uploaded.size));
    assert!(place.packages.tree(&fetched).join("index.py").is_file());
    let asked = store.asked();
    assert!(
        asked[0].starts_with("GET /code/dir/a.zip?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=KEY%2F"),
        "{asked:?}"
    );
    assert!(!asked[0].contains("hidden"));
}

#[tokio::test]
async fn a_link_that_is_signed_goes_as_it_is() {
    let store = Fake::start(|_| answer("200 OK", "", b"x")).await;
    let place = Place::new(&store, |settings| {
        let endpoint = settings.endpoint.as_mut().expect("it is set");
        endpoint.account = Some(("KEY".to_owned(), Secret::new("hidden".to_owned())));
    });
    place.fetch("https://code.obs.eu-1.example.com/a.zip?Expires=9&Signature=theirs").await.expect("it is there");
    place.fetch("obs://code/a.zip?versionId=v7").await.expect("it is there");
    let asked = store.asked();
    assert!(asked[0].starts_with("GET /code/a.zip?Expires=9&Signature=theirs "), "{asked:?}");
    assert!(asked[1].contains("versionId=v7") && asked[1].contains("X-Amz-Signature"), "{asked:?}");
}

#[tokio::test]
async fn what_fails_or_breaks_off_is_asked_for_again() {
    let count = AtomicUsize::new(0);
    let store = Fake::start(move |_| match count.fetch_add(1, Ordering::Relaxed) {
        0 => answer("503 Slow Down", "", b"hidden"),
        // Shorter than it says.
        1 => b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhid".to_vec(),
        2 => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhid\r\n".to_vec(),
        _ => answer("200 OK", "", b"whole"),
    })
    .await;
    let place = Place::new(&store, |_| {});
    assert_eq!(place.fetch("obs://code/a.zip").await.expect("the fourth try").size(), 5);
    assert_eq!(store.asked().len(), 4);
}

#[tokio::test]
async fn what_never_comes_whole_is_given_up() {
    let store = Fake::start(|_| answer("500 Internal Server Error", "", b"hidden")).await;
    let (code, message) = Place::new(&store, |_| {}).refused("obs://code/a.zip").await;
    assert_eq!(code, ErrorCode::BadGateway);
    assert!(message.contains("the answer was 500"), "{message}");
    assert_eq!(store.asked().len(), 4);
}

#[tokio::test]
async fn nobody_waits_for_a_body_that_does_not_end() {
    let store = Fake::start(|_| Vec::new()).await;
    let place = Place::new(&store, |settings| settings.limit = Duration::from_millis(50));
    let (code, message) = place.refused("obs://code/a.zip").await;
    assert_eq!(code, ErrorCode::GatewayTimeout);
    assert!(message.contains("obs.fetch_seconds"), "{message}");
}

#[tokio::test]
async fn what_is_too_large_is_refused_before_and_while_it_comes() {
    let store = Fake::start(|head| match head.starts_with("GET /code/said ") {
        true => b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\nhidden".to_vec(),
        false => [b"HTTP/1.1 200 OK\r\n\r\n".as_slice(), &[b'x'; 5000]].concat(),
    })
    .await;
    let place = Place::new(&store, |_| {});
    for key in ["said", "unsaid"] {
        let (code, message) = place.refused(&format!("obs://code/{key}")).await;
        assert_eq!(code, ErrorCode::PackageTooLarge, "{key}");
        assert!(message.contains("1000 bytes"), "{message}");
    }
    assert_eq!(store.asked().len(), 2, "no second try helps");
}

#[tokio::test]
async fn statuses_tell_what_is_wrong() {
    let store = Fake::start(|head| match head.split(' ').nth(1) {
        Some("/code/absent") => answer("404 Not Found", "", b"hidden"),
        Some("/code/private") => answer("403 Forbidden", "", b"hidden"),
        Some("/code/part") => answer("206 Partial Content", "", b"hidden"),
        _ => answer("304 Not Modified", "", b""),
    })
    .await;
    let place = Place::new(&store, |_| {});
    for (key, code, word) in [
        ("absent", ErrorCode::CodeObjectNotFound, "does not exist"),
        ("private", ErrorCode::CodeObjectNotFound, "[obs]"),
        ("part", ErrorCode::BadGateway, "206"),
        ("other", ErrorCode::BadGateway, "304"),
    ] {
        let (found, message) = place.refused(&format!("obs://code/{key}")).await;
        assert_eq!(found, code, "{key}");
        assert!(message.contains(word), "{message}");
    }
}

#[tokio::test]
async fn a_store_sends_us_to_nobody_else() {
    let inner = Fake::start(|_| answer("200 OK", "", b"hidden")).await;
    let to = format!("Location: http://{}/code/a.zip\r\n", inner.address);
    let store = Fake::start(move |_| answer("307 Temporary Redirect", &to, b"")).await;
    let (code, message) = Place::new(&store, |_| {}).refused("obs://code/a.zip").await;
    assert_eq!(code, ErrorCode::BadGateway);
    assert!(message.contains("has not named"), "{message}");
    assert!(inner.asked().is_empty());
    assert_eq!(store.asked().len(), 1, "it would be the same again");
}

#[tokio::test]
async fn a_listed_host_that_is_not_public_is_as_good_as_none() {
    let store = Fake::start(|_| answer("200 OK", "", b"hidden")).await;
    let port = store.address.rsplit_once(':').expect("a port").1;
    let host = format!("localhost:{port}");
    let place = Place::new(&store, |settings| settings.hosts = vec![host.clone()]);
    let (code, message) = place.refused(&format!("https://{host}/a.zip")).await;
    assert_eq!(code, ErrorCode::BadGateway);
    assert!(message.contains("no public address"), "{message}");
    assert!(store.asked().is_empty());
}

#[tokio::test]
async fn a_fetch_that_is_given_up_leaves_nothing() {
    let store = Fake::start(|_| Vec::new()).await;
    let place = Place::new(&store, |_| {});
    let waited = tokio::time::timeout(Duration::from_millis(50), place.fetch("obs://code/a.zip")).await;
    assert!(waited.is_err());
    assert_eq!(std::fs::read_dir(place._folder.path().join("code")).expect("a folder").count(), 0);
}

#[tokio::test]
async fn an_object_is_written_signed_under_its_name() {
    let store = Fake::start(|_| answer("200 OK", "", b"")).await;
    let place = Place::new(&store, |settings| {
        let endpoint = settings.endpoint.as_mut().expect("it is set");
        endpoint.account = Some(("KEY".to_owned(), Secret::new("hidden".to_owned())));
    });
    assert!(place.objects.has_store());
    place.objects.put_json("results", "a b/c.json", 30, Bytes::from_static(b"{}")).await.expect("it is taken");
    place.objects.put_json("results", "d.json", 0, Bytes::from_static(b"{}")).await.expect("it is taken");
    let asked = store.asked();
    assert!(
        asked[0].starts_with("PUT /results/a%20b/c.json?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=KEY%2F"),
        "{asked:?}"
    );
    let head = asked[0].to_ascii_lowercase();
    assert!(
        head.contains("content-length: 2\r\n") && head.contains("x-obs-expires: 30\r\n") && !head.contains("hidden"),
        "{head}"
    );
    assert!(!asked[1].contains("x-obs-expires"), "{asked:?}");
}

#[tokio::test]
async fn an_object_that_is_not_taken_is_not_there() {
    let store = Fake::start(|_| answer("403 Forbidden", "", b"hidden")).await;
    let refused = Place::new(&store, |_| {}).objects.put_json("results", "a", 0, Bytes::new()).await;
    assert!(matches!(refused, Err(PutError::Refused { status: 403 })), "{refused:?}");
    let inner = Fake::start(|_| answer("200 OK", "", b"")).await;
    let to = format!("Location: http://{}/results/a\r\n", inner.address);
    let store = Fake::start(move |_| answer("307 Temporary Redirect", &to, b"")).await;
    let sent_on = Place::new(&store, |_| {}).objects.put_json("results", "a", 0, Bytes::new()).await;
    assert!(matches!(sent_on, Err(PutError::Broken)), "{sent_on:?}");
    assert!(inner.asked().is_empty());
    let nobody = Place::new(&store, |settings| settings.endpoint = Endpoint::new("http://127.0.0.1:1").ok());
    let nobody = nobody.objects.put_json("results", "a", 0, Bytes::new()).await;
    assert!(matches!(nobody, Err(PutError::Unreachable)), "{nobody:?}");
    // The name of a bucket is a tenant's, and a host of its own that nobody may know: the store is not gone for that.
    let unknown = Place::new(&store, |settings| {
        let mut endpoint = Endpoint::new("http://store.invalid:1").expect("an address");
        endpoint.path_style = false;
        settings.endpoint = Some(endpoint);
    });
    let unknown = unknown.objects.put_json("mistyped", "a", 0, Bytes::new()).await;
    assert!(matches!(unknown, Err(PutError::Broken)), "{unknown:?}");
    let none = Objects::new(ObjectSettings::default());
    assert!(!none.has_store() && none.put_json("results", "a", 0, Bytes::new()).await.is_err());
}
