//! What JSON of strangers takes where it is read as a whole. Pure, and no parser: whoever reads it finds out whether it is JSON.

/// Values, and names of fields, that are read of one text. Each takes many times the two bytes that it may have in the text, and six million
/// bytes would be hundreds of megabytes. Half as many, with their names, are fewer than a map of headers has room for (24,576).
pub const JSON_VALUES: usize = 40_000;

/// Whether a JSON text has no more values than may be read of one. Texts in it count as one each, however long they are.
#[must_use]
pub fn has_few_values(json: &[u8]) -> bool {
    if json.len() <= JSON_VALUES {
        return true;
    }
    let (mut marks, mut rest) = (0, json);
    while let Some((first, after)) = rest.split_first() {
        rest = if *first == b'"' { behind_text(after) } else { after };
        marks += usize::from(matches!(first, b',' | b':' | b'[' | b'{'));
        if marks > JSON_VALUES {
            return false;
        }
    }
    true
}

/// What follows a text, whose first quotation mark is gone already.
fn behind_text(mut json: &[u8]) -> &[u8] {
    while let Some(at) = memchr::memchr2(b'"', b'\\', json) {
        if json[at] == b'"' {
            return &json[at + 1..];
        }
        json = json.get(at + 2..).unwrap_or_default();
    }
    &[]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, expected: bool) {
        assert_eq!(has_few_values(json.as_bytes()), expected, "{}", &json[..json.len().min(40)]);
    }

    #[test]
    fn values_count_and_texts_do_not() {
        check("", true);
        for (many, few) in
            [("0,", "10, "), ("[],", "[[]], "), ("{\"a\":{}},", "\"a\":{},"), ("\"\\\\\",", "\"\\\",,,,\",")]
        {
            let count = JSON_VALUES + 1;
            check(&format!("[{}0]", many.repeat(count)), false);
            check(&format!("[{}0]", few.repeat(JSON_VALUES / 4)), true);
        }
        let text = ",:[{\\\"".repeat(JSON_VALUES);
        check(&format!("{{\"body\":\"{text}\"}}"), true);
        check(&format!("{{\"body\":\"{text}\",\"more\":[{}0]}}", "0,".repeat(JSON_VALUES)), false);
        // What is no JSON is only looked at.
        for broken in ["\"", "\\", "\"\\", "]", "}"] {
            check(&format!("{}{broken}", " ".repeat(JSON_VALUES)), true);
        }
    }
}
