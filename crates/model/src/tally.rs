//! What calls came to within a time.

use crate::{FunctionKey, ProjectId, Qualifier};

/// Numbers of the calls that ended within a time, and of what was there for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// All calls, those that were refused included.
    pub calls: u64,
    /// Those that never ran: no instance, or no place in line.
    pub refused: u64,
    /// Those that failed by the function's own fault.
    pub function_errors: u64,
    /// Those that failed by the platform's.
    pub system_errors: u64,
    /// Microseconds of all that ran, together.
    pub duration_us: u64,
    /// Of the quickest; `None` where none ran.
    pub shortest_us: Option<u64>,
    /// Of the slowest.
    pub longest_us: u64,
    /// Most calls that ran at once.
    pub running: u64,
    /// Most instances beyond the reserved.
    pub instances: u64,
    /// Most reserved instances.
    pub reserved: u64,
}

impl Tally {
    /// Calls that an instance ran.
    #[must_use]
    pub fn ran(&self) -> u64 {
        self.calls.saturating_sub(self.refused)
    }

    /// Calls that ran and failed.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.function_errors + self.system_errors
    }

    /// Adds what others had within the same time: what they had at most may have been at the same moment.
    pub fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.refused += other.refused;
        self.function_errors += other.function_errors;
        self.system_errors += other.system_errors;
        self.duration_us = self.duration_us.saturating_add(other.duration_us);
        self.shortest_us = self.shortest_us.into_iter().chain(other.shortest_us).min();
        self.longest_us = self.longest_us.max(other.longest_us);
        self.running += other.running;
        self.instances += other.instances;
        self.reserved += other.reserved;
    }
}

/// What one version or alias of a function, or all of its versions, had within a minute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TallyEntry {
    /// `func_id` of the function.
    pub func_id: String,
    /// Its project.
    pub project: ProjectId,
    /// A version; or an alias, whose calls are in its versions' entries too.
    pub qualifier: Qualifier,
    /// The numbers.
    pub tally: Tally,
    /// Memory in MB by billed milliseconds.
    pub mb_ms: u64,
}

/// What a project used in a month.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MonthUsage {
    /// Calls, those that were refused included.
    pub calls: u64,
    /// Memory in MB by billed milliseconds.
    pub mb_ms: u64,
}

/// What functions can be ranked by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Calls that ran and failed.
    Failures,
    /// All calls.
    Calls,
    /// Those that never ran.
    Refusals,
    /// Mean of the durations, in milliseconds.
    Duration,
    /// The longest of them.
    LongestDuration,
}

/// Functions with the most of something, and how many have any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranking {
    /// The first of them.
    pub functions: Vec<(FunctionKey, u64)>,
    /// All that have any.
    pub total: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tallies_of_the_same_time_add_up() {
        let mut one =
            Tally { calls: 3, refused: 1, duration_us: 10, shortest_us: Some(4), longest_us: 6, ..Tally::default() };
        one.add(&Tally { calls: 2, refused: 2, running: 1, ..Tally::default() });
        assert_eq!((one.calls, one.ran(), one.shortest_us, one.running), (5, 2, Some(4), 1));
        one.add(&Tally {
            calls: 1,
            function_errors: 1,
            duration_us: 2,
            shortest_us: Some(2),
            longest_us: 2,
            running: 2,
            ..Tally::default()
        });
        assert_eq!((one.ran(), one.failed(), one.duration_us, one.shortest_us), (3, 1, 12, Some(2)));
        assert_eq!((one.longest_us, one.running), (6, 3));
    }
}
