//! What was asked for and is not there, so that calls of it do not ask the database again and again. Every change of a function
//! ends what is known of it here: nothing is ever missing that is there.

use std::collections::{HashMap, HashSet};

use fungraph_model::FunctionKey;

/// Names kept. Callers choose them: whoever asks for others all the time asks the database, and takes no more memory than this.
const KEPT: usize = 4096;

/// Versions and aliases that functions do not have, and functions that are not there, whose every version is missing.
#[derive(Debug, Default)]
pub(super) struct Absent {
    of_functions: HashMap<FunctionKey, HashSet<Name>>,
    count: usize,
}

/// What may be missing of a function. A version and an alias of one name are two things.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Name {
    Version(String),
    Alias(String),
}

impl Absent {
    pub(super) fn has(&self, key: &FunctionKey, name: &Name) -> bool {
        self.of_functions.get(key).is_some_and(|names| names.contains(name))
    }

    /// Remembers that something is missing; where there is too much, all else is forgotten.
    pub(super) fn add(&mut self, key: &FunctionKey, name: Name) {
        if self.count >= KEPT {
            *self = Self::default();
        }
        self.count += usize::from(self.of_functions.entry(key.clone()).or_default().insert(name));
    }

    /// A function has changed.
    pub(super) fn forget(&mut self, key: &FunctionKey) {
        self.count -= self.of_functions.remove(key).map_or(0, |names| names.len());
    }
}

#[cfg(test)]
mod tests {
    use fungraph_model::sample;

    use super::*;

    #[test]
    fn a_change_ends_what_is_known_of_its_function_only() {
        let (a, b) = (sample::function("a").key, sample::function("b").key);
        let (version, alias) = (Name::Version("x".to_owned()), Name::Alias("x".to_owned()));
        let mut absent = Absent::default();
        absent.add(&a, version.clone());
        absent.add(&a, version.clone());
        absent.add(&b, alias.clone());
        assert!(absent.has(&a, &version) && !absent.has(&a, &alias) && absent.has(&b, &alias));
        absent.forget(&a);
        assert!(!absent.has(&a, &version) && absent.has(&b, &alias));
        assert_eq!(absent.count, 1);
    }

    #[test]
    fn no_more_is_kept_than_there_is_room_for() {
        let mut absent = Absent::default();
        let key = sample::function("a").key;
        for number in 0..3 * KEPT {
            absent.add(&key, Name::Version(number.to_string()));
            assert!(absent.count <= KEPT);
        }
        assert!(absent.has(&key, &Name::Version((3 * KEPT - 1).to_string())));
    }
}
