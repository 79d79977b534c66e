//! One lane by hand; `model.rs` has it by chance.

use super::{super::sample, *};

fn lane() -> Lane {
    Lane::new(sample::function("f"), 100, Instant::now())
}

/// More than a function ever takes.
const ROOM: usize = 1 << 30;

fn loaded(lane: &mut Lane, seqs: std::ops::Range<i64>, all: bool) {
    let calls: Vec<_> = seqs.map(sample::call).collect();
    let last = calls.last().map(|call| call.seq);
    let calls = lane.unknown(calls);
    lane.loaded(calls, last, all);
}

fn drain(lane: &mut Lane) -> Vec<i64> {
    std::iter::from_fn(|| lane.pop()).map(|ready| ready.call.seq.0).collect()
}

fn fresh(lane: &mut Lane) -> (i64, usize) {
    match lane.wants(FunctionNo(1), ROOM) {
        Some(Load::Fresh { after, most, .. }) => (after.0, most),
        other => panic!("{other:?} instead of fresh ones"),
    }
}

#[test]
fn a_call_is_not_read_where_all_before_it_are_here() {
    let mut lane = lane();
    lane.accept(sample::call(5), true);
    lane.accept(sample::call(4), true);
    assert_eq!((lane.wants(FunctionNo(1), ROOM), drain(&mut lane)), (None, vec![5, 4]));
    assert_eq!(lane.weight(), 0);
}

#[test]
fn no_call_is_here_twice_whatever_the_order_of_the_answers() {
    let mut lane = lane();
    lane.accept(sample::call(2), true);
    lane.has_more();
    assert_eq!(fresh(&mut lane).0, 0);
    // 1 was stored with 2 and its answer is late; 3 was stored before the reading, and its answer is late too.
    loaded(&mut lane, 1..4, true);
    lane.accept(sample::call(1), true);
    lane.accept(sample::call(3), true);
    lane.accept(sample::call(4), true);
    assert_eq!(drain(&mut lane), [2, 1, 3, 4]);
}

#[test]
fn what_came_during_a_reading_is_read_next() {
    let mut lane = lane();
    lane.has_more();
    fresh(&mut lane);
    lane.accept(sample::call(9), true);
    loaded(&mut lane, 1..3, true);
    assert_eq!(fresh(&mut lane).0, 2);
    loaded(&mut lane, 9..10, true);
    assert_eq!(drain(&mut lane), [1, 2, 9]);
    assert_eq!(lane.wants(FunctionNo(1), ROOM), None);
}

#[test]
fn a_million_calls_stay_on_disk() {
    let mut lane = lane();
    lane.has_more();
    fresh(&mut lane);
    loaded(&mut lane, 1..257, false);
    lane.accept(sample::call(1_000_000), true);
    assert_eq!(lane.wants(FunctionNo(1), ROOM), None, "there are enough");
    (0..128).for_each(|_| drop(lane.pop()));
    assert_eq!(fresh(&mut lane), (256, 128));
    assert_eq!(lane.wants(FunctionNo(1), ROOM), None, "one reading at a time");
}

#[test]
fn without_room_a_function_gets_one_call_so_that_it_goes_on() {
    let mut lane = lane();
    lane.has_more();
    assert!(matches!(lane.wants(FunctionNo(1), 0), Some(Load::Fresh { most: 1, .. })));
    loaded(&mut lane, 1..2, false);
    assert_eq!(lane.wants(FunctionNo(1), 0), None);
}

#[test]
fn who_emptied_the_queue_may_be_quicker_than_an_answer() {
    let mut lane = lane();
    lane.begin_again(CallSeq(5));
    lane.begin_again(CallSeq(3));
    fresh(&mut lane);
    loaded(&mut lane, 6..7, true);
    lane.accept(sample::call(5), true);
    lane.accept(sample::call(6), true);
    lane.accept(sample::call(7), true);
    assert_eq!(drain(&mut lane), [6, 7], "5 has ended, 6 was read");
}

