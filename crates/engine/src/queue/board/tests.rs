//! Tables over the board: whose calls begin, who has room, what is read.

use super::{
    super::{
        lane::STUCK,
        sample,
        shelves::{FREE, SHELVES},
    },
    *,
};

const FLOOD: FunctionNo = FunctionNo(1);
const ONE: FunctionNo = FunctionNo(2);
const CLOCK: QueueTime = QueueTime(1_000_000);
const IDLE: Host = Host { processors: 2, is_idle: true };

struct Table {
    board: Board,
    now: Instant,
    functions: [Arc<QueueFunction>; 2],
}

fn table() -> Table {
    let limits = Limits { running: 10, of_function: 4, of_project: 10 };
    let board = Board::new(limits, CancellationToken::new());
    Table { board, now: Instant::now(), functions: [sample::function("flood"), sample::function("one")] }
}

impl Table {
    fn accept(&mut self, no: FunctionNo, seqs: std::ops::Range<i64>) {
        let function = &self.functions[no.0 as usize - 1];
        for seq in seqs {
            self.board.accepted(function, WaitingCall { function: no, ..sample::call(seq) }, self.now);
        }
    }

    fn plan(&mut self, is_writable: bool, clock: QueueTime, now: Instant) -> Plan {
        let mut plan = Plan::default();
        self.board.plan(&mut plan, is_writable, clock, now);
        plan
    }

    fn starts(&mut self) -> Vec<Start> {
        self.plan(true, CLOCK, self.now).starts
    }

    fn begin(&mut self) -> Vec<(i64, i64)> {
        let starts = self.starts();
        starts.iter().map(|start| (start.function.0, start.ready.call.seq.0)).collect()
    }

    fn end(&mut self, no: FunctionNo, seq: i64) {
        self.board.ran(no, &Out::default(), None, self.now);
        self.board.ended(no, CallSeq(seq), self.now);
    }
}

#[test]
fn a_flood_of_one_function_does_not_delay_the_call_of_another() {
    let mut table = table();
    table.accept(FLOOD, 1..200);
    table.accept(ONE, 200..201);
    assert_eq!(table.begin(), [(1, 1), (2, 200)], "a function begins with one call at once");
    assert_eq!(table.begin(), []);
    table.end(FLOOD, 1);
    assert_eq!(table.begin(), [(1, 2)]);
}

#[test]
fn a_project_with_thousands_of_busy_functions_does_not_delay_the_calls_of_another() {
    let mut table = table();
    table.board = Board::new(Limits { running: 2, of_function: 4, of_project: 10 }, CancellationToken::new());
    let call = |no, seq| WaitingCall { function: FunctionNo(no), ..sample::call(seq) };
    for no in 1..=3000 {
        table.board.accepted(&sample::function_of("many", &no.to_string()), call(no, no), table.now);
    }
    let lone = FunctionNo(9000);
    for seq in 9000..9010 {
        table.board.accepted(&sample::function_of("one", "lone"), call(lone.0, seq), table.now);
    }
    for round in 0..10 {
        let begun = table.begin();
        assert_eq!(begun.len(), 2);
        assert!(begun.contains(&(lone.0, 9000 + round)), "one of each, in each round: {begun:?}");
        begun.into_iter().for_each(|(no, seq)| table.end(FunctionNo(no), seq));
    }
}

#[test]
fn a_call_that_found_no_instance_is_the_next_one_after_a_rest() {
    let mut table = table();
    table.accept(FLOOD, 1..4);
    let start = table.starts().pop().expect("one begins");
    assert!(table.board.put_back(FLOOD, start.ready, 0.5, table.now).is_none());
    let plan = table.plan(true, CLOCK, table.now);
    assert!(plan.starts.is_empty());
    table.now += plan.wait.expect("it rests");
    assert_eq!(table.begin(), [(1, 1)]);
}

#[test]
fn nothing_begins_while_the_disk_takes_nothing_or_the_function_is_paused() {
    let mut table = table();
    table.accept(FLOOD, 1..4);
    assert!(table.plan(false, CLOCK, table.now).starts.is_empty());
    let function = Arc::clone(&table.functions[0]);
    table.board.pause(FLOOD, &function, true, table.now);
    assert_eq!(table.begin(), []);
    table.board.pause(FLOOD, &function, false, table.now);
    assert_eq!(table.begin(), [], "they are read first");
    table.board.loaded(FLOOD, (1..4).map(sample::call).collect(), Some(CallSeq(3)), true);
    assert_eq!(table.begin(), [(1, 1)]);
}

