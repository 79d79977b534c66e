//! Pulls from a real registry.

use std::fs;
use std::path::Path;
use std::time::Duration;

use fungraph_model::ErrorCode;

use super::super::{ImageLimits, ImageSettings, Images, InUse, credentials::Credentials};
use super::registry::{ACCOUNT, Line, Registry, largest_blob};
use super::{Tar, fault, kept, noise};

/// With a registry that the operator names, as one on a loopback address must be.
fn images(folder: &Path, address: &str) -> Images {
    let limits = ImageLimits { pause: Duration::from_millis(10), ..ImageLimits::default() };
    let settings = ImageSettings { registries: vec![address.to_owned()], ..ImageSettings::default() };
    Images::open(folder, settings, limits).expect("it opens")
}

fn hello() -> Vec<Tar> {
    vec![Tar::default().folder("bin").program("bin/app", b"#!/bin/sh\n"), Tar::default().file("hello", "world")]
}

#[tokio::test]
async fn an_image_is_pulled_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let registry = Registry::start(false);
    let name = registry.push_here("some/app:v1", hello()).await;
    let images = images(folder.path(), &registry.address);
    let held = images.pull(&name, InUse::by_operator()).await.expect("it is there");
    let root = images.root_of(&held.image.digest);
    assert_eq!(fs::read_to_string(root.join("hello")).expect("a text"), "world");
    assert_eq!(held.image.config.entrypoint, ["/app"]);
    assert_eq!(kept(folder.path()).concat(), held.image.digest.0);
    // The next server has it too.
    let by_digest = format!("{}/some/app@sha256:{}", registry.address, held.image.digest.0);
    let next = self::images(folder.path(), &registry.address);
    assert_eq!(next.pull(&by_digest, InUse::by_operator()).await.expect("it is here").image, held.image);
    // Whether somebody may have it is its registry's to say, also where its digest is known.
    let address = registry.address.clone();
    drop(registry.stop());
    for name in [name, by_digest] {
        let fault = fault(next.pull(&name, InUse::by_operator()).await);
        assert_eq!(fault.code, ErrorCode::ImageNotRead);
        assert!(fault.message.contains(&format!("{address} cannot be reached")), "{}", fault.message);
    }
    assert_eq!(next.recall(&held.image.digest).expect("it is here").image, held.image);
}

#[tokio::test]
async fn two_at_once_bring_it_once_and_both_have_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let registry = Registry::start(false);
    let first = registry.push_here("a:v1", vec![noise(300_000)]).await;
    let second = registry.push_here("b:v1", vec![noise(300_000), Tar::default().file("b", "b")]).await;
    let images = images(folder.path(), &registry.address);
    let (one, same, other) = tokio::join!(
        images.pull(&first, InUse::by_operator()),
        images.pull(&first, InUse::by_operator()),
        images.pull(&second, InUse::by_operator())
    );
    let (one, same, other) = (one.expect("one"), same.expect("the same"), other.expect("the other"));
    assert_eq!(one.image, same.image);
    assert!(images.root_of(&other.image.digest).join("b").is_file());
    assert_eq!(kept(folder.path()).len(), 2, "layers that are unpacked are gone");
}

#[tokio::test]
async fn a_download_that_breaks_off_is_gone_on_with() {
    let folder = tempfile::tempdir().expect("a folder");
    let registry = Registry::start(false);
    registry.push_here("big:v1", vec![noise(4 << 20)]).await;
    let line = Line::to(&registry, 2, 1 << 20).await;
    let images = images(folder.path(), &line.address);
    let held = images.pull(&format!("{}/big:v1", line.address), InUse::by_operator()).await.expect("it arrives");
    assert_eq!(fs::metadata(images.root_of(&held.image.digest).join("noise")).expect("a file").len(), 4 << 20);
    let asked = line.asked.lock().expect("no panic").join("\n");
    let ranges: Vec<&str> = asked.lines().filter(|line| line.starts_with("range: bytes=")).collect();
    let begins: Vec<u64> =
        ranges.iter().filter_map(|range| range[13..].trim_end().trim_end_matches('-').parse().ok()).collect();
    let (first, second) = (begins[begins.len() - 2], begins[begins.len() - 1]);
    assert!(first > 500_000 && second > first + 500_000, "{ranges:?}");
}

#[tokio::test]
async fn a_registry_that_always_breaks_off_is_told_and_what_came_is_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let registry = Registry::start(false);
    registry.push_here("big:v1", vec![noise(4 << 20)]).await;
    let line = Line::to(&registry, usize::MAX, 100 << 10).await;
    let images = images(folder.path(), &line.address);
    let fault = fault(images.pull(&format!("{}/big:v1", line.address), InUse::by_operator()).await);
    assert_eq!(fault.code, ErrorCode::ImageNotRead);
    assert!(fault.message.contains("again and again"), "{}", fault.message);
    let left = kept(folder.path());
    assert_eq!(left.iter().filter(|name| name.ends_with(".part")).count(), 1, "{left:?}");
}

