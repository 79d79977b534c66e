//! Packages on a real file system: archives of real tools, archives of attackers, and what a crash leaves.

mod merge;

use std::collections::HashSet;
use std::fs;
use std::io::{Cursor, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use fungraph_model::{CodePackage, CodeType, Digest, ErrorCode, Fault};
use proptest::prelude::*;
use tempfile::TempDir;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, System, ZipWriter};

use super::name::Name;
use super::{Bundled, PackageError, PackageLimits, Packages, Tree};

struct Place {
    folder: TempDir,
    packages: Packages,
}

impl Place {
    fn new() -> Self {
        Self::with(PackageLimits::default())
    }

    fn with(limits: PackageLimits) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let packages = Packages::open(folder.path(), limits).expect("opens");
        Self { folder, packages }
    }

    async fn put(
        &self,
        code_type: CodeType,
        filename: &str,
        bytes: impl Into<Bytes>,
    ) -> Result<CodePackage, PackageError> {
        self.packages.put(code_type, filename, bytes.into()).await.map(|(package, _)| package)
    }

    /// Removes all but these; gives how many went.
    async fn collect(&self, used: &[&Digest]) -> usize {
        let used = used.iter().map(|digest| (*digest).clone()).collect();
        self.packages.collection().await.remove_all_but(used).await.expect("collects")
    }

    async fn unpack(&self, bytes: impl Into<Bytes>) -> PathBuf {
        let package = self.put(CodeType::Zip, "", bytes).await.expect("is taken");
        self.packages.tree(&package)
    }

    /// Puts what must be refused, and checks that nothing of it stays.
    async fn refuse(&self, bytes: impl Into<Bytes>, words: &str) -> Fault {
        let Err(PackageError::Refused(fault)) = self.put(CodeType::Zip, "", bytes).await else {
            panic!("must be refused: {words}");
        };
        assert!(fault.message.contains(words), "'{}' does not say '{words}'", fault.message);
        assert_eq!(self.stored(), 0, "{words}: something stays");
        fault
    }

    fn stored(&self) -> usize {
        fs::read_dir(self.folder.path().join("code")).expect("a folder").count()
    }
}

fn plain() -> SimpleFileOptions {
    SimpleFileOptions::default()
}

/// An archive made by `fill`.
fn zip(fill: impl FnOnce(&mut ZipWriter<Cursor<Vec<u8>>>)) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    fill(&mut writer);
    writer.finish().expect("an archive").into_inner()
}

fn zip_of(files: &[(&str, &str)]) -> Vec<u8> {
    zip(|writer| {
        for (name, text) in files {
            writer.start_file(*name, plain()).expect(name);
            writer.write_all(text.as_bytes()).expect(name);
        }
    })
}

/// An archive with one more entry that is a link.
fn zip_of_links(links: &[(&str, &str)]) -> Vec<u8> {
    zip(|writer| {
        writer.start_file("index.py", plain()).expect("a file");
        for (name, target) in links {
            writer.add_symlink(*name, *target, plain()).expect(name);
        }
    })
}

/// Changes a name in all headers to one of the same length, which the writer itself would not take.
fn renamed(mut bytes: Vec<u8>, from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let places: Vec<usize> =
        bytes.windows(from.len()).enumerate().filter(|(_, w)| *w == from.as_bytes()).map(|(at, _)| at).collect();
    assert!(places.len() >= 2, "{from} is in both headers");
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
    bytes
}

/// Where the first entry of the central directory starts.
fn directory(bytes: &[u8]) -> usize {
    bytes.windows(4).position(|w| w == b"PK\x01\x02").expect("a directory")
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).expect("is there").permissions().mode() & 0o7777
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).expect("is there")
}

