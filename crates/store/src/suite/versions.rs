//! Published versions and aliases.

use fungraph_model::{
    Alias, AsyncConfig, Combine, Rule, RuleKind, Split, Trigger, TriggerId, TriggerKind, limits::LATEST,
};

use super::*;
use crate::{Conflict, Publication, TriggerQuery, TriggersOf, VersionQuery};

pub(super) fn publication(function: &str, version: &str) -> Publication {
    Publication {
        key: key(function),
        version: version.to_owned(),
        description: format!("why {version}"),
        digest: None,
        now: Timestamp::from_microsecond(1_800_000_000_000_001).expect("a time"),
        most_versions: 20,
        most_code_bytes: 10_000,
    }
}

pub(super) fn alias(name: &str, version: &str, split: Option<Split>) -> Alias {
    let last_modified = Timestamp::from_microsecond(1_800_000_000_000_002).expect("a time");
    Alias { name: name.to_owned(), version: version.to_owned(), split, description: "text".to_owned(), last_modified }
}

fn weight(version: &str, percent: u32) -> Option<Split> {
    Some(Split::Weight { version: version.to_owned(), percent })
}

/// Changes latest, so that it can be published again.
async fn change(store: &Store, name: &str, handler: &str) -> FunctionVersion {
    let old = store.function(&key(name)).await.expect("reads").expect("is there");
    let (revision, mut new) = (old.revision, old);
    new.revision += 1;
    new.spec.handler = handler.to_owned();
    store.update_function(&new, revision).await.expect("updates");
    new
}

/// A function with versions of these names.
async fn published(names: &[&str]) -> (TempDir, Store) {
    let (folder, store) = fresh().await;
    store.create_function(&function("f")).await.expect("creates");
    for name in names {
        change(&store, "f", name).await;
        store.publish(&publication("f", name)).await.expect("publishes");
    }
    (folder, store)
}

#[track_caller]
fn conflict<T: std::fmt::Debug>(result: Result<T, Error>, expected: &Conflict) {
    match result {
        Err(Error::Conflict(found)) => assert_eq!(found, *expected),
        other => panic!("{other:?} instead of {expected:?}"),
    }
}

async fn list(store: &Store, marker: u64, limit: u32) -> (Vec<String>, u64, Option<u64>) {
    let page = store.versions(&VersionQuery { key: key("f"), marker, limit }).await.expect("lists").expect("is there");
    (page.versions.into_iter().map(|version| version.version).collect(), page.total, page.next)
}

#[tokio::test]
async fn a_version_is_latest_as_it_was() {
    let (folder, store) = fresh().await;
    let first = store.add_dependency(&dependency("a", "units")).await.expect("stores");
    let merged = Some(Digest("merged".to_owned()));
    let with = FunctionVersion { dependencies: vec![first], merged, ..function("f") };
    store.create_function(&with).await.expect("creates");
    let made = store.publish(&publication("f", "v1")).await.expect("publishes");
    let expected = FunctionVersion {
        version: "v1".to_owned(),
        remark: "why v1".to_owned(),
        last_modified: publication("f", "v1").now,
        ..with.clone()
    };
    assert!(same(&made, &expected), "{made:?}");
    let without = FunctionVersion {
        revision: 2,
        dependencies: Vec::new(),
        merged: None,
        code: CodePackage { digest: Digest("other".to_owned()), ..with.code.clone() },
        ..with
    };
    store.update_function(&without, 1).await.expect("updates");
    store.close().await;

    let store = open(folder.path()).await;
    let found = store.version(&key("f"), "v1").await.expect("reads").expect("is there");
    assert!(same(&found, &expected), "{found:?}");
    assert!(same(&store.version(&key("f"), LATEST).await.expect("reads").expect("is there"), &without));
    for absent in ["v2", "", "LATEST"] {
        assert!(store.version(&key("f"), absent).await.expect("reads").is_none());
    }
    let used = store.digests_in_use().await.expect("lists");
    for digest in ["ff", "merged", "digest-a", "other"] {
        assert!(used.contains(&Digest(digest.to_owned())), "{digest} is some version's");
    }
    let in_use = store.delete_dependency(&project("p1"), "dep-of-a", 1).await;
    assert!(matches!(in_use, Err(Error::DependencyInUse)), "the published version has it");
    assert_eq!(store.functions(&query()).await.expect("lists").functions.len(), 1, "lists have latest only");
    store.delete_version(&key("f"), "v1").await.expect("deletes");
    assert!(!store.digests_in_use().await.expect("lists").contains(&Digest("ff".to_owned())));
    assert!(store.delete_dependency(&project("p1"), "dep-of-a", 1).await.expect("it is free"));
}

