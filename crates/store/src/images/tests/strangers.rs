//! What strangers may try: whoever names an image may also have written its registry.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use fungraph_model::{Digest, ErrorCode, ProjectId};
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, open};

use super::super::{ImageLimits, ImageSettings, Images, InUse};
use super::fake::{Fake, answer, digest, image};
use super::registry::Registry;
use super::{Tar, fault, kept, noise};

fn images(folder: &Path, registries: &[&str]) -> Images {
    let limits = ImageLimits {
        pause: Duration::from_millis(10),
        unused: Duration::ZERO,
        left: Duration::ZERO,
        ..ImageLimits::default()
    };
    let registries = registries.iter().map(|name| (*name).to_owned()).collect();
    Images::open(folder, ImageSettings { registries, ..ImageSettings::default() }, limits).expect("it opens")
}

fn stranger(images: &Images) -> InUse {
    InUse::of(images.now(), ProjectId("stranger".into()), Vec::new(), HashSet::new())
}

#[tokio::test]
async fn addresses_of_this_hosts_network_are_not_asked_unless_they_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let fake = Fake::start(|_| answer("200 OK", "", b"secret")).await;
    let port = fake.address.rsplit(':').next().expect("a port");
    let images = images(folder.path(), &[]);
    for (name, code) in [
        (format!("{}/a:v1", fake.address), ErrorCode::BadImageUrl),
        (format!("127.1:{port}/a:v1"), ErrorCode::BadImageUrl),
        (format!("localhost:{port}/a:v1"), ErrorCode::ImageNotRead),
    ] {
        let fault = fault(images.pull(&name, stranger(&images)).await);
        assert_eq!(fault.code, code, "{}", fault.message);
        assert!(fault.message.contains("images.registries"), "{}", fault.message);
    }
    assert_eq!(fake.asked(), Vec::<String>::new());
    let named = self::images(folder.path(), &[&fake.address]);
    let name = format!("{}/a:v1", fake.address);
    assert_eq!(fault(named.pull(&name, stranger(&named)).await).code, ErrorCode::BadCode);
    assert_eq!(fake.asked().len(), 1);
    // Where others are named, this one is not asked; the operator's own word names it too.
    let others = self::images(folder.path(), &["registry.example.com"]);
    let refused = fault(others.pull(&name, stranger(&others)).await);
    assert!(refused.message.contains("are not allowed on this server"), "{}", refused.message);
    assert_eq!(fault(others.pull(&name, InUse::by_operator()).await).code, ErrorCode::BadCode);
    assert_eq!(fake.asked().len(), 2);
}

#[tokio::test]
async fn nothing_of_what_was_fetched_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let wrong: [(&'static str, &'static str, Vec<u8>); 5] = [
        ("200 OK", "", b"{\"schemaVersion\":2,\"config\":\"secret\"}".to_vec()),
        ("403 Forbidden", "", b"{\"errors\":[{\"code\":\"secret\",\"message\":\"secret\"}]}".to_vec()),
        ("500 secret", "", b"secret".to_vec()),
        ("401 Unauthorized", "WWW-Authenticate: Bearer realm=\"secret\"\r\n", b"secret".to_vec()),
        ("200 OK", "", b"secret".repeat(1 << 20)),
    ];
    for (status, headers, body) in wrong {
        let told = answer(status, headers, &body);
        let fake = Fake::start(move |_| told.clone()).await;
        let images = images(folder.path(), &[&fake.address]);
        let fault = fault(images.pull(&format!("{}/a:v1", fake.address), stranger(&images)).await);
        assert!(!fault.message.contains("secret"), "{}", fault.message);
    }
}

