//! Reserved instances of a version or alias (contract: async.md section 6).

use crate::{DomainId, FunctionKey, Qualifier};

/// How many instances are kept although nobody calls. Made by engine from a request; each field is inside its range.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reservation {
    /// Always so many at least.
    pub count: u32,
    /// Whether they may be frozen between calls; kept and given back, without effect.
    pub idle_mode: bool,
    /// Other counts at other times.
    pub schedules: Vec<Schedule>,
    /// Other counts by load.
    pub metrics: Vec<MetricRule>,
}

/// A count that holds from each time a cron expression names until another schedule's time comes, or its window ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Name, for people.
    pub name: String,
    /// Cron expression of 5 or 6 fields, with `CRON_TZ=<zone> ` before it or not.
    pub cron: String,
    /// Instances, not below the reservation's own count.
    pub count: u32,
    /// Begin of the window, in seconds since 1970; `None` where it has always begun.
    pub start_s: Option<i64>,
    /// End of the window, in seconds since 1970, not part of it; `None` where it never ends.
    pub end_s: Option<i64>,
}

/// A count that follows the use of the reserved instances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricRule {
    /// Name, for people.
    pub name: String,
    /// Percent of the slots of reserved instances that may be in use before there are more, 1 to 100.
    pub threshold: u32,
    /// Instances at least.
    pub min: u32,
}

/// A reservation with what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reserved {
    /// The function.
    pub key: FunctionKey,
    /// Account that owns it, and whose limit it counts against.
    pub domain: DomainId,
    /// Version or alias.
    pub qualifier: Qualifier,
    /// What is reserved.
    pub reservation: Reservation,
}

impl Reservation {
    /// The most it asks for at any time from a second since 1970 on, whatever the load: a schedule whose window has ended asks no more.
    #[must_use]
    pub fn most_from(&self, second: i64) -> u32 {
        let to_come = self.schedules.iter().filter(|schedule| schedule.end_s.is_none_or(|end| second < end));
        let schedules = to_come.map(|schedule| schedule.count);
        let metrics = self.metrics.iter().map(|rule| rule.min);
        schedules.chain(metrics).fold(self.count, u32::max)
    }

    /// Whether it never asked for an instance and never will.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.most_from(i64::MIN) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_counts_until_its_window_ends() {
        let schedule =
            |count, end_s| Schedule { name: String::new(), cron: String::new(), count, start_s: Some(5), end_s };
        let metrics = vec![MetricRule { name: String::new(), threshold: 50, min: 3 }];
        let schedules = vec![schedule(9, Some(10)), schedule(4, None)];
        let reservation = Reservation { count: 2, schedules, metrics: metrics.clone(), ..Reservation::default() };
        assert_eq!([0, 9, 10].map(|second| reservation.most_from(second)), [9, 9, 4]);
        assert_eq!(Reservation { count: 2, metrics, ..Reservation::default() }.most_from(0), 3);
        let ended = Reservation { schedules: vec![schedule(9, Some(10))], ..Reservation::default() };
        assert_eq!((ended.most_from(10), ended.is_nothing()), (0, false));
        assert!(Reservation::default().is_nothing());
    }
}
