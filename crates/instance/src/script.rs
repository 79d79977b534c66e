//! Shell scripts with which programs of the host make files, in a sandbox that no function ever enters.

/// A command that does `work` and prints the files it `made`, each after `mark`, its length and a line feed.
pub(crate) fn command<'a>(mark: &str, work: &str, made: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut script = format!("set -e\n{work}");
    for file in made {
        let file = quote(file);
        script += &format!("printf '{mark}%d\\n' \"$(wc -c < {file})\"\ncat {file}\n");
    }
    ["/bin/sh".to_owned(), "-c".to_owned(), script].into()
}

/// A word of a shell script, whatever it holds.
pub(crate) fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::prepared::{MARK, printed};

    #[test]
    fn files_are_printed_in_their_order_whatever_else_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        let (one, other) = (file("it's one"), file("other"));
        let work = format!("printf 'a\\nb' > {}\necho a warning\n: > {}\n", quote(&one), quote(&other));
        let command = command(MARK, &work, [one.as_str(), other.as_str(), one.as_str()]);
        let run = Command::new(&command[0]).args(&command[1..]).output().expect("there is a shell");
        assert_eq!(printed(&run.stdout), [&b"a\nb"[..], b"", b"a\nb"], "{run:?}");
    }
}
