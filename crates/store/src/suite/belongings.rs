//! What belongs to a function beside its versions, and to a project.

use std::collections::BTreeSet;

use fungraph_model::{
    AsyncConfig, Caller, Destination, DestinationKind, LogKind, LogPlace, TestEvent, TestEventChange, TracingKeys,
    VpcEndpoint,
};

use super::*;
use crate::{Belongings, ResourceQuery, TagMatch};

fn event(id: &str, name: &str) -> TestEvent {
    let last_modified = Timestamp::from_microsecond(1_700_000_000_123_456).expect("a time");
    TestEvent { id: id.to_owned(), name: name.to_owned(), content: b"{\"a\":\"\xc5\xbe\"}".to_vec(), last_modified }
}

fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn with_tags(pairs: &[(&str, &str)]) -> Belongings {
    Belongings { tags: tags(pairs), ..Belongings::default() }
}

pub(super) fn async_config(second: i64) -> AsyncConfig {
    let time = Timestamp::from_second(second).expect("a time");
    let destination = |kind, param: &str| Some(Destination { kind, param: param.to_owned() });
    AsyncConfig {
        max_age_s: 60,
        max_retries: 3,
        on_success: destination(DestinationKind::Smn, r#"{ "topic_urn" : "t" }"#),
        on_failure: None,
        status_log: true,
        log: tags(&[("log_group_id", "g")]),
        created: time,
        last_modified: time,
    }
}

#[tokio::test]
async fn a_function_comes_with_all_that_belongs_to_it_or_not_at_all() {
    let (folder, store) = fresh().await;
    let database = trigger("1", "f", TriggerKind::Dds);
    let all =
        Belongings { triggers: vec![database.clone()], events: vec![event("1", "one")], ..with_tags(&[("a", "b")]) };
    store.create_function_with(&function("f"), &all).await.expect("creates");
    store.close().await;
    let store = open(folder.path()).await;
    let of = |name: &str| TriggerQuery { of: TriggersOf::Function(key(name)), kind: None, after: 0, limit: None };
    assert_eq!(store.triggers(&of("f")).await.expect("lists").triggers, [database]);
    assert_eq!(store.test_events(&key("f")).await.expect("lists"), [event("1", "one")]);
    assert_eq!(store.tags(&key("f")).await.expect("reads"), tags(&[("a", "b")]));
    let used = store.usage(&function("g").key.project).await.expect("counts").functions;
    let twice = vec![event("2", "one"), event("3", "one")];
    let halves =
        Belongings { triggers: vec![trigger("2", "g", TriggerKind::Timer)], events: twice, ..with_tags(&[("a", "b")]) };
    assert!(matches!(store.create_function_with(&function("g"), &halves).await, Err(Error::Taken { .. })));
    assert!(store.function(&key("g")).await.expect("reads").is_none());
    assert!(store.triggers(&of("g")).await.expect("lists").triggers.is_empty());
    assert_eq!(store.usage(&function("g").key.project).await.expect("counts").functions, used);
    store.close().await;
}

#[tokio::test]
async fn test_events_keep_their_order_and_their_names_apart() {
    let (folder, store) = fresh().await;
    for name in ["f", "g"] {
        store.create_function(&function(name)).await.expect("creates");
    }
    let (f, g) = (key("f"), key("g"));
    store.add_test_event(&f, &event("2", "second"), 2).await.expect("stores");
    store.add_test_event(&f, &event("1", "first"), 3).await.expect("stores");
    assert!(matches!(store.add_test_event(&f, &event("3", "third"), 2).await, Err(Error::Full { most: 2 })));
    assert!(matches!(store.add_test_event(&f, &event("3", "first"), 9).await, Err(Error::Taken { .. })));
    assert!(matches!(store.add_test_event(&key("no"), &event("3", "x"), 9).await, Err(Error::Missing { .. })));
    store.add_test_event(&g, &event("3", "first"), 9).await.expect("another function has its own names");
    let last_modified = event("", "").last_modified;
    let change = |name: Option<&str>, content: &str| TestEventChange {
        name: name.map(str::to_owned),
        content: content.as_bytes().to_vec(),
        last_modified,
    };
    let update = async |of, id, change| store.update_test_event(of, id, &change).await;
    assert_eq!(update(&g, "1", change(None, "0")).await.expect("it is not g's"), None);
    assert!(matches!(update(&f, "2", change(Some("first"), "0")).await, Err(Error::Taken { .. })));
    let renamed = TestEvent { content: b"7".to_vec(), ..event("2", "renamed") };
    for (name, content) in [(Some("renamed"), "6"), (None, "7")] {
        let named = update(&f, "2", change(name, content)).await.expect("updates");
        assert_eq!(named.as_deref(), Some("renamed"), "whoever names none keeps what others made of it");
    }
    store.close().await;
    let store = open(folder.path()).await;
    assert_eq!(store.test_events(&f).await.expect("lists"), [renamed, event("1", "first")]);
    assert_eq!(store.test_event(&f, "3").await.expect("reads"), None);
    assert!(!store.delete_test_event(&f, "3").await.expect("it is not f's"));
    assert!(store.delete_test_event(&f, "1").await.expect("deletes"));
    assert!(store.delete_function(&f).await.expect("deletes").is_some());
    store.create_function(&function("f")).await.expect("the name is free again");
    assert_eq!(store.test_events(&f).await.expect("lists"), []);
    assert_eq!(store.test_events(&g).await.expect("lists").len(), 1);
}

#[tokio::test]
async fn tags_are_put_removed_and_never_too_many() {
    let (_folder, store) = fresh().await;
    let f = key("f");
    store.create_function_with(&function("f"), &with_tags(&[("env", "dev"), ("a", "")])).await.expect("creates");
    store.create_function(&function("plain")).await.expect("creates");
    store.put_tags(&f, &tags(&[("env", "prod"), ("team", "x")]), 3).await.expect("replaces and adds");
    assert!(matches!(store.put_tags(&f, &tags(&[("env", "lost"), ("b", "")]), 3).await, Err(Error::Full { most: 3 })));
    assert_eq!(store.tags(&f).await.expect("reads"), tags(&[("a", ""), ("env", "prod"), ("team", "x")]));
    let by = |pairs: &[(&str, Option<&str>)]| {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), value.map(str::to_owned))).collect::<BTreeSet<_>>()
    };
    let gone = by(&[("env", Some("dev")), ("team", Some("x")), ("team", Some("y")), ("none", None)]);
    store.remove_tags(&f, &gone).await.expect("removes");
    assert_eq!(store.tags(&f).await.expect("reads"), tags(&[("a", ""), ("env", "prod")]));
    assert!(matches!(store.put_tags(&key("no"), &tags(&[("a", "")]), 9).await, Err(Error::Missing { .. })));
    assert!(matches!(store.remove_tags(&key("no"), &by(&[])).await, Err(Error::Missing { .. })));
    store.put_tags(&key("plain"), &tags(&[("env", "dev")]), 9).await.expect("puts");
    let all = store.project_tags(&project("p1")).await.expect("lists");
    let values = |list: &[&str]| list.iter().map(|value| (*value).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(all, BTreeMap::from([("a".to_owned(), values(&[""])), ("env".to_owned(), values(&["dev", "prod"]))]));
    assert!(store.project_tags(&project("p2")).await.expect("lists").is_empty());
    store.delete_function(&f).await.expect("deletes");
    assert_eq!(store.project_tags(&project("p1")).await.expect("lists").len(), 1);
}

