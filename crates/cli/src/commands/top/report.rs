//! The server's report as it comes, and the difference of two.

use std::collections::BTreeMap;

use serde::Deserialize;

/// One report.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Report {
    /// Of the server from its start to its end; empty of one from before it had any.
    #[serde(default)]
    run: String,
    pub(super) up_us: u64,
    pub(super) instances: Instances,
    pub(super) blank_stock: Vec<Stock>,
    pub(super) memory_bytes: Memory,
    pub(super) waiting: u64,
    invocations: BTreeMap<String, u64>,
    starts: BTreeMap<String, u64>,
    phases: BTreeMap<String, Times>,
    pub(super) functions: Vec<Function>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Instances {
    pub(super) idle: u64,
    pub(super) busy: u64,
    pub(super) starting: u64,
    pub(super) blank: u64,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Stock {
    pub(super) interpreter: String,
    pub(super) ready: u64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Memory {
    pub(super) promised: u64,
    pub(super) most: u64,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Function {
    pub(super) package: String,
    pub(super) name: String,
    /// Empty of a server from before there were any.
    #[serde(default)]
    pub(super) version: String,
    pub(super) instances: u64,
    pub(super) running: u64,
    pub(super) waiting: u64,
    pub(super) calls_last_second: u64,
}

/// How long something took, as a histogram: what all values of a bucket are below, and how many there are.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Times {
    sum_us: u64,
    below_us: Vec<(u64, u64)>,
}

/// What happened in a time.
#[derive(Clone, Debug)]
pub(super) struct Interval {
    /// Its length; `None` for all of the time since the server's start.
    pub(super) seconds: Option<f64>,
    invocations: BTreeMap<String, u64>,
    starts: BTreeMap<String, u64>,
    phases: BTreeMap<String, Times>,
}

impl Interval {
    /// Everything a server did.
    pub(super) fn since_start(report: &Report) -> Self {
        let Report { invocations, starts, phases, .. } = report.clone();
        Self { seconds: None, invocations, starts, phases }
    }

    /// What happened since an earlier report; all, where there is none or the server was started in between.
    pub(super) fn since(earlier: Option<&Report>, later: &Report) -> Self {
        earlier.map_or_else(|| Self::since_start(later), |earlier| Self::between(earlier, later))
    }

    /// What happened from one report to the next; all, where the server was started in between.
    fn between(earlier: &Report, later: &Report) -> Self {
        if later.run != earlier.run || later.up_us <= earlier.up_us {
            return Self::since_start(later);
        }
        let phase = |(name, times): (&String, &Times)| {
            let times = earlier.phases.get(name).map_or_else(|| times.clone(), |before| times.since(before));
            (name.clone(), times)
        };
        Self {
            seconds: Some((later.up_us - earlier.up_us) as f64 / 1e6),
            invocations: since(&later.invocations, &earlier.invocations),
            starts: since(&later.starts, &earlier.starts),
            phases: later.phases.iter().map(phase).collect(),
        }
    }

    /// Calls by their end.
    pub(super) fn ended(&self, end: &str) -> u64 {
        self.invocations.get(end).copied().unwrap_or_default()
    }

    /// Calls by the start of their instance.
    pub(super) fn started(&self, kind: &str) -> u64 {
        self.starts.get(kind).copied().unwrap_or_default()
    }

    /// All calls.
    pub(super) fn calls(&self) -> u64 {
        self.invocations.values().sum()
    }

    /// Times of a phase; empty where it did not happen.
    pub(super) fn phase(&self, name: &str) -> Times {
        self.phases.get(name).cloned().unwrap_or_default()
    }
}

fn since(later: &BTreeMap<String, u64>, earlier: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let before = |name: &String| earlier.get(name).copied().unwrap_or_default();
    later.iter().map(|(name, count)| (name.clone(), count.saturating_sub(before(name)))).collect()
}

impl Times {
    fn since(&self, earlier: &Self) -> Self {
        let before: BTreeMap<u64, u64> = earlier.below_us.iter().copied().collect();
        let left = |(below, count): &(u64, u64)| {
            (*below, count.saturating_sub(before.get(below).copied().unwrap_or_default()))
        };
        Self {
            sum_us: self.sum_us.saturating_sub(earlier.sum_us),
            below_us: self.below_us.iter().map(left).filter(|(_, count)| *count > 0).collect(),
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.below_us.iter().map(|(_, count)| count).sum()
    }

    /// The mean in microseconds; `None` of nothing.
    pub(super) fn mean_us(&self) -> Option<f64> {
        let count = self.count();
        (count > 0).then(|| self.sum_us as f64 / count as f64)
    }

    /// What `share` of the values are below, in microseconds, as well as buckets tell: half of the last bucket is guessed.
    pub(super) fn percentile_us(&self, share: f64) -> Option<f64> {
        let wanted = self.count() as f64 * share;
        let mut passed = 0;
        for (below, count) in &self.below_us {
            passed += count;
            if passed as f64 >= wanted {
                return Some(*below as f64 - width(*below) as f64 / 2.0);
            }
        }
        None
    }
}

/// Width of the bucket that ends here: a quarter of the doubling it is in.
fn width(below: u64) -> u64 {
    let last = below.saturating_sub(1);
    1 << last.checked_ilog2().map_or(0, |doubling| doubling.saturating_sub(2))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A server with two functions that has served some calls.
    pub(in super::super) fn sample(up_us: u64, warm: u64, line: u64) -> Report {
        let json = serde_json::json!({
            "run": "one",
            "up_us": up_us,
            "instances": { "idle": 1, "busy": 2, "starting": 1, "blank": 3 },
            "blank_stock": [{ "interpreter": "Python 3.11.2", "ready": 3 }],
            "memory_bytes": { "promised": 536_870_912_u64, "most": 4_294_967_296_u64 },
            "waiting": line,
            "invocations": { "returned": warm + 1, "failed": 1, "refused": 0 },
            "starts": { "warm": warm, "blank": 1, "new": 1 },
            "phases": {
                "accept": { "sum_us": 10 * (warm + 2), "below_us": [[10, warm + 2]] },
                "load": { "sum_us": 30_000, "below_us": [[14_336, 1], [20_480, 1]] },
                "run": { "sum_us": 150 * (warm + 1) + 5000, "below_us": [[160, warm + 1], [5120, 1]] },
                "total": { "sum_us": 250 * (warm + 1) + 40_000, "below_us": [[256, warm + 1], [40_960, 1]] },
            },
            "functions": [
                { "package": "default", "name": "hello", "instances": 2, "running": 2, "waiting": line, "calls_last_second": warm },
                { "package": "default", "name": "a-function-with-a-rather-long-name-that-hardly-fits-into-its-column",
                  "instances": 1, "running": 0, "waiting": 0, "calls_last_second": 0 },
            ],
        });
        serde_json::from_value(json).expect("a report")
    }

    #[test]
    fn an_interval_is_the_difference() {
        let (earlier, later) = (sample(1_000_000, 10, 0), sample(3_000_000, 110, 0));
        let interval = Interval::between(&earlier, &later);
        assert_eq!(interval.seconds, Some(2.0));
        assert_eq!((interval.calls(), interval.ended("returned"), interval.ended("failed")), (100, 100, 0));
        assert_eq!((interval.started("warm"), interval.started("new"), interval.started("melted")), (100, 0, 0));
        let run = interval.phase("run");
        assert_eq!((run.count(), run.mean_us(), run.percentile_us(0.99)), (100, Some(150.0), Some(144.0)));
        assert_eq!((interval.phase("load").count(), interval.phase("load").percentile_us(0.5)), (0, None));
        let restarted = Interval::between(&later, &earlier);
        assert_eq!((restarted.seconds, restarted.calls()), (None, 12));
        let first = Interval::since(None, &later);
        assert_eq!((first.seconds, first.calls()), (None, 112), "nothing is known of the time before");
        let other = Report { run: "two".to_owned(), ..later };
        let restarted = Interval::between(&earlier, &other);
        assert_eq!(
            (restarted.seconds, restarted.calls()),
            (None, 112),
            "it has been up for longer than the first one was"
        );
    }

    #[test]
    fn percentiles_are_of_the_bucket() {
        let times = Times { sum_us: 0, below_us: vec![(1, 50), (160, 49), (1_048_576, 1)] };
        let rounded = |share: f64| times.percentile_us(share).map(f64::round);
        assert_eq!(
            [rounded(0.5), rounded(0.51), rounded(0.99), rounded(1.0)],
            [Some(1.0), Some(144.0), Some(144.0), Some(983_040.0)]
        );
    }
}
