//! What becomes of a call after an attempt (contract: async.md section 2). Pure: age and chance are arguments.

use std::time::Duration;

use fungraph_model::{AsyncConfig, FailureCode, limits};

/// What an attempt came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    /// The function returned.
    Returned,
    /// It did not, for this reason.
    Failed(FailureCode),
    /// The platform failed before there was a reason with a number.
    PlatformFailed,
    /// The same by a panic: nobody knows how far the call had come.
    BrokeOff,
}

/// A call after an attempt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tried<'a> {
    pub(super) attempt: Attempt,
    /// Attempts that failed before, and count.
    pub(super) failed: u32,
    /// Times that the platform failed before.
    pub(super) stumbled: u32,
    /// Since it was accepted.
    pub(super) age: Duration,
    /// What is set for its qualifier.
    pub(super) settings: Option<&'a AsyncConfig>,
    /// Somebody cancelled it.
    pub(super) cancelled: bool,
    /// Between 0 and 1.
    pub(super) chance: f64,
}

/// What happens to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Verdict {
    /// SUCCESS.
    Succeeds,
    /// FAIL.
    Fails,
    /// DISCARD: what the platform fails is tried until the call is too old, and it is.
    TooOld,
    /// Another attempt.
    Again {
        /// So much later.
        after: Duration,
        /// Whether this one counts.
        consumed: bool,
    },
}

/// Seconds before the first attempt after a failed one, the second, and every further one.
const DELAYS: [u64; 3] = [1, 4, 16];
/// How far a delay may be from its length, either way.
const JITTER: f64 = 0.2;

/// After so many failures of the platform in a row, a call that breaks off by a panic is taken to be what breaks it: its code may have run
/// each time, and shall not run until it is too old.
const BREAKS: u32 = 5;

/// The age at which a call is thrown away.
pub(super) fn most_age(settings: Option<&AsyncConfig>) -> Duration {
    Duration::from_secs(settings.map_or(limits::ASYNC_AGE_DEFAULT, |settings| settings.max_age_s).into())
}

/// Chooses for a call after an attempt.
pub(super) fn judge(tried: &Tried<'_>) -> Verdict {
    match tried.attempt {
        Attempt::Returned => Verdict::Succeeds,
        _ if tried.cancelled => Verdict::Fails,
        Attempt::Failed(code) if !is_platforms(code) => after_own_failure(tried),
        Attempt::BrokeOff if tried.stumbled >= BREAKS => Verdict::Fails,
        Attempt::Failed(_) | Attempt::PlatformFailed | Attempt::BrokeOff if tried.age >= most_age(tried.settings) => {
            Verdict::TooOld
        }
        Attempt::Failed(_) | Attempt::PlatformFailed | Attempt::BrokeOff => again(tried, tried.stumbled, false),
    }
}

/// Without settings a failure of the function is its end; they say how often it is tried again. Its age is only looked at while it
/// waits: what was tried in time ends with the reason of its failure.
fn after_own_failure(tried: &Tried<'_>) -> Verdict {
    let retries = tried.settings.map_or(0, |settings| settings.max_retries);
    if tried.failed < retries { again(tried, tried.failed, true) } else { Verdict::Fails }
}

fn again(tried: &Tried<'_>, before: u32, consumed: bool) -> Verdict {
    let seconds = DELAYS[usize::try_from(before).unwrap_or(usize::MAX).min(DELAYS.len() - 1)];
    let factor = 1.0 - JITTER + 2.0 * JITTER * tried.chance.clamp(0.0, 1.0);
    let left = most_age(tried.settings).saturating_sub(tried.age);
    // Whoever gets too old meanwhile shall end then, not later.
    Verdict::Again { after: Duration::from_secs(seconds).mul_f64(factor).min(left), consumed }
}

