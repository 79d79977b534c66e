//! Statistics of functions: counted by calls in memory, written behind them every few seconds, read by the minute.
//!
//! Nothing here is on the way of a call but the additions of [`Counters`]. Whoever reads has written what was counted so far, so a call
//! that was answered is in the numbers. Only a server that is killed loses some: those of its last seconds.

mod counter;
mod ranking;
mod window;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use fungraph_model::{
    Caller, FunctionKey, FunctionRef, FunctionVersion, MonthUsage, Qualifier, Tally, TallyEntry, limits,
};
use fungraph_pool::InstanceCensus;
use fungraph_store::{Error as StoreError, TalliesOf, TallyQuery};
use jiff::{Timestamp, tz::TimeZone};
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

pub(crate) use self::counter::{Counter, Counters, RunEnd, RunningCall};
pub use self::ranking::RankFilter;
use self::{
    counter::Whose,
    window::{Window, minute_of},
};
use crate::{Engine, Error, error::chain, functions, resolve::Resolved, to_end::to_end};

/// How often what was counted is written: what a server that is killed loses. A minute is a multiple of it.
const PERIOD_MS: u64 = 5000;
/// How often what is too old, or too much, is removed.
const FORGETTING_PERIOD: Duration = Duration::from_secs(3600);
/// Rankings at the same time, each of another project.
const RANKINGS: usize = 2;
/// Minutes of a day.
const DAY: i64 = 1440;

/// What is counted and not written yet.
#[derive(Debug)]
pub(crate) struct Statistics {
    counters: Mutex<HashMap<Whose, Arc<Counter>>>,
    /// The minute in which counting began again the last time; held while numbers are on their way to the database, so that who reads
    /// afterwards misses none.
    since: tokio::sync::Mutex<i64>,
    /// For rankings, which may read much: few connections of the database are enough for them.
    rankings: Semaphore,
}

/// Numbers over time.
#[derive(Clone, Debug)]
pub struct Series {
    /// Milliseconds since 1970 at which each step begins, and what it had; `None` where there was nothing.
    pub points: Vec<(i64, Option<Tally>)>,
}

/// What a project used.
#[derive(Clone, Debug)]
pub struct MonthReport {
    /// Each month as `YYYY-MM`.
    pub months: Vec<(String, MonthUsage)>,
}

impl Statistics {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            counters: Mutex::default(),
            since: tokio::sync::Mutex::new(minute_of(now)),
            rankings: Semaphore::new(RANKINGS),
        }
    }

    /// Who counts a call of a version, which came by the name of an alias or not.
    pub(crate) fn of_call(&self, resolved: &Resolved, alias: Option<&str>) -> Counters {
        let find = |name: &str| resolved.counter_of(name, || self.of_alias(&resolved.version, name));
        Counters { version: Arc::clone(&resolved.counter), alias: alias.map(find) }
    }

    /// The same of a version that nothing on this host can run.
    pub(crate) fn of_unresolved(&self, version: &FunctionVersion, alias: Option<&str>) -> Counters {
        Counters { version: self.of_version(version), alias: alias.map(|name| self.of_alias(version, name)) }
    }

    /// The counter of a version itself.
    pub(crate) fn of_version(&self, version: &FunctionVersion) -> Arc<Counter> {
        self.of(version, own_qualifier(version))
    }

    /// The counter of an alias, whatever version its calls get.
    pub(crate) fn of_alias(&self, version: &FunctionVersion, alias: &str) -> Arc<Counter> {
        self.of(version, Qualifier::Alias(alias.to_owned()))
    }

    fn of(&self, version: &FunctionVersion, qualifier: Qualifier) -> Arc<Counter> {
        let whose = Whose { func_id: version.func_id.clone(), project: version.key.project.clone(), qualifier };
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        let counter = counters.entry(whose).or_insert_with(|| Arc::new(Counter::new()));
        Arc::clone(counter)
    }

    /// Takes out what was counted. A counter that nobody holds any more is forgotten with that.
    fn take(&self) -> Vec<TallyEntry> {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        let mut entries = Vec::new();
        counters.retain(|whose, counter| {
            // In this order: what the last holder counted before he let go is in the entry.
            let is_held = Arc::strong_count(counter) > 1;
            entries.extend(counter.take(whose));
            is_held
        });
        entries
    }

    /// A version or alias of a function is gone: calls that run on count no more for the next one of its name. What they come to stays in the
    /// sums of the function, under a name that no version can have; what came by an alias is in no sum.
    fn retire(&self, whose: Whose, now: Timestamp) {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(counter) = counters.remove(&whose) else { return };
        if let Qualifier::Version(name) = &whose.qualifier {
            let qualifier = Qualifier::Version(format!("{name}@{}", now.as_microsecond()));
            counters.insert(Whose { qualifier, ..whose }, counter);
        }
    }

    fn give_back(&self, entries: &[TallyEntry]) {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        for entry in entries {
            let TallyEntry { func_id, project, qualifier, .. } = entry.clone();
            let whose = Whose { func_id, project, qualifier };
            let counter = counters.entry(whose).or_insert_with(|| Arc::new(Counter::new()));
            counter.give_back(entry);
        }
    }
}

