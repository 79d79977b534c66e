//! What runs and starts usually take, from what they took.

use std::time::Duration;

/// A moving average that follows changes within a few values (exponential, weight 1/8).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Average(Option<u64>);

impl Average {
    pub(super) fn add(&mut self, value: Duration) {
        let value = micros(value);
        self.0 = Some(match self.0 {
            None => value,
            Some(old) => old - old / 8 + value / 8,
        });
    }

    pub(super) fn get(self) -> Option<u64> {
        self.0
    }
}

/// A low value of a series: it falls at once to half the difference and rises by a 64th, so that runs held up by others
/// hardly count. The first run of an instance, with everything still cold, is forgotten as soon.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Low(Option<u64>);

impl Low {
    pub(super) fn add(&mut self, value: Duration) {
        let value = micros(value);
        self.0 = Some(match self.0 {
            None => value,
            Some(old) if value < old => old - (old - value) / 2,
            Some(old) => old + (value - old) / 64,
        });
    }

    pub(super) fn forget(&mut self) {
        self.0 = None;
    }

    pub(super) fn get(self) -> Option<u64> {
        self.0
    }
}

fn micros(value: Duration) -> u64 {
    u64::try_from(value.as_micros()).unwrap_or(u64::MAX / 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn average_follows_a_change_within_a_few_values() {
        let mut average = Average::default();
        assert_eq!(average.get(), None);
        average.add(Duration::from_micros(800));
        (0..40).for_each(|_| average.add(Duration::from_micros(80)));
        assert!((80..100).contains(&average.get().expect("values were added")), "{average:?}");
    }

    #[test]
    fn low_value_hardly_counts_runs_that_were_held_up() {
        let mut low = Low::default();
        low.add(Duration::from_millis(40));
        (0..10).for_each(|_| low.add(Duration::from_micros(150)));
        (0..3).for_each(|_| low.add(Duration::from_micros(1300)));
        assert!((150..300).contains(&low.get().expect("values were added")), "{low:?}");
    }
}
