//! Short texts in pieces. The paths, lists and headers of a request are split a dozen times. What searches for a character otherwise, in the
//! standard library or `memchr`, is made for longer texts: until it has begun, a byte after the other has been looked at.

/// The pieces between the places where `by` stands.
pub(crate) fn pieces(text: &str, by: u8) -> impl Iterator<Item = &str> {
    debug_assert!(by.is_ascii(), "no other byte is a character");
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest.take()?;
        match once(text, by) {
            Some((piece, after)) => {
                rest = Some(after);
                Some(piece)
            }
            None => Some(text),
        }
    })
}

/// What stands before and after the first `by`.
pub(crate) fn once(text: &str, by: u8) -> Option<(&str, &str)> {
    text.bytes().position(|byte| byte == by).map(|at| (&text[..at], &text[at + 1..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn texts_fall_apart_as_the_standard_librarys_do(text in "[/aö,]{0,20}") {
            prop_assert_eq!(pieces(&text, b'/').collect::<Vec<_>>(), text.split('/').collect::<Vec<_>>());
            prop_assert_eq!(once(&text, b','), text.split_once(','));
        }
    }
}
