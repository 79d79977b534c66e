//! What tests know of texts that are compiled in: none of those in the tree may be forgotten.

use std::{collections::BTreeSet, fs, path::Path};

/// Names of all files below a folder of `runtimes/`, as paths in it.
pub(crate) fn files(folder: &str) -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../runtimes").join(folder);
    let (mut files, mut open) = (BTreeSet::new(), vec![root.clone()]);
    while let Some(folder) = open.pop() {
        for path in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            if path.is_dir() {
                open.push(path);
            } else {
                files.insert(path.strip_prefix(&root).expect("below").to_string_lossy().into_owned());
            }
        }
    }
    files
}
