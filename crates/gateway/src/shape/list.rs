//! The query of a list (contract: limits.md, "Lists").

use fungraph_engine::ListQuery;
use fungraph_model::{ErrorCode, Fault, limits};

use crate::percent;

/// ListFunctions.
///
/// # Errors
/// FSS.0400 for a negative number, FSS.1001 for text that is none.
pub(crate) fn query(query: &str) -> Result<ListQuery, Fault> {
    let marker = number(query, "marker")?;
    let limit = match number(query, "maxitems")? {
        0 => limits::PAGE_FUNCTIONS,
        most => most.min(limits::PAGE_FUNCTIONS),
    };
    Ok(ListQuery { package: value(query, "package_name")?, name_contains: value(query, "func_name")?, marker, limit })
}

/// The first value of a key, decoded; `None` where it is absent or empty. `+` is a plus sign, as in signatures.
pub(super) fn value(query: &str, key: &str) -> Result<Option<String>, Fault> {
    let bad = |_| Fault::new(ErrorCode::BadQuery, format!("The query value {key} is not percent-encoded UTF-8"));
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if percent::decode_text(name).map_err(bad)? == key {
            let value = percent::decode_text(value).map_err(bad)?;
            return Ok(Some(value.into_owned()).filter(|value| !value.is_empty()));
        }
    }
    Ok(None)
}

/// A number, 0 where it is absent. One beyond any list is as good as the largest.
pub(super) fn number(query: &str, key: &str) -> Result<u32, Fault> {
    let Some(text) = value(query, key)? else { return Ok(0) };
    let digits = text.strip_prefix(['-', '+']).unwrap_or(&text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Fault::new(ErrorCode::BadQuery, format!("The query value {key} must be a whole number")));
    }
    if text.starts_with('-') && digits.bytes().any(|byte| byte != b'0') {
        return Err(Fault::new(ErrorCode::BadParameter, format!("The query value {key} must not be negative")));
    }
    Ok(digits.parse().unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, marker: u32, limit: u32) {
        let query = query(text).expect(text);
        assert_eq!((query.marker, query.limit), (marker, limit), "{text}");
    }

    #[test]
    fn page_sizes_follow_the_contract() {
        check("", 0, 400);
        check("marker=0&maxitems=10", 0, 10);
        check("marker=5&maxitems=0", 5, 400);
        check("maxitems=401&marker=", 0, 400);
        check("maxitems=99999999999999999999&marker=99999999999999999999", u32::MAX, 400);
        check("maxitems=-0", 0, 400);
    }

    #[test]
    fn bad_numbers_are_told_apart() {
        for (text, code) in [
            ("maxitems=-1", ErrorCode::BadParameter),
            ("marker=-99999999999999999999", ErrorCode::BadParameter),
            ("maxitems=ten", ErrorCode::BadQuery),
            ("marker=1.5", ErrorCode::BadQuery),
            ("marker=-", ErrorCode::BadQuery),
            ("func_name=%ff", ErrorCode::BadQuery),
        ] {
            assert_eq!(query(text).expect_err(text).code, code, "{text}");
        }
    }

    #[test]
    fn filters_are_decoded() {
        let query = query("package_name=%E9%BB%98&func_name=a+b%2B&func_name=second").expect("a query");
        assert_eq!(query.package.as_deref(), Some("默"));
        assert_eq!(query.name_contains.as_deref(), Some("a+b+"));
    }
}