#[tokio::test]
async fn functions_are_found_by_their_tags() {
    let (_folder, store) = fresh().await;
    for (name, pairs) in [
        ("api-a", &[("env", "prod"), ("team", "x")][..]),
        ("api-b", &[("env", "dev"), ("team", "x")]),
        ("job", &[("env", "prod")]),
        ("bare", &[]),
    ] {
        store.create_function_with(&function(name), &with_tags(pairs)).await.expect("creates");
    }
    let mut other = function("other");
    (other.key.project, other.spec.passive) = (project("p2"), "{}".to_owned());
    store.create_function_with(&other, &with_tags(&[("env", "prod")])).await.expect("creates");
    let query = || ResourceQuery {
        project: project("p1"),
        name_part: None,
        without_any_tag: false,
        all: Vec::new(),
        any: Vec::new(),
        not_all: Vec::new(),
        not_any: Vec::new(),
        enterprise_projects: Vec::new(),
        offset: 0,
        limit: 10,
    };
    let tag = |key: &str, values: &[&str]| TagMatch {
        key: key.to_owned(),
        values: values.iter().map(|value| (*value).to_owned()).collect(),
    };
    let check = async |query: ResourceQuery, expected: &[&str]| {
        let page = store.resources(&query).await.expect("finds");
        let names: Vec<_> = page.functions.iter().map(|found| found.key.name.as_str()).collect();
        assert_eq!((names.as_slice(), page.total), (expected, expected.len() as u64), "{query:?}");
    };
    let (prod, x) = (tag("env", &["prod"]), tag("team", &["x"]));
    check(query(), &["api-a", "api-b", "job", "bare"]).await;
    check(ResourceQuery { all: vec![prod.clone(), x.clone()], ..query() }, &["api-a"]).await;
    check(ResourceQuery { all: vec![tag("env", &["dev", "prod"])], ..query() }, &["api-a", "api-b", "job"]).await;
    check(ResourceQuery { any: vec![prod.clone(), x.clone()], ..query() }, &["api-a", "api-b", "job"]).await;
    check(ResourceQuery { not_all: vec![prod.clone(), x.clone()], ..query() }, &["api-b", "job", "bare"]).await;
    check(ResourceQuery { not_any: vec![prod.clone(), x.clone()], ..query() }, &["bare"]).await;
    check(ResourceQuery { all: vec![tag("team", &[])], ..query() }, &["api-a", "api-b"]).await;
    check(ResourceQuery { without_any_tag: true, ..query() }, &["bare"]).await;
    check(ResourceQuery { name_part: Some("PI-".to_owned()), all: vec![prod.clone()], ..query() }, &["api-a"]).await;
    check(ResourceQuery { all: vec![tag("env' OR 1=1 --", &["x"])], ..query() }, &[]).await;
    let enterprise = |ids: Option<&[&str]>| vec![ids.map(|ids| ids.iter().map(|id| (*id).to_owned()).collect())];
    for (ids, found) in [(Some(&["0", "9"][..]), 4), (Some(&["9"]), 0), (Some(&[]), 0), (None, 4)] {
        let page = store.resources(&ResourceQuery { enterprise_projects: enterprise(ids), ..query() }).await;
        assert_eq!(page.expect("finds").total, found, "{ids:?}");
    }
    let page = store.resources(&ResourceQuery { offset: 1, limit: 1, ..query() }).await.expect("finds");
    assert_eq!((page.functions.len(), page.total), (1, 4));
    assert_eq!(page.functions[0].tags, tags(&[("env", "dev"), ("team", "x")]));
    assert_eq!(page.functions[0].enterprise_project.as_deref(), Some("0"));
    assert_eq!(store.enterprise_projects(&project("p1")).await.expect("lists"), BTreeSet::from(["0".to_owned()]));
    assert!(store.enterprise_projects(&project("p2")).await.expect("lists").is_empty());
}

