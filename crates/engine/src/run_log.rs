//! The log of one run: the platform's lines around the function's own (contract: runtimes.md section 10, invocation.md).

use std::{fmt, sync::Arc};

use bytes::{Bytes, BytesMut};
use fungraph_model::{Failure, FunctionVersion, RequestId, Summary};
use fungraph_store::logs::{LogText, ink};
use jiff::Timestamp;

/// The log of a run under way.
#[derive(Debug)]
pub(crate) struct RunLog {
    function: Arc<FunctionVersion>,
    request: RequestId,
    started: Timestamp,
    /// Everything between the first line and the last.
    lines: BytesMut,
}

/// The log of a run that has ended. Its lines are written when somebody wants them.
#[derive(Debug)]
pub(crate) struct FinishedLog {
    log: RunLog,
    summary: Summary,
    failed: bool,
    ended: Timestamp,
}

/// The log of what ran before any call, or after the last.
#[derive(Debug)]
pub(crate) struct BareLog(pub(crate) Bytes);

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
    pub(crate) fn start(request: RequestId, function: Arc<FunctionVersion>, started: Timestamp) -> Self {
        Self { function, request, started, lines: BytesMut::new() }
    }

    /// What the function printed.
    pub(crate) fn add(&mut self, lines: &[u8]) {
        self.lines.extend_from_slice(lines);
    }

    /// The initializer's own lines between its two; it has ended just now.
    pub(crate) fn initializer(&mut self, lines: &[u8], begun: Timestamp, took_us: u64, failed: bool) {
        let request = self.request;
        self.add(format!("{} Start initialize request '{request}'\n", Second(begun)).as_bytes());
        self.add(lines);
        let (now, mark) = (Second(Timestamp::now()), if failed { "(initialize Failed)" } else { "" });
        let took = Thousandths(took_us);
        self.add(format!("{now} Finish initialize request '{request}'{mark}, duration: {took}ms\n").as_bytes());
    }

    /// A failure the function could not log itself.
    pub(crate) fn failure(&mut self, failure: &Failure<Bytes>) {
        self.add(&failure.object);
        self.add(b"\n");
    }

    /// What an initializer said without a call: only its own lines.
    pub(crate) fn without_call(self) -> BareLog {
        BareLog(self.lines.freeze())
    }

    /// Something that the function's author could not know, on a line as the function's own logger writes them.
    pub(crate) fn remark(&mut self, text: &str) {
        let request = self.request;
        self.add(format!("{} {request} WARN {text}\n", Second(Timestamp::now())).as_bytes());
    }

    /// Ends with the Finish line, whose numbers are those of the summary.
    pub(crate) fn finish(self, summary: Summary, failed: bool, ended: Timestamp) -> FinishedLog {
        FinishedLog { log: self, summary, failed, ended }
    }
}

impl FinishedLog {
    /// All of it.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut text = Vec::with_capacity(self.size());
        self.write(&mut text);
        text
    }
}

/// What the platform's two lines take, about.
const LINES_BYTES: usize = 300;

impl LogText for BareLog {
    fn size(&self) -> usize {
        self.0.len()
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}

impl LogText for FinishedLog {
    fn size(&self) -> usize {
        self.log.lines.len() + LINES_BYTES
    }

    fn write(&self, out: &mut Vec<u8>) {
        let Self { log: RunLog { function, request, started, lines }, summary, failed, ended } = self;
        let request = request.text();
        ink::second(out, *started);
        out.extend_from_slice(b" Start invoke request '");
        out.extend_from_slice(request.as_bytes());
        out.extend_from_slice(b"', version: ");
        out.extend_from_slice(function.version.as_bytes());
        out.push(b'\n');
        out.extend_from_slice(lines);
        ink::second(out, *ended);
        out.extend_from_slice(b" Finish invoke request '");
        out.extend_from_slice(request.as_bytes());
        out.extend_from_slice(if *failed { b"'(invoke Failed), duration: " } else { b"', duration: " });
        ink::thousandths(out, summary.duration_us);
        out.extend_from_slice(b"ms, billing duration: ");
        ink::number(out, summary.billing_ms);
        out.extend_from_slice(b"ms, memory used: ");
        ink::thousandths(out, memory_thousandths(summary.memory_used));
        out.extend_from_slice(b"MB, billing memory: ");
        ink::number(out, summary.memory_mb);
        out.extend_from_slice(b"MB\n");
    }
}

/// Bytes as thousandths of a megabyte, rounded.
fn memory_thousandths(bytes: u64) -> u64 {
    u64::try_from((u128::from(bytes) * 1000 + (1 << 19)) >> 20).unwrap_or(u64::MAX)
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
        let mut log = RunLog::start(request, Arc::new(fungraph_model::sample::function("f")), now);
        log.add(b"hello\n");
        let summary = Summary { duration_us: 65_828, billing_ms: 100, memory_mb: 128, memory_used: 22_516_072 };
        assert_eq!(
            String::from_utf8_lossy(&log.finish(summary, true, now).to_bytes()),
            "2026-01-02T03:04:05Z Start invoke request '6f2c0c1e-0b1d-4c55-9d63-2f0e7c1f1f10', version: latest\n\
             hello\n\
             2026-01-02T03:04:05Z Finish invoke request '6f2c0c1e-0b1d-4c55-9d63-2f0e7c1f1f10'(invoke Failed), duration: 65.828ms, \
             billing duration: 100ms, memory used: 21.473MB, billing memory: 128MB\n"
        );
    }
}