impl Engine {
    /// Numbers of a function over the last minutes, or between two times. Without a qualifier those of all its versions together.
    ///
    /// # Errors
    /// FSS.0400 for a period that is none; FSS.1051, FSS.1052 and FSS.1053.
    pub async fn function_statistics(
        self: &Arc<Self>,
        caller: &Caller,
        function: &FunctionRef,
        period: &str,
    ) -> Result<Series, Error> {
        let window = Window::back(period, Timestamp::now())?;
        self.function_series(caller, function, window).await
    }

    /// The same in steps of so many minutes.
    ///
    /// # Errors
    /// As [`Self::function_statistics`].
    pub async fn function_metrics(
        self: &Arc<Self>,
        caller: &Caller,
        function: &FunctionRef,
        interval: &str,
    ) -> Result<Series, Error> {
        let window = Window::by_interval(interval, Timestamp::now())?;
        self.function_series(caller, function, window).await
    }

    /// The same of the last day.
    ///
    /// # Errors
    /// FSS.1051, FSS.1052 and FSS.1053.
    pub async fn instance_metrics(self: &Arc<Self>, caller: &Caller, function: &FunctionRef) -> Result<Series, Error> {
        let window = Window::last(DAY, minute_of(Timestamp::now()));
        self.function_series(caller, function, window).await
    }

    /// Numbers of all functions of the caller's project together.
    ///
    /// # Errors
    /// FSS.0400 for a period that is none.
    pub async fn project_statistics(self: &Arc<Self>, caller: &Caller, period: &str) -> Result<Series, Error> {
        let window = Window::back(period, Timestamp::now())?;
        self.write_counted().await;
        self.series(TalliesOf::Project(caller.project.clone()), window).await
    }