#[tokio::test]
async fn a_registry_that_never_ends_holds_up_nobody_elses_copy_of_a_layer() {
    let folder = tempfile::tempdir().expect("a folder");
    let registry = Registry::start(false);
    let name = registry.push_here("a:v1", vec![noise(100_000)]).await;
    // The same manifest and layers by digest, from a registry that begins to send each blob and stops.
    let manifest = registry.manifest("a", "v1").await;
    let stuck = Fake::start(move |head| match head.contains("/manifests/") {
        true => answer("200 OK", "", &manifest),
        false => Vec::new(),
    })
    .await;
    let images = images(folder.path(), &[&stuck.address, &registry.address]);
    let (hostile, of_stuck) = (images.clone(), format!("{}/a:v1", stuck.address));
    let waiting = tokio::spawn(async move { hostile.pull(&of_stuck, stranger(&hostile)).await.map(|_| ()) });
    while !stuck.asked().iter().any(|head| head.contains("/blobs/")) {
        tokio::task::yield_now().await;
    }
    // It belongs to another project, whose own pulls wait for it.
    let other = InUse::of(images.now(), ProjectId("other".into()), Vec::new(), HashSet::new());
    images.pull(&name, other).await.expect("it comes from the other registry");
    assert!(!waiting.is_finished());
    waiting.abort();
}

#[tokio::test]
async fn what_a_registry_sent_by_halves_spoils_nothing_of_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let registry = Registry::start(false);
    let name = registry.push_here("a:v1", vec![noise(100_000)]).await;
    let manifest = registry.manifest("a", "v1").await;
    let liar = Fake::start(move |head| match head.contains("/manifests/") {
        true => answer("200 OK", "", &manifest),
        // The beginning of something else, which breaks off.
        false => b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsomething else".to_vec(),
    })
    .await;
    let images = images(folder.path(), &[&liar.address, &registry.address]);
    let lied = fault(images.pull(&format!("{}/a:v1", liar.address), stranger(&images)).await);
    assert_eq!(lied.code, ErrorCode::ImageNotRead, "{}", lied.message);
    let parts = kept(folder.path());
    assert!(parts.iter().all(|name| name.ends_with(".part")) && !parts.is_empty(), "{parts:?}");
    images.pull(&name, stranger(&images)).await.expect("it comes from the other registry");
    assert!(parts.iter().all(|part| kept(folder.path()).contains(part)), "nobody else touches them");
}

/// The layer is a pipe, so unpacking waits for us.
#[tokio::test]
async fn an_image_stays_held_while_it_is_unpacked_though_nobody_waits_for_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let layer = digest(b"");
    let (config, manifest) = image(&layer, 0);
    let of_image = digest(manifest.as_bytes());
    let fake = Fake::start(move |head| {
        let body = if head.contains("/manifests/") { &manifest } else { &config };
        answer("200 OK", "", body.as_bytes())
    })
    .await;
    let images = images(folder.path(), &[&fake.address]);
    let pipe = folder.path().join("images/blobs").join(&layer);
    mknodat(CWD, &pipe, FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("a pipe");
    let (pulling, name) = (images.clone(), format!("{}/a:v1", fake.address));
    let pulling = tokio::spawn(async move { pulling.pull(&name, stranger(&pulling)).await.map(|_| ()) });
    // A pipe takes a writer once it has a reader.
    let writer = loop {
        match open(&pipe, OFlags::WRONLY | OFlags::NONBLOCK, Mode::empty()) {
            Ok(writer) => break writer,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    pulling.abort();
    assert!(pulling.await.expect_err("it was ended").is_cancelled());
    let held = |digest: &str| images.shelf.holds.lock().contains_key(digest);
    assert!(held(&of_image) && held(&layer));
    images.collect(&HashSet::new()).await.expect("it is looked at");
    assert!(pipe.exists(), "a layer that is being unpacked is not left");
    drop(writer);
    while held(&of_image) || held(&layer) {
        tokio::task::yield_now().await;
    }
    assert!(images.recall(&Digest(of_image)).is_some());
    assert!(!pipe.exists());
}

#[tokio::test]
async fn an_image_that_cannot_be_unpacked_leaves_no_layers() {
    let folder = tempfile::tempdir().expect("a folder");
    let registry = Registry::start(false);
    let images = images(folder.path(), &[&registry.address]);
    for layer in [Tar::default().link("etc", "etc"), Tar::default().link("a", "a").file("a/x", "1")] {
        let name = registry.push_here("bad:v1", vec![noise(50_000), layer]).await;
        let fault = fault(images.pull(&name, stranger(&images)).await);
        assert_eq!(fault.code, ErrorCode::BadCode);
        assert!(fault.message.contains("does not fit"), "{}", fault.message);
        assert_eq!(kept(folder.path()), Vec::<String>::new());
    }
    assert_eq!(fs::read_dir(folder.path().join("images/none")).expect("a folder").count(), 0);
}
