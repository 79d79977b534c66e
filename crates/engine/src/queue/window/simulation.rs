//! Hosts, their disks and their noise in numbers, on which the window is held against the best size there is. The noise comes from a seed.

use super::*;

const MS: Duration = Duration::from_millis(1);
/// Ends on their way to the disk at most, as the board sees to.
const ENDING: usize = 1024;

/// A host, with what a function does on it.
#[derive(Clone, Copy)]
struct Host {
    name: &'static str,
    /// Calls that end a second, by how many run at once.
    runs: fn(f64) -> f64,
    /// Milliseconds of a commit, and of each end in it.
    commit: (f64, f64),
    /// So many calls at once make the disk's writer half as fast.
    crowd: f64,
    /// Calls at once that the pool has instances for.
    bears: usize,
}

const HOSTS: [Host; 9] = [
    Host { name: "two processors", runs: two_processors, commit: (1.0, 0.05), crowd: 200.0, bears: 1000 },
    Host { name: "two that crowd", runs: crowded, commit: (1.0, 0.1), crowd: 200.0, bears: 1000 },
    Host { name: "many processors", runs: many_processors, commit: (1.0, 0.05), crowd: 200.0, bears: 1000 },
    Host { name: "ahead of the disk", runs: |at_once| at_once * 1500.0, commit: (2.0, 0.4), crowd: 60.0, bears: 1000 },
    Host { name: "a slow disk", runs: slow_disk, commit: (20.0, 0.25), crowd: 100.0, bears: 1000 },
    Host { name: "calls that wait", runs: |at_once| at_once * 20.0, commit: (2.0, 0.1), crowd: 1e9, bears: 1000 },
    Host { name: "5 instances", runs: |at_once| at_once * 20.0, commit: (2.0, 0.1), crowd: 1e9, bears: 5 },
    Host { name: "40 instances", runs: |at_once| at_once * 50.0, commit: (2.0, 0.1), crowd: 1e9, bears: 40 },
    Host { name: "4 that compute", runs: two_processors, commit: (1.0, 0.05), crowd: 200.0, bears: 4 },
];

fn two_processors(at_once: f64) -> f64 {
    (at_once * 0.36).min(1.0) * 4000.0 / (1.0 + at_once / 140.0)
}

fn crowded(at_once: f64) -> f64 {
    at_once.min(2.0) * 1000.0 / (1.0 + at_once / 50.0)
}

fn many_processors(at_once: f64) -> f64 {
    4000.0 * at_once / (at_once + 1.5) / (1.0 + at_once / 100.0)
}

fn slow_disk(at_once: f64) -> f64 {
    at_once * 400.0 / (1.0 + at_once / 60.0)
}

/// By how much each tenth of a second differs, by how much some seconds do, and how often all stands nearly still for 150 ms.
type Loudness = (f64, f64, f64);
const QUIET: Loudness = (0.05, 0.05, 0.0);
const LOUD: Loudness = (0.1, 0.1, 0.02);

struct Noise {
    loudness: Loudness,
    state: u64,
    tenth: f64,
    seconds: f64,
    still: u32,
    milli: u32,
}

impl Noise {
    fn new(loudness: Loudness, seed: u64) -> Self {
        Self { loudness, state: seed * 7919, tenth: 1.0, seconds: 0.0, still: 0, milli: 0 }
    }

    /// Between 0 and 1 (`SplitMix64`).
    fn uniform(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }

    /// How fast everything is in the next millisecond.
    fn speed(&mut self) -> f64 {
        let (tenth, seconds, still) = self.loudness;
        if self.milli.is_multiple_of(100) {
            self.tenth = (1.0 + tenth * self.normal()).max(0.1);
            // It is forgotten within about three seconds.
            self.seconds = 0.967 * self.seconds + 0.255 * seconds * self.normal();
            if self.uniform() < still {
                self.still = 150;
            }
        }
        self.milli += 1;
        let stands = self.still > 0;
        self.still = self.still.saturating_sub(1);
        self.tenth * (1.0 + self.seconds).max(0.2) * if stands { 0.1 } else { 1.0 }
    }
}

/// Who says how many run at once.
enum Says {
    Fixed(usize),
    Found(Box<Window>),
}

impl Says {
    fn found() -> Self {
        Self::Found(Box::new(Window::new(Instant::now())))
    }

    fn has_room(&self, out: usize, now: Instant) -> bool {
        match self {
            Self::Fixed(size) => out < *size,
            Self::Found(window) => window.has_room(100) && window.rests_until(now).is_none(),
        }
    }

    fn tell(&mut self, what: impl FnOnce(&mut Window)) {
        if let Self::Found(window) = self {
            what(window);
        }
    }
}