#[test]
fn a_further_attempt_is_read_when_it_is_due() {
    let mut table = table();
    table.accept(FLOOD, 1..2);
    assert_eq!(table.begin(), [(1, 1)]);
    table.board.ran(FLOOD, &Out::default(), None, table.now);
    let due = CLOCK.after(Duration::from_secs(1));
    assert!(table.board.put_off(FLOOD, CallSeq(1), (due, 3), table.now));
    let plan = table.plan(true, CLOCK, table.now);
    assert_eq!((plan.loads, plan.wait), (vec![], Some(Duration::from_secs(1))));
    let plan = table.plan(true, due, table.now);
    assert_eq!(plan.loads, [Load::Due { function: FLOOD, calls: vec![(CallSeq(1), 3)] }]);
    table.board.loaded_due(FLOOD, vec![Ready { call: sample::call(1), stumbled: 3 }]);
    assert_eq!(table.begin(), [(1, 1)]);
}

#[test]
fn a_cancelled_call_is_ended_by_whoever_cancels_it_or_by_its_attempt() {
    let mut table = table();
    table.accept(FLOOD, 1..3);
    let start = table.starts().pop().expect("one begins");
    let function = Arc::clone(&table.functions[0]);
    let mut cancel = |seq| table.board.cancel(&function, FLOOD, CallSeq(seq), table.now);
    assert!(matches!(cancel(2), Place::Struck));
    assert!(matches!(cancel(1), Place::Out { .. }));
    assert!(start.out.is_cancelled() && start.out.give_up.is_cancelled());
    let kept = table.board.put_back(FLOOD, start.ready, 0.5, table.now);
    assert!(kept.is_some(), "it is ended, not tried again");
    table.board.ended(FLOOD, CallSeq(2), table.now);
    table.end(FLOOD, 1);
    assert_eq!(table.begin(), []);
}

#[test]
fn a_cancelled_call_gets_no_further_attempt_though_one_was_stored() {
    let mut table = table();
    table.accept(FLOOD, 1..2);
    let start = table.starts().pop().expect("one begins");
    table.board.ran(FLOOD, &start.out, None, table.now);
    let function = Arc::clone(&table.functions[0]);
    assert!(matches!(table.board.cancel(&function, FLOOD, CallSeq(1), table.now), Place::Out { .. }));
    assert!(!table.board.put_off(FLOOD, CallSeq(1), (CLOCK, 0), table.now));
    table.board.ended(FLOOD, CallSeq(1), table.now);
    assert!(table.plan(true, CLOCK, table.now).loads.is_empty());
}

#[test]
fn what_was_ended_on_disk_does_not_begin_and_what_came_meanwhile_is_read() {
    let mut table = table();
    table.accept(FLOOD, 1..4);
    assert_eq!(table.begin(), [(1, 1)]);
    let function = Arc::clone(&table.functions[0]);
    assert_eq!(table.board.hold(FLOOD, &function, table.now), HashSet::from([CallSeq(1)]));
    table.board.hold(FLOOD, &function, table.now);
    table.accept(FLOOD, 4..5);
    table.end(FLOOD, 1);
    assert_eq!(table.begin(), [], "it is held");
    table.board.release(FLOOD, CallSeq(3));
    let plan = table.plan(true, CLOCK, table.now);
    assert!(plan.loads.is_empty() && plan.starts.is_empty(), "somebody else holds it still");
    table.board.release(FLOOD, CallSeq(3));
    let plan = table.plan(true, CLOCK, table.now);
    assert!(matches!(plan.loads[..], [Load::Fresh { after: CallSeq(0), .. }]) && plan.starts.is_empty());
    table.board.loaded(FLOOD, vec![sample::call(4)], Some(CallSeq(4)), true);
    assert_eq!(table.begin(), [(1, 4)]);
}

#[test]
fn who_has_rested_while_nothing_may_begin_keeps_nobody_awake() {
    let mut table = table();
    table.board = Board::new(Limits { running: 1, of_function: 4, of_project: 10 }, CancellationToken::new());
    table.accept(ONE, 1..2);
    let start = table.starts().pop().expect("one begins");
    table.board.put_back(ONE, start.ready, 0.5, table.now);
    assert!(table.plan(true, CLOCK, table.now).wait.is_some_and(|wait| !wait.is_zero()));
    table.accept(FLOOD, 2..3);
    assert_eq!(table.begin(), [(1, 2)]);
    table.now += KEPT;
    assert_eq!(table.plan(true, CLOCK, table.now).wait, None, "the end of the other call says when");
    table.end(FLOOD, 2);
    assert_eq!(table.plan(false, CLOCK, table.now).wait, None, "the disk says when");
    assert_eq!(table.begin(), [(2, 1)]);
}