#[tokio::test]
async fn inline_code_is_one_file() {
    let place = Place::new();
    let package = place.put(CodeType::Inline, "src/index.py", "code").await.expect("is taken");
    assert_eq!((package.size, package.digest.0.len()), (4, 128));
    let tree = place.packages.tree(&package);
    assert_eq!(read(tree.join("src/index.py")), "code");
    assert_eq!((mode(&tree), mode(&tree.join("src")), mode(&tree.join("src/index.py"))), (0o755, 0o755, 0o644));
    assert_eq!(place.packages.bytes(&package).await.expect("reads"), "code");
    assert_eq!(place.packages.open_file(&package).expect("opens").metadata().expect("metadata").len(), 4);
    let bootstrap = place.put(CodeType::Inline, "bootstrap", "#!/bin/sh").await.expect("is taken");
    assert_eq!(mode(&place.packages.tree(&bootstrap).join("bootstrap")), 0o755);
}

#[tokio::test]
async fn equal_bytes_share_a_package_but_not_a_tree() {
    let place = Place::new();
    let (a, b, again) = tokio::join!(
        place.put(CodeType::Inline, "a.py", "code"),
        place.put(CodeType::Inline, "b.py", "code"),
        place.put(CodeType::Inline, "a.py", "code")
    );
    let (a, b) = (a.expect("is taken"), b.expect("is taken"));
    assert_eq!(again.expect("is taken"), a);
    assert_eq!((a.digest == b.digest, place.stored()), (true, 1));
    assert!(place.packages.tree(&a).join("a.py").is_file() && place.packages.tree(&b).join("b.py").is_file());
    let inode = || fs::metadata(place.packages.tree(&a).join("a.py")).expect("is there").ino();
    let before = inode();
    place.put(CodeType::Inline, "a.py", "code").await.expect("is taken");
    assert_eq!(inode(), before, "the same content is not written again");
}

/// Large ones are hashed while they are laid out, unless one like it is there.
#[tokio::test]
async fn a_large_package_is_stored_once_however_often_it_comes() {
    let place = Place::new();
    let large = |first: u8| {
        let mut content = vec![7; 2 << 20];
        content[0] = first;
        zip(|zip| {
            zip.start_file("data", plain().compression_method(CompressionMethod::Stored)).expect("starts");
            zip.write_all(&content).expect("writes");
        })
    };
    let put = async |packages: &Packages, first| {
        let (package, _pin) = packages.put(CodeType::Zip, "", large(first).into()).await.expect("is taken");
        assert_eq!(package.digest, Packages::digest(&large(first)));
        assert_eq!(fs::read(packages.tree(&package).join("data")).expect("is there")[0], first);
        package
    };
    let one = put(&place.packages, 1).await;
    assert_eq!(put(&place.packages, 1).await, one);
    let other = put(&place.packages, 2).await;
    assert_ne!(other.digest, one.digest, "of the same size");
    assert_eq!(place.stored(), 2);
    // It is like the first one, whose directory it has.
    let mut damaged = large(1);
    let place_of_content = damaged.windows(9).position(|bytes| bytes[1..] == [7; 8]).expect("its content");
    damaged[place_of_content] = 9;
    let refused = place.put(CodeType::Zip, "", damaged).await;
    assert!(matches!(refused, Err(PackageError::Refused(_))), "its checksum is another one's");
    assert_eq!(place.stored(), 2, "nothing of it stays");
    let after_a_start = Packages::open(place.folder.path(), PackageLimits::default()).expect("opens");
    assert_eq!(put(&after_a_start, 1).await, one);
    assert_eq!(place.stored(), 2, "nothing of the second time stays");
    // It cannot be laid out any more, and need not be: as on a full disk.
    let no_room = PackageLimits { unpacked_bytes: 1, ..PackageLimits::default() };
    let after_another = Packages::open(place.folder.path(), no_room).expect("opens");
    assert_eq!(put(&after_another, 1).await, one);
    assert!(after_another.put(CodeType::Zip, "", large(3).into()).await.is_err(), "what is new needs room");
    assert_eq!(place.stored(), 2);
}

