//! A file that goes to disk while it is written: else the disk has nothing to do until all of it is there, and then we have nothing to do
//! but wait.

use std::fs::File;
use std::io::{self, Write};
use std::thread::{Builder, Scope, ScopedJoinHandle};

/// Bytes after which the disk is given what there is.
const STEP: usize = 8 << 20;

/// What writes a file. Small ones, nearly all, begin no thread.
pub(super) struct Settling<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    file: &'env File,
    /// Bytes since the disk was last given some.
    waiting: usize,
    going: Option<ScopedJoinHandle<'scope, io::Result<()>>>,
}

impl<'scope, 'env> Settling<'scope, 'env> {
    pub(super) fn new(scope: &'scope Scope<'scope, 'env>, file: &'env File) -> Self {
        Self { scope, file, waiting: 0, going: None }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut file = self.file;
        file.write_all(bytes)?;
        self.waiting += bytes.len();
        // A disk that is slower than we are gets the more at once.
        if self.waiting >= STEP && self.going.as_ref().is_none_or(ScopedJoinHandle::is_finished) {
            self.end_of_turn()?;
            self.waiting = 0;
            // Where the system has no thread for it, all goes to disk at the end.
            self.going = Builder::new().spawn_scoped(self.scope, move || file.sync_data()).ok();
        }
        Ok(())
    }

    /// What the disk said, which says it to nobody else: whoever opens the file later is told nothing of it. The rest is not on disk yet.
    pub(super) fn end(mut self) -> io::Result<()> {
        self.end_of_turn()
    }

    fn end_of_turn(&mut self) -> io::Result<()> {
        match self.going.take() {
            Some(going) => going.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_all_that_was_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        let file = File::create(&path).expect("is made");
        let bytes: Vec<u8> = (0..3 * STEP + 5).map(|place| (place * 31 % 251) as u8).collect();
        std::thread::scope(|scope| {
            let mut settling = Settling::new(scope, &file);
            bytes.chunks(1 << 20).for_each(|chunk| settling.write(chunk).expect("is written"));
            settling.end().expect("nothing went wrong");
        });
        assert!(std::fs::read(&path).expect("is there") == bytes);
    }

    #[test]
    fn what_the_disk_says_is_passed_on() {
        // A pipe takes bytes and can be brought to no disk.
        let (reader, writer) = rustix::pipe::pipe().expect("a pipe");
        let (mut reader, writer) = (File::from(reader), File::from(writer));
        let told = std::thread::scope(|scope| {
            scope.spawn(move || io::copy(&mut reader, &mut io::sink()));
            let file = writer;
            let told = std::thread::scope(|scope| {
                let mut settling = Settling::new(scope, &file);
                settling.write(&vec![0; STEP]).and_then(|()| settling.end())
            });
            drop(file);
            told
        });
        assert_eq!(told.expect_err("no disk").kind(), io::ErrorKind::InvalidInput);
    }
}
