//! What every backend must do, run on a real database in a folder of its own.

mod belongings;
mod statistics;

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use fungraph_model::{
    CodePackage, CodeType, Dependency, Digest, Domain, DomainId, FunctionImage, FunctionKey, FunctionSpec,
    FunctionVersion, Grant, HookSpec, ImageDefaults, KeyRecord, MetricRule, Mount, MountKind, MountUser, Mounts,
    Project, ProjectId, Qualifier, Register, Reservation, Reserved, Role, Runtime, Schedule, Secret, Strategy, Trigger,
    TriggerId, TriggerKind, User, UserId,
};
use jiff::Timestamp;
use tempfile::TempDir;

use crate::{Config, DependencyQuery, Error, FunctionQuery, Store, Tree, TriggerQuery, TriggersOf, Usage};

mod versions;

/// A store with the account that the samples belong to.
async fn fresh() -> (TempDir, Store) {
    let (folder, store) = empty().await;
    let Register { domains, projects, .. } = account();
    let strangers = Project { id: project("p2"), name: Some("strangers".to_owned()), ..projects[0].clone() };
    let register = Register { domains, projects: vec![projects[0].clone(), strangers], ..Register::default() };
    store.found(&register).await.expect("stores");
    (folder, store)
}

async fn empty() -> (TempDir, Store) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = open(folder.path()).await;
    (folder, store)
}

async fn open(folder: &Path) -> Store {
    Store::open(&Config { folder: folder.to_owned(), readers: 2 }).await.expect("opens")
}

fn project(name: &str) -> ProjectId {
    ProjectId(name.to_owned())
}

fn key(name: &str) -> FunctionKey {
    FunctionKey { project: project("p1"), package: "default".to_owned(), name: name.to_owned() }
}

/// A function that uses every field.
fn function(name: &str) -> FunctionVersion {
    let hook = |handler: &str, timeout_s| Some(HookSpec { handler: handler.to_owned(), timeout_s });
    FunctionVersion {
        key: key(name),
        domain: DomainId("d1".to_owned()),
        version: "latest".to_owned(),
        func_id: format!("id-{name}"),
        spec: FunctionSpec {
            runtime: Runtime::parse("Python3.9").expect("a runtime"),
            handler: "index.handler".to_owned(),
            timeout_s: 30,
            memory_mb: 256,
            tmp_mb: 512,
            initializer: hook("index.init", 10),
            pre_stop: hook("index.stop", 90),
            user_data: BTreeMap::from([("k".to_owned(), "\"quoted\" ž".to_owned())]),
            encrypted_user_data: BTreeMap::from([("s".to_owned(), Secret::new("hidden".to_owned()))]),
            strategy: Strategy { concurrency: -1, concurrent_num: 7 },
            description: "what it does".to_owned(),
            dynamic_memory: true,
            mounts: mounts_of_a_function(),
            passive: r#"{"enterprise_project_id":"0"}"#.to_owned(),
        },
        code: CodePackage {
            code_type: CodeType::Inline,
            filename: "index.py".to_owned(),
            size: 100,
            digest: Digest(name.repeat(2)),
        },
        dependencies: Vec::new(),
        merged: None,
        image: None,
        revision: 1,
        last_modified: Timestamp::from_microsecond(1_700_000_000_123_456).expect("a time"),
        remark: String::new(),
    }
}

fn mounts_of_a_function() -> Mounts {
    let (resource, share_path, local_path) = ("data".to_owned(), "/team".to_owned(), "/mnt/data".to_owned());
    let list = vec![Mount { kind: MountKind::SfsTurbo, resource, share_path, local_path }];
    Mounts { user: MountUser { user_id: 5000, group_id: -1 }, list }
}

fn image_of_a_function() -> FunctionImage {
    let own = ImageDefaults {
        entrypoint: vec!["/app".to_owned()],
        cmd: Vec::new(),
        env: vec![("B".to_owned(), "2".to_owned()), ("A".to_owned(), "1".to_owned())],
        working_dir: "/srv".to_owned(),
    };
    let (name, command) = ("registry.example.com/a:v1".to_owned(), "/bin/sh,-c".to_owned());
    FunctionImage { name, command, args: "x".to_owned(), working_dir: String::new(), uid: 1003, gid: 2000, own }
}

fn same(a: &FunctionVersion, b: &FunctionVersion) -> bool {
    format!("{a:?}") == format!("{b:?}") && a.spec.encrypted_user_data == b.spec.encrypted_user_data
}

fn query() -> FunctionQuery {
    FunctionQuery { project: project("p1"), package: None, name_part: None, marker: 0, limit: 400, failures_from: 0 }
}

async fn names(store: &Store, query: &FunctionQuery) -> Vec<String> {
    let page = store.functions(query).await.expect("lists");
    page.functions.into_iter().map(|function| function.key.name).collect()
}