#[test]
fn a_function_without_calls_is_forgotten_after_a_while() {
    let mut table = table();
    table.accept(FLOOD, 1..2);
    table.begin();
    table.board.tend(IDLE, table.now + KEPT * 2);
    assert!(!table.board.is_empty(), "it runs");
    table.end(FLOOD, 1);
    table.board.tend(IDLE, table.now + KEPT / 2);
    assert!(!table.board.is_empty());
    table.board.tend(IDLE, table.now + KEPT * 2);
    assert!(table.board.is_empty() && table.board.shelves.is_empty());
}

/// Calls of a function with events of so many bytes.
fn large(no: FunctionNo, seqs: std::ops::Range<i64>, bytes: usize) -> Vec<WaitingCall> {
    let body = bytes::Bytes::from(vec![b'x'; bytes]);
    seqs.map(|seq| WaitingCall { function: no, body: body.clone(), ..sample::call(seq) }).collect()
}

impl Table {
    fn accept_large(&mut self, no: FunctionNo, seqs: std::ops::Range<i64>, bytes: usize) {
        let function = Arc::clone(&self.functions[no.0 as usize - 1]);
        for call in large(no, seqs, bytes) {
            self.board.accepted(&function, call, self.now);
        }
    }

    fn weight(&self, no: FunctionNo) -> usize {
        self.board.lanes[&no].weight()
    }

    /// Functions whose fresh calls are to be read now, how many of them, and bytes.
    fn fresh(&mut self) -> Vec<(FunctionNo, usize, usize)> {
        let loads = self.plan(true, CLOCK, self.now).loads;
        let fresh = loads.into_iter().filter_map(|load| match load {
            Load::Fresh { function, most, bytes, .. } => Some((function, most, bytes)),
            _ => None,
        });
        fresh.collect()
    }

    /// The flood has taken all the room, and its window is full.
    fn fill(&mut self) {
        self.accept(FLOOD, 1..2);
        assert_eq!(self.begin(), [(1, 1)]);
        let function = Arc::clone(&self.functions[0]);
        self.board.followed(FLOOD, &function, self.now);
        assert_eq!(self.fresh().len(), 1);
        self.board.loaded(FLOOD, large(FLOOD, 2..200, LARGE), Some(CallSeq(199)), false);
        assert!(self.weight(FLOOD) > SHELVES);
    }
}

const LARGE: usize = 256 << 10;

#[test]
fn a_paused_function_leaves_its_room_to_others() {
    let mut table = table();
    table.fill();
    let function = Arc::clone(&table.functions[0]);
    table.board.pause(FLOOD, &function, true, table.now);
    assert!(table.weight(FLOOD) == 0 && table.board.shelves.is_empty());
    table.accept_large(FLOOD, 200..210, LARGE);
    table.accept(ONE, 300..302);
    assert_eq!((table.weight(FLOOD), table.begin()), (0, vec![(2, 300)]));
    table.board.pause(FLOOD, &function, false, table.now);
    assert!(matches!(table.fresh()[..], [(FLOOD, ..)]), "it is read again");
}

#[test]
fn one_function_alone_does_not_take_all_the_room() {
    let mut table = table();
    table.accept_large(FLOOD, 1..200, LARGE);
    assert!((FREE..SHELVES).contains(&table.weight(FLOOD)), "{}", table.weight(FLOOD));
    table.accept(ONE, 300..301);
    assert!(table.weight(ONE) > 0);
}

#[test]
fn who_has_more_than_its_share_gives_it_up_where_there_is_no_room() {
    let mut table = table();
    table.fill();
    table.accept(ONE, 300..400);
    assert_eq!(table.weight(ONE), 0, "there is no room for it yet");
    let read = table.fresh();
    let (_, most, bytes) = read.iter().find(|(no, ..)| *no == ONE).expect("it is read");
    assert!(*most > 1 && *bytes > 1 << 20, "{most} {bytes}");
    let left = table.weight(FLOOD);
    assert!((SHELVES / 2 - 2 * LARGE..=SHELVES / 2).contains(&left), "its share is its own: {left}");
}

#[test]
fn who_gives_nothing_out_gives_up_all_of_it() {
    let mut table = table();
    table.fill();
    table.now += STUCK;
    table.accept(ONE, 300..301);
    assert!(table.fresh().iter().any(|(no, ..)| *no == ONE));
    assert_eq!(table.weight(FLOOD), 0);
}

