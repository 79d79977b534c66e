//! Code and dependencies in one tree.

use fungraph_model::{CodePackage, Dependency, DomainId, ProjectId, Runtime};
use jiff::Timestamp;

use super::*;
use crate::Merged;

pub(super) async fn dependency(place: &Place, name: &str, archive: Vec<u8>) -> Dependency {
    let (kept, _) = place.packages.put_dependency(&format!("{name}.zip"), archive.into()).await.expect("is taken");
    Dependency {
        id: name.to_owned(),
        dependency: name.to_owned(),
        project: ProjectId("p".to_owned()),
        domain: DomainId("d".to_owned()),
        name: name.to_owned(),
        version: 1,
        runtime: Runtime::parse("Python3.9").expect("a runtime"),
        description: String::new(),
        size: kept.size,
        digest: kept.digest,
        last_modified: Timestamp::UNIX_EPOCH,
    }
}

fn tree(place: &Place, code: &CodePackage, merged: &Merged) -> PathBuf {
    let mut version = fungraph_model::sample::function("f");
    (version.code, version.merged) = (code.clone(), Some(merged.digest.clone()));
    place.packages.tree_of(&version)
}

fn with_link(files: &[(&str, &str)], link: &str, target: &str) -> Vec<u8> {
    zip(|writer| {
        for (name, content) in files {
            writer.start_file(*name, plain()).expect("starts");
            writer.write_all(content.as_bytes()).expect("writes");
        }
        writer.add_symlink(link, target, plain()).expect("links");
    })
}

#[tokio::test]
async fn later_layers_win_and_every_loss_is_told() {
    let place = Place::new();
    let own = [("index.py", "own"), ("settings.py", "own"), ("lib/a.py", "own"), ("data", "own")];
    let code = place.put(CodeType::Zip, "", zip_of(&own)).await.expect("is taken");
    let first = [("settings.py", "one"), ("lib/b.py", "one"), ("lib/c.py", "one"), ("data/rows", "one")];
    let second = [("lib/b.py", "two"), ("index.py/odd", "two")];
    let dependencies =
        [dependency(&place, "one", zip_of(&first)).await, dependency(&place, "two", zip_of(&second)).await];
    let (merged, _pin) = place.packages.merge(&code, &dependencies).await.expect("merges");
    let tree = tree(&place, &code, &merged);
    for (name, content) in [
        ("settings.py", "one"),
        ("lib/a.py", "own"),
        ("lib/b.py", "two"),
        ("lib/c.py", "one"),
        ("data/rows", "one"),
        ("index.py/odd", "two"),
    ] {
        assert_eq!(read(tree.join(name)), content, "{name}");
    }
    let mut conflicts = merged.conflicts.clone();
    conflicts.sort();
    let one = "that of the dependency one (version 1) is used, not that of";
    let two = "that of the dependency two (version 1) is used, not that of";
    assert_eq!(
        conflicts,
        [
            format!("data: {one} the function"),
            format!("index.py: {two} the function"),
            format!("lib/b.py: {two} the dependency one (version 1)"),
            format!("settings.py: {one} the function"),
        ]
    );
    // What went in is as it was, and the same again is the same folder with the same report.
    assert_eq!(read(place.packages.tree(&code).join("settings.py")), "own");
    assert_eq!(place.packages.merge(&code, &dependencies).await.expect("merges").0, merged);
    let [one, two] = dependencies;
    let (other, _pin) = place.packages.merge(&code, &[two, one]).await.expect("merges");
    assert_ne!(other.digest, merged.digest, "the order counts");
}

#[tokio::test]
async fn report_of_a_shared_folder_says_the_names_of_who_reads_it() {
    let place = Place::new();
    let code = place.put(CodeType::Zip, "", zip_of(&[("a.py", "own")])).await.expect("is taken");
    let archive = zip_of(&[("a.py", "over")]);
    let [theirs, mine] =
        [dependency(&place, "secret", archive.clone()).await, dependency(&place, "mine", archive).await];
    let (first, _pin) = place.packages.merge(&code, &[theirs]).await.expect("merges");
    let (second, _pin) = place.packages.merge(&code, &[mine]).await.expect("merges");
    assert_eq!(second.digest, first.digest, "it is the same folder");
    assert_eq!(second.conflicts, ["a.py: that of the dependency mine (version 1) is used, not that of the function"]);
}

#[tokio::test]
async fn links_and_modes_stay_and_nothing_is_written_through_a_link() {
    let place = Place::new();
    let script = zip(|writer| {
        writer.start_file("run", plain().unix_permissions(0o755)).expect("starts");
        writer.write_all(b"#!").expect("writes");
        writer.add_symlink("lib", "real", plain()).expect("links");
        writer.start_file("real/a.py", plain()).expect("starts");
    });
    let code = place.put(CodeType::Zip, "", script).await.expect("is taken");
    let over = dependency(&place, "over", zip_of(&[("lib/b.py", "over")])).await;
    let (merged, _pin) = place.packages.merge(&code, &[over]).await.expect("merges");
    let tree = tree(&place, &code, &merged);
    assert_eq!((mode(&tree.join("run")), mode(&tree.join("lib")), mode(&tree)), (0o755, 0o755, 0o755));
    assert_eq!(read(tree.join("lib/b.py")), "over");
    assert!(!tree.join("real/b.py").exists(), "the link was replaced");
    let link = dependency(&place, "link", with_link(&[("x", "")], "real", "x")).await;
    let (merged, _pin) = place.packages.merge(&code, &[link]).await.expect("merges");
    let tree = self::tree(&place, &code, &merged);
    assert_eq!(fs::read_link(tree.join("real")).expect("a link"), Path::new("x"));
    assert_eq!(fs::read_dir(place.packages.tree(&code).join("real")).expect("a folder").count(), 1);
}