#[tokio::test]
async fn functions_survive_a_restart() {
    let (folder, store) = fresh().await;
    let mut plain = function("plain");
    (plain.spec.initializer, plain.spec.pre_stop, plain.code.code_type) = (None, None, CodeType::Zip);
    let mut image = function("image");
    (image.code.code_type, image.image) = (CodeType::Image, Some(image_of_a_function()));
    for function in [&function("full"), &plain, &image] {
        store.create_function(function).await.expect("creates");
    }
    store.close().await;
    let store = open(folder.path()).await;
    for expected in [function("full"), plain, image] {
        let found = store.function(&expected.key).await.expect("reads").expect("is there");
        assert!(same(&found, &expected), "{found:?}\n{expected:?}");
    }
    assert!(store.function(&key("absent")).await.expect("reads").is_none());
}

#[tokio::test]
async fn a_name_is_taken_in_its_package_only() {
    let (_folder, store) = fresh().await;
    store.create_function(&function("one")).await.expect("creates");
    let mut again = function("one");
    again.func_id = "another".to_owned();
    assert!(matches!(store.create_function(&again).await, Err(Error::Exists { .. })));
    again.key.package = "other".to_owned();
    store.create_function(&again).await.expect("another package is another name");
    assert_eq!(
        store.usage(&project("p1")).await.expect("counts"),
        Usage { functions: 2, code_bytes: 200, dependencies: 0 }
    );
}

#[tokio::test]
async fn many_functions_are_stored_at_once_or_none_is() {
    let (_folder, store) = fresh().await;
    let mut elsewhere = function("c");
    elsewhere.key.project = project("p2");
    store.create_functions(&[function("a"), elsewhere, function("b")]).await.expect("creates");
    let found = store.function(&key("b")).await.expect("reads").expect("is there");
    assert!(same(&found, &function("b")), "{found:?}");
    for (name, functions) in [("p1", 2), ("p2", 1)] {
        let usage = store.usage(&project(name)).await.expect("counts");
        assert_eq!(usage, Usage { functions, code_bytes: functions * 100, dependencies: 0 }, "{name}");
    }
    let taken = store.create_functions(&[function("d"), function("a")]).await;
    assert!(matches!(taken, Err(Error::Exists { .. })), "{taken:?}");
    assert!(store.function(&key("d")).await.expect("reads").is_none());
}

#[tokio::test]
async fn one_of_two_updates_of_the_same_revision_wins() {
    let (_folder, store) = fresh().await;
    store.create_function(&function("f")).await.expect("creates");
    let changed = |handler: &str| {
        let mut changed = function("f");
        changed.revision = 2;
        changed.spec.handler = handler.to_owned();
        changed
    };
    let (a, b) = (changed("a.a"), changed("b.b"));
    let (first, second) = tokio::join!(store.update_function(&a, 1), store.update_function(&b, 1));
    let (winner, lost) = if first.is_ok() { (a, second) } else { (b, first) };
    assert!(matches!(lost, Err(Error::Changed { expected: 1, found: 2, .. })), "{lost:?}");
    let found = store.function(&key("f")).await.expect("reads").expect("is there");
    assert_eq!(found.spec.handler, winner.spec.handler);
    let missing = FunctionVersion { revision: 2, ..function("g") };
    assert!(matches!(store.update_function(&missing, 1).await, Err(Error::Missing { .. })));
}

#[tokio::test]
async fn update_never_reaches_a_function_made_again_under_the_name() {
    let (_folder, store) = fresh().await;
    store.create_function(&function("f")).await.expect("creates");
    assert_eq!(store.delete_function(&key("f")).await.expect("deletes").as_deref(), Some("id-f"));
    let again = FunctionVersion { func_id: "another".to_owned(), ..function("f") };
    store.create_function(&again).await.expect("the name is free again");
    let late = FunctionVersion { revision: 2, ..function("f") };
    assert!(matches!(store.update_function(&late, 1).await, Err(Error::Missing { .. })));
}

#[tokio::test]
async fn every_page_of_a_long_list_is_the_same_from_either_end() {
    let (_folder, store) = fresh().await;
    let functions: Vec<FunctionVersion> = (0..2600).map(|number| function(&format!("f{number}"))).collect();
    store.create_functions(&functions).await.expect("creates");
    let expected: Vec<&str> = functions.iter().map(|function| function.key.name.as_str()).collect();
    for marker in [0, 999, 1000, 1199, 1200, 1300, 2199, 2200, 2399, 2599, 2600, 5000, u64::MAX] {
        for limit in [1, 400] {
            let page = store.functions(&FunctionQuery { marker, limit, ..query() }).await.expect("lists");
            let begin = usize::try_from(marker).unwrap_or(usize::MAX).min(2600);
            let end = (begin + limit as usize).min(2600);
            let found: Vec<&str> = page.functions.iter().map(|function| function.key.name.as_str()).collect();
            assert_eq!(found, expected[begin..end], "{marker} {limit}");
            let next = (end < 2600 && begin < end).then_some(end as u64);
            assert_eq!((page.next, page.total), (next, 2600), "{marker} {limit}");
        }
    }
    // Pinned ones are first, from wherever it is read.
    store.pin_function(&key("f2000"), true).await.expect("pins");
    let page = store.functions(&FunctionQuery { marker: 2000, limit: 2, ..query() }).await.expect("lists");
    assert_eq!(
        page.functions.iter().map(|function| function.key.name.as_str()).collect::<Vec<_>>(),
        ["f1999", "f2001"]
    );
}

