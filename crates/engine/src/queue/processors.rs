//! Whether the host has processors to spare: more calls at once help then, although none has ended yet.

/// The part of their time that processors must be idle.
const SPARE: f64 = 0.1;

/// What the kernel counted when it was asked last.
#[derive(Debug, Default)]
pub(super) struct Processors {
    last: Option<Times>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Times {
    idle: u64,
    all: u64,
}

impl Processors {
    /// Whether some were idle since the last look. Where nobody can say, none were: it is only about being quicker.
    pub(super) fn are_idle(&mut self) -> bool {
        let now = std::fs::read_to_string("/proc/stat").ok().as_deref().and_then(Times::read);
        let last = std::mem::replace(&mut self.last, now);
        now.zip(last).is_some_and(|(now, last)| now.spare_since(last))
    }
}

impl Times {
    /// The first line of `/proc/stat`: user, nice, system, idle, iowait and others, which are parts of those before.
    fn read(text: &str) -> Option<Self> {
        let numbers: Vec<u64> =
            text.lines().next()?.strip_prefix("cpu ")?.split_whitespace().take(8).flat_map(str::parse).collect();
        let [_, _, _, idle, waiting, ..] = numbers[..] else { return None };
        Some(Self { idle: idle + waiting, all: numbers.iter().sum() })
    }

    fn spare_since(self, last: Self) -> bool {
        let all = self.all.saturating_sub(last.all);
        all > 0 && self.idle.saturating_sub(last.idle) as f64 > all as f64 * SPARE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_is_what_the_kernel_counts_as_idle() {
        let times = |idle: u64| Times::read(&format!("cpu  100 0 50 {idle} 7 1 2 0 0 0\ncpu0 1 2 3 4 5\n"));
        let first = times(1000).expect("a line as the kernel writes it");
        assert_eq!(first, Times { idle: 1007, all: 1160 });
        assert!(times(1100).expect("the same").spare_since(first));
        assert!(!first.spare_since(first));
        assert_eq!(Times::read("cpu 1 2"), None);
        assert_eq!(Times::read(""), None);
    }
}