/// Whether the platform is to blame, so that the call has nothing to answer for. A call that was stopped for another one's sake (4208)
/// ends with that number, as the contract says; its function may have settings that let it be tried again.
pub(super) fn is_platforms(code: FailureCode) -> bool {
    matches!(code, FailureCode::ExecutorFailed | FailureCode::InstanceBroken)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::Timestamp;

    use super::*;

    fn settings(max_age_s: u32, max_retries: u32) -> AsyncConfig {
        AsyncConfig {
            max_age_s,
            max_retries,
            on_success: None,
            on_failure: None,
            status_log: false,
            log: BTreeMap::new(),
            created: Timestamp::UNIX_EPOCH,
            last_modified: Timestamp::UNIX_EPOCH,
        }
    }

    const RAISED: Attempt = Attempt::Failed(FailureCode::HandlerFailed);
    const BROKEN: Attempt = Attempt::Failed(FailureCode::InstanceBroken);

    fn tried(attempt: Attempt) -> Tried<'static> {
        Tried { attempt, failed: 0, stumbled: 0, age: Duration::ZERO, settings: None, cancelled: false, chance: 0.5 }
    }

    fn again(seconds: u64, consumed: bool) -> Verdict {
        Verdict::Again { after: Duration::from_secs(seconds), consumed }
    }

    #[test]
    fn a_failure_of_the_function_is_tried_again_only_where_that_was_set() {
        assert_eq!(judge(&tried(Attempt::Returned)), Verdict::Succeeds);
        assert_eq!(judge(&tried(RAISED)), Verdict::Fails);
        let set = settings(3600, 3);
        for (failed, expected) in
            [(0, again(1, true)), (1, again(4, true)), (2, again(16, true)), (3, Verdict::Fails), (4, Verdict::Fails)]
        {
            assert_eq!(judge(&Tried { failed, settings: Some(&set), ..tried(RAISED) }), expected, "after {failed}");
        }
        let none = settings(3600, 0);
        assert_eq!(judge(&Tried { settings: Some(&none), ..tried(RAISED) }), Verdict::Fails);
    }

    #[test]
    fn a_failure_of_the_platform_is_tried_again_until_the_call_is_too_old() {
        for attempt in [BROKEN, Attempt::Failed(FailureCode::ExecutorFailed), Attempt::PlatformFailed] {
            for (stumbled, seconds) in [(0, 1), (1, 4), (2, 16), (3, 16), (u32::MAX, 16)] {
                assert_eq!(judge(&Tried { stumbled, ..tried(attempt) }), again(seconds, false));
            }
            let late = Tried { age: Duration::from_secs(3600), ..tried(attempt) };
            assert_eq!(judge(&late), Verdict::TooOld);
        }
    }

    #[test]
    fn what_breaks_off_by_a_panic_is_tried_again_a_few_times() {
        for (stumbled, expected) in [(0, again(1, false)), (BREAKS - 1, again(16, false)), (BREAKS, Verdict::Fails)] {
            assert_eq!(judge(&Tried { stumbled, ..tried(Attempt::BrokeOff) }), expected, "after {stumbled}");
        }
    }

    #[test]
    fn nobody_waits_beyond_his_age() {
        let set = settings(10, 3);
        let near = Tried { failed: 2, age: Duration::from_secs(7), settings: Some(&set), ..tried(RAISED) };
        assert_eq!(judge(&near), again(3, true));
        assert_eq!(judge(&Tried { age: Duration::from_secs(11), ..near }), again(0, true));
    }

    #[test]
    fn a_cancelled_call_is_not_tried_again_but_a_result_is_a_result() {
        let set = settings(3600, 3);
        let stopped = Tried { cancelled: true, settings: Some(&set), ..tried(Attempt::Failed(FailureCode::Cancelled)) };
        assert_eq!(judge(&stopped), Verdict::Fails);
        assert_eq!(judge(&Tried { attempt: Attempt::PlatformFailed, ..stopped }), Verdict::Fails);
        assert_eq!(judge(&Tried { attempt: Attempt::Returned, ..stopped }), Verdict::Succeeds);
    }

    #[test]
    fn delays_differ_by_a_fifth() {
        let set = settings(3600, 1);
        let after = |chance| judge(&Tried { settings: Some(&set), chance, ..tried(RAISED) });
        for (chance, millis) in [(0.0, 800), (0.5, 1000), (1.0, 1200)] {
            assert_eq!(after(chance), Verdict::Again { after: Duration::from_millis(millis), consumed: true });
        }
    }
}
