//! Which gateway trigger a request finds.

use fungraph_model::{DomainId, FunctionKey, ProjectId, Qualifier, TriggerKind};
use jiff::Timestamp;
use serde_json::json;

use super::*;

fn api(id: &str, group: &str, method: &str, mode: &str, path: &str) -> Arc<GatewayApi> {
    let data = json!({
        "name": id, "group_id": group, "env_id": "e", "env_name": "RELEASE", "auth": "NONE", "protocol": "HTTP", "path": path,
        "req_method": method, "match_mode": mode, "type": 1, "func_info": { "timeout": 5000 },
    });
    let trigger = Trigger {
        id: TriggerId(id.to_owned()),
        key: FunctionKey { project: ProjectId("p".into()), package: "default".into(), name: "f".into() },
        domain: DomainId("d".into()),
        qualifier: Qualifier::Latest,
        kind: TriggerKind::Apig,
        enabled: true,
        data: data.to_string(),
        secrets: Default::default(),
        created: Timestamp::UNIX_EPOCH,
        updated: Timestamp::UNIX_EPOCH,
        counts_from: Timestamp::UNIX_EPOCH,
    };
    Arc::new(GatewayApi::of(&trigger).expect("an API"))
}

fn routes(apis: &[(&str, &str, &str, &str)]) -> Routes {
    let apis: Vec<_> = apis.iter().map(|(id, method, mode, path)| api(id, "g", method, mode, path)).collect();
    let mut routes = Routes::default();
    routes.replace(&[], &apis);
    routes
}

#[track_caller]
fn check(routes: &Routes, method: &str, path: &str, expected: Option<(&str, &[(&str, &str)])>) {
    let found = routes.find("g", path, method);
    let found = found.as_ref().map(|route| {
        let parameters: Vec<_> = route.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        (route.api.trigger.0.as_str(), parameters)
    });
    assert_eq!(found, expected.map(|(id, parameters)| (id, parameters.to_vec())), "{method} {path}");
}

#[test]
fn whole_paths_and_prefixes() {
    let routes = routes(&[("a", "GET", "NORMAL", "/a"), ("b", "GET", "SWA", "/b/c"), ("root", "GET", "NORMAL", "/")]);
    check(&routes, "GET", "/", Some(("root", &[])));
    check(&routes, "GET", "", Some(("root", &[])));
    check(&routes, "GET", "/a", Some(("a", &[])));
    check(&routes, "GET", "/a/", Some(("a", &[])));
    check(&routes, "GET", "/a/b", None);
    check(&routes, "GET", "/A", None);
    check(&routes, "GET", "/b/c", Some(("b", &[("", "")])));
    check(&routes, "GET", "/b/c/d/e%2Ff", Some(("b", &[("", "d/e%2Ff")])));
    check(&routes, "GET", "/b/cd", None);
    check(&routes, "GET", "/b", None);
    check(&routes, "POST", "/a", None);
    assert!(routes.find("other", "/a", "GET").is_none());
}

#[test]
fn parameters_have_names() {
    let routes = routes(&[
        ("one", "GET", "NORMAL", "/orders/{id}"),
        ("items", "GET", "SWA", "/orders/{id}/items"),
        ("all", "GET", "NORMAL", "/files/{path+}"),
    ]);
    check(&routes, "GET", "/orders/7", Some(("one", &[("id", "7")])));
    check(&routes, "GET", "/orders/a%2Fb", Some(("one", &[("id", "a%2Fb")])));
    check(&routes, "GET", "/orders", None);
    check(&routes, "GET", "/orders/7/items/x/y", Some(("items", &[("id", "7"), ("", "x/y")])));
    check(&routes, "GET", "/files/a/b", Some(("all", &[("path", "a/b")])));
    check(&routes, "GET", "/files/", None);
}