#[tokio::test]
async fn usage_follows_every_change() {
    let (_folder, store) = fresh().await;
    let used = async |functions, code_bytes| {
        let usage = store.usage(&project("p1")).await.expect("counts");
        assert_eq!(usage, Usage { functions, code_bytes, dependencies: 0 });
    };
    used(0, 0).await;
    for name in ["a", "b"] {
        store.create_function(&function(name)).await.expect("creates");
    }
    used(2, 200).await;
    let spec = function("a").spec;
    assert_eq!(store.runtimes_in_use().await.expect("lists"), [(spec.runtime, spec.memory_mb)]);
    let mut smaller = function("a");
    (smaller.code.size, smaller.revision) = (30, 2);
    store.update_function(&smaller, 1).await.expect("updates");
    used(2, 130).await;
    assert!(store.delete_function(&key("a")).await.expect("deletes").is_some());
    assert_eq!(store.delete_function(&key("a")).await.expect("was deleted"), None);
    used(1, 100).await;
    assert_eq!(store.digests_in_use().await.expect("lists"), HashSet::from([Digest("bb".to_owned())]));
    store.create_function(&function("a")).await.expect("the name is free again");
}

#[tokio::test]
async fn images_in_use_are_those_of_image_functions() {
    let (_folder, store) = fresh().await;
    let image = |name: &str, of: &str, digest: &str| {
        let mut function = function(name);
        function.key.project = project(of);
        function.code.digest = Digest(digest.to_owned());
        FunctionVersion { image: Some(FunctionImage::default()), ..function }
    };
    store.create_function(&function("code")).await.expect("creates");
    for (name, of, digest) in [("a", "p1", "11"), ("b", "p1", "11"), ("c", "p2", "11"), ("d", "p2", "22")] {
        store.create_function(&image(name, of, digest)).await.expect("creates");
    }
    let used = store.images_in_use().await.expect("lists");
    assert_eq!(used.len(), 3, "each once");
    let pair = |of: &str, digest: &str| (project(of), Digest(digest.to_owned()));
    let expected = HashSet::from([pair("p1", "11"), pair("p2", "11"), pair("p2", "22")]);
    assert_eq!(used.into_iter().collect::<HashSet<_>>(), expected);
}

#[tokio::test]
async fn lists_page_in_order_of_creation() {
    let (_folder, store) = fresh().await;
    for name in ["c", "a", "d", "b"] {
        store.create_function(&function(name)).await.expect("creates");
    }
    let first = store.functions(&FunctionQuery { limit: 2, ..query() }).await.expect("lists");
    assert_eq!((first.total, first.next), (4, Some(2)));
    store.create_function(&function("aa")).await.expect("creates");
    let rest = FunctionQuery { marker: 2, limit: 3, ..query() };
    assert_eq!(names(&store, &rest).await, ["d", "b", "aa"]);
    let last = store.functions(&rest).await.expect("lists");
    assert_eq!((last.total, last.next), (5, None));
    for marker in [5, u64::MAX] {
        let beyond = store.functions(&FunctionQuery { marker, ..query() }).await.expect("lists");
        assert_eq!((beyond.functions.len(), beyond.total, beyond.next), (0, 5, None));
    }
    let nobody = store.functions(&FunctionQuery { project: project("p2"), ..query() }).await.expect("lists");
    assert_eq!((nobody.total, nobody.next), (0, None));
}

#[tokio::test]
async fn lists_filter_by_package_and_part_of_the_name() {
    let (_folder, store) = fresh().await;
    for (package, name) in [("default", "my_Hello"), ("tools", "hello-2"), ("tools", "myxhello"), ("default", "100%")] {
        let mut function = function(name);
        function.key.package = package.to_owned();
        store.create_function(&function).await.expect("creates");
    }
    let check = async |package: Option<&str>, part: Option<&str>, expected: &[&str]| {
        let query =
            FunctionQuery { package: package.map(str::to_owned), name_part: part.map(str::to_owned), ..query() };
        let page = store.functions(&query).await.expect("lists");
        let names: Vec<_> = page.functions.iter().map(|f| f.key.name.as_str()).collect();
        assert_eq!((names.as_slice(), page.total), (expected, expected.len() as u64), "{package:?} {part:?}");
    };
    check(None, Some("hello"), &["my_Hello", "hello-2", "myxhello"]).await;
    check(None, Some("y_h"), &["my_Hello"]).await;
    check(None, Some("%"), &["100%"]).await;
    check(None, Some(""), &["my_Hello", "hello-2", "myxhello", "100%"]).await;
    check(Some("tools"), None, &["hello-2", "myxhello"]).await;
    check(Some("tools"), Some("MY"), &["myxhello"]).await;
    check(Some("tool"), None, &[]).await;
    check(None, Some("\\"), &[]).await;
    check(None, Some(&"%".repeat(60_000)), &[]).await;
    let middle = FunctionQuery { name_part: Some("hello".to_owned()), marker: 1, limit: 1, ..query() };
    let page = store.functions(&middle).await.expect("lists");
    assert_eq!((page.functions[0].key.name.as_str(), page.total, page.next), ("hello-2", 3, Some(2)));
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a time")
}