#[tokio::test]
async fn what_may_not_be_published_is_refused() {
    let (_folder, store) = published(&["v1"]).await;
    conflict(store.publish(&publication("f", "v2")).await, &Conflict::Unchanged { version: "v1".to_owned() });
    change(&store, "f", "second").await;
    conflict(store.publish(&publication("f", "v1")).await, &Conflict::VersionExists { version: "v1".to_owned() });
    let other = Publication { digest: Some(Digest("other".to_owned())), ..publication("f", "v2") };
    conflict(store.publish(&other).await, &Conflict::OtherCode);
    let few = Publication { most_versions: 2, ..publication("f", "v2") };
    conflict(store.publish(&few).await, &Conflict::TooManyVersions);
    let small = Publication { most_code_bytes: 299, ..publication("f", "v2") };
    conflict(store.publish(&small).await, &Conflict::CodeQuota);
    assert!(matches!(store.publish(&publication("absent", "v1")).await, Err(Error::Missing { .. })));
    assert_eq!(
        store.usage(&project("p1")).await.expect("counts"),
        Usage { functions: 1, code_bytes: 200, ..Usage::default() }
    );
    let fits = Publication { most_code_bytes: 300, digest: Some(Digest("ff".to_owned())), ..publication("f", "v2") };
    store.publish(&fits).await.expect("publishes");
    assert_eq!(
        store.usage(&project("p1")).await.expect("counts"),
        Usage { functions: 1, code_bytes: 300, ..Usage::default() }
    );
    // What it was before the last publication is a change again.
    change(&store, "f", "v1").await;
    store.publish(&publication("f", "v3")).await.expect("publishes");
    // Only the last one counts; where that is gone, the one before it.
    store.delete_version(&key("f"), "v3").await.expect("deletes");
    change(&store, "f", "second").await;
    conflict(store.publish(&publication("f", "v4")).await, &Conflict::Unchanged { version: "v2".to_owned() });
}

/// What is published is one revision of latest, whole: handler and description change together here.
#[tokio::test]
async fn a_publication_never_mixes_revisions_of_latest() {
    let (_folder, store) = fresh().await;
    store.create_function(&function("f")).await.expect("creates");
    let updates = async {
        for number in 1..=30_u64 {
            let mut new = function("f");
            new.revision = number + 1;
            (new.spec.handler, new.spec.description) = (format!("h.{number}"), number.to_string());
            store.update_function(&new, number).await.expect("nobody else updates");
        }
    };
    let publications = async {
        let mut made = Vec::new();
        for number in 1..=15 {
            match store.publish(&publication("f", &format!("v{number}"))).await {
                Ok(version) => made.push(version),
                Err(Error::Conflict(Conflict::Unchanged { .. })) => {}
                Err(error) => panic!("{error}"),
            }
        }
        made
    };
    let ((), made) = tokio::join!(updates, publications);
    assert!(!made.is_empty());
    for version in made {
        let number = version.revision - 1;
        let of_revision = number == 0 || version.spec.handler == format!("h.{number}");
        assert!(of_revision && (number == 0 || version.spec.description == number.to_string()), "{version:?}");
    }
}

#[tokio::test]
async fn lists_of_versions_move_nothing_when_versions_come_and_go() {
    let (_folder, store) = published(&["b", "a", "c"]).await;
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(list(&store, 0, 400).await, (names(&["latest", "b", "a", "c"]), 4, None));
    assert_eq!(list(&store, 0, 2).await, (names(&["latest", "b"]), 4, Some(2)));
    store.delete_version(&key("f"), "b").await.expect("deletes");
    change(&store, "f", "d").await;
    store.publish(&publication("f", "d")).await.expect("publishes");
    assert_eq!(list(&store, 2, 2).await, (names(&["a", "c"]), 4, Some(4)), "the second page is what it was");
    assert_eq!(list(&store, 4, 2).await, (names(&["d"]), 4, None));
    for marker in [5, u64::MAX] {
        assert_eq!(list(&store, marker, 2).await, (Vec::new(), 4, None));
    }
    // What comes later comes last, wherever there is a gap.
    store.delete_version(&key("f"), "d").await.expect("deletes");
    change(&store, "f", "e").await;
    store.publish(&publication("f", "e")).await.expect("publishes");
    assert_eq!(list(&store, 2, 3).await, (names(&["a", "c", "e"]), 4, None));
    let absent = VersionQuery { key: key("absent"), marker: 0, limit: 1 };
    assert!(store.versions(&absent).await.expect("lists").is_none());
}

