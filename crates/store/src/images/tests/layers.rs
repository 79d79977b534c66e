//! What layers may hold, and what becomes of it.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;

use tar::EntryType;

use super::super::allowance::Allowance;
use super::super::layer::{LayerError, Packing, unpack};
use super::super::room::{InUse, Pull};
use super::super::shelf::Shelf;
use super::super::tree::{STEPS, Tree};
use super::super::{ImageLimits, users};
use super::Tar;

/// A pull that may take all it wants.
fn pull(folder: &Path) -> Pull {
    let shelf = Shelf::open(folder.join("images"), ImageLimits::default()).expect("it opens");
    Pull::begin(Arc::new(shelf), InUse::by_operator())
}

struct Laid {
    folder: tempfile::TempDir,
    done: Result<(), LayerError>,
}

fn lay_within(layers: Vec<Tar>, limits: ImageLimits) -> Laid {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("root");
    fs::create_dir(&root).expect("it is new");
    let mut tree = Tree::open(&root, STEPS).expect("it is there");
    let room = tempfile::tempdir().expect("a folder");
    let pull = pull(room.path());
    let mut allowance = Allowance::new(limits, &pull);
    let done = layers.into_iter().try_for_each(|layer| {
        let file = folder.path().join("layer");
        fs::write(&file, layer.gzip()).expect("it is written");
        unpack(&file, Packing::Gzip, &mut tree, &mut allowance).map(|_| ())
    });
    Laid { folder, done }
}

fn lay(layers: Vec<Tar>) -> Laid {
    lay_within(layers, ImageLimits::default())
}

/// Everything below a folder, one line each: links with their target, files with their content.
fn list(folder: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    walk(folder, "", &mut lines);
    lines.sort();
    lines
}

fn walk(folder: &Path, prefix: &str, lines: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("it can be read").map(|entry| entry.expect("an entry")) {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type().expect("a kind");
        if kind.is_dir() {
            lines.push(format!("{name}/"));
            walk(&entry.path(), &format!("{name}/"), lines);
        } else if kind.is_symlink() {
            lines.push(format!("{name} -> {}", fs::read_link(entry.path()).expect("a link").display()));
        } else {
            lines.push(format!("{name}={}", fs::read_to_string(entry.path()).expect("a text")));
        }
    }
}

#[track_caller]
fn check(layers: Vec<Tar>, expected: &[&str]) {
    let laid = lay(layers);
    laid.done.expect("it is laid");
    assert_eq!(list(&laid.folder.path().join("root")), expected);
}

#[track_caller]
fn check_refused(layer: Tar, word: &str) {
    let laid = lay(vec![layer]);
    let error = laid.done.expect_err("it is refused");
    assert!(matches!(error, LayerError::Bad(_)), "{error:?}");
    assert!(error.to_string().contains(word), "{error}");
    // Nothing has come to be beside the root.
    let beside: Vec<_> =
        fs::read_dir(laid.folder.path()).expect("a folder").map(|e| e.expect("one").file_name()).collect();
    assert_eq!(beside.len(), 2, "{beside:?}");
}

#[test]
fn later_layers_add_replace_and_take_away() {
    let first =
        Tar::default().folder("a").file("a/old", "1").file("a/kept", "2").file("b", "3").folder("d").file("d/x", "4");
    let second = Tar::default().file("a/.wh.old", "").file("./a/new", "5").link("b", "a/new").file("/d", "6");
    check(vec![first, second], &["a/", "a/kept=2", "a/new=5", "b -> a/new", "d=6"]);
}

#[test]
fn an_opaque_folder_loses_what_earlier_layers_put_there_wherever_the_mark_stands() {
    let first = || Tar::default().folder("a").file("a/old", "1").folder("a/sub").file("a/sub/old", "2");
    let last = Tar::default().folder("a").file("a/new", "3").file("a/sub/new", "4").file("a/.wh..wh..opq", "");
    check(vec![first(), last], &["a/", "a/new=3", "a/sub/", "a/sub/new=4"]);
    let first_of_all = Tar::default().file("a/.wh..wh..opq", "").file("a/new", "3");
    check(vec![first(), first_of_all], &["a/", "a/new=3"]);
}