fn user(id: &str, name: &str) -> User {
    let password = (id == "u1").then(|| Secret::new("$argon2id$hash".to_owned()));
    let (id, domain) = (UserId(id.to_owned()), DomainId("d1".to_owned()));
    User { id, domain, name: name.to_owned(), password, generation: 1, created: at(5) }
}

fn access_key(access: &str, user: &str) -> KeyRecord {
    let (user, secret) = (UserId(user.to_owned()), Secret::new(format!("secret of {access}")));
    KeyRecord { access: access.to_owned(), secret, user, enabled: true, created: at(6), rotated: at(7) }
}

fn grant(user: &str, project: Option<&str>, role: Role) -> Grant {
    Grant { user: UserId(user.to_owned()), project: project.map(|id| ProjectId(id.to_owned())), role }
}

fn account() -> Register {
    let domain = DomainId("d1".to_owned());
    let project = |id: &str, name: Option<&str>, second| Project {
        id: project(id),
        domain: domain.clone(),
        name: name.map(str::to_owned),
        created: at(second),
    };
    Register {
        domains: vec![Domain { id: domain.clone(), name: "default".to_owned() }],
        projects: vec![project("p1", None, 1), project("p0", Some("team"), 2)],
        users: vec![user("u1", "administrator")],
        grants: vec![grant("u1", None, Role::Admin), grant("u1", Some("p0"), Role::Reader)],
        keys: vec![access_key("AK1", "u1")],
    }
}

#[tokio::test]
async fn an_account_survives_a_restart_as_it_was() {
    let (folder, store) = empty().await;
    store.found(&account()).await.expect("stores");
    assert!(matches!(store.found(&account()).await, Err(Error::Database { .. })), "there is one already");
    store.close().await;
    let (found, expected) = (open(folder.path()).await.register().await.expect("reads"), account());
    assert_eq!(format!("{found:?}"), format!("{expected:?}"));
    assert_eq!(found.keys[0].secret, expected.keys[0].secret);
    assert_eq!(found.users[0].password, expected.users[0].password);
}

#[tokio::test]
async fn users_keys_and_grants_come_and_go() {
    let (_folder, store) = empty().await;
    store.found(&account()).await.expect("stores");
    store.add_user(&user("u2", "ada")).await.expect("adds");
    let taken = store.add_user(&user("u3", "ada")).await;
    assert!(matches!(taken, Err(Error::Taken { what: "user" })), "{taken:?}");
    store.add_grant(&grant("u2", Some("p0"), Role::Developer)).await.expect("grants");
    let taken = store.add_grant(&grant("u2", Some("p0"), Role::Developer)).await;
    assert!(matches!(taken, Err(Error::Taken { what: "grant" })), "{taken:?}");
    let nowhere = store.add_grant(&grant("u2", Some("p9"), Role::Developer)).await;
    assert!(matches!(nowhere, Err(Error::Gone { .. })), "{nowhere:?}");
    store.add_grant(&grant("u2", None, Role::Invoker)).await.expect("grants");
    assert!(matches!(store.add_grant(&grant("u2", None, Role::Invoker)).await, Err(Error::Taken { .. })));
    store.delete_grant(&grant("u2", None, Role::Invoker)).await.expect("takes");
    assert!(matches!(store.delete_grant(&grant("u2", None, Role::Invoker)).await, Err(Error::Gone { .. })));

    store.add_key(&access_key("AK2", "u2")).await.expect("adds");
    assert!(matches!(store.add_key(&access_key("AK2", "u1")).await, Err(Error::Taken { what: "access key" })));
    assert!(matches!(store.add_key(&access_key("AK3", "u9")).await, Err(Error::Gone { .. })));
    let changed = KeyRecord { secret: Secret::new("another".into()), enabled: false, ..access_key("AK2", "u2") };
    store.update_key(&changed).await.expect("changes");
    store.set_password(&UserId("u2".into()), &Secret::new("hash".into()), 2).await.expect("sets");
    let now = store.register().await.expect("reads");
    let key = now.keys.iter().find(|key| key.access == "AK2").expect("is there");
    assert_eq!((key.secret.reveal(), key.enabled), ("another", false));
    let ada = now.users.iter().find(|user| user.name == "ada").expect("is there");
    assert_eq!((ada.password.as_ref().map(Secret::reveal), ada.generation), (Some("hash"), 2));

    store.delete_user(&UserId("u2".into())).await.expect("deletes");
    assert!(matches!(store.delete_user(&UserId("u2".into())).await, Err(Error::Gone { .. })));
    let now = store.register().await.expect("reads");
    assert_eq!((now.users.len(), now.keys.len(), now.grants.len()), (1, 1, 2), "keys and grants went with it");
    store.delete_key("AK1").await.expect("deletes");
    assert!(matches!(store.delete_key("AK1").await, Err(Error::Gone { .. })));
}

