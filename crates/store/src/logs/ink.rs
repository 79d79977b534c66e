//! Numbers and times straight into bytes. Each call leaves lines with a dozen of them, and the way over `fmt` takes as long as a fifth of
//! all that the server does for it outside the system.

use jiff::{Timestamp, tz::Offset};

/// Adds a number.
pub fn number(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Adds a number of thousandths with three decimals.
pub fn thousandths(out: &mut Vec<u8>, thousandths: u64) {
    number(out, thousandths / 1000);
    let mut fraction = *b".000";
    digits(&mut fraction[1..], thousandths % 1000);
    out.extend_from_slice(&fraction);
}

/// Adds a time in UTC, down to the second: `2026-01-02T03:04:05Z`.
pub fn second(out: &mut Vec<u8>, time: Timestamp) {
    let text = microseconds(time);
    out.extend_from_slice(&text[..19]);
    out.push(b'Z');
}

/// The same down to the microsecond: `2026-01-02T03:04:05.678901Z`.
pub fn microsecond(out: &mut Vec<u8>, time: Timestamp) {
    out.extend_from_slice(&microseconds(time));
}

fn microseconds(time: Timestamp) -> [u8; 27] {
    let time = Offset::UTC.to_datetime(time);
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    // No clock is set to a year before the first, nor after 9999.
    digits(&mut text[..4], u64::from(time.year().unsigned_abs()));
    for (at, part) in [(5, time.month()), (8, time.day()), (11, time.hour()), (14, time.minute()), (17, time.second())]
    {
        digits(&mut text[at..at + 2], u64::from(part.unsigned_abs()));
    }
    digits(&mut text[20..26], u64::from(time.subsec_nanosecond().unsigned_abs() / 1000));
    text
}

/// Fills the places with the last digits of a number.
fn digits(places: &mut [u8], mut number: u64) {
    for place in places.iter_mut().rev() {
        *place = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn thousandths_have_three_decimals() {
        for (thousandths, expected) in [(0, "0.000"), (7, "0.007"), (65_828, "65.828"), (100_000, "100.000")] {
            assert_eq!(written(|out| super::thousandths(out, thousandths)), expected);
        }
        assert_eq!(written(|out| thousandths(out, u64::MAX)), "18446744073709551.615");
    }

    #[test]
    fn times_look_as_their_own_text() {
        for text in [
            "1970-01-01T00:00:00Z",
            "2024-02-29T23:59:59.999999999Z",
            "2026-01-02T03:04:05.678Z",
            "9999-12-30T10:20:30Z",
        ] {
            let time: Timestamp = text.parse().expect("a time");
            assert_eq!(written(|out| microsecond(out, time)), format!("{time:.6}"));
            assert_eq!(written(|out| second(out, time)), format!("{time:.0}"));
        }
    }
}