#[tokio::test]
async fn aliases_are_stored_changed_and_listed() {
    let (folder, store) = published(&["v1", "v2"]).await;
    let rule = Rule { kind: RuleKind::Cookie, name: "id".to_owned(), is_list: true, values: vec!["a\"".to_owned()] };
    let by_rules = Some(Split::Rules { version: "v1".to_owned(), combine: Combine::Or, rules: vec![rule] });
    let (prod, next) = (alias("prod", "v1", weight("v2", 30)), alias("beta", "v2", by_rules));
    for alias in [&prod, &next] {
        store.add_alias(&key("f"), alias, 10).await.expect("stores");
    }
    let plain = alias("latest", LATEST, None);
    store.add_alias(&key("f"), &plain, 10).await.expect("latest can have an alias");
    store.close().await;

    let store = open(folder.path()).await;
    assert_eq!(store.aliases(&key("f")).await.expect("lists"), [prod.clone(), next.clone(), plain.clone()]);
    assert_eq!(store.alias(&key("f"), "beta").await.expect("reads"), Some(next));
    assert_eq!(store.alias(&key("f"), "Beta").await.expect("reads"), None);
    assert!(store.aliases(&key("absent")).await.expect("lists").is_empty());
    let moved = Alias { description: "moved".to_owned(), ..alias("prod", "v1", None) };
    assert_eq!(store.update_alias(&key("f"), &moved, Some("moved")).await.expect("changes"), moved);
    assert_eq!(store.alias(&key("f"), "prod").await.expect("reads"), Some(moved));
    // Whoever read it before that change, and leaves the description out, does not undo it.
    assert_eq!(store.update_alias(&key("f"), &prod, None).await.expect("changes").description, "moved");
    let kept = Alias { description: "moved".to_owned(), ..prod.clone() };
    assert_eq!(store.alias(&key("f"), "prod").await.expect("reads"), Some(kept));
    store.delete_alias(&key("f"), "prod").await.expect("deletes");
    conflict(store.delete_alias(&key("f"), "prod").await, &Conflict::AliasMissing);
    conflict(store.update_alias(&key("f"), &prod, None).await, &Conflict::AliasMissing);
    assert_eq!(store.aliases(&key("f")).await.expect("lists").len(), 2);
}

#[tokio::test]
async fn asynchronous_settings_are_listed_in_the_order_in_which_they_were_set() {
    let (_folder, store) = published(&["v1", "a0"]).await;
    let names = ["v1", "latest", "a0"];
    for (second, name) in (1..).zip(names) {
        let version = if name == LATEST { Qualifier::Latest } else { Qualifier::Version(name.to_owned()) };
        store.set_async_config(&key("f"), &version, &belongings::async_config(second)).await.expect("stores");
    }
    // Who has read the first page already would get one of it twice, had the new one come before it.
    let again = belongings::async_config(9);
    store.set_async_config(&key("f"), &Qualifier::Version("v1".to_owned()), &again).await.expect("replaces");
    let listed = store.async_configs(&key("f")).await.expect("lists");
    assert_eq!(listed.iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>(), names);
}