#[tokio::test]
async fn a_project_goes_when_it_is_empty() {
    let (_folder, store) = empty().await;
    store.found(&account()).await.expect("stores");
    let same_name = Project { id: project("p2"), ..account().projects[1].clone() };
    assert!(matches!(store.add_project(&same_name).await, Err(Error::Taken { what: "project" })));
    store.add_project(&Project { name: Some("more".into()), ..same_name }).await.expect("adds");
    let mut inside = function("f");
    inside.key.project = project("p0");
    store.create_function(&inside).await.expect("creates");
    let in_use = store.delete_project(&project("p0")).await;
    assert!(matches!(in_use, Err(Error::ProjectInUse { .. })), "{in_use:?}");
    store.delete_function(&inside.key).await.expect("deletes");
    store.delete_project(&project("p0")).await.expect("deletes");
    assert!(matches!(store.delete_project(&project("p0")).await, Err(Error::Gone { .. })));
    let now = store.register().await.expect("reads");
    assert_eq!((now.projects.len(), now.grants.len()), (2, 1), "the grant went with it");
    let late = [
        store.create_function(&inside).await.err(),
        store.add_dependency(&Dependency { project: project("p0"), ..dependency("d", "late") }).await.err(),
    ];
    assert!(late.iter().all(|late| matches!(late, Some(Error::Gone { what: "project" }))), "{late:?}");
    assert_eq!(store.register().await.expect("reads").projects.len(), 2, "what was under way brought nothing back");
    let stranger = FunctionVersion { domain: DomainId("d2".to_owned()), ..function("f") };
    assert!(matches!(store.create_function(&stranger).await, Err(Error::OtherDomain { .. })));
}

#[tokio::test]
async fn the_last_look_at_timers_survives_a_restart() {
    let (folder, store) = fresh().await;
    assert_eq!(store.timers_looked_until().await.expect("reads"), None);
    let looks = [1_700_000_000_123_456_789, 1_600_000_000_000_000_000].map(Timestamp::from_nanosecond);
    for look in looks {
        let look = look.expect("a time");
        store.set_timers_looked_until(look).await.expect("notes");
        let noted = store.timers_looked_until().await.expect("reads").expect("is there");
        assert!(noted >= look && noted.duration_since(look).as_micros() <= 1, "{noted} for {look}");
    }
    store.close().await;
    let found = open(folder.path()).await.timers_looked_until().await.expect("reads");
    assert_eq!(found.map(Timestamp::as_second), Some(1_600_000_000), "the last one holds, not the latest");
}

#[tokio::test]
async fn revoked_tokens_are_kept_until_their_end() {
    let (folder, store) = fresh().await;
    for (id, expires) in [("a", 100), ("b", 200), ("a", 100)] {
        store.revoke_token(id, expires, 50).await.expect("stores");
    }
    store.close().await;
    let store = open(folder.path()).await;
    assert_eq!(store.revoked_tokens().await.expect("reads"), [("a".to_owned(), 100), ("b".to_owned(), 200)]);
    store.revoke_token("c", 300, 150).await.expect("stores");
    let left: Vec<_> = store.revoked_tokens().await.expect("reads").into_iter().map(|(id, _)| id).collect();
    assert_eq!(left, ["b", "c"]);
}