#[tokio::test]
async fn sizes_over_the_limit_are_refused() {
    let place = Place::with(PackageLimits { inline_bytes: 3, package_bytes: 3, ..PackageLimits::default() });
    for (code_type, code) in [
        (CodeType::Inline, ErrorCode::InlineTooLarge),
        (CodeType::Zip, ErrorCode::PackageTooLarge),
        (CodeType::Jar, ErrorCode::PackageTooLarge),
    ] {
        let Err(PackageError::Refused(fault)) = place.put(code_type, "a", "1234").await else { panic!("too large") };
        assert_eq!(fault.code, code);
    }
}

#[tokio::test]
async fn inline_names_must_stay_inside() {
    let place = Place::new();
    for name in
        ["", "/", ".", "..", "../a", "a/../../b", "/etc/passwd", "a\\b", "C:a", "a\0b", "dir/", &"x".repeat(256)]
    {
        let Err(PackageError::Refused(fault)) = place.put(CodeType::Inline, name, "code").await else {
            panic!("{name:?} must be refused");
        };
        assert_eq!((fault.code, place.stored()), (ErrorCode::BadFilename, 0), "{name:?}");
    }
}

#[tokio::test]
async fn modes_survive_as_far_as_they_matter() {
    let place = Place::new();
    let tree = place
        .unpack(zip(|writer| {
            for (name, mode) in [("bootstrap", 0o755), ("index.py", 0o600), ("setuid", 0o4711), ("d/x.sh", 0o100)] {
                writer.start_file(name, plain().unix_permissions(mode)).expect(name);
            }
            writer.add_directory("empty", plain().unix_permissions(0o700)).expect("a folder");
        }))
        .await;
    for (name, expected) in [
        ("bootstrap", 0o755),
        ("index.py", 0o644),
        ("setuid", 0o755),
        ("d/x.sh", 0o755),
        ("d", 0o755),
        ("empty", 0o755),
    ] {
        assert_eq!(mode(&tree.join(name)), expected, "{name}");
    }
}

#[tokio::test]
async fn archives_without_modes_get_sensible_ones() {
    let place = Place::new();
    let options = plain().system(System::Dos).external_attributes(0);
    let tree = place
        .unpack(zip(|writer| {
            for name in ["bootstrap", "sub/bootstrap", "index.py", "__MACOSX/._index.py"] {
                writer.start_file(name, options).expect(name);
            }
        }))
        .await;
    assert_eq!(mode(&tree.join("bootstrap")), 0o755);
    assert_eq!(mode(&tree.join("sub/bootstrap")), 0o644);
    assert_eq!(mode(&tree.join("index.py")), 0o644);
}

#[tokio::test]
async fn archives_of_other_tools_unpack() {
    let place = Place::new();
    let source = tempfile::tempdir().expect("a temporary folder");
    fs::create_dir(source.path().join("lib")).expect("a folder");
    fs::write(source.path().join("index.py"), "x = 1\n".repeat(1000)).expect("writes");
    fs::write(source.path().join("lib/ž.py"), "y = 1\n").expect("writes");
    symlink("index.py", source.path().join("link.py")).expect("a link");
    let python = "import zipfile,sys,os\nz=zipfile.ZipFile('o.zip','w',zipfile.ZIP_DEFLATED)\n\
                  z.write('index.py')\nz.write('lib')\nz.write('lib/ž.py')\nz.write('index.py','link.py')\nz.close()";
    let mut tools = 0;
    for command in [
        vec!["zip", "-q", "-r", "-y", "o.zip", "."],
        vec!["zip", "-q", "-r", "-0", "o.zip", "."],
        vec!["python3", "-c", python],
        vec!["jar", "cfM", "o.zip", "index.py", "lib", "link.py"],
    ] {
        let _ = fs::remove_file(source.path().join("o.zip"));
        let ran = std::process::Command::new(command[0]).args(&command[1..]).current_dir(source.path()).output();
        let Ok(output) = ran else { continue };
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        let tree = place.unpack(fs::read(source.path().join("o.zip")).expect("an archive")).await;
        assert_eq!(read(tree.join("index.py")), read(tree.join("link.py")), "{command:?}");
        assert_eq!(read(tree.join("lib/ž.py")), "y = 1\n", "{command:?}");
        tools += 1;
    }
    assert!(tools > 0, "install python3 or zip: this test needs one of the tools that make archives");
}

