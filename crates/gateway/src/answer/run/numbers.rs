//! `X-Cff-Invoke-Summary` and `X-CFF-Billing-Duration`, written into one buffer.

use std::fmt::Write;

use bytes::{Bytes, BytesMut};
use fungraph_model::Summary;
use http::HeaderValue;

/// Both values.
pub(super) fn headers(summary: &Summary) -> (HeaderValue, HeaderValue) {
    let mut text = BytesMut::with_capacity(160);
    let mut number = itoa::Buffer::new();
    text.extend_from_slice(br#"{"duration":"#);
    milliseconds(summary.duration_us, &mut text);
    text.extend_from_slice(br#","billingDuration":"#);
    let billing = text.len();
    text.extend_from_slice(number.format(summary.billing_ms).as_bytes());
    let billing = billing..text.len();
    text.extend_from_slice(br#","memorySize":"#);
    text.extend_from_slice(number.format(summary.memory_mb).as_bytes());
    text.extend_from_slice(br#","memoryUsed":"#);
    megabytes(summary.memory_used, &mut text);
    text.extend_from_slice(b"}");
    let text = text.freeze();
    let billing = text.slice(billing);
    (value(text), value(billing))
}

fn value(text: Bytes) -> HeaderValue {
    HeaderValue::from_maybe_shared(text).expect("JSON of numbers is visible ASCII")
}

/// At most three decimals, no padding: 1.913, 100, 0.5.
fn milliseconds(us: u64, out: &mut BytesMut) {
    let mut number = itoa::Buffer::new();
    out.extend_from_slice(number.format(us / 1000).as_bytes());
    let mut fraction = us % 1000;
    if fraction > 0 {
        let mut digits = 3;
        while fraction.is_multiple_of(10) {
            fraction /= 10;
            digits -= 1;
        }
        write!(out, ".{fraction:0digits$}").expect("memory takes any text");
    }
}

/// The shortest decimal that is the number: a count of pages has at most eight places.
fn megabytes(bytes: u64, out: &mut BytesMut) {
    #[expect(clippy::cast_precision_loss, reason = "memory sizes are far below 2^53 bytes, so the quotient is exact")]
    let megabytes = bytes as f64 / 1_048_576.0;
    write!(out, "{megabytes}").expect("memory takes any text");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(duration_us: u64, billing_ms: u64, memory_used: u64, expected: &str) {
        let (summary, billing) = headers(&Summary { duration_us, billing_ms, memory_mb: 128, memory_used });
        assert_eq!(summary, expected);
        assert_eq!(billing, billing_ms.to_string());
    }

    #[test]
    fn summaries_are_golden() {
        // The first is the sample of the reference document.
        check(
            1913,
            100,
            43_528_192,
            r#"{"duration":1.913,"billingDuration":100,"memorySize":128,"memoryUsed":41.51171875}"#,
        );
        check(
            100_000,
            100,
            19_136_512,
            r#"{"duration":100,"billingDuration":100,"memorySize":128,"memoryUsed":18.25}"#,
        );
        check(500, 1, 0, r#"{"duration":0.5,"billingDuration":1,"memorySize":128,"memoryUsed":0}"#);
        check(
            1_000_050,
            1100,
            1 << 20,
            r#"{"duration":1000.05,"billingDuration":1100,"memorySize":128,"memoryUsed":1}"#,
        );
        check(7, 100, 4096, r#"{"duration":0.007,"billingDuration":100,"memorySize":128,"memoryUsed":0.00390625}"#);
        check(
            0,
            100,
            10_737_418_240 + 4096,
            r#"{"duration":0,"billingDuration":100,"memorySize":128,"memoryUsed":10240.00390625}"#,
        );
    }
}