#[test]
fn due_calls_and_fresh_ones_take_turns() {
    let mut lane = lane();
    lane.has_more();
    lane.is_due(CallSeq(7), 2);
    let load = Load::Due { function: FunctionNo(1), calls: vec![(CallSeq(7), 2)] };
    assert_eq!(lane.wants(FunctionNo(1), ROOM), Some(load.clone()));
    lane.load_failed(load.clone());
    assert_eq!(lane.wants(FunctionNo(1), ROOM), Some(load));
    lane.loaded_due(vec![Ready { call: sample::call(7), stumbled: 2 }]);
    lane.is_due(CallSeq(8), 0);
    assert_eq!(fresh(&mut lane).0, 0);
    loaded(&mut lane, 1..8, true);
    assert_eq!(drain(&mut lane), [7, 1, 2, 3, 4, 5, 6], "7 runs, which a reading shows as never tried");
}

#[test]
fn a_call_that_was_cancelled_before_it_came_here_does_not_come() {
    let mut lane = lane();
    lane.strike(CallSeq(2));
    lane.ended(CallSeq(2), Instant::now());
    lane.accept(sample::call(2), true);
    lane.accept(sample::call(3), true);
    assert_eq!(drain(&mut lane), [3], "its answer came after its end");
    lane.has_more();
    fresh(&mut lane);
    lane.loaded(vec![], None, true);
    lane.accept(sample::call(2), true);
    assert_eq!(drain(&mut lane), Vec::<i64>::new(), "a reading has passed it");
    assert!(lane.unread.is_empty() && lane.struck.is_empty());
}

#[test]
fn a_cancelled_call_that_waited_for_its_next_attempt_does_not_come_when_that_is_due() {
    let mut lane = lane();
    lane.out.insert(CallSeq(2), Arc::default());
    lane.strike(CallSeq(2));
    // Its end is on its way to the disk.
    lane.is_due(CallSeq(2), 0);
    assert!(matches!(lane.wants(FunctionNo(1), ROOM), Some(Load::Due { .. })));
    lane.loaded_due(vec![Ready { call: sample::call(2), stumbled: 0 }]);
    lane.ended(CallSeq(2), Instant::now());
    assert_eq!((drain(&mut lane), lane.is_empty()), (vec![], true));
}

#[test]
fn a_cancelled_call_does_not_come_back_from_disk() {
    let mut lane = lane();
    lane.has_more();
    fresh(&mut lane);
    lane.out.insert(CallSeq(2), Arc::default());
    lane.strike(CallSeq(2));
    lane.ended(CallSeq(2), Instant::now());
    loaded(&mut lane, 1..4, true);
    assert_eq!(drain(&mut lane), [1, 3]);
    assert!(lane.struck.is_empty());
}

#[test]
fn what_goes_back_to_disk_comes_again_in_its_order_and_once() {
    let mut lane = lane();
    lane.has_more();
    fresh(&mut lane);
    loaded(&mut lane, 1..9, false);
    lane.is_due(CallSeq(40), 3);
    assert_eq!(
        lane.wants(FunctionNo(1), ROOM),
        Some(Load::Due { function: FunctionNo(1), calls: vec![(CallSeq(40), 3)] })
    );
    let due = WaitingCall { due: Some(QueueTime(1)), ..sample::call(40) };
    lane.loaded_due(vec![Ready { call: due, stumbled: 3 }]);
    let runs = lane.pop().expect("1");
    lane.out.insert(runs.call.seq, Arc::default());
    let two = 2 * runs.weight();
    lane.shrink(two);
    assert_eq!((lane.weight(), lane.ready.len()), (two, 2));
    // 40 is on disk as due, and its turn comes first; 2 and 3 are here, 1 runs.
    assert!(matches!(lane.wants(FunctionNo(1), ROOM), Some(Load::Fresh { after: CallSeq(3), .. })));
    loaded(&mut lane, 4..12, true);
    assert_eq!(lane.wants(FunctionNo(1), ROOM).map(|load| matches!(load, Load::Due { .. })), Some(true));
    let due = WaitingCall { due: Some(QueueTime(1)), ..sample::call(40) };
    lane.loaded_due(vec![Ready { call: due, stumbled: 3 }]);
    assert_eq!(drain(&mut lane), [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 40]);
    assert_eq!((lane.weight(), lane.wants(FunctionNo(1), ROOM)), (0, None));
}