#[tokio::test]
async fn names_that_lead_out_are_refused() {
    let place = Place::new();
    for (name, words) in [
        ("../evil.py", "'..'"),
        ("a/../../b.", "'..'"),
        ("/etc/evil1", "absolute"),
        ("C:/evil.py", "absolute"),
        ("..\\evil.py", "backslash"),
        ("nul\0evil.p", "NUL"),
    ] {
        let harmless = "H".repeat(name.len());
        let bytes = renamed(zip_of(&[("index.py", "x"), (&harmless, "y")]), &harmless, name);
        let fault = place.refuse(bytes, words).await;
        assert_eq!(fault.code, ErrorCode::BadCode);
    }
    place.refuse(zip_of(&[(&"x".repeat(256), "")]), "255 bytes").await;
    place.refuse(zip_of(&[(&"x".repeat(3073), "")]), "3072 bytes").await;
    place.refuse(zip_of(&[(&format!("{}f", "x/".repeat(128)), "")]), "128 folders deep").await;
    let long = format!("{}f", format!("{}/", "x".repeat(255)).repeat(11));
    assert!(place.unpack(zip_of(&[(&long, "")])).await.join(&long).is_file(), "long names that are allowed work");
    assert!(!place.folder.path().join("evil.py").exists() && !place.folder.path().join("code/evil.py").exists());
}

#[tokio::test]
async fn links_that_stay_inside_are_kept() {
    let place = Place::new();
    let tree = place
        .unpack(zip_of_links(&[
            ("a/b/up.py", "../../index.py"),
            ("same", "a/b/up.py"),
            ("dir", "a"),
            ("dangling", "nothing"),
        ]))
        .await;
    assert_eq!(fs::read_link(tree.join("a/b/up.py")).expect("a link"), Path::new("../../index.py"));
    assert!(tree.join("same").is_file() && tree.join("dir/b").is_dir() && tree.join("dangling").is_symlink());
}

#[tokio::test]
async fn links_that_leave_are_refused() {
    let place = Place::new();
    for (links, words) in [
        (vec![("l", "/etc/passwd")], "absolute"),
        (vec![("l", "../outside")], "out of the code folder"),
        (vec![("a/l", "b/../../../x")], "out of the code folder"),
        (vec![("a/b/c", "."), ("d", "a/b/c/../../..")], "out of the code folder"),
        // Each looks harmless; together d/.. is the folder above the code.
        (vec![("s/d", ".."), ("e", "s/d/../x")], "out of the code folder"),
        (vec![("a", "b"), ("b", "a")], "circle"),
        (vec![("l", "")], "usable target"),
        (vec![("l", "a\0b")], "usable target"),
    ] {
        let fault = place.refuse(zip_of_links(&links), words).await;
        assert_eq!(fault.code, ErrorCode::BadCode, "{links:?}");
    }
}

/// Targets of thousands of parts, each behind forty links: checking must end soon.
#[tokio::test]
async fn entangled_links_are_refused() {
    let place = Place::new();
    let target = |next: usize| format!("{}l{next}", "d/../".repeat(800));
    let links: Vec<_> = (0..1000).map(|n| (format!("l{n}"), target(n + 1))).collect();
    let links: Vec<_> = links.iter().map(|(name, target)| (name.as_str(), target.as_str())).collect();
    place.refuse(zip_of_links(&links), "is a link").await;
    place.refuse(zip_of_links(&[("l", &"d/".repeat(200))]), "too many folders").await;
}

#[tokio::test]
async fn nothing_is_written_through_a_link() {
    let place = Place::new();
    let outside = tempfile::tempdir().expect("a temporary folder");
    let bytes = zip(|writer| {
        writer.add_symlink("door", outside.path().to_str().expect("UTF-8"), plain()).expect("a link");
        writer.start_file("door/evil.py", plain()).expect("a file");
    });
    place.refuse(bytes, "below an entry that is no folder").await;
    assert_eq!(fs::read_dir(outside.path()).expect("a folder").count(), 0);
}