#[test]
fn a_second_name_of_an_older_file_does_not_make_it_a_new_one() {
    let first = Tar::default().folder("a").file("a/old", "1").file("a/kept", "2");
    let second = Tar::default().second_name("b", "a/old").second_name("a/new", "a/kept").file("a/.wh..wh..opq", "");
    check(vec![first, second], &["a/", "a/new=2", "b=1"]);
}

#[test]
fn links_in_a_circle_are_the_images_fault() {
    check_refused(Tar::default().link("a", "b").link("b", "a").file("a/x", "1"), "does not fit");
    check_refused(Tar::default().link("a", "a").second_name("x", "a/y"), "does not fit");
    check_refused(Tar::default().link("a", "a").file("a/.wh..wh..opq", ""), "does not fit");
    check_refused(Tar::default().folder("d").second_name("x", "d"), "does not fit");
}

#[test]
fn paths_follow_links_as_they_will_inside() {
    let first = Tar::default()
        .folder("usr")
        .folder("usr/lib")
        .link("lib", "usr/lib")
        .link("abs", "/usr")
        .link("up", "../../usr");
    let second = Tar::default().file("lib/a", "1").file("abs/b", "2").file("up/c", "3");
    check(
        vec![first, second],
        &["abs -> /usr", "lib -> usr/lib", "up -> ../../usr", "usr/", "usr/b=2", "usr/c=3", "usr/lib/", "usr/lib/a=1"],
    );
}

#[test]
fn a_link_out_of_the_image_leads_nowhere() {
    let out = tempfile::tempdir().expect("a folder");
    let target = out.path().to_str().expect("a text");
    let laid = lay(vec![Tar::default().link("out", target), Tar::default().file("out/file", "x")]);
    // Inside, there is no such folder; that is all that can be said of it.
    assert!(matches!(laid.done, Err(LayerError::Bad(_))), "{:?}", laid.done);
    assert_eq!(list(out.path()), Vec::<String>::new());
}

#[test]
fn names_that_lead_out_are_refused() {
    check_refused(Tar::default().file("../x", "1"), "leads out");
    check_refused(Tar::default().file("a/../../x", "1"), "leads out");
    check_refused(Tar::default().second_name("x", "../../etc/passwd"), "leads out");
    check_refused(Tar::default().second_name("x", "/etc/passwd"), "does not fit");
    check_refused(Tar::default().file(".wh...", "1"), "takes away");
    check_refused(Tar::default().file(&"d/".repeat(49), "1").entry(EntryType::new(b'S'), "s", 0, "", b""), "kind");
}

#[test]
fn modes_are_plain_and_owners_nobodys() {
    let laid = lay(vec![Tar::default().folder("d").file("d/f", "1").program("d/p", b"2").second_name("d/q", "d/p")]);
    laid.done.expect("it is laid");
    let of = |name: &str| fs::metadata(laid.folder.path().join("root").join(name)).expect("it is there");
    let mode = |name: &str| of(name).permissions().mode() & 0o7777;
    assert_eq!((mode("d"), mode("d/f"), mode("d/p")), (0o755, 0o644, 0o755));
    assert_eq!((of("d/f").mtime(), of("d/f").uid()), (1_600_000_000, rustix::process::geteuid().as_raw()));
    assert_eq!(of("d/p").ino(), of("d/q").ino());
}

#[test]
fn devices_and_pipes_are_left_out() {
    let kinds = [EntryType::Char, EntryType::Block, EntryType::Fifo];
    let layer = kinds.into_iter().fold(Tar::default(), |tar, kind| tar.entry(kind, "dev/x", 0o666, "", b""));
    check(vec![layer.file("f", "1")], &["f=1"]);
}