    /// What the caller's project used: this month, the last one, the last three or the last six, this one included.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn month_report(self: &Arc<Self>, caller: &Caller, option: Option<&str>) -> Result<MonthReport, Error> {
        let months = months(option, month_of(minute_of(Timestamp::now())));
        self.write_counted().await;
        let usage = self.store.month_usage(&caller.project, &months).await;
        let usage = usage.map_err(|source| Error::internal("read what a project used", source))?;
        let name = |month: i64| format!("{:04}-{:02}", month.div_euclid(12), month.rem_euclid(12) + 1);
        Ok(MonthReport { months: months.into_iter().map(name).zip(usage).collect() })
    }

    async fn function_series(
        self: &Arc<Self>,
        caller: &Caller,
        function: &FunctionRef,
        window: Window,
    ) -> Result<Series, Error> {
        let version = self.function(caller, function).await?;
        self.write_counted().await;
        let key = functions::key(caller, function)?;
        let of = |qualifier| TalliesOf::Function(key.clone(), qualifier);
        let mut series = self.series(of(function.qualifier.clone()), window).await?;
        if let Some(Qualifier::Alias(_)) = function.qualifier {
            // Instances are those of the version, by whichever name it is called.
            series.take_instances_of(&self.series(of(Some(own_qualifier(&version))), window).await?);
        }
        Ok(series)
    }

    async fn series(&self, of: TalliesOf, window: Window) -> Result<Series, Error> {
        let Window { from, to, step } = window;
        let found = self.store.tallies(&TallyQuery { of, from, to, step }).await;
        let found: HashMap<i64, Tally> =
            found.map_err(|source| Error::internal("read statistics", source))?.into_iter().collect();
        let point = |start: i64| (start * 60_000, found.get(&start).copied());
        Ok(Series { points: window.starts().map(point).collect() })
    }

    /// The hour from which lists of functions count failures: with the one that has begun they are 24.
    pub(crate) fn failures_from(&self) -> i64 {
        minute_of(Timestamp::now()).div_euclid(60) - 23
    }

    /// Deletes versions or aliases with `delete`. Nothing is written meanwhile: it would count for the next ones of their names.
    pub(crate) async fn retire_counters(
        &self,
        key: &FunctionKey,
        qualifiers: Vec<Qualifier>,
        delete: impl Future<Output = Result<(), StoreError>>,
    ) -> Result<(), StoreError> {
        let latest = self.store.function(key).await?;
        let _nothing_is_written = self.statistics.since.lock().await;
        delete.await?;
        let now = Timestamp::now();
        for (version, qualifier) in latest.iter().flat_map(|version| qualifiers.iter().map(move |it| (version, it))) {
            let (func_id, project) = (version.func_id.clone(), version.key.project.clone());
            self.statistics.retire(Whose { func_id, project, qualifier: qualifier.clone() }, now);
        }
        Ok(())
    }

    /// Writes what was counted so far, for somebody who reads it next. It is done even if he does not wait for it: what is taken out of
    /// the counters must get somewhere. What cannot be written stays in memory, and he reads what is there; the job tells why.
    pub(crate) async fn write_counted(self: &Arc<Self>) {
        let engine = Arc::clone(self);
        let write = async move {
            let mut since = engine.statistics.since.lock().await;
            let entries = engine.statistics.take();
            // Instances alone are left to the job: else each look at an idle function would change the database.
            if !entries.is_empty() {
                _ = engine.write_entries(&mut since, entries).await;
            }
        };
        to_end(write, self.orphans.clone()).await;
    }

    /// Writes what was counted, and what the pool has. The job does so again and again, and the engine at its end.
    pub(crate) async fn write_statistics(&self) -> Result<(), StoreError> {
        let mut since = self.statistics.since.lock().await;
        let entries = self.statistics.take();
        self.write_entries(&mut since, entries).await
    }

    /// All of it counts for the minute in which counting began again the last time, since the job comes when a minute ends.
    async fn write_entries(&self, since: &mut i64, mut entries: Vec<TallyEntry>) -> Result<(), StoreError> {
        let minute = std::mem::replace(since, minute_of(Timestamp::now()));
        add_instances(&mut entries, &self.pool.instances());
        if entries.is_empty() {
            return Ok(());
        }
        let written = self.store.add_tallies(minute, month_of(minute), &entries).await;
        if written.is_err() {
            self.statistics.give_back(&entries);
        }
        written
    }

    async fn forget_statistics(&self) {
        let oldest = minute_of(Timestamp::now()) - i64::from(self.config.statistics_days) * DAY;
        if let Err(error) = self.store.forget_tallies(oldest, self.config.statistics_rows).await {
            tracing::warn!(cause = chain(&error), "old statistics could not be removed; tried again later");
        }
    }
}

impl Series {
    /// Instances of the other, which has the same steps, beside the calls of this one.
    fn take_instances_of(&mut self, other: &Self) {
        for ((_, own), (_, theirs)) in self.points.iter_mut().zip(&other.points) {
            let Tally { instances, reserved, .. } = theirs.unwrap_or_default();
            if own.is_some() || instances + reserved > 0 {
                *own = Some(Tally { instances, reserved, ..own.unwrap_or_default() });
            }
        }
    }
}

