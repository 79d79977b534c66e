//! How a window grows and shrinks by what came to its end, with the time told.

use super::*;

const MS: Duration = Duration::from_millis(1);

/// Gives out what there is room for.
fn fill(window: &mut Window, most: usize, now: Instant) {
    while window.has_room(most) {
        window.take(now);
        window.begin();
    }
}

/// Keeps the window full for a while: `ends(n)` is how many calls per second end with `n` at once.
fn run(window: &mut Window, now: &mut Instant, most: usize, millis: u32, ends: impl Fn(usize) -> f64) {
    let mut owed = 0.0;
    for _ in 0..millis {
        fill(window, most, *now);
        *now += MS;
        owed += ends(window.out) / 1000.0;
        while owed >= 1.0 && window.out > 0 {
            owed -= 1.0;
            window.end(true, *now);
            window.stored(true, most, *now);
            fill(window, most, *now);
        }
    }
}

#[test]
fn it_grows_while_more_at_once_end_more() {
    let mut now = Instant::now();
    let mut window = Window::new(now);
    run(&mut window, &mut now, 100, 5000, |at_once| at_once as f64 * 20.0);
    assert_eq!(window.size(), 100, "calls that wait for something else: all that there may be");
}

#[test]
fn it_stops_where_the_host_has_no_more_to_give() {
    let mut now = Instant::now();
    let mut window = Window::new(now);
    run(&mut window, &mut now, 100, 5000, |at_once| at_once.min(2) as f64 * 100.0);
    assert!((2..=8).contains(&window.size()), "{} at once for two processors", window.size());
}

/// Two processors, and more calls at once that get in one another's way.
fn crowded(at_once: usize) -> f64 {
    at_once.min(2) as f64 * 1000.0 / (1.0 + at_once as f64 / 50.0)
}

#[test]
fn one_that_has_become_too_large_shrinks() {
    let mut now = Instant::now();
    let mut window = Window::new(now);
    window.is_at_least(100);
    run(&mut window, &mut now, 100, 30_000, crowded);
    assert!((2..=8).contains(&window.size()), "{} at once for two processors", window.size());
    window.is_at_least(100);
    assert!(window.size() <= 8, "instances that it has left alone are idle, and are no reason to grow");
}

#[test]
fn one_that_is_large_with_reason_stays_so() {
    let mut now = Instant::now();
    let mut window = Window::new(now);
    run(&mut window, &mut now, 100, 60_000, |at_once| at_once as f64 * 20.0);
    assert!(window.size() >= 75, "{}: a quarter less is tried now and then", window.size());
}

#[test]
fn it_grows_later_where_more_at_once_have_come_to_end_more() {
    let mut now = Instant::now();
    let mut window = Window::new(now);
    run(&mut window, &mut now, 64, 5000, |at_once| at_once.min(2) as f64 * 100.0);
    run(&mut window, &mut now, 64, 120_000, |at_once| at_once as f64 * 20.0);
    assert!(window.size() >= 48, "{}", window.size());
}

/// Calls that end faster than a disk takes their ends, with no more than `most_ending` of these on their way, as the board sees to. Each call at
/// once takes more from who writes: 20,000 ends a second without any.
fn run_ahead_of_the_disk(window: &mut Window, most_ending: usize, millis: u32) {
    let (mut now, mut ran, mut written, mut ending) = (Instant::now(), 0.0, 0.0, 0);
    for milli in 0..millis {
        now += MS;
        ran += window.out as f64 * 5.0;
        written += 20.0 / (1.0 + window.out as f64 / 50.0);
        while ran >= 1.0 && window.out > 0 {
            ran -= 1.0;
            ending += 1;
            window.end(true, now);
            if ending < most_ending {
                fill(window, 100, now);
            }
        }
        // A commit.
        while milli % 10 == 0 && written >= 1.0 && ending > 0 {
            written -= 1.0;
            ending -= 1;
            window.stored(true, 100, now);
        }
        if ending < most_ending {
            fill(window, 100, now);
        }
    }
}

