//! Extended headers of tar archives (POSIX pax): records that are read by their length, since a value may hold a line feed.

/// Key and value.
type Record<'a> = (&'a [u8], &'a [u8]);

/// The records of a header, in order.
///
/// # Errors
/// Why one cannot be read.
pub(super) fn records(mut bytes: &[u8]) -> Result<Vec<Record<'_>>, &'static str> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let (record, rest) = split(bytes).ok_or("an extended header has a record of a wrong length")?;
        let equals = record.iter().position(|byte| *byte == b'=').ok_or("an extended header has a record without =")?;
        all.push((&record[..equals], &record[equals + 1..]));
        bytes = rest;
    }
    Ok(all)
}

/// `<length> <key>=<value>` and a line feed, where the length counts all of it.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let blank = bytes.iter().take(20).position(|byte| *byte == b' ')?;
    let length: usize = std::str::from_utf8(&bytes[..blank]).ok()?.parse().ok()?;
    let record = bytes.get(blank + 1..length)?.strip_suffix(b"\n")?;
    Some((record, &bytes[length..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_by_their_length() {
        let text = b"13 path=a\nbc\n16 linkpath=x=y\n9 empty=\n";
        let expected: Vec<Record<'_>> = vec![(b"path", b"a\nbc"), (b"linkpath", b"x=y"), (b"empty", b"")];
        assert_eq!(records(text), Ok(expected));
        assert_eq!(records(b""), Ok(Vec::new()));
    }

    #[test]
    fn what_is_no_record_is_refused() {
        for bad in [
            &b"12 path=a"[..],
            b"8 path=a\n",
            b"99 path=a\n",
            b"path=a\n",
            b"7 path\n",
            b"-9 path=a\n",
            b"0 =\n",
            b"2 a=\n",
            b" \n",
            b"18446744073709551615 a=\n",
        ] {
            assert!(records(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_that_is_read_ends_us(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            let _any = records(&bytes);
        }
    }
}
