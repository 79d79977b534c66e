//! What a record means: one sentence about the end of the call, one about what took longest and what to do about it.

use fungraph_model::{CallRecord, Ending, FailureCode, Line, Phase, StartKind};

/// A call that returned within this has nothing to gain.
const QUICK_US: u64 = 5000;

/// Cold or warm, its end, its memory.
pub(super) fn ending(call: &CallRecord) -> String {
    let start = match call.start {
        Some(StartKind::Warm) => "Warm: its instance was loaded already. ",
        Some(StartKind::Blank) => "Cold: a blank instance got the function's code for it. ",
        Some(StartKind::New) => "Cold: a new instance was started for it. ",
        None => "It reached no instance. ",
    };
    let end = match &call.end {
        Ending::Returned => "It returned (0)".to_owned(),
        Ending::Failed(number) => format!("It failed ({number}{})", meaning(*number)),
        Ending::Refused(_) => return format!("{start}It was refused; it would have had {} MB.", call.memory_mb),
    };
    let used = call.memory_used as f64 / f64::from(1 << 20);
    format!("{start}{end}, having used {used:.1} of {} MB.", call.memory_mb)
}

fn meaning(number: u32) -> &'static str {
    let known = FailureCode::ALL.into_iter().find(|code| code.number() == number);
    let Some(code) = known else { return "" };
    match code {
        FailureCode::LoadFailed => ", its code could not be loaded",
        FailureCode::HandlerFailed => ", its handler failed",
        FailureCode::ResultTooLarge => ", its result was too large",
        FailureCode::BadHeartbeat => ", its heartbeat handler is none",
        FailureCode::ResultNotSerialisable => ", its result has no JSON form",
        FailureCode::InitializerFailed => ", its initializer failed",
        FailureCode::TimedOut => ", its time was up",
        FailureCode::StartFailed => ", its process ended while it started",
        FailureCode::OutOfMemory => ", its memory was used up",
        FailureCode::DiskFull => ", its /tmp was full",
        FailureCode::Cancelled => ", it was ended together with another call of its instance",
        FailureCode::InitializerTimedOut => ", the time of its initializer was up",
        FailureCode::ExecutorFailed => ", its runtime could not be started",
        FailureCode::InstanceBroken => ", its instance broke",
    }
}

/// What took longest, and what to do about it.
pub(super) fn dominated(call: &CallRecord) -> String {
    if let Ending::Refused(why) = &call.end {
        return refused(why, call);
    }
    let (phase, us) = call.phases.longest();
    let total = call.phases.total();
    let share = us.saturating_mul(100).checked_div(total).unwrap_or(0);
    let what = what(phase, call);
    if total < QUICK_US && call.end == Ending::Returned {
        return format!("{share} % {what}; with {} ms in all there is little to gain.", millis(total));
    }
    format!("{share} % {what}: {}.", remedy(phase, call))
}

fn what(phase: Phase, call: &CallRecord) -> &'static str {
    match phase {
        Phase::Accept => "receiving the request",
        Phase::Authenticate => "checking who sent it",
        Phase::Resolve => "finding the function and checking the event",
        Phase::Wait => "waiting in line",
        Phase::Start if call.start == Some(StartKind::Blank) => "getting a blank instance",
        Phase::Start => "starting an instance",
        Phase::Load => "loading the function's code",
        Phase::Initialize => "in the initializer",
        Phase::Run => "in the function itself",
        Phase::Answer => "answering, after the function had returned",
    }
}

/// The cause, and after a semicolon what helps.
fn remedy(phase: Phase, call: &CallRecord) -> String {
    match phase {
        Phase::Accept => {
            "its sender was slow, or it is large; put large data into a store and send its address".to_owned()
        }
        Phase::Authenticate => busy(),
        Phase::Resolve => {
            "it was not in memory yet, as after a start of the server or a change; the next call finds it there"
                .to_owned()
        }
        Phase::Wait => line(call),
        Phase::Start if call.start == Some(StartKind::Blank) => {
            "no instance was free, so a blank one got the function's code and limits; pool.idle_seconds keeps instances \
             longer after their last call"
                .to_owned()
        }
        Phase::Start => "no instance was free, and no blank one was ready; pool.blanks_most keeps more of those, \
                         pool.idle_seconds keeps instances longer after their last call"
            .to_owned(),
        Phase::Load => {
            "that is what runs at the top of its module; import less there, or only where it is needed".to_owned()
        }
        Phase::Initialize => {
            "it runs once for each instance; do less in it, or later, or keep instances longer (pool.idle_seconds)"
                .to_owned()
        }
        Phase::Run if call.end == Ending::Failed(FailureCode::TimedOut.number()) => {
            "it ran until its time was up; raise timeout, or see in `fungraph logs` how far it came".to_owned()
        }
        Phase::Run => format!(
            "the platform's part was {} ms; a larger memory_size also gives it more of the processors",
            millis(call.phases.total() - call.phases.get(Phase::Run))
        ),
        Phase::Answer => busy(),
    }
}

fn busy() -> String {
    "that is short unless the server has more to do than processors, or the body is large; see `fungraph top`"
        .to_owned()
}