/// The job: writes every few seconds, and once more when a minute ends; removes what is too old now and then.
pub(crate) async fn keep(engine: Weak<Engine>, stop: CancellationToken) {
    let (mut forgotten, mut is_told): (Option<Instant>, bool) = (None, false);
    loop {
        let now_ms = Timestamp::now().as_millisecond().rem_euclid(PERIOD_MS as i64);
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(Duration::from_millis(PERIOD_MS - now_ms.unsigned_abs())) => {}
        }
        let Some(engine) = engine.upgrade() else { return };
        match engine.write_statistics().await {
            Ok(()) => is_told = false,
            Err(error) if !std::mem::replace(&mut is_told, true) => {
                tracing::warn!(
                    cause = chain(&error),
                    "statistics stay in memory, and are written when that is possible"
                );
            }
            Err(_) => {}
        }
        if forgotten.is_none_or(|last| last.elapsed() >= FORGETTING_PERIOD) {
            tokio::select! {
                () = stop.cancelled() => return,
                () = engine.forget_statistics() => forgotten = Some(Instant::now()),
            }
        }
    }
}

/// Puts what the pool has beside what calls came to.
fn add_instances(entries: &mut Vec<TallyEntry>, instances: &[InstanceCensus]) {
    let mut places: HashMap<(String, Qualifier), usize> = HashMap::new();
    if !instances.is_empty() {
        let place = |(index, entry): (usize, &TallyEntry)| ((entry.func_id.clone(), entry.qualifier.clone()), index);
        places = entries.iter().enumerate().map(place).collect();
    }
    for InstanceCensus { version, most, reserved } in instances {
        let (func_id, qualifier) = (version.func_id.clone(), own_qualifier(version));
        let place = *places.entry((func_id.clone(), qualifier.clone())).or_insert_with(|| {
            let project = version.key.project.clone();
            entries.push(TallyEntry { func_id, project, qualifier, tally: Tally::default(), mb_ms: 0 });
            entries.len() - 1
        });
        let tally = &mut entries[place].tally;
        tally.instances += most.saturating_sub(*reserved) as u64;
        tally.reserved += *reserved as u64;
    }
}

/// What a version is called by itself.
fn own_qualifier(version: &FunctionVersion) -> Qualifier {
    match version.version.as_str() {
        limits::LATEST => Qualifier::Latest,
        name => Qualifier::Version(name.to_owned()),
    }
}

/// The month of a minute since 1970, in UTC: `year * 12 + month - 1`.
fn month_of(minute: i64) -> i64 {
    let time = Timestamp::from_second(minute.saturating_mul(60)).unwrap_or(Timestamp::UNIX_EPOCH);
    let date = time.to_zoned(TimeZone::UTC).date();
    i64::from(date.year()) * 12 + i64::from(date.month()) - 1
}

/// The months of a report, the oldest first. A word that is none of the options is as good as none (contract: operations.json).
fn months(option: Option<&str>, now: i64) -> Vec<i64> {
    let (first, last) = match option.map(str::trim) {
        Some("1") => (now - 1, now - 1),
        Some("2") => (now - 2, now),
        Some("3") => (now - 5, now),
        _ => (now, now),
    };
    (first..=last).collect()
}

#[cfg(test)]
mod tests {
    use fungraph_model::sample;

    use super::*;