#[test]
fn what_runs_is_not_taken_for_what_waits_after_all_went_back() {
    let mut lane = lane();
    for seq in 1..5 {
        lane.accept(sample::call(seq), true);
    }
    let runs = lane.pop().expect("1");
    lane.out.insert(runs.call.seq, Arc::default());
    lane.pause(true);
    assert_eq!((lane.weight(), lane.wants(FunctionNo(1), ROOM)), (0, None), "its calls are on disk");
    lane.accept(sample::call(5), true);
    lane.pause(false);
    assert_eq!(fresh(&mut lane).0, 0);
    // On disk 1 looks as if it had never been tried, wherever a reading begins.
    loaded(&mut lane, 1..6, true);
    assert_eq!(drain(&mut lane), [2, 3, 4, 5]);
}

#[test]
fn what_a_reading_brings_to_a_function_that_was_paused_meanwhile_stays_on_disk() {
    let mut lane = lane();
    lane.has_more();
    fresh(&mut lane);
    lane.pause(true);
    loaded(&mut lane, 1..3, true);
    assert_eq!((lane.weight(), lane.wants(FunctionNo(1), ROOM)), (0, None));
    lane.pause(false);
    assert_eq!(fresh(&mut lane).0, 0);
    loaded(&mut lane, 1..3, true);
    assert_eq!(drain(&mut lane), [1, 2]);
}

#[test]
fn the_first_call_is_kept_however_large_unless_nothing_is_to_be_kept() {
    let mut lane = lane();
    lane.accept(sample::call(1), true);
    lane.accept(sample::call(2), true);
    lane.shrink(1);
    assert_eq!(lane.ready.len(), 1);
    lane.shrink(0);
    assert_eq!((lane.ready.len(), lane.weight()), (0, 0));
    assert_eq!(fresh(&mut lane).0, 0);
}

#[test]
fn a_paused_function_is_looked_at_from_time_to_time_and_nobody_reads_it_meanwhile() {
    let mut lane = lane();
    let now = lane.gave;
    lane.pause(true);
    lane.look(QueueTime(1), now);
    assert_eq!(lane.wants(FunctionNo(1), 0), None, "nothing of it waits");
    lane.accept(sample::call(1), false);
    lane.look(QueueTime(1), now);
    let load = Load::Old { function: FunctionNo(1), out: HashSet::new() };
    assert_eq!(lane.wants(FunctionNo(1), 0), Some(load.clone()));
    lane.pause(false);
    assert_eq!(lane.wants(FunctionNo(1), ROOM), None, "one reading at a time");
    lane.pause(true);
    lane.looked(QueueTime(9), false);
    for (clock, looks) in [(8, false), (9, true)] {
        lane.look(QueueTime(clock), now);
        assert_eq!(lane.is_hungry(), looks, "{clock}");
    }
    lane.wants(FunctionNo(1), 0).expect("it looks");
    lane.load_failed(load);
    assert!(lane.is_hungry(), "tried again");
    lane.pause(false);
    assert_eq!(fresh(&mut lane).0, 0);
}

#[test]
fn a_function_that_nobody_reads_for_want_of_room_is_looked_at_too() {
    let mut lane = lane();
    lane.has_more();
    for (now, looks) in [(lane.gave, false), (lane.gave + STUCK, true)] {
        lane.look(QueueTime(1), now);
        assert_eq!(lane.looks(), looks);
    }
    assert!(matches!(lane.wants(FunctionNo(1), 0), Some(Load::Old { .. })));
    lane.looked(QueueTime(9), true);
    assert!(matches!(lane.wants(FunctionNo(1), 0), Some(Load::Old { .. })), "there may be more");
    lane.looked(QueueTime(9), false);
    fresh(&mut lane);
    loaded(&mut lane, 1..3, true);
    lane.look(QueueTime(9), lane.gave + STUCK);
    assert_eq!(lane.wants(FunctionNo(1), ROOM), None, "what is here is looked at here");
}

#[test]
fn only_further_attempts_leave_nothing_behind_that_grows() {
    let mut lane = lane();
    for seq in 1..=5000 {
        lane.is_due(CallSeq(seq), 0);
    }
    let mut ran = 0;
    while let Some(load) = lane.wants(FunctionNo(1), ROOM) {
        match load {
            Load::Due { calls, .. } => {
                let ready = |(seq, stumbled): (CallSeq, u32)| Ready { call: sample::call(seq.0), stumbled };
                lane.loaded_due(calls.into_iter().map(ready).collect());
            }
            _ => lane.loaded(Vec::new(), None, true),
        }
        ran += drain(&mut lane).len();
        assert!(lane.unread.len() <= UNREAD + DUE, "{}", lane.unread.len());
    }
    assert_eq!(ran, 5000);
}
