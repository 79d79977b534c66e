//! The load generator: a closed loop on kept connections. Each waits for its answer before it sends again.

use std::time::{Duration, Instant};

use anyhow::Result;
use bytes::Bytes;
use tokio::task::JoinSet;

use crate::http1::Connection;

/// What to send where.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) address: String,
    /// The whole request, head and body.
    pub(crate) request: Bytes,
}

/// What came of it. Latencies are kept as they are, so percentiles are exact.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    /// Microseconds, sorted.
    latencies: Vec<u32>,
    elapsed: Duration,
    /// Answers other than 2xx, and broken connections.
    pub(crate) errors: usize,
    /// The last of them.
    pub(crate) last_error: String,
}

impl Measured {
    pub(crate) fn requests(&self) -> usize {
        self.latencies.len()
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64()
    }

    /// Milliseconds that so many percent of the calls took at most.
    pub(crate) fn percentile(&self, percent: f64) -> f64 {
        let rank = (self.latencies.len() as f64 * percent / 100.0).ceil() as usize;
        self.latencies.get(rank.saturating_sub(1)).map_or(f64::NAN, |micros| f64::from(*micros) / 1000.0)
    }

    fn add(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.errors += other.errors;
        if !other.last_error.is_empty() {
            self.last_error = other.last_error;
        }
    }

    fn error(&mut self, text: String) {
        self.errors += 1;
        self.last_error = text;
    }
}

/// Loads the target from so many connections for so long.
pub(crate) async fn run(target: &Target, connections: usize, time: Duration) -> Result<Measured> {
    // Everything connects before the clock starts.
    let mut ready = Vec::new();
    for _ in 0..connections {
        ready.push(Connection::open(&target.address).await?);
    }
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for connection in ready {
        tasks.spawn(drive(target.clone(), connection, start + time));
    }
    let mut measured = Measured::default();
    while let Some(one) = tasks.join_next().await {
        measured.add(one?);
    }
    measured.elapsed = start.elapsed();
    measured.latencies.sort_unstable();
    Ok(measured)
}

/// One connection until the end. Servers that close connections get new ones; the wait counts.
async fn drive(target: Target, first: Connection, end: Instant) -> Measured {
    let mut measured = Measured::default();
    let mut connection = Some(first);
    loop {
        let start = Instant::now();
        if start >= end {
            return measured;
        }
        let mut open = match connection.take() {
            Some(open) => open,
            None => match Connection::open(&target.address).await {
                Ok(open) => open,
                Err(error) => {
                    measured.error(format!("{error:#}"));
                    return measured;
                }
            },
        };
        match open.call(&target.request).await {
            Ok(answer) => {
                if (200..300).contains(&answer.status) {
                    measured.latencies.push(u32::try_from(start.elapsed().as_micros()).unwrap_or(u32::MAX));
                } else {
                    measured.error(format!("{}: {}", answer.status, String::from_utf8_lossy(&answer.body)));
                }
                connection = answer.keep.then_some(open);
            }
            Err(error) => measured.error(format!("{error:#}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_ranks() {
        let measured = Measured { latencies: (1..=100).map(|ms| ms * 1000).collect(), ..Measured::default() };
        assert_eq!(
            (measured.percentile(50.0), measured.percentile(99.0), measured.percentile(100.0)),
            (50.0, 99.0, 100.0)
        );
        assert!(Measured::default().percentile(50.0).is_nan());
    }
}