#[tokio::test]
async fn clashes_are_refused() {
    let place = Place::new();
    place.refuse(zip_of(&[("a", "1"), ("a/b", "2")]), "below an entry that is no folder").await;
    place.refuse(zip_of(&[("a/b", "1"), ("a//b", "2")]), "is there twice").await;
    place.refuse(renamed(zip_of(&[("aa", "1"), ("bb", "2")]), "bb", "aa"), "same name").await;
    let folder_and_file = zip(|writer| {
        writer.add_directory("a/", plain()).expect("a folder");
        writer.start_file("a", plain()).expect("a file");
    });
    place.refuse(folder_and_file, "is there twice").await;
}

#[tokio::test]
async fn devices_and_encrypted_entries_are_refused() {
    let place = Place::new();
    for kind in [0o010_644_u32, 0o020_644, 0o060_644, 0o140_644] {
        let mut bytes = zip_of(&[("thing", "")]);
        let at = directory(&bytes) + 38;
        bytes[at..at + 4].copy_from_slice(&(kind << 16).to_le_bytes());
        place.refuse(bytes, "neither file, folder nor link").await;
    }
    let mut bytes = zip_of(&[("thing", "x")]);
    let at = directory(&bytes) + 8;
    bytes[at] |= 1;
    bytes[6] |= 1;
    place.refuse(bytes, "encrypted").await;
    let mut bytes = zip_of(&[("thing", "x")]);
    let at = directory(&bytes) + 10;
    bytes[at] = 12;
    place.refuse(bytes, "other than deflate").await;
}

#[tokio::test]
async fn bombs_are_refused_by_what_they_write() {
    let limits = PackageLimits { unpacked_bytes: 3 << 20, ratio_floor: 1 << 20, ..PackageLimits::default() };
    let place = Place::with(limits);
    let zeros = |count: usize, options| {
        zip(|writer| {
            writer.start_file("zeros", options).expect("a file");
            writer.write_all(&vec![0; count]).expect("zeros");
        })
    };
    place.refuse(zeros(2 << 20, plain()), "bomb").await;
    let stored = plain().compression_method(CompressionMethod::Stored);
    place.refuse(zeros(4 << 20, stored), "over 3145728 bytes").await;
    place.unpack(zeros(1 << 20, plain())).await;
    let place = Place::with(limits);
    let mut liar = zeros(2 << 20, plain());
    let at = directory(&liar) + 24;
    liar[at..at + 4].copy_from_slice(&7_u32.to_le_bytes());
    place.refuse(liar, "larger than its declared").await;
}

#[tokio::test]
async fn sizes_and_sums_must_be_true() {
    let place = Place::new();
    for (size, words) in [(7_u32, "is damaged"), (70, "not as long as")] {
        let mut wrong = zip_of(&[("f", "hello hello hello")]);
        let at = directory(&wrong) + 24;
        wrong[at..at + 4].copy_from_slice(&size.to_le_bytes());
        place.refuse(wrong, words).await;
    }
    let mut wrong = zip_of(&[("f", "hello")]);
    let at = directory(&wrong) + 16;
    wrong[at] ^= 1;
    place.refuse(wrong, "is damaged").await;
}

#[tokio::test]
async fn too_many_entries_are_refused() {
    let limits = PackageLimits { entries: 3, ..PackageLimits::default() };
    let place = Place::with(limits);
    let names = ["a", "b", "c", "d"];
    let files: Vec<_> = names.iter().map(|name| (*name, "")).collect();
    place.refuse(zip_of(&files), "more than 3 files or folders").await;
    place.refuse(zip_of(&[("a/b/c/d/e", "")]), "more than 3 files or folders").await;
    // An archive inside an archive has signatures too, which are not entries of the outer one.
    let inner = zip_of(&files);
    let outer = zip(|writer| {
        writer.start_file("inner.zip", plain().compression_method(CompressionMethod::Stored)).expect("a file");
        writer.write_all(&inner).expect("an archive");
    });
    place.unpack(outer).await;
    assert_eq!(PackageLimits::default().entries, 30_000);
}