#[test]
fn what_fits_most_of_the_path_wins() {
    let routes = routes(&[
        ("root", "ANY", "SWA", "/"),
        ("short", "ANY", "SWA", "/a"),
        ("long", "ANY", "SWA", "/a/b"),
        ("whole", "GET", "NORMAL", "/a/b"),
        ("param", "GET", "NORMAL", "/{x}/c"),
        ("deep", "GET", "NORMAL", "/{x}/{y}/z"),
        ("fixed", "GET", "NORMAL", "/a/d"),
    ]);
    check(&routes, "GET", "/x", Some(("root", &[("", "x")])));
    check(&routes, "GET", "/a", Some(("short", &[("", "")])));
    check(&routes, "GET", "/a/b", Some(("whole", &[])));
    check(&routes, "POST", "/a/b", Some(("long", &[("", "")])));
    check(&routes, "GET", "/a/b/q", Some(("long", &[("", "q")])));
    check(&routes, "GET", "/a/b/z", Some(("deep", &[("x", "a"), ("y", "b")])));
    check(&routes, "GET", "/a/c", Some(("param", &[("x", "a")])));
    check(&routes, "GET", "/a/d", Some(("fixed", &[])));
    check(&routes, "PUT", "/a/d", Some(("short", &[("", "d")])));
}

#[test]
fn a_method_comes_before_any() {
    let routes =
        routes(&[("any", "ANY", "NORMAL", "/a"), ("get", "GET", "NORMAL", "/a"), ("later", "ANY", "SWA", "/a")]);
    check(&routes, "GET", "/a", Some(("get", &[])));
    check(&routes, "TRACE", "/a", Some(("any", &[])));
}

#[test]
fn a_group_is_found_in_any_case_and_a_trigger_by_its_own_id() {
    let mut routes = Routes::default();
    let apis = [api("11-22", "Shop", "ANY", "SWA", "/a"), api("33-44", "shop", "ANY", "SWA", "/b")];
    routes.replace(&[], &apis);
    for group in ["shop", "SHOP", "11-22", "1122"] {
        assert!(routes.find(group, "/a", "GET").is_some(), "{group}");
    }
    assert!(routes.find("11-22", "/b", "GET").is_none(), "that is another trigger's");
    routes.replace(&apis[..1], &[]);
    assert!(routes.find("shop", "/a", "GET").is_none() && routes.find("1122", "/a", "GET").is_none());
    assert!(routes.find("shop", "/b", "GET").is_some());
    routes.replace(&apis[1..], &[]);
    assert!(routes.groups.is_empty() && routes.apis.is_empty());
}

#[test]
fn two_that_no_request_can_tell_apart_are_known() {
    let routes = routes(&[("a", "GET", "NORMAL", "/x/{id}")]);
    let same =
        |id: &str, method: &str, mode: &str, path: &str| routes.same(&api(id, "G", method, mode, path)).is_some();
    assert!(same("b", "GET", "NORMAL", "/x/{other}"));
    assert!(same("b", "GET", "NORMAL", "/x/{other}/"));
    assert!(!same("a", "GET", "NORMAL", "/x/{id}"), "it is itself");
    assert!(!same("b", "ANY", "NORMAL", "/x/{id}"));
    assert!(!same("b", "GET", "SWA", "/x/{id}"));
    assert!(!same("b", "GET", "NORMAL", "/x/id"));
}

#[test]
fn a_group_belongs_to_who_uses_it() {
    let routes = routes(&[("a", "GET", "NORMAL", "/x")]);
    let caller = |project: &str| Caller { domain: DomainId("d".into()), project: ProjectId(project.into()) };
    assert!(routes.is_of_others("G", &caller("q")));
    assert!(!routes.is_of_others("g", &caller("p")) && !routes.is_of_others("new", &caller("q")));
}

#[test]
fn many_paths_that_nearly_fit_cost_no_more_than_the_tree() {
    let apis: Vec<_> = (0..2000)
        .map(|number: u32| {
            let path: String = (0..11)
                .map(|bit| if number >> bit & 1 == 0 { "/a" } else { "/{p}" })
                .enumerate()
                .map(|(index, part)| part.replace('p', &format!("p{index}")))
                .collect();
            api(&number.to_string(), "g", "GET", "NORMAL", &path)
        })
        .collect();
    let mut routes = Routes::default();
    routes.replace(&[], &apis);
    check(&routes, "GET", &"/a".repeat(11), Some(("0", &[])));
    check(&routes, "GET", &"/a".repeat(12), None);
    check(&routes, "GET", &"/a".repeat(100_000), None);
}