/// Why a call stood in line.
fn line(call: &CallRecord) -> String {
    match call.line {
        Some(line) if line.is_at_limit() => at_limit(line),
        Some(Line { room: false, .. }) => {
            "instances of all functions, or of this project's, had used up what they may have; raise pool.memory_mb or \
             pool.most_instances (or those per project), or lower the function's memory_size"
                .to_owned()
        }
        _ if call.start == Some(StartKind::Warm) => {
            "its instances were busy, and one was expected sooner than a new one would have been ready; make its calls \
             shorter, or give the server more processors"
                .to_owned()
        }
        _ => "its instance could not be started at once; the server had more to do than processors, see `fungraph top`"
            .to_owned(),
    }
}

fn at_limit(line: Line) -> String {
    let most = line.most.unwrap_or(line.instances);
    format!("the function's concurrency of {most} was used up; raise strategy_config.concurrency")
}

fn refused(why: &str, call: &CallRecord) -> String {
    let waited = millis(call.phases.get(Phase::Wait));
    match why {
        "disabled" => {
            "Refused: the function's concurrency is 0, which disables it; set strategy_config.concurrency to -1 or more."
                .to_owned()
        }
        "line-full" => format!(
            "Refused at once, since its line was full (pool.queue_per_function, or pool.queue of all): {}.",
            line(&CallRecord { start: None, ..call.clone() })
        ),
        "waited-too-long" => format!(
            "Refused after {waited} ms in line (pool.wait_seconds): {}.",
            line(&CallRecord { start: Some(StartKind::Warm), ..call.clone() })
        ),
        "never-fits" => format!(
            "Refused: {} MB are more than all instances together may have; raise pool.memory_mb, or lower memory_size.",
            call.memory_mb
        ),
        "stopping" => "Refused: the server was stopping; send it again.".to_owned(),
        other => format!("Refused: {other}."),
    }
}

/// Milliseconds with as many decimals as say something.
fn millis(us: u64) -> String {
    match us {
        0..1000 => format!("0.{us:03}"),
        1000..100_000 => format!("{}.{}", us / 1000, us % 1000 / 100),
        _ => (us / 1000).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use fungraph_model::Phases;

    use super::*;

    fn call(phase: Phase, us: u64) -> CallRecord {
        let mut phases = Phases::default();
        phases.add(Phase::Run, 1000);
        phases.add(phase, us);
        CallRecord {
            phases,
            start: Some(StartKind::Warm),
            end: Ending::Returned,
            memory_used: 10 << 20,
            memory_mb: 128,
            line: None,
            is_server_error: false,
        }
    }

    #[test]
    fn a_line_says_what_would_have_helped() {
        let check = |line: Option<Line>, start, expected: &str| {
            let sentence = dominated(&CallRecord { line, start, ..call(Phase::Wait, 9000) });
            assert!(sentence.starts_with("90 % waiting in line: ") && sentence.contains(expected), "{sentence}");
        };
        let line = |instances, most, room| Some(Line { instances, most, room });
        let warm = Some(StartKind::Warm);
        check(
            line(2, Some(2), true),
            warm,
            "the function's concurrency of 2 was used up; raise strategy_config.concurrency",
        );
        check(line(2, Some(2), false), warm, "concurrency of 2");
        check(line(2, Some(3), false), warm, "pool.memory_mb");
        check(line(2, None, true), warm, "more processors");
        check(line(2, None, true), Some(StartKind::New), "could not be started at once");
        check(None, Some(StartKind::New), "could not be started at once");
    }

    #[test]
    fn every_phase_has_a_sentence() {
        for phase in Phase::ALL {
            let sentence = dominated(&call(phase, 1_000_000));
            assert!(sentence.contains(" % ") && sentence.ends_with('.') && sentence.contains("; "), "{sentence}");
            let quick = dominated(&call(phase, 3000));
            assert!(quick.ends_with(" ms in all there is little to gain."), "{quick}");
        }
        let timed_out = CallRecord { end: Ending::Failed(4010), ..call(Phase::Run, 3_000_000) };
        assert!(dominated(&timed_out).contains("raise timeout"));
        assert!(ending(&timed_out).contains("failed (4010, its time was up), having used 10.0 of 128 MB"));
    }

    #[test]
    fn every_refusal_has_a_sentence() {
        let line = Some(Line { instances: 2, most: Some(2), room: true });
        let refused = |why: &str| {
            dominated(&CallRecord {
                end: Ending::Refused(why.to_owned()),
                start: None,
                line,
                ..call(Phase::Wait, 10_000_000)
            })
        };
        for (why, expected) in [
            ("disabled", "Refused: the function's concurrency is 0"),
            (
                "line-full",
                "Refused at once, since its line was full (pool.queue_per_function, or pool.queue of all): the function's concurrency of 2",
            ),
            ("waited-too-long", "Refused after 10000 ms in line (pool.wait_seconds): the function's concurrency of 2"),
            ("never-fits", "Refused: 128 MB are more"),
            ("stopping", "Refused: the server was stopping"),
            ("of-a-later-version", "Refused: of-a-later-version."),
        ] {
            assert!(refused(why).starts_with(expected), "{}", refused(why));
        }
    }

    #[test]
    fn milliseconds_are_short() {
        for (us, expected) in [(0, "0.000"), (999, "0.999"), (1000, "1.0"), (42_916, "42.9"), (123_456, "123")] {
            assert_eq!(millis(us), expected);
        }
    }
}