#[tokio::test]
async fn overlapping_entries_are_refused() {
    let place = Place::new();
    let mut bytes = zip_of(&[("a", "same"), ("b", "same")]);
    let first = directory(&bytes);
    let second = first + 4 + directory(&bytes[first + 4..]);
    // Both entries of the directory now point at the first file.
    bytes.copy_within(first + 42..first + 46, second + 42);
    place.refuse(bytes, "overlap").await;
}

#[tokio::test]
async fn garbage_is_refused() {
    let place = Place::new();
    let good = zip_of(&[("index.py", &"x".repeat(1000))]);
    place.refuse("", "not a readable zip").await;
    place.refuse("hello", "not a readable zip").await;
    place.refuse(good[..good.len() / 2].to_vec(), "not a readable zip").await;
    place.refuse(good[..good.len() - 3].to_vec(), "not a readable zip").await;
    place.refuse(zip(|_| {}), "holds no file").await;
    place.refuse(zip(|writer| writer.add_directory("d", plain()).expect("a folder")), "holds no file").await;
}

#[tokio::test]
async fn a_jar_stays_whole_and_a_zip_of_jars_does_not() {
    let place = Place::new();
    let jar = zip_of(&[("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n"), ("com/A.class", "…"), ("lib/x.jar", "")]);
    for (filename, expected) in [("app.jar", "app.jar"), ("app.zip", "app.zip.jar"), ("", "function.jar")] {
        let package = place.put(CodeType::Jar, filename, jar.clone()).await.expect("is taken");
        let tree = place.packages.tree(&package);
        assert_eq!(fs::read(tree.join(expected)).expect("is there"), jar);
        assert_eq!(fs::read_dir(tree).expect("a folder").count(), 1);
    }
    let jars = zip_of(&[("app.jar", "1"), ("lib/other.jar", "2")]);
    let package = place.put(CodeType::Jar, "app.zip", jars).await.expect("is taken");
    assert_eq!(read(place.packages.tree(&package).join("lib/other.jar")), "2");
    assert!(matches!(place.put(CodeType::Jar, "a.jar", "no jar").await, Err(PackageError::Refused(_))));
}

#[tokio::test(start_paused = true)]
async fn a_project_reads_two_archives_at_a_time() {
    let place = Place::new();
    let bundle = |name: &'static str| place.packages.bundle(name, vec![("a".to_owned(), Bundled::Bytes("x".into()))]);
    let (one, _two) = (bundle("p").await.expect("the first"), bundle("p").await.expect("the second"));
    assert!(matches!(bundle("p").await, Err(PackageError::Busy)));
    drop(bundle("q").await.expect("another project does not wait"));
    drop(one);
    drop(bundle("p").await.expect("there is a turn again"));
    assert_eq!(place.stored(), 0, "archives have no names");
}

#[tokio::test(start_paused = true)]
async fn a_project_has_the_entries_of_two_archives_in_memory() {
    const KNOWN: &[(&str, u64)] = &[("a", 1)];
    let place = Place::new();
    let open = |name: &'static str| place.packages.read_bundle(name, zip_of(&[("a", "x")]).into(), KNOWN);
    let (one, _two) = (open("p").await.expect("the first"), open("p").await.expect("the second"));
    assert!(matches!(open("p").await, Err(PackageError::Busy)));
    drop(open("q").await.expect("another project does not wait"));
    drop(one);
    drop(open("p").await.expect("there is a turn again"));
}