#[tokio::test]
async fn a_layer_that_is_not_what_its_digest_says_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let registry = Registry::start(false);
    let name = registry.push_here("bad:v1", vec![noise(100_000)]).await;
    let blob = registry.blob(&largest_blob(&registry));
    let mut bytes = fs::read(&blob).expect("it is there");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&blob, bytes).expect("it is written");
    let images = images(folder.path(), &registry.address);
    let fault = fault(images.pull(&name, InUse::by_operator()).await);
    assert_eq!(fault.code, ErrorCode::BadCode);
    assert!(fault.message.contains("digest"), "{}", fault.message);
    assert_eq!(kept(folder.path()), Vec::<String>::new(), "it will not be better tomorrow");
}

#[tokio::test]
async fn what_cannot_be_had_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let registry = Registry::start(false);
    let foreign = registry.push("foreign:v1", hello(), "mips").await;
    let climbing = registry.push_here("climbing:v1", vec![Tar::default().file("../x", "1")]).await;
    let other = format!("{}/foreign@sha256:{}", registry.address, "0".repeat(64));
    let images = images(folder.path(), &registry.address);
    for (name, code, word) in [
        (format!("{}/no/such:v1", registry.address), ErrorCode::ImageMissing, "has no image"),
        (format!("{}/foreign:v2", registry.address), ErrorCode::ImageMissing, "has no image"),
        (other, ErrorCode::ImageMissing, "has no image"),
        ("Not A Name".to_owned(), ErrorCode::BadImageUrl, "registry/repository:tag"),
        (foreign, ErrorCode::BadCode, "built for linux/mips"),
        (climbing, ErrorCode::BadCode, "'../x' leads out"),
    ] {
        let fault = fault(images.pull(&name, InUse::by_operator()).await);
        assert_eq!(fault.code, code, "{name}: {}", fault.message);
        assert!(fault.message.contains(word), "{name}: {}", fault.message);
    }
    assert_eq!(kept(folder.path()), Vec::<String>::new(), "of what is refused nothing stays");
}

#[tokio::test]
async fn a_registry_that_asks_for_an_account_gets_the_one_of_the_settings() {
    let folder = tempfile::tempdir().expect("a folder");
    let registry = Registry::start(true);
    let name = registry.push_here("closed:v1", hello()).await;
    let fault = fault(images(folder.path(), &registry.address).pull(&name, InUse::by_operator()).await);
    assert_eq!(fault.code, ErrorCode::ImageMissing);
    assert!(fault.message.contains("images.auth_file"), "{}", fault.message);
    let (user, password) = ACCOUNT;
    let pair = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("{user}:{password}"));
    let text = format!(r#"{{"auths":{{"{}":{{"auth":"{pair}"}}}}}}"#, registry.address);
    let credentials = Credentials::parse(&text).expect("it is a file of docker login");
    let settings = ImageSettings { insecure: vec![registry.address.clone()], credentials, ..ImageSettings::default() };
    let images = Images::open(folder.path(), settings, ImageLimits::default()).expect("it opens");
    images.pull(&name, InUse::by_operator()).await.expect("it is given now");
}

#[tokio::test]
async fn images_that_nobody_uses_go() {
    let folder = tempfile::tempdir().expect("a folder");
    let registry = Registry::start(false);
    let first = registry.push_here("a:v1", vec![Tar::default().file("a", "a")]).await;
    let second = registry.push_here("b:v1", vec![Tar::default().file("b", "b")]).await;
    let limits = ImageLimits { unused: Duration::ZERO, ..ImageLimits::default() };
    let settings = ImageSettings { registries: vec![registry.address.clone()], ..ImageSettings::default() };
    let images = Images::open(folder.path(), settings, limits).expect("it opens");
    let held = images.pull(&first, InUse::by_operator()).await.expect("it is there");
    let used = images.pull(&second, InUse::by_operator()).await.expect("it is there").image.digest.clone();
    let live = [used.clone()].into_iter().collect();
    assert_eq!(images.collect(&live).await.expect("it is looked at"), 0, "one is held, the other used");
    let gone = held.image.digest.clone();
    drop(held);
    assert_eq!(images.collect(&live).await.expect("it is looked at"), 1);
    assert!(!images.root_of(&gone).exists() && images.root_of(&used).exists());
}

#[tokio::test]
async fn an_image_that_no_function_uses_stays_for_a_while() {
    let folder = tempfile::tempdir().expect("a folder");
    let registry = Registry::start(false);
    let name = registry.push_here("a:v1", hello()).await;
    let images = images(folder.path(), &registry.address);
    let digest = images.pull(&name, InUse::by_operator()).await.expect("it is there").image.digest.clone();
    assert_eq!(images.collect(&std::collections::HashSet::new()).await.expect("it is looked at"), 0);
    assert!(images.recall(&digest).is_some());
}
