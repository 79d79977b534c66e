//! How an alias picks the version of a call.

use super::*;

fn alias(split: Option<Split>) -> Alias {
    let (name, version) = ("prod".to_owned(), "v1".to_owned());
    Alias { name, version, split, description: String::new(), last_modified: Timestamp::UNIX_EPOCH }
}

/// Ids of one seed (splitmix64, Steele and others 2014), whose chance is as good as any.
fn requests(mut seed: u64) -> impl Iterator<Item = RequestId> {
    std::iter::from_fn(move || {
        let mut next = || {
            seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mixed = (seed ^ (seed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            mixed ^ (mixed >> 31)
        };
        let bits = u128::from(next()) << 64 | u128::from(next());
        let id = uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid();
        Some(RequestId::parse(&id.to_string()).expect("a UUID"))
    })
}

#[test]
fn a_hundred_thousand_calls_are_split_as_the_weight_says() {
    const CALLS: usize = 100_000;
    for percent in [0, 1, 10, 33, 50, 90, 99, 100] {
        let alias = alias(Some(Split::Weight { version: "v2".to_owned(), percent }));
        let other = requests(7).take(CALLS).filter(|id| alias.pick(*id, |_, _| ()) == "v2").count();
        let expected = CALLS / 100 * percent as usize;
        // One percent of all calls; with these ids it is far less.
        assert!(other.abs_diff(expected) <= CALLS / 100, "{percent} %: {other}");
        if percent == 0 || percent == 100 {
            assert_eq!(other, expected, "nothing is left to chance");
        }
    }
}

#[test]
fn a_call_that_is_looked_at_again_has_the_same_version() {
    let alias = alias(Some(Split::Weight { version: "v2".to_owned(), percent: 50 }));
    for id in requests(1).take(100) {
        assert_eq!(alias.pick(id, |_, _| ()), alias.pick(id, |_, _| ()));
    }
}

fn rule(kind: RuleKind, name: &str, values: &[&str]) -> Rule {
    let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
    Rule { kind, name: name.to_owned(), is_list: values.len() > 1, values }
}

/// Whether a request with these headers goes to the other version.
fn check(combine: Combine, rules: &[Rule], headers: &[(&str, &str)], expected: bool) {
    let split = Split::Rules { version: "v2".to_owned(), combine, rules: rules.to_vec() };
    let picked = alias(Some(split)).pick(RequestId::random(), |name, visit| {
        let of_name = headers.iter().filter(|(given, _)| given.eq_ignore_ascii_case(name));
        of_name.for_each(|(_, value)| visit(value.as_bytes()));
    }) == "v2";
    assert_eq!(picked, expected, "{rules:?} {headers:?}");
}

#[test]
fn rules_look_at_headers_and_cookies() {
    let header = rule(RuleKind::Header, "X-Group", &["beta"]);
    let one = |rule: &Rule, headers: &[(&str, &str)], expected| {
        check(Combine::And, std::slice::from_ref(rule), headers, expected);
    };
    one(&header, &[("x-group", "beta")], true);
    one(&header, &[("x-group", " beta ")], true);
    one(&header, &[("x-group", "other"), ("X-Group", "beta")], true);
    one(&header, &[("x-group", "Beta")], false);
    one(&header, &[("x-groups", "beta")], false);
    one(&header, &[], false);
    let list = rule(RuleKind::Header, "x-group", &["a", "b"]);
    one(&list, &[("x-group", "b")], true);
    one(&list, &[("x-group", "a,b")], false);
    let cookie = rule(RuleKind::Cookie, "id", &["7"]);
    one(&cookie, &[("Cookie", "a=1; id=7")], true);
    one(&cookie, &[("Cookie", "a=1"), ("cookie", "id=7;b")], true);
    one(&cookie, &[("Cookie", "id=77; xid=7; id; ID=7; =7")], false);
    one(&cookie, &[("id", "7")], false);
}

#[test]
fn several_rules_are_all_needed_or_one_of_them() {
    let rules = [rule(RuleKind::Header, "a", &["1"]), rule(RuleKind::Cookie, "b", &["2"])];
    for (headers, and, or) in [
        (&[("a", "1"), ("cookie", "b=2")][..], true, true),
        (&[("a", "1")], false, true),
        (&[("cookie", "b=2")], false, true),
        (&[], false, false),
    ] {
        check(Combine::And, &rules, headers, and);
        check(Combine::Or, &rules, headers, or);
    }
}