    fn statistics() -> Statistics {
        Statistics::new(Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn counters_are_shared_while_they_are_held_and_forgotten_afterwards() {
        let (statistics, version) = (statistics(), sample::function("f"));
        let counter = statistics.of_version(&version);
        assert!(Arc::ptr_eq(&counter, &statistics.of_version(&version)), "a function that changes goes on counting");
        assert!(!Arc::ptr_eq(&counter, &statistics.of_alias(&version, "latest")));
        assert!(!Arc::ptr_eq(
            &counter,
            &statistics.of_version(&FunctionVersion { func_id: "new".into(), ..version.clone() })
        ));
        assert_eq!(statistics.take(), []);
        assert_eq!(statistics.counters.lock().expect("unharmed").len(), 1, "only this one is held");
        Counters { version: counter, alias: None }.refused();
        let entries = statistics.take();
        assert_eq!(entries.iter().map(|entry| entry.tally.calls).collect::<Vec<_>>(), [1]);
        assert!(statistics.counters.lock().expect("unharmed").is_empty());
        statistics.give_back(&entries);
        assert_eq!(statistics.take(), entries, "what could not be written is kept");
    }

    #[test]
    fn a_call_of_a_version_that_is_gone_does_not_count_for_the_next_one_of_its_name() {
        let (statistics, version) = (statistics(), FunctionVersion { version: "v1".into(), ..sample::function("f") });
        let by_alias = |statistics: &Statistics| {
            let (version, alias) = (statistics.of_version(&version), statistics.of_alias(&version, "prod"));
            Counters { version, alias: Some(alias) }
        };
        let call = by_alias(&statistics).begin();
        for qualifier in [Qualifier::Version("v1".into()), Qualifier::Alias("prod".into())] {
            let whose = Whose { func_id: version.func_id.clone(), project: version.key.project.clone(), qualifier };
            statistics.retire(whose.clone(), Timestamp::UNIX_EPOCH);
            statistics.retire(whose, Timestamp::UNIX_EPOCH);
        }
        by_alias(&statistics).refused();
        let calls = |entries: Vec<TallyEntry>| {
            let of = |entry: TallyEntry| (entry.qualifier.to_string(), entry.tally.calls, entry.tally.running);
            let mut calls: Vec<_> = entries.into_iter().map(of).collect();
            calls.sort();
            calls
        };
        let expected = [("!prod", 1, 0), ("v1", 1, 0), ("v1@0", 0, 1)]
            .map(|(name, calls, at_once)| (name.to_owned(), calls, at_once));
        assert_eq!(calls(statistics.take()), expected);
        call.refused();
        assert_eq!(calls(statistics.take()), [("v1@0".to_owned(), 1, 1)], "the sums of the function have it");
    }

    #[test]
    fn instances_stand_beside_the_calls_of_their_version() {
        let version = Arc::new(sample::function("f"));
        let other = Arc::new(FunctionVersion { version: "v1".into(), ..sample::function("f") });
        let statistics = statistics();
        let counters =
            Counters { version: statistics.of_version(&version), alias: Some(statistics.of_alias(&version, "prod")) };
        counters.refused();
        let mut entries = statistics.take();
        let census = |version: &Arc<FunctionVersion>, most, reserved| InstanceCensus {
            version: Arc::clone(version),
            most,
            reserved,
        };
        add_instances(&mut entries, &[census(&version, 3, 2), census(&version, 1, 0), census(&other, 1, 2)]);
        entries.sort_by_key(|entry| entry.qualifier.to_string());
        let seen = |entry: &TallyEntry| {
            (entry.qualifier.to_string(), entry.tally.calls, entry.tally.instances, entry.tally.reserved)
        };
        let seen: Vec<_> = entries.iter().map(seen).collect();
        let expected = [("!prod", 1, 0, 0), ("latest", 1, 2, 2), ("v1", 0, 0, 2)];
        assert_eq!(
            seen,
            expected.map(|(name, calls, instances, reserved)| (name.to_owned(), calls, instances, reserved))
        );
    }

    #[test]
    fn months_are_those_of_the_option() {
        let now = month_of(minute_of("2027-01-31T23:59:59Z".parse().expect("a time")));
        assert_eq!((now, month_of(0)), (2027 * 12, 1970 * 12));
        for (option, expected) in [
            (None, vec![now]),
            (Some("0"), vec![now]),
            (Some("1"), vec![now - 1]),
            (Some("2"), vec![now - 2, now - 1, now]),
            (Some("3"), (now - 5..=now).collect()),
            (Some("7"), vec![now]),
            (Some("x"), vec![now]),
        ] {
            assert_eq!(months(option, now), expected, "{option:?}");
        }
    }
}