#[tokio::test]
async fn reservations_are_replaced_removed_and_go_with_their_function() {
    let (folder, store) = fresh().await;
    for name in ["b", "a"] {
        store.create_function(&function(name)).await.expect("creates");
    }
    let schedule = Schedule {
        name: "by day".to_owned(),
        cron: "0 0 8 * * *".to_owned(),
        count: 5,
        start_s: Some(1_700_000_000),
        end_s: None,
    };
    let metrics = vec![MetricRule { name: "load".to_owned(), threshold: 60, min: 2 }];
    let full = Reservation { count: 3, idle_mode: true, schedules: vec![schedule], metrics };
    let plain = Reservation { count: 1, ..Reservation::default() };
    let (latest, alias) = (Qualifier::Latest, Qualifier::Alias("prod".to_owned()));
    for name in ["a", "b"] {
        store.publish(&versions::publication(name, "v1")).await.expect("publishes");
    }
    store.add_alias(&key("a"), &versions::alias("prod", "v1", None), 10).await.expect("stores");
    store.reserve(&key("a"), &latest, Some(&plain)).await.expect("stores");
    store.reserve(&key("a"), &latest, Some(&full)).await.expect("replaces");
    store.reserve(&key("a"), &alias, Some(&plain)).await.expect("an alias has its own");
    store.reserve(&key("b"), &Qualifier::Version("v1".to_owned()), Some(&plain)).await.expect("stores");
    let absent = store.reserve(&key("absent"), &latest, Some(&plain)).await;
    assert!(matches!(absent, Err(Error::Missing { .. })), "{absent:?}");
    store.close().await;

    let store = open(folder.path()).await;
    let reserved = |name: &str, qualifier: &Qualifier, reservation: &Reservation| Reserved {
        key: key(name),
        domain: DomainId("d1".to_owned()),
        qualifier: qualifier.clone(),
        reservation: reservation.clone(),
    };
    let expected = [
        reserved("a", &latest, &full),
        reserved("a", &alias, &plain),
        reserved("b", &Qualifier::Version("v1".to_owned()), &plain),
    ];
    assert_eq!(store.reservations().await.expect("lists").reserved, expected);
    assert_eq!(store.reservation(&key("a"), &latest).await.expect("reads"), Some(full));
    assert_eq!(store.reservation(&key("b"), &latest).await.expect("reads"), None);
    store.reserve(&key("a"), &alias, None).await.expect("removes");
    store.reserve(&key("a"), &alias, None).await.expect("it is gone already");
    assert!(store.delete_function(&key("b")).await.expect("deletes").is_some());
    assert_eq!(store.reservations().await.expect("lists").reserved, expected[..1]);
}

fn trigger(id: &str, function: &str, kind: TriggerKind) -> Trigger {
    let second = |second| Timestamp::from_second(second).expect("a time");
    Trigger {
        id: TriggerId(id.to_owned()),
        key: key(function),
        domain: DomainId("d1".to_owned()),
        qualifier: Qualifier::Latest,
        kind,
        enabled: true,
        data: r#"{"name":"a \"name\""}"#.to_owned(),
        secrets: BTreeMap::from([("db_password".to_owned(), Secret::new("hidden".to_owned()))]),
        created: second(1_700_000_000),
        updated: second(1_700_000_001),
        counts_from: second(1_700_000_002),
    }
}

fn triggers_of(of: TriggersOf) -> TriggerQuery {
    TriggerQuery { of, kind: None, after: 0, limit: None }
}

#[tokio::test]
async fn triggers_are_changed_removed_and_go_with_their_function() {
    let (folder, store) = fresh().await;
    for name in ["f", "g"] {
        store.create_function(&function(name)).await.expect("creates");
    }
    let timer = trigger("1", "f", TriggerKind::Timer);
    let (other, last) = (trigger("2", "g", TriggerKind::Dds), trigger("3", "f", TriggerKind::Obs));
    for trigger in [&timer, &other, &last] {
        store.add_trigger(trigger).await.expect("stores");
    }
    let absent = store.add_trigger(&trigger("4", "absent", TriggerKind::Timer)).await;
    assert!(matches!(absent, Err(Error::Missing { .. })), "{absent:?}");
    for qualifier in [Qualifier::Version("v1".to_owned()), Qualifier::Alias("prod".to_owned())] {
        let missing = store.add_trigger(&Trigger { qualifier, ..trigger("5", "f", TriggerKind::Timer) }).await;
        assert!(matches!(missing, Err(Error::Missing { .. })), "{missing:?}");
    }
    assert!(store.add_trigger(&timer).await.is_err(), "an id is used once");
    store.close().await;

    let store = open(folder.path()).await;
    let list = async |of: TriggersOf| store.triggers(&triggers_of(of)).await.expect("lists").triggers;
    assert_eq!(list(TriggersOf::All).await, [timer.clone(), other.clone(), last.clone()]);
    assert_eq!(list(TriggersOf::Function(key("f"))).await, [timer.clone(), last.clone()]);
    assert_eq!(list(TriggersOf::Project(project("p2"))).await, []);
    assert_eq!(list(TriggersOf::Domain(DomainId("d1".to_owned()))).await.len(), 3);
    let kind = TriggerQuery { kind: Some(TriggerKind::Dds), ..triggers_of(TriggersOf::Project(project("p1"))) };
    assert_eq!(store.triggers(&kind).await.expect("lists").triggers, std::slice::from_ref(&other));

    let changed = Trigger {
        enabled: false,
        data: "{}".to_owned(),
        secrets: BTreeMap::new(),
        updated: Timestamp::UNIX_EPOCH,
        ..timer
    };
    assert!(store.update_trigger(&changed).await.expect("updates"));
    assert!(!store.update_trigger(&trigger("9", "f", TriggerKind::Timer)).await.expect("there is none"));
    assert_eq!(list(TriggersOf::Function(key("f"))).await, [changed.clone(), last.clone()]);
    assert!(store.delete_trigger(&last.id).await.expect("deletes"));
    assert!(!store.delete_trigger(&last.id).await.expect("it is gone already"));
    store.delete_triggers(&key("f"), Some(&Qualifier::Version("v1".to_owned()))).await.expect("there are none");
    assert_eq!(list(TriggersOf::Function(key("f"))).await, [changed]);
    store.delete_triggers(&key("f"), Some(&Qualifier::Latest)).await.expect("deletes");
    assert_eq!(list(TriggersOf::All).await, [other]);
    assert!(matches!(store.delete_triggers(&key("absent"), None).await, Err(Error::Missing { .. })));
    assert!(store.delete_function(&key("g")).await.expect("deletes").is_some());
    assert_eq!(list(TriggersOf::All).await, []);
}

