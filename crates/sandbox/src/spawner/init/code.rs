//! The instructions of the init, for each kind of processor.
//!
//! It takes its name from its first argument, then waits for processes until the function has ended; it writes the status, four
//! bytes as `wait` gives them, to descriptor 0, and exits with the same code.

use std::arch::global_asm;

#[cfg(target_arch = "x86_64")]
global_asm!(
    ".pushsection .rodata",
    "fungraph_init_code:",
    "mov edi, 15", // PR_SET_NAME
    "mov rsi, [rsp + 8]",
    "mov eax, 157", // prctl
    "syscall",
    "sub rsp, 16",
    "2:",
    "mov rdi, -1",
    "mov rsi, rsp",
    "xor edx, edx",
    "xor r10d, r10d",
    "mov eax, 61", // wait4
    "syscall",
    "cmp eax, 2", // FUNCTION
    "je 3f",
    "test eax, eax",
    "jns 2b",
    "cmp eax, -4", // EINTR
    "je 2b",
    "3:",
    "xor edi, edi",
    "mov rsi, rsp",
    "mov edx, 4",
    "mov eax, 1", // write
    "syscall",
    "mov edi, [rsp]",
    "shr edi, 8",
    "and edi, 255",
    "mov eax, 231", // exit_group
    "syscall",
    "ud2",
    "fungraph_init_end:",
    ".popsection",
);
#[cfg(target_arch = "aarch64")]
global_asm!(
    ".pushsection .rodata",
    ".balign 4",
    "fungraph_init_code:",
    "mov x0, #15", // PR_SET_NAME
    "ldr x1, [sp, #8]",
    "mov x8, #167", // prctl
    "svc #0",
    "sub sp, sp, #16",
    "2:",
    "mov x0, #-1",
    "mov x1, sp",
    "mov x2, #0",
    "mov x3, #0",
    "mov x8, #260", // wait4
    "svc #0",
    "cmp w0, #2", // FUNCTION
    "b.eq 3f",
    "cmp w0, #0",
    "b.ge 2b",
    "cmn w0, #4", // EINTR
    "b.eq 2b",
    "3:",
    "mov x0, #0",
    "mov x1, sp",
    "mov x2, #4",
    "mov x8, #64", // write
    "svc #0",
    "ldr w0, [sp]",
    "lsr w0, w0, #8",
    "and w0, w0, #255",
    "mov x8, #94", // exit_group
    "svc #0",
    "brk #1",
    "fungraph_init_end:",
    ".popsection",
);

/// Its bytes, which can stand anywhere.
pub(super) fn code() -> &'static [u8] {
    // SAFETY: the two marks are defined above, the second one behind the first, with nothing but initialised bytes that are never
    // written in between.
    unsafe {
        unsafe extern "C" {
            static fungraph_init_code: u8;
            static fungraph_init_end: u8;
        }
        let (begin, end) = (&raw const fungraph_init_code, &raw const fungraph_init_end);
        std::slice::from_raw_parts(begin, end.addr() - begin.addr())
    }
}
