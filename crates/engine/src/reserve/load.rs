//! Reserved instances that follow the load. Pure.

use fungraph_model::MetricRule;

/// How much of its instances a function uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Load {
    /// Calls that run now.
    pub(crate) running: usize,
    /// Calls at once in one instance.
    pub(crate) slots_each: usize,
}

/// So many instances that no rule's threshold is passed, and no fewer than `count` and each rule's least. Going down needs no
/// care: an instance that is reserved no more still stays as long as any idle one does.
pub(crate) fn scaled(count: u32, rules: &[MetricRule], load: Load) -> u32 {
    let by_load = |rule: &MetricRule| {
        let percent_each = load.slots_each.saturating_mul(rule.threshold as usize).max(1);
        let needed = load.running.saturating_mul(100).div_ceil(percent_each);
        u32::try_from(needed).unwrap_or(u32::MAX).max(rule.min)
    };
    rules.iter().map(by_load).fold(count, u32::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_more_where_more_than_the_threshold_is_used() {
        let rule = |threshold, min| MetricRule { name: String::new(), threshold, min };
        let check = |count, rules: &[MetricRule], running, slots_each, expected| {
            assert_eq!(scaled(count, rules, Load { running, slots_each }), expected, "{rules:?} {running}");
        };
        check(2, &[], 50, 1, 2);
        check(2, &[rule(50, 0)], 0, 1, 2);
        check(2, &[rule(50, 0)], 1, 1, 2);
        check(2, &[rule(50, 0)], 2, 1, 4);
        check(2, &[rule(60, 0)], 3, 1, 5);
        check(2, &[rule(100, 0)], 3, 1, 3);
        check(2, &[rule(50, 6)], 0, 1, 6);
        check(2, &[rule(50, 0), rule(10, 0)], 1, 1, 10);
        check(1, &[rule(80, 0)], 9, 10, 2);
        check(1, &[rule(0, 0)], usize::MAX, 1, u32::MAX);
    }
}