#[tokio::test]
async fn pages_of_triggers_neither_repeat_nor_lose_one() {
    let (_folder, store) = fresh().await;
    store.create_function(&function("f")).await.expect("creates");
    for id in ["a", "b", "c", "d"] {
        store.add_trigger(&trigger(id, "f", TriggerKind::Timer)).await.expect("stores");
    }
    let page = async |after| {
        let query = TriggerQuery { after, limit: Some(2), ..triggers_of(TriggersOf::Project(project("p1"))) };
        let page = store.triggers(&query).await.expect("lists");
        let ids: Vec<_> = page.triggers.into_iter().map(|trigger| trigger.id.0).collect();
        (ids, page.total, page.last)
    };
    let (first, total, last) = page(0).await;
    assert_eq!((first, total), (vec!["a".to_owned(), "b".to_owned()], 4));
    store.delete_trigger(&TriggerId("a".to_owned())).await.expect("deletes");
    let (second, total, last) = page(last.expect("a page")).await;
    assert_eq!((second, total), (vec!["c".to_owned(), "d".to_owned()], 3));
    assert_eq!(page(last.expect("a page")).await, (vec![], 3, None));
}

fn dependency(id: &str, name: &str) -> Dependency {
    Dependency {
        id: id.to_owned(),
        dependency: format!("dep-of-{id}"),
        project: project("p1"),
        domain: DomainId("d1".to_owned()),
        name: name.to_owned(),
        version: 1,
        runtime: Runtime::parse("Python3.9").expect("a runtime"),
        description: "what \"it\" holds".to_owned(),
        size: 70,
        digest: Digest(format!("digest-{id}")),
        last_modified: Timestamp::from_microsecond(1_700_000_000_123_456).expect("a time"),
    }
}

fn listing(of: Option<&str>) -> DependencyQuery {
    let dependency = of.map(str::to_owned);
    DependencyQuery { project: project("p1"), dependency, name: None, runtime: None, marker: 0, limit: 10 }
}

#[tokio::test]
async fn uploads_of_one_name_are_versions_of_one_dependency() {
    let (folder, store) = fresh().await;
    let first = store.add_dependency(&dependency("a1", "units")).await.expect("stores");
    let second = store.add_dependency(&dependency("a2", "units")).await.expect("stores");
    let other = store.add_dependency(&dependency("b1", "roman")).await.expect("stores");
    assert_eq!(first, dependency("a1", "units"));
    assert_eq!(second, Dependency { version: 2, dependency: first.dependency.clone(), ..dependency("a2", "units") });
    store.close().await;

    let store = open(folder.path()).await;
    let (mine, strangers) = (project("p1"), project("p2"));
    let find = |id: &'static str| {
        let (store, mine) = (store.clone(), mine.clone());
        async move { store.dependency(&mine, id).await.expect("reads") }
    };
    assert_eq!(find("a1").await, Some(first.clone()));
    assert_eq!(find("dep-of-a1").await, Some(second.clone()), "the last version");
    assert_eq!(find("absent").await, None);
    assert_eq!(store.dependency(&strangers, "a1").await.expect("reads"), None);
    assert_eq!(store.dependency_version(&mine, "dep-of-a1", 1).await.expect("reads"), Some(first.clone()));
    assert_eq!(store.dependency_version(&mine, "dep-of-a1", 3).await.expect("reads"), None);

    let all = store.dependencies(&listing(None)).await.expect("lists");
    assert_eq!((all.dependencies, all.total), (vec![second.clone(), other.clone()], 2));
    let versions = store.dependencies(&listing(Some("dep-of-a1"))).await.expect("lists");
    assert_eq!((versions.dependencies, versions.total), (vec![first, second.clone()], 2));
    let page = store.dependencies(&DependencyQuery { marker: 1, limit: 1, ..listing(None) }).await.expect("lists");
    assert_eq!((page.dependencies, page.total), (vec![other.clone()], 2));
    let page = |marker, limit| DependencyQuery { marker, limit, ..listing(None) };
    let first_page = store.dependencies(&page(0, 1)).await.expect("lists");
    assert_eq!((first_page.dependencies, first_page.total), (vec![second.clone()], 2));
    for beyond in [2, u32::MAX] {
        let beyond = store.dependencies(&page(beyond, 5)).await.expect("lists");
        assert_eq!((beyond.dependencies.len(), beyond.total), (0, 2), "the count is that of all pages");
    }
    let named = DependencyQuery { name: Some("units".to_owned()), ..listing(None) };
    assert_eq!(store.dependencies(&named).await.expect("lists").dependencies, [second]);

    assert_eq!(store.usage(&mine).await.expect("reads"), Usage { functions: 0, code_bytes: 210, dependencies: 3 });

    // No number is used twice, and with the last version the dependency is gone.
    assert!(store.delete_dependency(&mine, "dep-of-a1", 2).await.expect("deletes"));
    assert!(!store.delete_dependency(&mine, "dep-of-a1", 2).await.expect("it is gone already"));
    assert!(!store.delete_dependency(&strangers, "dep-of-a1", 1).await.expect("it is not theirs"));
    assert_eq!(store.add_dependency(&dependency("a3", "units")).await.expect("stores").version, 3);
    for version in [1, 3] {
        assert!(store.delete_dependency(&mine, "dep-of-a1", version).await.expect("deletes"));
    }
    assert_eq!(store.usage(&mine).await.expect("reads"), Usage { functions: 0, code_bytes: 70, dependencies: 1 });
    let again = store.add_dependency(&dependency("a4", "units")).await.expect("stores");
    assert_eq!((again.dependency.as_str(), again.version), ("dep-of-a4", 1));
}