#[test]
fn ends_that_wait_for_the_disk_do_not_make_it_grow() {
    for most_ending in [1024, 4096] {
        let mut window = Window::new(Instant::now());
        run_ahead_of_the_disk(&mut window, most_ending, 30_000);
        assert!(window.size() <= 16, "{} with {most_ending} on their way", window.size());
    }
}

#[test]
fn without_calls_that_wait_it_does_not_grow() {
    let mut now = Instant::now();
    let mut window = Window::new(now);
    for _ in 0..10_000 {
        window.take(now);
        window.begin();
        now += MS;
        window.end(true, now);
        window.stored(false, 100, now);
    }
    assert_eq!(window.size(), 1);
}

#[test]
fn calls_that_take_long_do_not_wait_for_one_another_while_processors_are_idle() {
    let mut now = Instant::now();
    let mut window = Window::new(now);
    let host = |is_idle| Host { processors: 2, is_idle };
    for idle in [true, false] {
        for _ in 0..100 {
            fill(&mut window, 50, now);
            now += SILENCE;
            window.look(host(idle), 50, now);
        }
        assert_eq!(window.size(), 50);
    }
    let mut busy = Window::new(now);
    for _ in 0..100 {
        fill(&mut busy, 50, now);
        now += SILENCE;
        busy.look(host(false), 50, now);
    }
    assert_eq!(busy.size(), 2, "one for each processor does no harm");
    let mut starting = Window::new(now);
    starting.take(now);
    starting.look(host(true), 50, now + SILENCE);
    assert_eq!(starting.size(), 1, "a call that waits for its instance says nothing");
}

#[test]
fn refusals_halve_it_once_and_make_it_rest_longer_each_time() {
    let now = Instant::now();
    let mut window = Window::new(now);
    window.is_at_least(16);
    (0..16).for_each(|_| window.take(now));
    (0..16).for_each(|_| window.refuse(false, 0.5, now));
    assert_eq!((window.size(), window.rests_until(now)), (8, Some(now + REST[0])));
    let mut later = now;
    for expected in [100, 200, 400, 800, 1000, 1000] {
        later += REST[1];
        assert_eq!(window.rests_until(later), None);
        window.take(later);
        window.refuse(false, 0.5, later);
        assert_eq!(window.rests_until(later), Some(later + expected * MS));
    }
    assert_eq!(window.size(), 1);
    later += REST[1];
    window.take(later);
    window.begin();
    window.end(true, later);
    window.take(later);
    window.refuse(false, 0.5, later);
    assert_eq!(window.rests_until(later), Some(later + REST[0]), "what ended well shortens the rest");
}

#[test]
fn what_was_refused_is_tried_again_after_a_while_and_later_each_time() {
    let mut now = Instant::now();
    let mut window = Window::new(now);
    window.is_at_least(16);
    let mut refuse = |window: &mut Window, bears: usize| {
        now += 2 * REST[1];
        while window.has_room(100) {
            window.take(now);
        }
        let beyond = window.out.saturating_sub(bears);
        (0..beyond).for_each(|_| window.refuse(false, 0.5, now));
        window.out = 0;
        beyond > 0
    };
    for length in [2, 4, 8, 16, 32, 32] {
        assert!(refuse(&mut window, 11));
        let since = window.bar.until.expect("it is barred") - window.bar.length;
        assert_eq!((window.size(), window.bar.length.as_secs()), (8, length));
        assert_eq!(window.bar.under(100, since), 11, "so many did not come back");
        assert_eq!(window.bar.under(100, since + window.bar.length), 100);
        window.size = 16;
    }
    window.is_at_least(12);
    assert_eq!(window.bar.length.as_secs(), 32, "a smaller window says nothing");
    window.is_at_least(20);
    assert_eq!(window.bar.length, Duration::ZERO, "instances are there now");
}
