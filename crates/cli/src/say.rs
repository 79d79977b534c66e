//! The two voices of the program: results on the standard output, everything else on the standard error.

use std::io::{self, Write};

/// A line of the result. A reader who left (`fungraph logs x | head`) is no failure.
pub(crate) fn out(line: impl AsRef<str>) {
    raw(format!("{}\n", line.as_ref()).as_bytes());
}

/// Bytes of the result as they are, and at once.
pub(crate) fn raw(bytes: &[u8]) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(bytes).and_then(|()| out.flush());
}

/// A remark.
pub(crate) fn note(line: impl AsRef<str>) {
    let _ = writeln!(io::stderr().lock(), "{}", line.as_ref());
}

/// An error with its causes.
pub(crate) fn error(error: &anyhow::Error) {
    note(format!("fungraph: {error:#}"));
}
