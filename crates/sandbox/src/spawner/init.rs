//! The first process of every sandbox: it collects what others leave behind, and ends as the function does.
//!
//! The kernel gives pid 1 of a pid namespace a duty and a privilege that no interpreter knows of. Whatever loses its parent becomes
//! its child and counts as a process until somebody waits for it; and a signal from inside that it does not handle is ignored, its
//! own SIGKILL and abort included. So pid 1 is a program of ours, and the function is pid 2.
//!
//! It is a few instructions in a file that exists in memory only. A forked copy of the spawner would cost a megabyte, and keep what
//! the spawner knows within the function's reach. It has the user, the limits and the filters of the function, and nothing to
//! lose: one open descriptor, the pipe on which it reports the function's end. Nobody inside can look into it, since its file
//! cannot be read and the kernel then lets nobody trace it.

#[allow(unsafe_code)]
mod code;

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{MemfdFlags, Mode, SealFlags, fchmod, fcntl_add_seals, memfd_create};
use rustix::io::Errno;

/// The process id of the function, as the first one that pid 1 starts, under the embedded engine. OCI programs may have had
/// threads in the pid namespace before, which take numbers as well.
pub(super) const FUNCTION: i32 = 2;
const NAME: &CStr = c"fungraph-init";

#[cfg(target_arch = "x86_64")]
const MACHINE: u16 = 62;
#[cfg(target_arch = "aarch64")]
const MACHINE: u16 = 183;

/// The program, ready to become.
#[derive(Debug)]
pub(super) struct Init {
    file: OwnedFd,
}

/// A number below 2^24 as text that the instructions can read: four letters of six bits, the least first.
pub(super) fn encode(number: u32) -> CString {
    let letters = [0, 6, 12, 18].map(|shift| 0x40 | (number >> shift & 0x3f) as u8);
    CString::new(letters).expect("no letter is 0")
}

impl AsFd for Init {
    /// The program's file, for an OCI program to start.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Init {
    /// Writes it down, once per spawner.
    pub(super) fn write() -> io::Result<Init> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let made = match memfd_create(NAME, flags | MemfdFlags::EXEC) {
            // Kernels before 6.3 do not know that it must be said.
            Err(Errno::INVAL) => memfd_create(NAME, flags),
            made => made,
        };
        let mut file = File::from(made?);
        file.write_all(&image(code::code()))?;
        fchmod(&file, Mode::from_raw_mode(0o111))?;
        fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
        Ok(Init { file: file.into() })
    }

    /// Becomes the program, with `report` as its only descriptor; comes back with the reason why not.
    #[allow(unsafe_code)]
    pub(super) fn run(&self, report: impl AsFd) -> io::Error {
        // SAFETY: plain numbers. Nothing of this process uses its standard streams or 3 any more: it is about to be replaced, and the
        // function has its own copies.
        unsafe {
            if libc::dup2(report.as_fd().as_raw_fd(), 0) != 0 {
                return io::Error::last_os_error();
            }
            for number in 1..=3 {
                libc::close(number);
            }
        }
        let arguments = [NAME.as_ptr(), std::ptr::null()];
        let function = encode(FUNCTION.cast_unsigned());
        let environment = [function.as_ptr(), std::ptr::null()];
        // SAFETY: the path is empty and NUL-terminated, and both lists end in a null pointer and outlive the call.
        unsafe {
            libc::syscall(
                libc::SYS_execveat,
                self.file.as_raw_fd(),
                c"".as_ptr(),
                arguments.as_ptr(),
                environment.as_ptr(),
                libc::AT_EMPTY_PATH,
            );
        }
        io::Error::last_os_error()
    }
}

/// An ELF program with one segment, the whole file, and a stack that is not executable.
fn image(code: &[u8]) -> Vec<u8> {
    const BASE: u64 = 0x40_0000;
    const HEADER: u16 = 64;
    const SEGMENT: u16 = 56;
    const SEGMENTS: u16 = 2;
    let begin = u64::from(HEADER + SEGMENTS * SEGMENT);
    let length = begin + code.len() as u64;
    let mut file = Vec::new();
    // 64 bits, little endian, version 1, no particular system.
    file.extend_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    // Executable, machine, version 1.
    file.extend([2_u16, MACHINE, 1, 0].map(u16::to_le_bytes).concat());
    // Entry, segments, no sections.
    file.extend([BASE + begin, u64::from(HEADER), 0].map(u64::to_le_bytes).concat());
    file.extend([0_u16, 0, HEADER, SEGMENT, SEGMENTS, 0, 0, 0].map(u16::to_le_bytes).concat());
    // PT_LOAD, readable and executable: offset, address twice, size twice, alignment.
    file.extend([1_u32, 5].map(u32::to_le_bytes).concat());
    file.extend([0, BASE, BASE, length, length, 0x1000].map(u64::to_le_bytes).concat());
    // PT_GNU_STACK, readable and writable.
    file.extend([0x6474_e551_u32, 6].map(u32::to_le_bytes).concat());
    file.extend([0_u64; 6].map(u64::to_le_bytes).concat());
    file.extend_from_slice(code);
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_four_letters() {
        for (number, expected) in [(2, "B@@@"), (63, "\x7f@@@"), (64, "@A@@"), (4_194_304, "@@@P")] {
            assert_eq!(encode(number).to_str(), Ok(expected));
        }
    }

    #[test]
    fn the_program_is_small_and_whole() {
        let file = image(code::code());
        assert_eq!(file.len(), 64 + 2 * 56 + code::code().len());
        assert!((40..1024).contains(&code::code().len()), "{}", code::code().len());
        assert_eq!(u16::from_le_bytes([file[52], file[53]]), 64, "the size of the header is where it belongs");
    }
}
