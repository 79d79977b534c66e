//! What an alias may say, and how it is told what it may not.

use super::*;

fn rule_draft() -> RuleDraft {
    let text = |text: &str| Some(text.to_owned());
    RuleDraft { kind: text("Header"), param: text("x-group"), op: text("in"), value: text("a, b") }
}

fn by_rules_draft() -> AliasDraft {
    let rules = RulesDraft { combine: Some("or".to_owned()), rules: vec![rule_draft()] };
    AliasDraft { version: Some("v1".to_owned()), rules: vec![("v2".to_owned(), rules)], ..AliasDraft::default() }
}

fn check(draft: AliasDraft) -> Result<Alias, Fault> {
    alias("prod".to_owned(), draft, Timestamp::UNIX_EPOCH)
}

#[track_caller]
fn refused(change: impl FnOnce(&mut AliasDraft), code: ErrorCode, word: &str) {
    let mut draft = by_rules_draft();
    change(&mut draft);
    let fault = check(draft).expect_err(word);
    assert_eq!((fault.code, fault.message.contains(word)), (code, true), "{}", fault.message);
}

#[test]
fn rules_are_read() {
    let alias = check(by_rules_draft()).expect("an alias");
    let Some(Split::Rules { version, combine: Combine::Or, rules }) = alias.split else { panic!("{alias:?}") };
    assert_eq!(version, "v2");
    let values = vec!["a".to_owned(), "b".to_owned()];
    assert_eq!(rules, [Rule { kind: RuleKind::Header, name: "x-group".to_owned(), is_list: true, values }]);
}

#[test]
fn weights_have_their_range() {
    let weighted = |version: &str, percent| AliasDraft {
        version: Some("v1".to_owned()),
        weights: vec![(version.to_owned(), percent)],
        ..AliasDraft::default()
    };
    for percent in [0, 100] {
        assert!(check(weighted("v2", percent)).is_ok());
    }
    for (version, percent, code) in [
        ("v2", -1, ErrorCode::BadAdditionalWeight),
        ("v2", 101, ErrorCode::BadAdditionalWeight),
        ("v1", 5, ErrorCode::SameVersionTwice),
        ("latest", 5, ErrorCode::BadAdditionalVersion),
    ] {
        assert_eq!(check(weighted(version, percent)).expect_err(version).code, code);
    }
    let mut two = weighted("v2", 5);
    two.weights.push(("v3".to_owned(), 5));
    assert_eq!(check(two).expect_err("two").code, ErrorCode::BadAdditionalVersion);
    let of_latest = AliasDraft { version: Some("latest".to_owned()), ..weighted("v2", 5) };
    assert_eq!(check(of_latest).expect_err("latest").code, ErrorCode::BadVersion);
    let latest = AliasDraft { version: Some("latest".to_owned()), ..AliasDraft::default() };
    assert!(check(latest).expect("latest has aliases too").split.is_none());
}

#[test]
fn every_field_of_a_rule_is_checked_and_named() {
    let bad = ErrorCode::BadParameter;
    refused(|draft| draft.version = None, bad, "'version' is missing");
    refused(|draft| draft.weights = vec![("v2".to_owned(), 5)], bad, "exclude each other");
    refused(|draft| draft.description = Some("x".repeat(513)), ErrorCode::DescriptionTooLong, "512");
    let check = |change: fn(&mut RulesDraft), word: &str| refused(|draft| change(&mut draft.rules[0].1), bad, word);
    check(|rules| rules.combine = Some("xor".to_owned()), "'additional_version_strategy.v2.combine_type'");
    check(|rules| rules.rules.clear(), "1 to 10 rules");
    check(|rules| rules.rules = vec![rule_draft(); 11], "1 to 10 rules");
    check(|rules| rules.rules[0].kind = Some("query".to_owned()), "rules[0].rule_type' must be header or cookie");
    check(|rules| rules.rules[0].op = None, "rules[0].op' must be = or in");
    check(|rules| rules.rules[0].param = Some("x group".to_owned()), "rules[0].param'");
    check(|rules| rules.rules[0].value = Some("a,,b".to_owned()), "several with commas");
    check(|rules| rules.rules[0].value = None, "rules[0].value'");
    check(|rules| rules.rules[0].value = Some("x".repeat(1025)), "1 to 1024");
}