#[tokio::test]
async fn an_archive_is_read_by_the_names_of_its_entries() {
    const KNOWN: &[(&str, u64)] = &[("a", 3), ("b", 3)];
    let place = Place::new();
    let read = async |files: &[(&str, &str)]| place.packages.read_bundle("p", zip_of(files).into(), KNOWN).await;
    let (found, _turn) = read(&[("a", "x"), ("b", "yyy")]).await.expect("it is one");
    assert_eq!((&found["a"][..], &found["b"][..]), (&b"x"[..], &b"yyy"[..]));
    for (files, word) in [
        (&[("a", "xxxx")][..], "more than 3 bytes"),
        (&[("c", "x")], "may hold a, b"),
        (&[("a/", "")], "may hold a, b"),
        (&[("../a", "x")], "may hold a, b"),
    ] {
        let Err(PackageError::Refused(fault)) = read(files).await else { panic!("{word}") };
        assert!(fault.code == ErrorCode::BadCode && fault.message.contains(word), "{}", fault.message);
    }
    assert_eq!(place.stored(), 0);
}

#[tokio::test]
async fn a_restart_removes_what_a_crash_left() {
    let place = Place::new();
    let package = place.put(CodeType::Inline, "a.py", "code").await.expect("is taken");
    let code = place.folder.path().join("code");
    fs::create_dir_all(code.join(".new-1/tree/deep")).expect("folders");
    fs::write(code.join(".new-1/package"), "half").expect("writes");
    let packages = Packages::open(place.folder.path(), PackageLimits::default()).expect("opens");
    assert_eq!(place.stored(), 1);
    assert!(packages.tree(&package).join("a.py").is_file());
}

#[tokio::test]
async fn a_put_completes_what_a_crash_left_between_two_renames() {
    let place = Place::new();
    let package = place.put(CodeType::Inline, "a.py", "code").await.expect("is taken");
    fs::remove_dir_all(place.packages.tree(&package)).expect("removes");
    place.put(CodeType::Inline, "a.py", "code").await.expect("is taken");
    assert_eq!(read(place.packages.tree(&package).join("a.py")), "code");
}

#[tokio::test]
async fn a_collection_spares_what_is_used_and_what_somebody_has_in_his_hands() {
    let place = Place::new();
    let used = place.put(CodeType::Inline, "a.py", "used").await.expect("is taken");
    let (unused, pin) = place.packages.put(CodeType::Inline, "a.py", "unused".into()).await.expect("is taken");
    assert_eq!(place.collect(&[&used.digest]).await, 0, "its function may be on the way");
    let begun = place.packages.collection().await;
    drop(pin);
    let live = HashSet::from([used.digest.clone()]);
    assert_eq!(begun.remove_all_but(live).await.expect("collects"), 0, "its function may be newer than the answer");
    assert_eq!(place.collect(&[&used.digest]).await, 1);
    assert_eq!(place.stored(), 1);
    assert_eq!(place.packages.bytes(&used).await.expect("reads"), "used");
    assert!(matches!(place.packages.bytes(&unused).await, Err(PackageError::Missing { .. })));
    assert!(matches!(place.packages.open_file(&unused), Err(PackageError::Missing { .. })));
    place.put(CodeType::Inline, "a.py", "unused").await.expect("is taken again");
    assert_eq!(read(place.packages.tree(&unused).join("a.py")), "unused");
}

#[tokio::test(start_paused = true)]
async fn packages_on_their_way_are_few_for_each_project_and_others_do_not_wait() {
    let place = Place::new();
    let mut turns = Vec::new();
    for _ in 0..super::ON_THE_WAY {
        turns.push(place.packages.way("p").await.expect("it is free"));
    }
    assert!(matches!(place.packages.way("p").await, Err(PackageError::Busy)));
    let _other = place.packages.way("q").await.expect("another project's");
    turns.pop();
    let _next = place.packages.way("p").await.expect("one was stored");
}

#[tokio::test]
async fn what_nobody_stored_is_told_once_it_is_let_go() {
    let place = Place::new();
    let (_, pin) = place.packages.put(CodeType::Inline, "a.py", "code".into()).await.expect("is taken");
    pin.named();
    drop(pin);
    assert!(futures_util::poll!(std::pin::pin!(place.packages.let_go())).is_pending());
    let kept = place.packages.put(CodeType::Inline, "a.py", "code".into()).await.expect("is taken");
    drop(kept);
    place.packages.let_go().await;
}

