//! Which minutes statistics are of, and how many of them make one point.

use fungraph_model::{ErrorCode, Fault};
use jiff::Timestamp;

/// Minutes of one point. The smallest is taken with which a series has no more points than one page of a list.
const STEPS: [i64; 12] = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440];
/// Most points of a series whose step is ours to choose.
const POINTS: i64 = 100;
/// Longest time to look back at, in minutes: 90 days.
const LONGEST: i64 = 90 * 1440;
/// Points of a series whose step is asked for, beside the one that has begun.
const POINTS_OF_INTERVAL: i64 = 60;
/// Seconds since 1970 are below this for three thousand years, and milliseconds have been above it since 1973.
const LEAST_MS: f64 = 1e11;

/// Minutes since 1970, in steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// The first minute, at which a step begins.
    pub(crate) from: i64,
    /// The minute after the last.
    pub(crate) to: i64,
    /// Minutes of a step.
    pub(crate) step: i64,
}

impl Window {
    /// What a period of ListFunctionStatistics names: so many minutes back from now; or two times in seconds since 1970, whichever
    /// comes first.
    ///
    /// # Errors
    /// FSS.0400 saying what a period is.
    pub(crate) fn back(period: &str, now: Timestamp) -> Result<Self, Fault> {
        let now = minute_of(now);
        match period.split_once(',') {
            Some(times) => Self::between(times, now),
            None => Ok(Self::last(minutes(period, LONGEST)?, now)),
        }
    }

    /// What a period of ShowFunctionMetrics names: the minutes of one point; or two times.
    ///
    /// # Errors
    /// As [`Self::back`].
    pub(crate) fn by_interval(period: &str, now: Timestamp) -> Result<Self, Fault> {
        let now = minute_of(now);
        match period.split_once(',') {
            Some(times) => Self::between(times, now),
            None => {
                let step = minutes(period, STEPS[STEPS.len() - 1])?;
                Ok(Self { from: floor(now, step) - POINTS_OF_INTERVAL * step, to: now + 1, step })
            }
        }
    }

    /// The last minutes. The one that has just begun is not one of them, but one more.
    pub(crate) fn last(minutes: i64, now: i64) -> Self {
        Self::in_steps(now - minutes, now + 1)
    }

    fn between(times: (&str, &str), now: i64) -> Result<Self, Fault> {
        let read = |text: &str| minute(text).ok_or_else(bad);
        let (one, other) = (read(times.0)?, read(times.1)?);
        let (from, last) = (one.min(other).min(now), one.max(other).min(now));
        if last - from > LONGEST {
            return Err(bad());
        }
        Ok(Self::in_steps(from, last + 1))
    }

    fn in_steps(from: i64, to: i64) -> Self {
        let count = |step: i64| (floor(to - 1, step) - floor(from, step)) / step + 1;
        let step = STEPS.into_iter().find(|step| count(*step) <= POINTS).unwrap_or(STEPS[STEPS.len() - 1]);
        Self { from: floor(from, step), to, step }
    }

    /// Where each step begins.
    pub(crate) fn starts(self) -> impl Iterator<Item = i64> {
        (0..).map(move |number| self.from + number * self.step).take_while(move |start| *start < self.to)
    }
}

/// The minute since 1970 of a time.
pub(crate) fn minute_of(time: Timestamp) -> i64 {
    time.as_second().div_euclid(60)
}

/// The minute of a time in seconds or milliseconds since 1970, with or without a fraction.
pub(crate) fn minute(text: &str) -> Option<i64> {
    let number: f64 = text.trim().parse().ok()?;
    let seconds = if number < LEAST_MS { number } else { number / 1000.0 };
    // Both bounds hold, so that nothing is cut off.
    (0.0..LEAST_MS).contains(&seconds).then(|| (seconds / 60.0) as i64)
}

fn minutes(text: &str, most: i64) -> Result<i64, Fault> {
    let number = text.trim().parse().ok().filter(|minutes| (1..=most).contains(minutes));
    number.ok_or_else(|| {
        let message = format!(
            "The period must be a whole number of minutes from 1 to {most}, or two times in seconds since 1970, with a comma between"
        );
        Fault::new(ErrorCode::BadParameter, message)
    })
}

fn bad() -> Fault {
    Fault::new(
        ErrorCode::BadParameter,
        "The two times of a period must be seconds since 1970, with a comma between, and no more than 90 days apart",
    )
}

fn floor(minute: i64, step: i64) -> i64 {
    minute - minute.rem_euclid(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-25T08:55:05Z, in minute 29,922,535.
    const NOW: i64 = 1_795_596_905;
    const MINUTE: i64 = NOW / 60;

    fn now() -> Timestamp {
        Timestamp::from_second(NOW).expect("a time")
    }

    #[test]
    fn a_period_is_looked_back_at() {
        let check = |period: &str, from: i64, step: i64, points: usize| {
            let window = Window::back(period, now()).expect(period);
            assert_eq!((window.from, window.to, window.step), (from, MINUTE + 1, step), "{period}");
            assert_eq!(window.starts().count(), points, "{period}");
        };
        check("1", MINUTE - 1, 1, 2);
        check("60", MINUTE - 60, 1, 61);
        check("99", MINUTE - 99, 1, 100);
        check("100", (MINUTE - 100) / 2 * 2, 2, 51);
        check("1440", (MINUTE - 1440) / 15 * 15, 15, 97);
        check("129600", (MINUTE - 129_600) / 1440 * 1440, 1440, 91);
    }

    #[test]
    fn a_period_may_be_two_times_in_any_order() {
        let expected = Window { from: 1_795_328_905 / 60, to: 1_795_332_505 / 60 + 1, step: 1 };
        for period in [
            "1795332505.15,1795328905.15",
            "1795328905,1795332505",
            " 1795328905.9 , 1795332505 ",
            "1795332505150,1795328905150",
        ] {
            assert_eq!(Window::back(period, now()), Ok(expected), "{period}");
            assert_eq!(Window::by_interval(period, now()), Ok(expected), "{period}");
        }
        let ahead = Window::back(&format!("{NOW},99999999999"), now());
        assert!(
            ahead.is_ok_and(|window| window.from == MINUTE && window.to == MINUTE + 1),
            "nothing is known of the future"
        );
    }

    #[test]
    fn an_interval_is_the_step() {
        let window = Window::by_interval("7", now()).expect("a period");
        assert_eq!((window.step, window.from % 7, window.starts().count()), (7, 0, 61));
        assert!(window.starts().last().is_some_and(|start| start <= MINUTE && MINUTE < start + 7));
    }

    #[test]
    fn what_is_no_period_is_refused() {
        for period in [
            "",
            "0",
            "-5",
            "1.5",
            "ten",
            "129601",
            "1,2,3",
            ",",
            "1,",
            "nan,1",
            "-1,5",
            "inf,5",
            "1e300,5",
            "0,1795328905",
        ] {
            let fault = Window::back(period, now()).expect_err(period);
            assert_eq!(fault.code, ErrorCode::BadParameter, "{period}");
        }
        assert!(Window::by_interval("1441", now()).is_err());
    }
}