#[test]
fn long_names_are_read_and_endless_ones_refused() {
    let long = "n".repeat(150);
    let pax = |key: &str, value: &str| {
        let length = key.len() + value.len() + 3;
        let whole = length + (length + 3).to_string().len();
        format!("{whole} {key}={value}\n")
    };
    let header = pax("path", &long);
    let broken = pax("path", "two\nlines") + &pax("comment", "x");
    let broken = Tar::default().entry(EntryType::XHeader, "x", 0, "", broken.as_bytes()).file("short", "3");
    check(vec![broken], &["two\nlines=3"]);
    let named = Tar::default()
        .entry(EntryType::XHeader, "x", 0, "", header.as_bytes())
        .file("short", "1")
        .entry(EntryType::GNULongName, "././@LongLink", 0, "", format!("{}\0", "m".repeat(120)).as_bytes())
        .file("short", "2");
    check(vec![named], &[&format!("{}=2", "m".repeat(120)), &format!("{long}=1")]);
    let endless = vec![b'x'; 70 << 10];
    check_refused(Tar::default().entry(EntryType::GNULongName, "l", 0, "", &endless).file("f", "1"), "too long");
}

#[test]
fn an_image_holds_no_more_than_it_may() {
    let limits = ImageLimits { unpacked_bytes: 20_000, entries: 3, ..ImageLimits::default() };
    let check = |layers: Vec<Tar>, word: &str| {
        let error = lay_within(layers, limits).done.expect_err("it is too large");
        assert!(matches!(error, LayerError::TooLarge(_)) && error.to_string().contains(word), "{error}");
    };
    check(vec![Tar::default().file("zeros", &"0".repeat(30_000))], "MB");
    let some = || Tar::default().file("zeros", &"0".repeat(11_000));
    check(vec![some(), some()], "MB");
    check(vec![Tar::default().folder("a").folder("b"), Tar::default().folder("c").folder("d")], "entries");
    // What is passed over counts too.
    check(vec![Tar::default().entry(EntryType::XGlobalHeader, "g", 0, "", &[b'x'; 30_000])], "MB");
}

#[test]
fn archives_that_break_off_are_told_from_full_disks() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, root) = (folder.path().join("layer"), folder.path().join("root"));
    fs::create_dir(&root).expect("it is new");
    let whole = Tar::default().file("f", &"random text 1234".repeat(1000)).gzip();
    for cut in [1, whole.len() / 2, whole.len() - 30] {
        fs::write(&file, &whole[..cut]).expect("it is written");
        let mut tree = Tree::open(&root, STEPS).expect("it is there");
        let pull = pull(folder.path());
        let done = unpack(&file, Packing::Gzip, &mut tree, &mut Allowance::new(ImageLimits::default(), &pull));
        assert!(matches!(done, Err(LayerError::Bad(_))), "{cut}: {done:?}");
    }
}

#[test]
fn links_lead_nothing_deeper_than_a_path_may_be() {
    let deep = "d/".repeat(40);
    // Each link leads forty folders below the one before it.
    let down = |links: usize| {
        (1..=links).fold(Tar::default().file(&format!("{deep}f"), "1").link("l0", &deep), |layer, link| {
            let above = format!("l{}/{deep}", link - 1);
            layer.file(&format!("{above}f"), "1").link(&format!("l{link}"), &above)
        })
    };
    lay(vec![down(4)]).done.expect("links are no harm");
    let refused = lay(vec![down(6)]);
    match refused.done {
        Err(LayerError::Bad(why)) => assert!(why.contains("too deep"), "{why}"),
        other => panic!("{other:?}"),
    }
    fs::remove_dir_all(refused.folder.path()).expect("what was laid until then can be removed");
}