/// A function of which more waits than can run.
struct Run {
    host: Host,
    noise: Noise,
    says: Says,
    now: Instant,
    out: usize,
    /// Parts of calls that have run, and of the commit under way.
    ran: f64,
    left: f64,
    ending: usize,
    committing: usize,
    ended: usize,
}

impl Run {
    fn new(host: Host, noise: Noise, says: Says) -> Self {
        let now = Instant::now();
        Self { host, noise, says, now, out: 0, ran: 0.0, left: 0.0, ending: 0, committing: 0, ended: 0 }
    }

    fn fill(&mut self) {
        while self.ending < ENDING && self.says.has_room(self.out, self.now) {
            self.out += 1;
            let now = self.now;
            self.says.tell(|window| window.take(now));
            if self.out <= self.host.bears {
                self.says.tell(Window::begin);
            }
        }
        while self.out > self.host.bears {
            self.out -= 1;
            let now = self.now;
            self.says.tell(|window| window.refuse(false, 0.5, now));
        }
    }

    fn step(&mut self) {
        self.now += MS;
        let speed = self.noise.speed();
        self.fill();
        self.ran += (self.host.runs)(self.out as f64) / 1000.0 * speed;
        while self.ran >= 1.0 && self.out > 0 {
            self.ran -= 1.0;
            (self.out, self.ending) = (self.out - 1, self.ending + 1);
            let now = self.now;
            self.says.tell(|window| window.end(true, now));
            self.fill();
        }
        self.ran = self.ran.min(1.0);
        self.write(speed / (1.0 + self.out as f64 / self.host.crowd));
    }

    /// What the disk does in a millisecond.
    fn write(&mut self, mut budget: f64) {
        while budget > 0.0 {
            if self.committing == 0 {
                self.committing = self.ending;
                self.left = self.host.commit.0 + self.host.commit.1 * self.ending as f64;
            }
            if self.committing == 0 {
                return;
            }
            let part = budget.min(self.left);
            (budget, self.left) = (budget - part, self.left - part);
            if self.left <= 1e-9 {
                self.store();
            }
        }
    }

    fn store(&mut self) {
        self.ended += self.committing;
        self.ending -= self.committing;
        for _ in 0..std::mem::take(&mut self.committing) {
            let now = self.now;
            self.says.tell(|window| window.stored(true, 100, now));
        }
    }

    /// How many calls end in so many seconds.
    fn seconds(&mut self, seconds: usize) -> f64 {
        let before = self.ended;
        (0..seconds * 1000).for_each(|_| self.step());
        (self.ended - before) as f64
    }

    /// What a call got broke while it ran.
    fn breaks(&mut self) {
        if self.out > 0 {
            self.out -= 1;
            let now = self.now;
            self.says.tell(|window| {
                window.refuse(true, 0.5, now);
                window.stored(true, 100, now);
            });
        }
    }
}

/// The size at which most calls end.
fn best(host: Host) -> usize {
    let sizes = [1, 2, 3, 4, 5, 8, 12, 16, 24, 32, 40, 64, 100].into_iter().filter(|size| *size <= host.bears);
    let ends = |size: &usize| Run::new(host, Noise::new((0.0, 0.0, 0.0), 1), Says::Fixed(*size)).seconds(3) as u64;
    sizes.max_by_key(ends).expect("some sizes")
}

#[test]
fn what_is_found_out_is_as_good_as_the_best_size_whatever_the_noise() {
    for host in HOSTS {
        let best = best(host);
        for (loudness, seed) in (1..=12).map(|seed| (LOUD, seed)).chain([(QUIET, 1), (QUIET, 2)]) {
            let fixed = Run::new(host, Noise::new(loudness, seed), Says::Fixed(best)).seconds(60);
            let found = Run::new(host, Noise::new(loudness, seed), Says::found()).seconds(60);
            let ratio = found / fixed;
            assert!(ratio >= 0.9, "{}: {ratio:.3} of what {best} at once end, seed {seed}", host.name);
        }
    }
}

#[test]
fn what_breaks_once_costs_a_second_and_not_a_minute() {
    for host in HOSTS {
        let best = best(host);
        for seed in 1..=8 {
            let mut fixed = Run::new(host, Noise::new(QUIET, seed), Says::Fixed(best));
            let mut found = Run::new(host, Noise::new(QUIET, seed), Says::found());
            fixed.seconds(20);
            found.seconds(20);
            found.breaks();
            let ratio = found.seconds(10) / fixed.seconds(10);
            assert!(ratio >= 0.9, "{}: {ratio:.3} of what {best} at once end, seed {seed}", host.name);
        }
    }
}