#[tokio::test]
async fn what_no_alias_may_be_is_refused() {
    let (_folder, store) = published(&["v1", "v2", "v3"]).await;
    store.add_alias(&key("f"), &alias("prod", "v1", None), 10).await.expect("stores");
    store.add_alias(&key("f"), &alias("beta", "v2", None), 10).await.expect("stores");
    let missing = Conflict::VersionMissing { version: "absent".to_owned() };
    let taken = Conflict::VersionHasAlias { alias: "prod".to_owned() };
    let no_other = Conflict::AdditionalVersionMissing;
    let add = async |new: &Alias, expected: &Conflict| {
        conflict(store.add_alias(&key("f"), new, 10).await, expected);
    };
    add(&alias("prod", "v3", None), &Conflict::AliasExists).await;
    add(&alias("new", "absent", None), &missing).await;
    add(&alias("new", "v1", None), &taken).await;
    add(&alias("new", "v3", weight("absent", 5)), &no_other).await;
    conflict(store.add_alias(&key("f"), &alias("new", "v3", None), 2).await, &Conflict::TooManyAliases);
    for (changed, expected) in [
        (alias("beta", "v1", None), taken),
        (alias("beta", "absent", None), missing),
        (alias("beta", "v2", weight("absent", 5)), no_other),
    ] {
        conflict(store.update_alias(&key("f"), &changed, None).await, &expected);
    }
    assert!(matches!(store.add_alias(&key("absent"), &alias("a", "v1", None), 10).await, Err(Error::Missing { .. })));
    assert_eq!(store.aliases(&key("f")).await.expect("lists").len(), 2, "nothing was changed");
}

#[tokio::test]
async fn a_deleted_version_takes_its_alias_along_unless_another_alias_needs_it() {
    let (_folder, store) = published(&["v1", "v2", "v3"]).await;
    store.add_alias(&key("f"), &alias("prod", "v1", weight("v2", 5)), 10).await.expect("stores");
    store.add_alias(&key("f"), &alias("beta", "v2", None), 10).await.expect("stores");
    let one = Reservation { count: 1, ..Reservation::default() };
    for qualifier in [Qualifier::Alias("prod".to_owned()), Qualifier::Version("v3".to_owned())] {
        store.reserve(&key("f"), &qualifier, Some(&one)).await.expect("reserves");
    }
    let (prod, now) = (Qualifier::Alias("prod".to_owned()), Timestamp::UNIX_EPOCH);
    store.set_async_config(&key("f"), &prod, &async_config(now)).await.expect("stores");
    conflict(store.delete_version(&key("f"), "v2").await, &Conflict::VersionInUse { alias: "prod".to_owned() });
    for absent in ["absent", LATEST] {
        let missing = Conflict::VersionMissing { version: absent.to_owned() };
        conflict(store.delete_version(&key("f"), absent).await, &missing);
    }
    store.delete_version(&key("f"), "v1").await.expect("its alias goes with it");
    let left = store.aliases(&key("f")).await.expect("lists");
    assert_eq!(left.iter().map(|alias| alias.name.as_str()).collect::<Vec<_>>(), ["beta"]);
    assert_eq!(store.async_configs(&key("f")).await.expect("lists").len(), 0, "and so are its settings");
    let reserved = store.reservations().await.expect("lists").reserved;
    assert_eq!(reserved.len(), 1, "what was reserved for the alias is gone too: {reserved:?}");
    store.delete_version(&key("f"), "v2").await.expect("nobody needs it any more");
    store.delete_version(&key("f"), "v3").await.expect("deletes");
    assert!(store.reservations().await.expect("lists").reserved.is_empty());
    assert_eq!(
        store.usage(&project("p1")).await.expect("counts"),
        Usage { functions: 1, code_bytes: 100, ..Usage::default() }
    );
}

#[tokio::test]
async fn a_deleted_function_takes_all_of_it_along() {
    let (_folder, store) = published(&["v1", "v2"]).await;
    store.add_alias(&key("f"), &alias("prod", "v1", weight("v2", 5)), 10).await.expect("stores");
    store.add_alias(&key("f"), &alias("beta", "v2", weight("v1", 5)), 10).await.expect("they may need each other");
    let one = Reservation { count: 1, ..Reservation::default() };
    store.reserve(&key("f"), &Qualifier::Alias("prod".to_owned()), Some(&one)).await.expect("reserves");
    assert!(store.delete_function(&key("f")).await.expect("deletes").is_some());
    assert_eq!(store.usage(&project("p1")).await.expect("counts"), Usage::default());
    assert!(store.reservations().await.expect("lists").reserved.is_empty());
    store.create_function(&function("f")).await.expect("the name is free again");
    assert_eq!(list(&store, 0, 10).await, (vec![LATEST.to_owned()], 1, None));
    assert!(store.aliases(&key("f")).await.expect("lists").is_empty());
}