#[test]
fn work_that_entries_make_beyond_themselves_is_bounded() {
    let check = |layers: Vec<Tar>, steps: u64, enough: bool| {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, root) = (folder.path().join("layer"), folder.path().join("root"));
        fs::create_dir(&root).expect("it is new");
        let mut tree = Tree::open(&root, steps).expect("it is there");
        let room = tempfile::tempdir().expect("a folder");
        let pull = pull(room.path());
        let mut allowance = Allowance::new(ImageLimits::default(), &pull);
        let done = layers.into_iter().try_for_each(|layer| {
            fs::write(&file, layer.gzip()).expect("it is written");
            unpack(&file, Packing::Gzip, &mut tree, &mut allowance).map(|_| ())
        });
        match done {
            Ok(()) => assert!(enough, "{steps} steps"),
            Err(LayerError::Bad(why)) => assert!(!enough && why.contains("too much work"), "{why}"),
            Err(other) => panic!("{other:?}"),
        }
    };
    let folders = || Tar::default().file("a/b/c/d/f", "1");
    check(vec![folders()], 4, true);
    check(vec![folders()], 3, false);
    let files = || Tar::default().file("a/1", "1").file("a/2", "2").file("a/3", "3");
    let whiteouts = || Tar::default().file("a/.wh..wh..opq", "");
    check(vec![files(), whiteouts()], 4, true);
    check(vec![files(), whiteouts()], 3, false);
}

#[test]
fn the_user_of_functions_has_a_name_everywhere() {
    let check = |layer: Tar, expected: &str| {
        let laid = lay(vec![layer]);
        let root = laid.folder.path().join("root");
        let mut tree = Tree::open(&root, STEPS).expect("it is there");
        users::complete(&mut tree).expect("it is written");
        assert_eq!(fs::read_to_string(root.join("etc/passwd")).expect("a text"), expected);
    };
    let ours = "snuser:x:1003:1003::/home/snuser:/bin/sh\n";
    check(Tar::default(), &format!("root:x:0:0:root:/root:/bin/sh\n{ours}"));
    check(Tar::default().file("etc/passwd", "ada:x:1000:1::/:/bin/sh"), &format!("ada:x:1000:1::/:/bin/sh\n{ours}"));
    check(Tar::default().file("etc/passwd", "bob:x:1003:1::/:/bin/sh\n"), "bob:x:1003:1::/:/bin/sh\n");
    check(Tar::default().link("etc/passwd", "/dev/null"), &format!("root:x:0:0:root:/root:/bin/sh\n{ours}"));
}

#[test]
fn zstd_and_plain_archives_are_read_too() {
    for (media, packing) in [
        ("application/vnd.oci.image.layer.v1.tar+zstd", Packing::Zstd),
        ("application/vnd.oci.image.layer.v1.tar", Packing::None),
        ("application/vnd.docker.image.rootfs.diff.tar.gzip", Packing::Gzip),
    ] {
        assert_eq!(Packing::of(media), Some(packing), "{media}");
        let folder = tempfile::tempdir().expect("a folder");
        let (file, root) = (folder.path().join("layer"), folder.path().join("root"));
        fs::create_dir(&root).expect("it is new");
        let layer = Tar::default().file("f", "1");
        let bytes = match packing {
            Packing::None => layer.bytes(),
            Packing::Gzip => layer.gzip(),
            Packing::Zstd => {
                // As tools do that pack with several threads.
                let pack = |part| ruzstd::encoding::compress_to_vec(part, ruzstd::encoding::CompressionLevel::Fastest);
                layer.bytes().chunks(700).flat_map(pack).collect()
            }
        };
        fs::write(&file, bytes).expect("it is written");
        let mut tree = Tree::open(&root, STEPS).expect("it is there");
        let pull = pull(folder.path());
        unpack(&file, packing, &mut tree, &mut Allowance::new(ImageLimits::default(), &pull)).expect("it is laid");
        assert_eq!(list(&root), ["f=1"]);
    }
    assert_eq!(Packing::of("application/vnd.cncf.helm.chart.content.v1.tar+gzip"), None);
}