#[test]
fn who_could_not_begin_anyhow_is_not_read_where_there_is_no_room() {
    let mut table = table();
    table.fill();
    table.accept(ONE, 300..301);
    table.now += STUCK;
    let full = table.fresh();
    assert!(full.iter().any(|(no, ..)| *no == ONE), "{full:?}");
    table.board.loaded(ONE, large(ONE, 300..375, LARGE), Some(CallSeq(374)), true);
    if full.iter().any(|(no, ..)| *no == FLOOD) {
        table.board.loaded(FLOOD, Vec::new(), None, false);
    }
    assert_eq!(table.begin(), [(2, 300)]);
    assert!(table.fresh().is_empty(), "the flood's only place is taken");
    table.end(FLOOD, 1);
    assert_eq!(table.fresh().iter().map(|(no, most, _)| (no.0, *most)).collect::<Vec<_>>(), [(1, 1)]);
}

#[test]
fn what_is_too_old_in_memory_goes_back_to_where_it_is_looked_at() {
    let mut table = table();
    table.accept(FLOOD, 1..4);
    table.accept(ONE, 300..303);
    table.board.forget(|no, call| no == FLOOD && call.seq == CallSeq(2));
    assert_eq!(table.weight(FLOOD), 0);
    assert_eq!(table.begin(), [(2, 300)]);
}

#[test]
fn a_start_with_very_many_calls_that_are_due_does_not_hold_the_board() {
    let mut table = table();
    table.accept(FLOOD, 1..2);
    for seq in 0..2 * WOKEN as i64 {
        table.board.delay(CLOCK, CallSeq(seq + 10), FLOOD, 0);
    }
    let plan = table.plan(true, CLOCK, table.now);
    assert_eq!((table.board.delayed.len(), plan.wait), (WOKEN, Some(Duration::ZERO)));
    table.plan(true, CLOCK, table.now);
    assert!(table.board.delayed.is_empty());
}

#[test]
fn whatever_an_attempt_held_comes_back_once_wherever_it_stood() {
    for (begun, ran) in [(false, false), (true, false), (true, true)] {
        let mut table = table();
        table.accept(FLOOD, 1..3);
        let Start { out, .. } = table.starts().remove(0);
        assert_eq!(table.board.stage(FLOOD, CallSeq(1), &out), Stage::Running);
        if begun {
            table.board.began(FLOOD, &out);
        }
        if ran {
            table.board.ran(FLOOD, &out, None, table.now);
            assert_eq!(table.board.stage(FLOOD, CallSeq(1), &out), Stage::Ending);
        }
        for _ in 0..2 {
            table.board.let_go(FLOOD, CallSeq(1), &out, table.now);
            assert!(table.board.holds_nothing(), "{:#?}", table.board);
        }
        let Start { out: next, ready, .. } = table.starts().remove(0);
        assert_eq!(ready.call.seq, CallSeq(2));
        table.board.let_go(FLOOD, CallSeq(2), &out, table.now);
        assert_eq!(table.board.stage(FLOOD, CallSeq(2), &next), Stage::Running, "what another one holds stays");
    }
}

#[test]
fn a_project_with_many_functions_has_no_more_room_than_another_one() {
    const OTHER: FunctionNo = FunctionNo(1000);
    let mut table = table();
    // Nothing begins, so what they have stays.
    table.board = Board::new(Limits { running: 0, of_function: 4, of_project: 4 }, CancellationToken::new());
    let flood = fungraph_model::ProjectId("flood".to_owned());
    let mut seqs = 1..;
    for no in (1..=200).map(FunctionNo) {
        let function = sample::function_of("flood", &format!("f{}", no.0));
        for seq in seqs.by_ref().take(2) {
            let call = large(no, seq..seq + 1, LARGE).remove(0);
            table.board.accepted(&function, call, table.now);
        }
    }
    // Readings of one call at a time take what is left.
    for no in (1..=200).map(FunctionNo).filter(|no| !table.board.lanes[no].has_ready()).collect::<Vec<_>>() {
        table
            .board
            .with(no, |lane, _| lane.push_front(Ready { call: large(no, 900..901, LARGE).remove(0), stumbled: 0 }));
    }
    assert!(table.board.shelves.weight_of(&flood) >= SHELVES);
    let (function, call) = (sample::function_of("other", "f"), large(OTHER, 1000..1001, LARGE).remove(0));
    table.board.accepted(&function, call, table.now);
    let read = table.fresh();
    let (_, _, bytes) = read.iter().find(|(no, ..)| *no == OTHER).expect("it is read");
    assert!(*bytes >= 4 << 20, "{bytes}");
    table.board.loaded(OTHER, large(OTHER, 1000..1016, LARGE), Some(CallSeq(1015)), false);
    assert!(table.board.shelves.is_full());
    table.plan(true, CLOCK, table.now);
    assert_eq!(table.weight(OTHER), 16 * (LARGE + 512), "it is within its share");
    let left = table.board.shelves.weight_of(&flood);
    assert!((SHELVES / 4..=SHELVES / 2).contains(&left), "it keeps its own: {left}");
}