#[tokio::test]
async fn instances_are_not_reserved_for_a_version_twice() {
    let (_folder, store) = published(&["v1", "v2"]).await;
    store.add_alias(&key("f"), &alias("prod", "v1", None), 10).await.expect("stores");
    let (one, version) =
        (Reservation { count: 1, ..Reservation::default() }, |name: &str| Qualifier::Version(name.into()));
    let prod = Qualifier::Alias("prod".to_owned());
    let twice = |other: &str| Conflict::ReservedTwice { other: other.to_owned() };
    let absent = store.reserve(&key("f"), &version("absent"), Some(&one)).await;
    conflict(absent, &Conflict::VersionMissing { version: "absent".to_owned() });
    let absent = store.reserve(&key("f"), &Qualifier::Alias("absent".to_owned()), Some(&one)).await;
    conflict(absent, &Conflict::AliasMissing);
    store.reserve(&key("f"), &version("v1"), Some(&one)).await.expect("reserves");
    conflict(store.reserve(&key("f"), &prod, Some(&one)).await, &twice("v1"));
    store.reserve(&key("f"), &version("v1"), None).await.expect("takes it back");
    store.reserve(&key("f"), &prod, Some(&one)).await.expect("reserves");
    store.reserve(&key("f"), &prod, Some(&one)).await.expect("it can be changed");
    conflict(store.reserve(&key("f"), &version("v1"), Some(&one)).await, &twice("!prod"));
    store.reserve(&key("f"), &version("v2"), Some(&one)).await.expect("reserves");
    conflict(store.update_alias(&key("f"), &alias("prod", "v2", None), None).await, &twice("v2"));
    store.update_alias(&key("f"), &alias("prod", LATEST, None), None).await.expect("it moves on");
    conflict(store.reserve(&key("f"), &Qualifier::Latest, Some(&one)).await, &twice("!prod"));
}

fn async_config(now: Timestamp) -> AsyncConfig {
    AsyncConfig {
        max_age_s: 60,
        max_retries: 1,
        on_success: None,
        on_failure: None,
        status_log: false,
        log: BTreeMap::new(),
        created: now,
        last_modified: now,
    }
}

fn trigger(qualifier: &Qualifier) -> Trigger {
    let now = Timestamp::UNIX_EPOCH;
    Trigger {
        id: TriggerId(format!("t-{qualifier}")),
        key: key("f"),
        domain: DomainId("d1".to_owned()),
        qualifier: qualifier.clone(),
        kind: TriggerKind::Timer,
        enabled: true,
        data: "{}".to_owned(),
        secrets: BTreeMap::new(),
        created: now,
        updated: now,
        counts_from: now,
    }
}

#[tokio::test]
async fn triggers_hold_their_alias_and_go_with_their_version() {
    let (_folder, store) = published(&["v1", "v2"]).await;
    store.add_alias(&key("f"), &alias("prod", "v1", None), 10).await.expect("stores");
    let (prod, version) = (Qualifier::Alias("prod".to_owned()), Qualifier::Version("v1".to_owned()));
    let absent = Qualifier::Alias("absent".to_owned());
    assert!(matches!(store.add_trigger(&trigger(&absent)).await, Err(Error::Missing { .. })));
    for qualifier in [&prod, &version, &Qualifier::Latest] {
        store.add_trigger(&trigger(qualifier)).await.expect("stores");
    }
    conflict(store.delete_alias(&key("f"), "prod").await, &Conflict::AliasHasTriggers);
    store.delete_triggers(&key("f"), Some(&prod)).await.expect("deletes");
    store.delete_alias(&key("f"), "prod").await.expect("nothing calls it any more");
    store.add_alias(&key("f"), &alias("prod", "v1", None), 10).await.expect("stores");
    store.add_trigger(&trigger(&prod)).await.expect("stores");
    store.delete_version(&key("f"), "v1").await.expect("takes its alias and the triggers of both along");
    let query = TriggerQuery { of: TriggersOf::Function(key("f")), kind: None, after: 0, limit: None };
    let left = store.triggers(&query).await.expect("lists").triggers;
    assert_eq!(left.iter().map(|left| left.qualifier.to_string()).collect::<Vec<_>>(), [LATEST]);
}
