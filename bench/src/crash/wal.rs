//! Tears the write-ahead log of SQLite as a power cut would: behind the last commit lies the beginning of a page that was never finished.
//! What was answered lies before it, since a commit is answered once the disk has it. The format is in <https://sqlite.org/fileformat2.html#walformat>.

use std::fs::OpenOptions;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result};

use super::chance::Chance;

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// Checksums are over words of this order; the other one is 0x377f0682.
const BIG_ENDIAN: u32 = 0x377f_0683;

/// Tears a log; false where there is none, or nothing in it.
pub(super) fn tear(path: &Path, chance: &mut Chance) -> Result<bool> {
    let Ok(bytes) = std::fs::read(path) else { return Ok(false) };
    let Some(end) = end_of_commits(&bytes) else { return Ok(false) };
    let page = word(&bytes, 8) as usize;
    // Page number and size of the database as a commit would have them, salts of this log, and a checksum that cannot be right.
    let mut torn = Vec::new();
    torn.extend_from_slice(&2_u32.to_be_bytes());
    torn.extend_from_slice(&1_000_u32.to_be_bytes());
    torn.extend_from_slice(&bytes[16..24]);
    while torn.len() < FRAME_HEADER + page {
        torn.extend_from_slice(&chance.next().to_be_bytes());
    }
    let kept = 1 + chance.below((FRAME_HEADER + page - 1) as u64) as usize;
    let mut file = OpenOptions::new().write(true).open(path).context("cannot open the log to tear it")?;
    file.seek(SeekFrom::Start(end as u64))?;
    file.write_all(&torn[..kept])?;
    // Either the file ends there, or what an earlier round of the log left follows.
    if chance.below(2) == 0 {
        file.set_len((end + kept) as u64)?;
    }
    Ok(true)
}

/// Where the last commit ends.
fn end_of_commits(bytes: &[u8]) -> Option<usize> {
    if bytes.len() < HEADER {
        return None;
    }
    let big = word(bytes, 0) == BIG_ENDIAN;
    let page = word(bytes, 8) as usize;
    let mut sum = (word(bytes, 24), word(bytes, 28));
    let (mut at, mut end) = (HEADER, None);
    while page > 0 && at + FRAME_HEADER + page <= bytes.len() {
        let frame = &bytes[at..at + FRAME_HEADER + page];
        if frame[8..16] != bytes[16..24] {
            break;
        }
        sum = checksum(checksum(sum, &frame[..8], big), &frame[FRAME_HEADER..], big);
        if sum != (word(frame, 16), word(frame, 20)) {
            break;
        }
        at += frame.len();
        if word(frame, 4) != 0 {
            end = Some(at);
        }
    }
    end
}

fn checksum((mut first, mut second): (u32, u32), bytes: &[u8], big: bool) -> (u32, u32) {
    for pair in bytes.chunks_exact(8) {
        let number = |at: usize| {
            let four = [pair[at], pair[at + 1], pair[at + 2], pair[at + 3]];
            if big { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) }
        };
        first = first.wrapping_add(number(0)).wrapping_add(second);
        second = second.wrapping_add(number(4)).wrapping_add(first);
    }
    (first, second)
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log of one page of eight bytes a frame.
    fn log(commits: &[bool]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for number in [BIG_ENDIAN, 3_007_000, 8, 0, 7, 9] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        let mut sum = checksum((0, 0), &bytes, true);
        for number in [sum.0, sum.1] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        for (at, commit) in commits.iter().enumerate() {
            let begin: Vec<u8> =
                [at as u32 + 1, u32::from(*commit)].iter().flat_map(|word| word.to_be_bytes()).collect();
            let page = [at as u8; 8];
            sum = checksum(checksum(sum, &begin, true), &page, true);
            let salts = bytes[16..24].to_vec();
            bytes.extend_from_slice(&begin);
            bytes.extend_from_slice(&salts);
            bytes.extend(sum.0.to_be_bytes().into_iter().chain(sum.1.to_be_bytes()));
            bytes.extend_from_slice(&page);
        }
        bytes
    }

    #[test]
    fn the_tear_is_behind_the_last_commit() {
        let frame = FRAME_HEADER + 8;
        for (commits, expected) in [
            (&[][..], None),
            (&[false], None),
            (&[true], Some(HEADER + frame)),
            (&[true, false], Some(HEADER + frame)),
            (&[false, true, true, false], Some(HEADER + 3 * frame)),
        ] {
            assert_eq!(end_of_commits(&log(commits)), expected, "{commits:?}");
        }
        let mut broken = log(&[true, true]);
        *broken.last_mut().expect("a page") ^= 1;
        assert_eq!(end_of_commits(&broken), Some(HEADER + frame));
    }
}
