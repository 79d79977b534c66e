//! Writing a large package from its memory to the disk, without the copy of it that the system would keep.
//!
//! Nobody reads a package soon: what instances see is its tree. The copy costs as much of a processor as the hash does, and pushes out
//! of memory what somebody reads. Where a file system or the memory does not allow it, nothing is written here, and the usual way is gone.

use std::fs::File;
use std::io;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;

use super::LARGE;

/// Bytes of a block of nearly any disk there is. Bytes that begin at a multiple of it in memory can go to the disk from there; what is
/// written so is a number of whole blocks.
pub const BLOCK: usize = 4 << 10;
/// Bytes of one write: enough to keep a disk busy, and few enough that others get their turn.
const STEP: usize = 4 << 20;

/// Writes the first bytes to a file that is empty; gives how many. The rest is the caller's to write behind them, and all of it to be
/// brought to disk as any file is: a disk that has bytes need not keep them yet.
pub(super) fn write(file: &File, bytes: &[u8]) -> io::Result<usize> {
    if (bytes.len() as u64) < LARGE || bytes.as_ptr().align_offset(BLOCK) != 0 {
        return Ok(0);
    }
    let flags = fcntl_getfl(file)?;
    if fcntl_setfl(file, flags | OFlags::DIRECT).is_err() {
        return Ok(0);
    }
    let written = write_blocks(&bytes[..bytes.len() / BLOCK * BLOCK], |step| rustix::io::write(file, step));
    // What follows is no whole block.
    fcntl_setfl(file, flags)?;
    Ok(written?)
}

fn write_blocks(bytes: &[u8], mut write: impl FnMut(&[u8]) -> Result<usize, Errno>) -> Result<usize, Errno> {
    let mut written = 0;
    while written < bytes.len() {
        let step = &bytes[written..bytes.len().min(written + STEP)];
        match write(step) {
            // Larger blocks than we know of, a write that ended within one, or a file system that took the flag and does not do it: the
            // usual way takes over from here.
            Ok(0) | Err(Errno::INVAL | Errno::OPNOTSUPP) => break,
            Ok(length) => written += length,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// Bytes that begin so many behind the boundary of a block.
    fn check(length: usize, shift: usize) -> usize {
        let mut memory = vec![0; length + 2 * BLOCK];
        let start = memory.as_ptr().align_offset(BLOCK) + shift;
        let bytes = &mut memory[start..start + length];
        bytes.iter_mut().enumerate().for_each(|(place, byte)| *byte = (place * 31 % 251) as u8);
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("package");
        let mut file = File::create(&path).expect("is made");
        let written = write(&file, bytes).expect("is written");
        file.write_all(&bytes[written..]).expect("the rest");
        file.sync_all().expect("is on disk");
        assert!(std::fs::read(&path).expect("is there") == bytes, "{length} bytes, {shift} further");
        written
    }

    #[test]
    fn a_file_has_the_bytes_whichever_way_they_went() {
        let large = LARGE as usize;
        for length in [0, 1, large - 1, large, large + 1, STEP + BLOCK, 2 * STEP + 7] {
            let written = check(length, 0);
            // A file system may have no other way than the usual one.
            assert!(written == 0 || written == length / BLOCK * BLOCK, "{written} of {length}");
            assert_eq!(check(length, 8), 0, "not from everywhere");
        }
    }

    #[test]
    fn a_file_system_that_does_no_more_of_it_leaves_the_rest_to_the_usual_way() {
        let bytes = vec![0; 3 * STEP];
        for (refusal, taken) in
            [(Ok(0), 0), (Err(Errno::INVAL), 1), (Err(Errno::OPNOTSUPP), 0), (Err(Errno::OPNOTSUPP), 2)]
        {
            let mut steps = 0;
            let written = write_blocks(&bytes, |step| {
                steps += 1;
                if steps > taken { refusal } else { Ok(step.len()) }
            });
            assert_eq!(written, Ok(taken * STEP));
        }
        let full = write_blocks(&bytes, |_| Err(Errno::NOSPC));
        assert_eq!(full, Err(Errno::NOSPC), "the usual way would not write it either");
    }

    #[test]
    fn what_the_system_says_is_passed_on() {
        let mut memory = vec![0; LARGE as usize + 2 * BLOCK];
        let start = memory.as_mut_ptr().align_offset(BLOCK);
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("is there");
        let written = write(&full, &memory[start..start + LARGE as usize]);
        assert!(written.is_err() || written.is_ok_and(|written| written == 0), "nothing that is not there counts");
    }
}