#[tokio::test]
async fn link_that_leads_out_of_the_whole_is_refused() {
    let place = Place::new();
    // Inside its own tree `a` leads to the root; once `b` is a link to the root, it leads above that.
    let code = with_link(&[("b/c/x", "")], "a", "b/c/../../b");
    let code = place.put(CodeType::Zip, "", code).await.expect("is taken");
    let trick = dependency(&place, "trick", with_link(&[("c/x", "")], "b", ".")).await;
    let refused = place.packages.merge(&code, &[trick]).await;
    let Err(PackageError::Refused(fault)) = refused else { panic!("{refused:?}") };
    assert_eq!(fault.code, ErrorCode::BadDependency);
    assert!(fault.message.contains("'a'") && fault.message.contains("out of the code folder"), "{}", fault.message);
}

#[tokio::test]
async fn rules_of_dependencies_hold_for_archives_that_are_code_already() {
    let place = Place::with(PackageLimits { entries: 3, dependency_bytes: 1000, ..PackageLimits::default() });
    for (archive, code, words) in [
        (zip_of(&[("a.py~", "")]), ErrorCode::BadCode, "'~'"),
        (zip_of(&[("old~/a.py", ""), ("old~/", "")]), ErrorCode::BadCode, "'old~/'"),
        (zip_of(&[("a", ""), ("b", ""), ("c", ""), ("d", "")]), ErrorCode::BadCode, "more than 3"),
        (zip_of(&[("../a", "")]), ErrorCode::BadCode, "'..'"),
        (vec![b'x'; 1001], ErrorCode::PackageTooLarge, "1000"),
        (b"no archive".to_vec(), ErrorCode::BadCode, "zip"),
    ] {
        let _ = place.put(CodeType::Zip, "", archive.clone()).await;
        let refused = place.packages.put_dependency("d.zip", archive.into()).await;
        let Err(PackageError::Refused(fault)) = refused else { panic!("{words}: {refused:?}") };
        assert_eq!(fault.code, code, "{}", fault.message);
        assert!(fault.message.contains(words), "'{}' does not say {words}", fault.message);
    }
}

#[tokio::test]
async fn whole_may_not_be_larger_than_code_may_be() {
    let place = Place::with(PackageLimits { unpacked_bytes: 100, ..PackageLimits::default() });
    let part = "x".repeat(60);
    let code = place.put(CodeType::Zip, "", zip_of(&[("a", &part)])).await.expect("is taken");
    let more = dependency(&place, "more", zip_of(&[("b", &part)])).await;
    let refused = place.packages.merge(&code, &[more]).await;
    assert!(
        matches!(&refused, Err(PackageError::Refused(fault)) if fault.message.contains("100 bytes")),
        "{refused:?}"
    );
    assert!(
        fs::read_dir(place.folder.path().join("code"))
            .expect("a folder")
            .flatten()
            .all(|entry| { !entry.file_name().to_string_lossy().starts_with(".new-") })
    );
}

#[tokio::test]
async fn merged_folder_goes_when_nobody_uses_it_and_takes_nothing_along() {
    let place = Place::new();
    let code = place.put(CodeType::Zip, "", zip_of(&[("a.py", "own")])).await.expect("is taken");
    let over = dependency(&place, "over", zip_of(&[("b.py", "over")])).await;
    let (merged, pin) = place.packages.merge(&code, std::slice::from_ref(&over)).await.expect("merges");
    let live = [&code.digest, &over.digest];
    assert_eq!(place.collect(&live).await, 0, "its function may be on the way");
    drop(pin);
    assert_eq!(place.collect(&live).await, 1);
    assert!(!tree(&place, &code, &merged).exists());
    assert_eq!(read(place.packages.tree(&code).join("a.py")), "own");
    let (again, _pin) = place.packages.merge(&code, &[over]).await.expect("merges again");
    assert_eq!(read(tree(&place, &code, &again).join("b.py")), "over");
}

#[tokio::test]
async fn a_whole_of_too_many_entries_is_refused_and_what_gave_way_does_not_count() {
    let place = Place::with(PackageLimits { merged_entries: 6, ..PackageLimits::default() });
    let code = place
        .put(CodeType::Zip, "", zip_of(&[("index.py", "own"), ("a/one", ""), ("a/two", "")]))
        .await
        .expect("is taken");
    // Four entries until now: the same names again add none, and a file where the folder is takes two away.
    let same = dependency(&place, "same", zip_of(&[("a/one", "x"), ("a/two", "x")])).await;
    let file = dependency(&place, "file", zip_of(&[("a", "x")])).await;
    let more = dependency(&place, "more", zip_of(&[("b", ""), ("c", ""), ("d", ""), ("e", "")])).await;
    drop(place.packages.merge(&code, std::slice::from_ref(&same)).await.expect("four entries"));
    drop(place.packages.merge(&code, &[same.clone(), file, more.clone()]).await.expect("six entries"));
    let refused = place.packages.merge(&code, &[same, more]).await.expect_err("eight entries");
    let PackageError::Refused(fault) = refused else { panic!("{refused}") };
    assert_eq!(fault.code, ErrorCode::BadDependency);
    assert!(fault.message.contains("more than 6 files and folders"), "{}", fault.message);
}
