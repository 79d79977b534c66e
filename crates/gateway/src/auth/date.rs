//! `X-Sdk-Date`: `YYYYMMDDTHHMMSSZ`, UTC.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

/// Reads the sixteen characters; `None` where they are no such time.
pub(super) fn parse(text: &str) -> Option<Timestamp> {
    let bytes: &[u8; 16] = text.as_bytes().try_into().ok()?;
    if bytes[8] != b'T' || bytes[15] != b'Z' {
        return None;
    }
    let two = |at: usize| -> Option<i8> {
        let digit = |byte: u8| byte.is_ascii_digit().then(|| (byte - b'0').cast_signed());
        Some(digit(bytes[at])? * 10 + digit(bytes[at + 1])?)
    };
    let year = i16::from(two(0)?) * 100 + i16::from(two(2)?);
    let time = DateTime::new(year, two(4)?, two(6)?, two(9)?, two(11)?, two(13)?, 0).ok()?;
    TimeZone::UTC.to_timestamp(time).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_one_form() {
        let time = parse("20240102T030405Z").expect("a time");
        assert_eq!(time.to_string(), "2024-01-02T03:04:05Z");
        for bad in
            ["", "20240102T030405", "20240102 030405Z", "20241302T030405Z", "2024010aT030405Z", "20240102T030460Z"]
        {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
