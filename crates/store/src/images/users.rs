//! The user whom functions run as has a name in every image: programs ask for it, and for its home.

use std::io::{self, Write as _};
use std::path::Path;

use super::tree::Tree;

/// Longest list of users that is looked through.
const LONGEST: u64 = 1 << 20;

/// Adds user and group 1003 where the image has none of that number.
pub(super) fn complete(tree: &mut Tree) -> io::Result<()> {
    add(tree, "etc/passwd", "snuser:x:1003:1003::/home/snuser:/bin/sh\n", "root:x:0:0:root:/root:/bin/sh\n")?;
    add(tree, "etc/group", "snuser:x:1003:\n", "root:x:0:\n")
}

/// `first` begins a list that is not there.
fn add(tree: &mut Tree, path: &str, line: &str, first: &str) -> io::Result<()> {
    let mut list = tree.read(Path::new(path), LONGEST)?.unwrap_or_else(|| first.as_bytes().to_vec());
    if has(&list) || list.len() as u64 == LONGEST {
        return Ok(());
    }
    if list.last().is_some_and(|last| *last != b'\n') {
        list.push(b'\n');
    }
    list.extend_from_slice(line.as_bytes());
    // In place of what is there: a link, or one of several names of a file, must not carry it elsewhere.
    tree.file(Path::new(path), false)?.write_all(&list)
}

fn has(list: &[u8]) -> bool {
    list.split(|byte| *byte == b'\n').any(|line| line.split(|byte| *byte == b':').nth(2) == Some(b"1003"))
}