#[tokio::test]
async fn a_tree_takes_whole_blocks_and_a_merged_one_its_names() {
    let place = Place::new();
    let takes = async |trees: &[&Tree]| {
        let trees = trees.iter().map(|tree| (*tree).clone()).collect();
        place.packages.take(trees).await.expect("measures")
    };
    let archive = zip_of(&[("index.py", "x"), ("lib/empty", ""), ("lib/large", &"x".repeat(4097))]);
    let code = place.put(CodeType::Zip, "", archive.clone()).await.expect("is taken");
    let tree = Tree::of(&code);
    assert_eq!(takes(&[&tree]).await, (2 + 1 + 1 + 2) * 4096, "two folders, and three files");
    assert_eq!(takes(&[&tree, &tree]).await, 6 * 4096, "once");
    let over = merge::dependency(&place, "over", zip_of(&[("more", "x")])).await;
    let (merged, _pin) = place.packages.merge(&code, &[over]).await.expect("merges");
    let merged = Tree::merged(&merged.digest);
    assert_eq!(takes(&[&merged]).await, 2 * 4096 + 4 * 256);
    assert_eq!(takes(&[&tree]).await, 6 * 4096, "that it has second names changes nothing");
    // Another name of the same bytes is another tree, and what is gone takes nothing.
    let jar = CodePackage { code_type: CodeType::Jar, filename: "a.jar".to_owned(), ..code };
    assert_eq!(takes(&[&Tree::of(&jar)]).await, 0);
    place.put(CodeType::Jar, "a.jar", archive).await.expect("is taken");
    assert_eq!(takes(&[&tree, &Tree::of(&jar), &merged]).await, 14 * 4096 + 4 * 256);
}

#[tokio::test]
async fn a_note_of_what_a_tree_takes_that_was_cut_short_is_none() {
    let place = Place::new();
    let code = place.put(CodeType::Inline, "a.py", "code").await.expect("is taken");
    let note = place.packages.tree(&code).with_extension("bytes");
    for text in ["", "819", "many\n"] {
        fs::write(&note, text).expect("writes");
        let takes = place.packages.take(HashSet::from([Tree::of(&code)])).await.expect("measures");
        assert_eq!(takes, 8192, "{text:?}");
        assert_eq!(read(note.clone()), "8192\n");
    }
}

#[test]
fn a_full_disk_is_told_apart() {
    let failure = |kind| super::during("write", Path::new("x"))(std::io::Error::from(kind));
    for kind in [std::io::ErrorKind::StorageFull, std::io::ErrorKind::QuotaExceeded] {
        assert!(matches!(failure(kind), PackageError::DiskFull { .. }));
    }
    assert!(matches!(failure(std::io::ErrorKind::PermissionDenied), PackageError::Io { .. }));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever a name looks like: it is refused, or it is a path below the tree.
    #[test]
    fn no_name_leads_out(text in r"[a-c./\\:\x00ž~ C-]{0,24}") {
        if let Ok(name) = Name::parse(&text) {
            let path = name.below(Path::new("/tree"));
            prop_assert!(path.starts_with("/tree"));
            for part in path.components().skip(1) {
                prop_assert!(matches!(part, std::path::Component::Normal(_)), "{path:?}");
            }
            prop_assert_eq!(Name::parse(&name.to_string()), Ok(name));
        }
    }

    /// Bytes that start as an archive never make the reader panic, and never leave anything behind.
    #[test]
    fn damaged_archives_are_refused_or_whole(at in 0_usize..400, value: u8) {
        let mut bytes = zip_of(&[("index.py", "hello hello hello hello"), ("lib/a.py", "x")]);
        let at = at % bytes.len();
        bytes[at] = value;
        let place = Place::new();
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        match runtime.block_on(place.put(CodeType::Zip, "", bytes)) {
            Ok(package) => prop_assert!(place.packages.tree(&package).is_dir()),
            Err(PackageError::Refused(_)) => prop_assert_eq!(place.stored(), 0),
            Err(other) => prop_assert!(false, "{other:?}"),
        }
    }
}
