//! Room: whose images go when, and who is refused.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use fungraph_model::{Digest, ErrorCode, ProjectId};

use super::super::{ImageLimits, ImageSettings, Images, InUse};
use super::registry::Registry;
use super::{Tar, fault, kept, noise};

const MB: u64 = 1 << 20;

fn images(folder: &Path, registry: &Registry, limits: ImageLimits) -> Images {
    let settings = ImageSettings { registries: vec![registry.address.clone()], ..ImageSettings::default() };
    Images::open(folder, settings, limits).expect("it opens")
}

/// An image of a bit more than a megabyte, packed and unpacked.
async fn push(registry: &Registry, name: &str) -> String {
    registry.push_here(&format!("{name}:v1"), vec![noise(1 << 20), Tar::default().file("name", name)]).await
}

/// What a project's functions use.
fn used(images: &Images, project: &str, functions: &[(&str, &Digest)]) -> InUse {
    let functions = functions.iter().map(|(of, digest)| (ProjectId((*of).into()), (*digest).clone())).collect();
    InUse::of(images.now(), ProjectId(project.into()), functions, HashSet::new())
}

/// A pull takes the layers and, in one step, 16 MB to unpack to: so much lets two images stay, and a third only while nothing is pulled.
const TWO_STAY: ImageLimits = ImageLimits {
    total_bytes: 20 * MB,
    project_bytes: 0,
    packed_bytes: 10 << 30,
    unpacked_bytes: 10 << 30,
    entries: 1000,
    layers: 10,
    config_bytes: 4 << 20,
    pause: std::time::Duration::ZERO,
    unused: std::time::Duration::from_secs(3600),
    left: std::time::Duration::from_secs(3600),
};

#[tokio::test]
async fn the_least_recently_used_image_of_no_function_makes_room() {
    let folder = tempfile::tempdir().expect("a folder");
    let registry = Registry::start(false);
    let images = images(folder.path(), &registry, TWO_STAY);
    let mut digests = Vec::new();
    for name in ["a", "b", "c"] {
        let name = push(&registry, name).await;
        let in_use = used(&images, "p", &[]);
        digests.push(images.pull(&name, in_use).await.expect("there is room").image.digest.clone());
    }
    let is_there = |index: usize| images.root_of(&digests[index]).exists();
    assert!(is_there(0) && is_there(1) && is_there(2));
    // The first is used again, and the second by a function.
    assert!(images.recall(&digests[0]).is_some());
    let name = push(&registry, "d").await;
    let in_use = used(&images, "p", &[("q", &digests[1])]);
    images.pull(&name, in_use).await.expect("room is made");
    assert!(is_there(0) && is_there(1) && !is_there(2));
    let name = push(&registry, "e").await;
    let in_use = used(&images, "p", &[("q", &digests[1])]);
    images.pull(&name, in_use).await.expect("room is made");
    assert!(!is_there(0) && is_there(1));
    assert!(kept(folder.path()).iter().all(|name| !name.starts_with('.')), "what is gone is deleted");
    // The next server knows what there is.
    let next = self::images(folder.path(), &registry, ImageLimits { total_bytes: MB, ..TWO_STAY });
    let name = push(&registry, "f").await;
    assert_eq!(fault(next.pull(&name, used(&next, "p", &[("q", &digests[1])])).await).code, ErrorCode::Unavailable);
}

#[tokio::test]
async fn images_that_functions_use_are_never_removed_for_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let registry = Registry::start(false);
    let images = images(folder.path(), &registry, ImageLimits { total_bytes: 18 * MB, ..TWO_STAY });
    let first = push(&registry, "a").await;
    let held = images.pull(&first, used(&images, "p", &[])).await.expect("there is room");
    let digest = held.image.digest.clone();
    let second = push(&registry, "b").await;
    // Held, then used by a function.
    let before = used(&images, "p", &[]);
    let refused = fault(images.pull(&second, before.clone()).await);
    assert_eq!(refused.code, ErrorCode::Unavailable);
    assert!(refused.message.contains("images.total_mb"), "{}", refused.message);
    drop(held);
    // What was asked before the hold ended knows nothing of the function that it was for.
    assert_eq!(fault(images.pull(&second, before).await).code, ErrorCode::Unavailable);
    assert_eq!(fault(images.pull(&second, used(&images, "p", &[("p", &digest)])).await).code, ErrorCode::Unavailable);
    assert!(images.root_of(&digest).exists());
    assert_eq!(kept(folder.path()), std::slice::from_ref(&digest.0), "nothing of the refused one stays");
    images.pull(&second, used(&images, "p", &[])).await.expect("nobody uses the first");
    assert!(!images.root_of(&digest).exists());
}

#[tokio::test]
async fn one_project_cannot_take_all_of_the_room() {
    let folder = tempfile::tempdir().expect("a folder");
    let registry = Registry::start(false);
    let limits = ImageLimits { total_bytes: 100 * MB, project_bytes: 18 * MB, ..TWO_STAY };
    let images = images(folder.path(), &registry, limits);
    let first = push(&registry, "a").await;
    let digest = images.pull(&first, used(&images, "p", &[])).await.expect("there is room").image.digest.clone();
    let second = push(&registry, "b").await;
    let refused = fault(images.pull(&second, used(&images, "p", &[("p", &digest)])).await);
    assert_eq!(refused.code, ErrorCode::CodeQuota);
    assert!(refused.message.contains("images.total_mb_per_project"), "{}", refused.message);
    images.pull(&second, used(&images, "q", &[("p", &digest)])).await.expect("others have their own share");
    // The operator has none.
    let third = push(&registry, "c").await;
    images.pull(&third, InUse::by_operator()).await.expect("there is room");
}

#[tokio::test]
async fn what_broken_pulls_left_goes_before_any_image() {
    let folder = tempfile::tempdir().expect("a folder");
    let registry = Registry::start(false);
    let images = images(folder.path(), &registry, ImageLimits { total_bytes: 20 * MB, ..TWO_STAY });
    let first = push(&registry, "a").await;
    let digest = images.pull(&first, used(&images, "p", &[])).await.expect("there is room").image.digest.clone();
    let left = folder.path().join("images/blobs").join(format!("{}.0011223344556677.part", "ab".repeat(32)));
    fs::File::create(&left).and_then(|file| file.set_len(3 * MB)).expect("it is written");
    let second = push(&registry, "b").await;
    images.pull(&second, used(&images, "p", &[])).await.expect("room is made");
    assert!(!left.exists() && images.root_of(&digest).exists());
}

#[tokio::test]
async fn small_files_of_broken_pulls_are_not_without_number() {
    let folder = tempfile::tempdir().expect("a folder");
    let registry = Registry::start(false);
    let images = images(folder.path(), &registry, ImageLimits { total_bytes: 100 * MB, ..TWO_STAY });
    let blobs = folder.path().join("images/blobs");
    for number in 0..1500 {
        fs::write(blobs.join(format!("{number:064x}.0011223344556677.part")), "x").expect("it is written");
    }
    let name = push(&registry, "a").await;
    images.pull(&name, used(&images, "p", &[])).await.expect("there is room");
    assert_eq!(fs::read_dir(&blobs).expect("a folder").count(), 1000);
}