#[tokio::test]
async fn dependencies_of_a_function_keep_their_order_and_cannot_vanish() {
    let (folder, store) = fresh().await;
    let mut all = Vec::new();
    for (id, name) in [("z", "last"), ("a", "first"), ("m", "middle")] {
        all.push(store.add_dependency(&dependency(id, name)).await.expect("stores"));
    }
    let merged = Some(Digest("merged".to_owned()));
    let with = FunctionVersion { dependencies: all.clone(), merged, ..function("f") };
    store.create_function(&with).await.expect("stores");
    store.create_function(&function("g")).await.expect("stores");
    store.close().await;

    let store = open(folder.path()).await;
    assert!(same(&store.function(&key("f")).await.expect("reads").expect("is there"), &with));
    let query = FunctionQuery {
        project: project("p1"),
        package: None,
        name_part: None,
        marker: 0,
        limit: 10,
        failures_from: 0,
    };
    assert!(same(&store.functions(&query).await.expect("lists").functions[0], &with));
    let used = store.digests_in_use().await.expect("lists");
    for digest in ["merged", "digest-z", "digest-a", "digest-m", "ff", "gg"] {
        assert!(used.contains(&Digest(digest.to_owned())), "{digest}");
    }
    let dependencies: HashSet<Tree> = all.iter().map(|one| Tree::of(&one.package())).collect();
    let (code, other) = (Tree::of(&with.code), Tree::of(&function("g").code));
    for (but_for, own) in [
        (None, vec![code.clone(), other.clone(), Tree::merged(&Digest("merged".to_owned()))]),
        (Some(key("f")), vec![other]),
    ] {
        let trees = store.trees_in_use(&project("p1"), but_for.as_ref()).await.expect("lists");
        assert_eq!(trees, dependencies.iter().cloned().chain(own).collect(), "{but_for:?}");
    }
    assert!(store.trees_in_use(&project("p2"), None).await.expect("lists").is_empty());
    let in_use = store.delete_dependency(&project("p1"), "dep-of-a", 1).await;
    assert!(matches!(in_use, Err(Error::DependencyInUse)), "{in_use:?}");

    let fewer = FunctionVersion { dependencies: vec![all[2].clone(), all[0].clone()], revision: 2, ..with };
    store.update_function(&fewer, 1).await.expect("updates");
    assert!(same(&store.function(&key("f")).await.expect("reads").expect("is there"), &fewer));
    assert!(store.delete_dependency(&project("p1"), "dep-of-a", 1).await.expect("it is free"));
    let gone = FunctionVersion { dependencies: all, revision: 3, ..fewer.clone() };
    let missing = store.update_function(&gone, 2).await;
    assert!(matches!(&missing, Err(Error::DependencyMissing { id }) if id == "a"), "{missing:?}");
    assert!(same(&store.function(&key("f")).await.expect("reads").expect("is there"), &fewer), "nothing changed");
    assert!(store.delete_function(&key("f")).await.expect("deletes").is_some());
    assert!(store.delete_dependency(&project("p1"), "dep-of-z", 1).await.expect("it is free"));
}
