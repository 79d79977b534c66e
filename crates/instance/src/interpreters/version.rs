//! Reads version numbers: from headers, folder names and what a program prints.

use std::fs;
use std::path::Path;

use fungraph_model::Language;

use super::Version;
use super::kind::Kind;
use super::places::Origin;
use super::program::Program;
use crate::{go, java};

/// The version that files tell, where they can be relied on.
///
/// A prefix of its own is installed and removed as a whole, so its header belongs to its program, and a version
/// manager's folder name does. Below `/usr` header and program come in different packages: there the program is asked.
pub(super) fn from_files(program: &Program, prefix: Option<&Path>, kind: &Kind, origin: Origin) -> Option<Version> {
    if kind.language == Language::Java {
        return from_release(java::home(&program.path));
    }
    if kind.language == Language::Go {
        return from_go(go::root(&program.path));
    }
    let prefix = prefix?;
    let version = from_header(&prefix.join(kind.header.replace("{program}", &program.name)), kind.macros)
        .or_else(|| matches!(origin, Origin::Manager(_)).then(|| from_folder_name(prefix)).flatten())?;
    agrees(&program.name, version).then_some(version)
}

/// `JAVA_VERSION="17.0.15"` in the file `release` of a JDK, which belongs to its program wherever it lies. Java 8 calls itself 1.8.0_452.
pub(super) fn from_release(home: &Path) -> Option<Version> {
    let text = fs::read_to_string(home.join("release")).ok()?;
    let version = text.lines().find_map(|line| line.strip_prefix("JAVA_VERSION="))?.trim().trim_matches('"');
    java_version(version)
}

/// Java's own numbers: `21`, `17.0.15`, `25-ea`, `1.8.0_452`.
fn java_version(text: &str) -> Option<Version> {
    let text = text.strip_prefix("1.").unwrap_or(text);
    let mut numbers = text.split(['.', '_', '-', '+']).map_while(|part| part.parse().ok());
    Some((numbers.next()?, numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)))
}

/// `go1.22.3` in the first line of the file `VERSION` of a toolchain; `go1.22` and `go1.23rc1` stand for their first release.
fn from_go(root: &Path) -> Option<Version> {
    let text = fs::read_to_string(root.join("VERSION")).ok()?;
    let mut numbers = text.lines().next()?.strip_prefix("go")?.split(['.', ' ']);
    let major = numbers.next()?.parse().ok()?;
    let minor = numbers.next()?.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()?;
    Some((major, minor, numbers.next().and_then(|patch| patch.parse().ok()).unwrap_or(0)))
}

/// `#define NAME 3` for each of the three names.
fn from_header(path: &Path, names: [&str; 3]) -> Option<Version> {
    let text = fs::read_to_string(path).ok()?;
    let number = |name: &str| {
        text.lines().find_map(|line| {
            let mut words = line.split_whitespace();
            (words.next() == Some("#define") && words.next() == Some(name))
                .then(|| words.next()?.parse().ok())
                .flatten()
        })
    };
    Some((number(names[0])?, number(names[1])?, number(names[2])?))
}

/// `3.9.18`, `v20.15.1`, `cpython-3.12.4-linux-x86_64-gnu`, also one folder up (`v20.15.1/installation`).
fn from_folder_name(prefix: &Path) -> Option<Version> {
    prefix.ancestors().take(2).filter_map(|folder| folder.file_name()?.to_str()).find_map(|name| {
        let name = name.strip_prefix("cpython-").or_else(|| name.strip_prefix('v')).unwrap_or(name);
        exact(name.split('-').next()?)
    })
}

/// Three numbers and nothing else.
fn exact(text: &str) -> Option<Version> {
    let mut parts = text.split('.').map(|part| part.parse().ok());
    let version = (parts.next()??, parts.next()??, parts.next()??);
    parts.next().is_none().then_some(version)
}

/// What `--version` printed: `Python 3.9.18`, `v20.15.1`, `Python 3.15.0a1`. Warnings may stand in front of it.
pub(super) fn from_output(text: &str) -> Option<Version> {
    text.split_whitespace().find_map(|word| {
        let mut numbers = word
            .strip_prefix('v')
            .unwrap_or(word)
            .split('.')
            .map(|part| part.split(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse().ok()));
        Some((numbers.next()??, numbers.next()??, numbers.next().flatten().unwrap_or(0)))
    })
}

/// Whether a program's name denies a version: `python3.9` is no 3.11, and `php82` is 8.2.
fn agrees(name: &str, version: Version) -> bool {
    let digits = name.trim_start_matches(|c: char| !c.is_ascii_digit());
    if name.starts_with("php") && !digits.contains('.') && digits.len() > 1 {
        return digits == format!("{}{}", version.0, version.1);
    }
    let mut numbers = digits.split('.').map_while(|part| part.trim_end_matches(['m', 't']).parse::<u16>().ok());
    numbers.next().is_none_or(|major| major == version.0) && numbers.next().is_none_or(|minor| minor == version.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_of_programs() {
        for (text, expected) in [
            ("Python 3.9.18\n", Some((3, 9, 18))),
            ("Python 2.7.18", Some((2, 7, 18))),
            ("v20.15.1\n", Some((20, 15, 1))),
            ("Python 3.15.0a1+", Some((3, 15, 0))),
            ("Python 3.13", Some((3, 13, 0))),
            ("PHP 8.2.29 (cli)", Some((8, 2, 29))),
            ("Warning: Invalid value 'UTC' in Unknown on line 0\nPHP 8.2.36 (cli)", Some((8, 2, 36))),
            ("error while loading shared libraries", None),
            ("v", None),
            ("Python 99999.1.1", None),
        ] {
            assert_eq!(from_output(text), expected, "{text}");
        }
    }

    #[test]
    fn folder_names() {
        for (path, expected) in [
            ("/h/.pyenv/versions/3.9.18", Some((3, 9, 18))),
            ("/h/.nvm/versions/node/v20.15.1", Some((20, 15, 1))),
            ("/h/uv/python/cpython-3.12.4-linux-x86_64-gnu", Some((3, 12, 4))),
            ("/h/fnm/node-versions/v18.20.2/installation", Some((18, 20, 2))),
            ("/h/.pyenv/versions/3.14-dev", None),
            ("/h/.asdf/installs/python/latest", None),
        ] {
            assert_eq!(from_folder_name(Path::new(path)), expected, "{path}");
        }
    }

    #[test]
    fn versions_of_java() {
        for (text, expected) in [
            ("17.0.15", Some((17, 0, 15))),
            ("21", Some((21, 0, 0))),
            ("25-ea", Some((25, 0, 0))),
            ("1.8.0_452", Some((8, 0, 452))),
            ("11.0.2+9", Some((11, 0, 2))),
            ("later", None),
        ] {
            assert_eq!(java_version(text), expected, "{text}");
        }
    }

    #[test]
    fn a_name_may_deny_a_version() {
        for (name, version, expected) in [
            ("python3.9", (3, 9, 18), true),
            ("python3.6m", (3, 6, 15), true),
            ("python3.9", (3, 11, 2), false),
            ("python3", (3, 11, 2), true),
            ("python2", (3, 11, 2), false),
            ("node", (20, 1, 0), true),
            ("node18", (20, 1, 0), false),
            ("php8.2", (8, 2, 1), true),
            ("php82", (8, 2, 1), true),
            ("php81", (8, 2, 1), false),
            ("php8", (8, 2, 1), true),
        ] {
            assert_eq!(agrees(name, version), expected, "{name} {version:?}");
        }
    }
}
