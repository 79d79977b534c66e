//! `X-Cff-Invoke-Summary` and `X-CFF-Billing-Duration`, written into one buffer.

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
    out.extend_from_slice(itoa::Buffer::new().format(us / 1000).as_bytes());
    fraction(us % 1000, 3, out);
}

/// The shortest decimal that is the number: a count of pages has at most eight places.
fn megabytes(bytes: u64, out: &mut BytesMut) {
    const PAGE: u64 = 4096;
    const PAGES: u64 = 256;
    let pages = bytes.div_ceil(PAGE);
    out.extend_from_slice(itoa::Buffer::new().format(pages / PAGES).as_bytes());
    fraction(pages % PAGES * (100_000_000 / PAGES), 8, out);
}

/// A point and so many digits, of which zeros at the end are left out, as is the point where nothing follows it.
fn fraction(mut number: u64, places: usize, out: &mut BytesMut) {
    let mut text = *b".00000000";
    for place in text[1..=places].iter_mut().rev() {
        *place = b'0' + (number % 10) as u8;
        number /= 10;
    }
    let end = text[..=places].iter().rposition(|digit| matches!(digit, b'1'..=b'9')).map_or(0, |last| last + 1);
    out.extend_from_slice(&text[..end]);
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
