//! The known name that a mistyped one probably means.

/// The nearest of `known` within a third of the length of `name`.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (name.len() / 3).max(2);
    known.map(|word| (distance(name, word), word)).filter(|(far, _)| *far <= limit).min().map(|(_, word)| word)
}

/// Letters to insert, remove or replace (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (line, letter) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for column in 0..to.len() {
            let replaced = diagonal + usize::from(letter != to[column]);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_of_the_known_words() {
        let known = ["listen", "data_dir", "drain_seconds", "idle_seconds"];
        for (name, expected) in [
            ("lissen", Some("listen")),
            ("datadir", Some("data_dir")),
            ("idle_second", Some("idle_seconds")),
            ("port", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, known.into_iter()), expected, "{name}");
        }
    }
}