#[tokio::test]
async fn asynchronous_settings_are_those_of_a_version_or_alias() {
    let (folder, store) = fresh().await;
    let f = key("f");
    store.create_function(&function("f")).await.expect("creates");
    let (latest, alias) = (Qualifier::Latest, Qualifier::Alias("prod".to_owned()));
    let first = async_config(1_700_000_000);
    assert_eq!(store.set_async_config(&f, &latest, &first).await.expect("stores"), first);
    for absent in [&alias, &Qualifier::Version("v1".to_owned())] {
        let refused = store.set_async_config(&f, absent, &first).await;
        assert!(matches!(refused, Err(Error::Conflict(_))), "{refused:?}");
    }
    let failed = Destination { kind: DestinationKind::Function, param: r#"{"func_urn":"g"}"#.to_owned() };
    let second = AsyncConfig { on_success: None, on_failure: Some(failed), ..async_config(1_800_000_000) };
    let kept = AsyncConfig { created: first.created, ..second.clone() };
    assert_eq!(store.set_async_config(&f, &latest, &second).await.expect("replaces"), kept);
    assert!(matches!(store.set_async_config(&key("no"), &latest, &first).await, Err(Error::Missing { .. })));
    store.close().await;
    let store = open(folder.path()).await;
    assert_eq!(store.async_config(&f, &latest).await.expect("reads"), Some(kept.clone()));
    assert_eq!(store.async_configs(&f).await.expect("lists"), [(latest.clone(), kept)]);
    assert!(!store.delete_async_config(&f, &alias).await.expect("there are none"));
    store.delete_function(&f).await.expect("deletes");
    store.create_function(&function("f")).await.expect("creates again");
    assert_eq!(store.async_config(&f, &latest).await.expect("reads"), None);
}

#[tokio::test]
async fn pinned_functions_stand_first_in_every_list() {
    let (_folder, store) = fresh().await;
    for name in ["a", "b", "c", "d"] {
        store.create_function(&function(name)).await.expect("creates");
    }
    for name in ["d", "b"] {
        store.pin_function(&key(name), true).await.expect("pins");
    }
    assert!(matches!(store.pin_function(&key("no"), true).await, Err(Error::Missing { .. })));
    for package in [None, Some("default".to_owned())] {
        let all = store.functions(&FunctionQuery { package, ..query() }).await.expect("lists");
        let order: Vec<_> = all.functions.iter().map(|function| function.key.name.as_str()).collect();
        assert_eq!((order.as_slice(), all.pinned, all.total), (&["b", "d", "a", "c"][..], 2, 4));
    }
    let page = store.functions(&FunctionQuery { marker: 1, limit: 2, ..query() }).await.expect("lists");
    assert_eq!((page.functions[1].key.name.as_str(), page.pinned, page.next), ("a", 1, Some(3)));
    store.pin_function(&key("b"), false).await.expect("takes it back");
    assert_eq!(names(&store, &query()).await, ["d", "a", "b", "c"]);
}

#[tokio::test]
async fn tracing_keys_are_replaced_and_removed() {
    let (_folder, store) = fresh().await;
    let f = key("f");
    store.create_function(&function("f")).await.expect("creates");
    let keys = |word: &str| TracingKeys { access: word.to_owned(), secret: Secret::new(format!("secret of {word}")) };
    assert_eq!(store.tracing_keys(&f).await.expect("reads"), None);
    for word in ["one", "two"] {
        store.set_tracing_keys(&f, Some(&keys(word))).await.expect("stores");
        assert_eq!(store.tracing_keys(&f).await.expect("reads"), Some(keys(word)));
    }
    store.set_tracing_keys(&f, None).await.expect("removes");
    assert_eq!(store.tracing_keys(&f).await.expect("reads"), None);
    assert!(matches!(store.set_tracing_keys(&key("no"), None).await, Err(Error::Missing { .. })));
}

#[tokio::test]
async fn a_project_has_endpoints_and_places_for_logs_of_its_own() {
    let (folder, store) = fresh().await;
    let caller = |name: &str| Caller { domain: DomainId("d1".to_owned()), project: project(name) };
    let endpoint = |vpc: &str| VpcEndpoint {
        vpc_id: vpc.to_owned(),
        subnet_id: "s".to_owned(),
        flavor: "small".to_owned(),
        xrole: String::new(),
    };
    for vpc in ["a", "b", "a"] {
        store.add_vpc_endpoint(&caller("p1"), &endpoint(vpc), 2).await.expect("stores");
    }
    let full = store.add_vpc_endpoint(&caller("p1"), &endpoint("c"), 2).await;
    assert!(matches!(full, Err(Error::Full { most: 2 })), "{full:?}");
    assert!(!store.delete_vpc_endpoint(&project("p2"), "a", "s").await.expect("it is not theirs"));
    assert!(store.delete_vpc_endpoint(&project("p1"), "a", "s").await.expect("deletes"));
    store.add_vpc_endpoint(&caller("p1"), &endpoint("c"), 2).await.expect("there is room again");

    let place = |word: &str| LogPlace { group_id: word.to_owned(), ..LogPlace::default() };
    assert!(store.add_log_place(&caller("p1"), LogKind::Functions, &place("one")).await.expect("stores"));
    assert!(!store.add_log_place(&caller("p1"), LogKind::Functions, &place("two")).await.expect("is there"));
    assert!(store.add_log_place(&caller("p1"), LogKind::AsyncStates, &place("three")).await.expect("another kind"));
    store.close().await;
    let store = open(folder.path()).await;
    let read = async |name: &str, kind| store.log_place(&project(name), kind).await.expect("reads");
    assert_eq!(read("p1", LogKind::Functions).await, Some(place("one")));
    assert_eq!(read("p2", LogKind::Functions).await, None);
    store.delete_log_place(&project("p1"), LogKind::Functions).await.expect("deletes");
    assert_eq!(read("p1", LogKind::Functions).await, None);
    assert_eq!(read("p1", LogKind::AsyncStates).await, Some(place("three")));
}
