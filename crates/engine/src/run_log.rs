//! The log of one run: the platform's lines around the function's own (contract: runtimes.md section 10, invocation.md).

use std::fmt::{self, Write as _};

use bytes::{Bytes, BytesMut};
use fungraph_model::{Failure, RequestId, Summary};
use jiff::Timestamp;

/// A log that is being put together.
pub(crate) struct RunLog {
    text: BytesMut,
    request: RequestId,
}

/// A time as the platform's lines have it: UTC, whole seconds.
struct Second(Timestamp);

impl fmt::Display for Second {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let second = Timestamp::new(self.0.as_second(), 0).unwrap_or(self.0);
        write!(f, "{second}")
    }
}

impl RunLog {
    /// Begins with the Start line.
    pub(crate) fn start(request: RequestId, version: &str, now: Timestamp) -> Self {
        let mut log = Self { text: BytesMut::with_capacity(512), request };
        log.line(format_args!("{} Start invoke request '{request}', version: {version}", Second(now)));
        log
    }

    /// What the function printed.
    pub(crate) fn add(&mut self, lines: &[u8]) {
        self.text.extend_from_slice(lines);
    }

    /// The initializer's own lines between its two; it has ended just now.
    pub(crate) fn initializer(&mut self, lines: &[u8], begun: Timestamp, took_us: u64, failed: bool) {
        let request = self.request;
        self.line(format_args!("{} Start initialize request '{request}'", Second(begun)));
        self.add(lines);
        let mark = if failed { "(initialize Failed)" } else { "" };
        self.line(format_args!(
            "{} Finish initialize request '{request}'{mark}, duration: {}ms",
            Second(Timestamp::now()),
            Thousandths(took_us)
        ));
    }

    /// A failure the function could not log itself.
    pub(crate) fn failure(&mut self, failure: &Failure<Bytes>) {
        self.add(&failure.object);
        self.add(b"\n");
    }

    /// Ends with the Finish line, whose numbers are those of the summary.
    pub(crate) fn finish(mut self, summary: &Summary, failed: bool, now: Timestamp) -> Bytes {
        let request = self.request;
        let mark = if failed { "(invoke Failed)" } else { "" };
        let memory_thousandths =
            u64::try_from((u128::from(summary.memory_used) * 1000 + (1 << 19)) >> 20).unwrap_or(u64::MAX);
        self.line(format_args!(
            "{} Finish invoke request '{request}'{mark}, duration: {}ms, billing duration: {}ms, memory used: {}MB, billing memory: {}MB",
            Second(now),
            Thousandths(summary.duration_us),
            summary.billing_ms,
            Thousandths(memory_thousandths),
            summary.memory_mb
        ));
        self.text.freeze()
    }

    fn line(&mut self, line: fmt::Arguments<'_>) {
        // Writing into memory cannot fail.
        let _ = self.text.write_fmt(line);
        self.text.extend_from_slice(b"\n");
    }
}

/// A number of thousandths with three decimals.
struct Thousandths(u64);

impl fmt::Display for Thousandths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_the_documented_form() {
        let request = RequestId::parse("6f2c0c1e-0b1d-4c55-9d63-2f0e7c1f1f10").expect("a UUID");
        let now: Timestamp = "2026-01-02T03:04:05.678Z".parse().expect("a time");
        let mut log = RunLog::start(request, "latest", now);
        log.add(b"hello\n");
        let summary = Summary { duration_us: 65_828, billing_ms: 100, memory_mb: 128, memory_used: 22_516_072 };
        assert_eq!(
            log.finish(&summary, true, now),
            "2026-01-02T03:04:05Z Start invoke request '6f2c0c1e-0b1d-4c55-9d63-2f0e7c1f1f10', version: latest\n\
             hello\n\
             2026-01-02T03:04:05Z Finish invoke request '6f2c0c1e-0b1d-4c55-9d63-2f0e7c1f1f10'(invoke Failed), duration: 65.828ms, \
             billing duration: 100ms, memory used: 21.473MB, billing memory: 128MB\n"
        );
    }
}
