//! `linux.seccomp` of a bundle for an OCI program, from the table of the filters.
//!
//! The form is poorer than the table: comparisons are of 64 bits, several in one rule must be of different arguments, and the rules of
//! a call are alternatives. So an equality becomes one under a mask of 32 bits, for the upper half is not looked at by the
//! kernel; and "none of these values" becomes the list of all ranges between them, each in blocks as routing tables have
//! them. What has a dirty upper half is none of the values, and refused: stricter than the filters, never laxer.

use std::ops::RangeInclusive;

use seccompiler::SeccompCmpOp;
use serde_json::{Value, json};

use super::{Rule, When};

/// All bits that the kernel reads of the arguments in the table.
const READ: u64 = 0xffff_ffff;

/// A comparison of one argument.
type Comparison = (u8, SeccompCmpOp, u64);

/// The text of `linux.seccomp`: rules answered by EPERM, and those by ENOSYS.
pub(super) fn profile(refused: &[Rule], unknown: &[Rule]) -> Value {
    let entries = |rules: &[Rule], errno| rules.iter().flat_map(|rule| of_rule(rule, errno)).collect::<Vec<_>>();
    let syscalls = [entries(unknown, libc::ENOSYS), entries(refused, libc::EPERM)].concat();
    json!({ "defaultAction": "SCMP_ACT_ALLOW", "architectures": architectures(), "syscalls": syscalls })
}

/// What is for another architecture is killed by libseccomp, as by the filters. x32 is x86-64 under other numbers.
fn architectures() -> &'static [&'static str] {
    if cfg!(target_arch = "x86_64") { &["SCMP_ARCH_X86_64", "SCMP_ARCH_X32"] } else { &["SCMP_ARCH_AARCH64"] }
}

fn of_rule(rule: &Rule, errno: i32) -> Vec<Value> {
    let name = rule.name.trim_start_matches("SYS_");
    // The call `_sysctl` has its own underscore.
    let name = if rule.name == "SYS__sysctl" { "_sysctl" } else { name };
    let entry = |arguments: Vec<Value>| json!({ "names": [name], "action": "SCMP_ACT_ERRNO", "errnoRet": errno, "args": arguments });
    match &rule.when {
        When::Always => vec![entry(Vec::new())],
        When::Any(alternatives) => alternatives.iter().flat_map(|all| split(all)).map(entry).collect(),
    }
}

/// Conditions that must all hold, as rules of which one is enough.
fn split(all: &[Comparison]) -> Vec<Vec<Value>> {
    let mut arguments: Vec<u8> = all.iter().map(|(argument, ..)| *argument).collect();
    arguments.dedup();
    let mut rules = vec![Vec::new()];
    for argument in arguments {
        let of_it: Vec<_> = all.iter().filter(|(other, ..)| *other == argument).collect();
        let ways = ways(argument, &of_it);
        rules = rules
            .iter()
            .flat_map(|rule| ways.iter().map(|way| [&rule[..], std::slice::from_ref(way)].concat()))
            .collect();
    }
    rules
}

/// What is asked of one argument, as comparisons of which one is enough.
fn ways(argument: u8, all: &[&Comparison]) -> Vec<Value> {
    let compare =
        |op: &str, value: u64, two: u64| json!({ "index": argument, "op": op, "value": value, "valueTwo": two });
    let masked = |mask: u64, value: u64| compare("SCMP_CMP_MASKED_EQ", mask, value);
    match all {
        [(_, SeccompCmpOp::Eq, value)] => vec![masked(READ, *value)],
        [(_, SeccompCmpOp::MaskedEq(mask), value)] => vec![masked(*mask, *value)],
        [(_, SeccompCmpOp::Ne, value)] => vec![compare("SCMP_CMP_NE", *value, 0)],
        several => {
            let values: Vec<u64> = several.iter().map(|(.., value)| *value).collect();
            let blocks = gaps(values).into_iter().flat_map(blocks).map(|(mask, first)| masked(mask, first));
            blocks.chain([compare("SCMP_CMP_GT", READ, 0)]).collect()
        }
    }
}

/// The ranges of 32 bits that none of the values is in.
fn gaps(mut values: Vec<u64>) -> Vec<RangeInclusive<u64>> {
    values.sort_unstable();
    let mut gaps = Vec::new();
    let mut next = 0;
    for value in values {
        if next < value {
            gaps.push(next..=value - 1);
        }
        next = value + 1;
    }
    if next <= READ {
        gaps.push(next..=READ);
    }
    gaps
}

/// A range in blocks of powers of two: mask and first number of each.
fn blocks(range: RangeInclusive<u64>) -> Vec<(u64, u64)> {
    let (mut first, last) = range.into_inner();
    let mut blocks = Vec::new();
    while first <= last {
        let aligned = if first == 0 { 32 } else { first.trailing_zeros() };
        let fits = (last - first + 1).ilog2();
        let size = 1_u64 << aligned.min(fits);
        blocks.push((!(size - 1), first));
        first += size;
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether one of the ways holds for a value, as libseccomp would look at it.
    fn holds(ways: &[Value], value: u64) -> bool {
        ways.iter().any(|way| {
            let number = |key: &str| way[key].as_u64().expect("a number");
            match way["op"].as_str().expect("an operation") {
                "SCMP_CMP_MASKED_EQ" => value & number("value") == number("valueTwo"),
                "SCMP_CMP_NE" => value != number("value"),
                "SCMP_CMP_GT" => value > number("value"),
                other => panic!("{other}"),
            }
        })
    }

    #[test]
    fn none_of_these_is_all_others() {
        for values in [vec![1, 2, 10, 16], vec![0, READ], vec![5], vec![0, 1, 2]] {
            let all: Vec<Comparison> = values.iter().map(|value| (0, SeccompCmpOp::Ne, *value)).collect();
            let ways = ways(0, &all.iter().collect::<Vec<_>>());
            let interesting = (0..70_000).chain([READ - 1, READ, READ + 1, 1 << 31, (1 << 32) + 2, u64::MAX]);
            for value in interesting {
                assert_eq!(holds(&ways, value), !values.contains(&value), "{value} of {values:?}");
            }
        }
    }

    #[test]
    fn an_equality_does_not_look_at_the_upper_half() {
        let ways = ways(1, &[&(1, SeccompCmpOp::Eq, 0x5412)]);
        assert!(holds(&ways, 0x5412) && holds(&ways, 0xff_0000_5412) && !holds(&ways, 0x5413));
    }

    #[test]
    fn no_rule_asks_the_same_argument_twice() {
        let profile = profile(&super::super::table(), &super::super::unknown());
        let entries = profile["syscalls"].as_array().expect("a list");
        assert!(entries.len() > 100);
        for entry in entries {
            let mut indexes: Vec<_> =
                entry["args"].as_array().expect("a list").iter().map(|argument| &argument["index"]).collect();
            let count = indexes.len();
            indexes.dedup();
            assert_eq!(indexes.len(), count, "{entry}");
        }
        let named = |name: &str| entries.iter().filter(|entry| entry["names"][0] == name).count();
        assert_eq!((named("mount"), named("_sysctl") <= 1, named("clone3")), (1, true, 1));
    }
}
