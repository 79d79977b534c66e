//! The instructions of the init, for each kind of processor.
//!
//! With one argument, its name, it is the init: it takes that name, then waits for processes until the function has ended; it
//! writes the status, four bytes as `wait` gives them, to descriptor 0, and exits with the same code. Which process is the
//! function stands in its environment, as [`encode`](super::encode) writes it.
//!
//! With more, it was started by an OCI program, which knows nothing of all this, and does first what the executor of the embedded
//! engine does (see executor.rs): ties its life to the spawner's, makes signals usual again, starts the function, reports
//! on descriptor 4, and becomes the init, from descriptor 5. Its arguments: its own path, the number of the function's
//! arguments, those, one that is of no use, and the function's environment.

use std::arch::global_asm;

// Its two names are for whichever part of this crate the compiler puts their reader into, and for nobody outside of the program.

#[cfg(target_arch = "x86_64")]
global_asm!(
    ".pushsection .rodata",
    ".globl fungraph_init_code",
    ".hidden fungraph_init_code",
    "fungraph_init_code:",
    "cmp qword ptr [rsp], 1",
    "jne 30f",
    "mov rsi, [rsp + 24]", // the first variable: the function's process, encoded
    "mov eax, [rsi]",
    "mov ebx, eax",
    "and ebx, 0x3f",
    "shr eax, 2",
    "mov edx, eax",
    "and edx, 0xfc0",
    "or ebx, edx",
    "shr eax, 2",
    "mov edx, eax",
    "and edx, 0x3f000",
    "or ebx, edx",
    "shr eax, 2",
    "and eax, 0xfc0000",
    "or ebx, eax",
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
    "cmp eax, ebx",
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
    // ---- started by an OCI program ----
    "30:",
    "mov r12, rsp",
    "sub rsp, 256",
    "mov edi, 1",   // PR_SET_PDEATHSIG
    "mov esi, 9",   // SIGKILL
    "mov eax, 157", // prctl
    "syscall",
    // A spawner that died before gives no signal any more; but then nobody reads the report.
    "mov qword ptr [rsp], 4",
    "mov rdi, rsp",
    "mov esi, 1",
    "xor edx, edx",
    "mov eax, 7", // poll
    "syscall",
    "test eax, eax",
    "jnz 38f",
    // Every signal to its default: what is ignored would stay so.
    "xor eax, eax",
    "mov rdi, rsp",
    "mov ecx, 8",
    "rep stosq",
    "mov ebx, 64",
    "31:",
    "mov edi, ebx",
    "mov rsi, rsp",
    "xor edx, edx",
    "mov r10d, 8",
    "mov eax, 13", // rt_sigaction
    "syscall",
    "dec ebx",
    "jnz 31b",
    // And none blocked.
    "mov edi, 2", // SIG_SETMASK
    "mov rsi, rsp",
    "xor edx, edx",
    "mov r10d, 8",
    "mov eax, 14", // rt_sigprocmask
    "syscall",
    // How many arguments the function has, in r13; r14 its arguments, r15 its environment.
    "mov rsi, [r12 + 16]",
    "mov eax, [rsi]",
    "mov r13d, eax",
    "and r13d, 0x3f",
    "shr eax, 2",
    "mov edx, eax",
    "and edx, 0xfc0",
    "or r13d, edx",
    "shr eax, 2",
    "mov edx, eax",
    "and edx, 0x3f000",
    "or r13d, edx",
    "shr eax, 2",
    "and eax, 0xfc0000",
    "or r13d, eax",
    "lea r14, [r12 + 24]",
    "lea r15, [r14 + r13 * 8]",
    "mov qword ptr [r15], 0",
    "add r15, 8",
    "mov edi, 0x4111", // CLONE_VM, CLONE_VFORK, SIGCHLD
    "xor esi, esi",
    "xor edx, edx",
    "xor r10d, r10d",
    "xor r8d, r8d",
    "mov eax, 56", // clone
    "syscall",
    "test eax, eax",
    "jz 36f",
    "js 34f",
    "mov ebx, eax",
    "mov eax, [rsp]", // what the new process left there: 0, or why it is none
    "test eax, eax",
    "jnz 34f",
    // It runs.
    "mov edi, 4",
    "mov rsi, rsp",
    "mov edx, 1",
    "mov eax, 1", // write
    "syscall",
    "mov edi, 4",
    "xor esi, esi",
    "mov eax, 33", // dup2
    "syscall",
    "mov r13d, 4",
    "33:",
    "mov edi, r13d",
    "mov eax, 3", // close
    "syscall",
    "dec r13d",
    "jnz 33b",
    "mov edi, 5",
    "mov esi, 2",  // F_SETFD
    "mov edx, 1",  // FD_CLOEXEC
    "mov eax, 72", // fcntl
    "syscall",
    // The environment: one variable, the process in ebx, encoded.
    "mov eax, ebx",
    "and eax, 0x3f",
    "mov edx, ebx",
    "shl edx, 2",
    "mov ecx, edx",
    "and ecx, 0x3f00",
    "or eax, ecx",
    "shl edx, 2",
    "mov ecx, edx",
    "and ecx, 0x3f0000",
    "or eax, ecx",
    "shl edx, 2",
    "and edx, 0x3f000000",
    "or eax, edx",
    "or eax, 0x40404040",
    "mov [rsp + 64], eax",
    "mov dword ptr [rsp + 68], 0",
    "lea rax, [rip + 39f]",
    "mov [rsp], rax",
    "mov qword ptr [rsp + 8], 0",
    "lea rax, [rsp + 64]",
    "mov [rsp + 16], rax",
    "mov qword ptr [rsp + 24], 0",
    "mov edi, 5",
    "lea rsi, [rip + 40f]",
    "mov rdx, rsp",
    "lea r10, [rsp + 16]",
    "mov r8d, 0x1000", // AT_EMPTY_PATH
    "mov eax, 322",    // execveat
    "syscall",
    "jmp 38f",
    // It does not: eax holds the negative number of the error.
    "34:",
    "neg eax",
    "mov [rsp + 4], eax",
    "mov byte ptr [rsp + 3], 1",
    "mov edi, 4",
    "lea rsi, [rsp + 3]",
    "mov edx, 5",
    "mov eax, 1", // write
    "syscall",
    "jmp 38f",
    // The new process.
    "36:",
    "mov eax, 112", // setsid
    "syscall",
    "mov edi, 4",
    "mov eax, 3", // close
    "syscall",
    "mov edi, 5",
    "mov eax, 3", // close
    "syscall",
    "mov rdi, [r14]",
    "mov rsi, r14",
    "mov rdx, r15",
    "mov eax, 59", // execve
    "syscall",
    "mov [rsp], eax",
    "38:",
    "mov edi, 1",
    "mov eax, 231", // exit_group
    "syscall",
    "ud2",
    "39:",
    ".ascii \"fungraph-init\"",
    "40:",
    ".byte 0",
    ".globl fungraph_init_end",
    ".hidden fungraph_init_end",
    "fungraph_init_end:",
    ".popsection",
);
#[cfg(target_arch = "aarch64")]
global_asm!(
    ".pushsection .rodata",
    ".balign 4",
    ".globl fungraph_init_code",
    ".hidden fungraph_init_code",
    "fungraph_init_code:",
    "ldr x9, [sp]",
    "cmp x9, #1",
    "b.ne 30f",
    "ldr x1, [sp, #24]", // the first variable: the function's process, encoded
    "ldr w9, [x1]",
    "and w19, w9, #0x3f",
    "lsr w9, w9, #2",
    "and w10, w9, #0xfc0",
    "orr w19, w19, w10",
    "lsr w9, w9, #2",
    "and w10, w9, #0x3f000",
    "orr w19, w19, w10",
    "lsr w9, w9, #2",
    "and w10, w9, #0xfc0000",
    "orr w19, w19, w10",
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
    "cmp w0, w19",
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
    // ---- started by an OCI program ----
    "30:",
    "mov x20, sp",
    "sub sp, sp, #256",
    "mov x0, #1",   // PR_SET_PDEATHSIG
    "mov x1, #9",   // SIGKILL
    "mov x8, #167", // prctl
    "svc #0",
    // A spawner that died before gives no signal any more; but then nobody reads the report.
    "mov x9, #4",
    "stp x9, xzr, [sp]",
    "stp xzr, xzr, [sp, #16]",
    "mov x0, sp",
    "mov x1, #1",
    "add x2, sp, #16", // no time
    "mov x3, #0",
    "mov x4, #8",
    "mov x8, #73", // ppoll
    "svc #0",
    "cbnz w0, 38f",
    // Every signal to its default: what is ignored would stay so.
    "stp xzr, xzr, [sp]",
    "stp xzr, xzr, [sp, #16]",
    "stp xzr, xzr, [sp, #32]",
    "mov w19, #64",
    "31:",
    "mov w0, w19",
    "mov x1, sp",
    "mov x2, #0",
    "mov x3, #8",
    "mov x8, #134", // rt_sigaction
    "svc #0",
    "subs w19, w19, #1",
    "b.ne 31b",
    // And none blocked.
    "mov x0, #2", // SIG_SETMASK
    "mov x1, sp",
    "mov x2, #0",
    "mov x3, #8",
    "mov x8, #135", // rt_sigprocmask
    "svc #0",
    // How many arguments the function has, in x21; x22 its arguments, x23 its environment.
    "ldr x1, [x20, #16]",
    "ldr w9, [x1]",
    "and w21, w9, #0x3f",
    "lsr w9, w9, #2",
    "and w10, w9, #0xfc0",
    "orr w21, w21, w10",
    "lsr w9, w9, #2",
    "and w10, w9, #0x3f000",
    "orr w21, w21, w10",
    "lsr w9, w9, #2",
    "and w10, w9, #0xfc0000",
    "orr w21, w21, w10",
    "add x22, x20, #24",
    "add x23, x22, x21, lsl #3",
    "str xzr, [x23], #8",
    "mov x0, #0x4111", // CLONE_VM, CLONE_VFORK, SIGCHLD
    "mov x1, #0",
    "mov x2, #0",
    "mov x3, #0",
    "mov x4, #0",
    "mov x8, #220", // clone
    "svc #0",
    "cbz w0, 36f",
    "tbnz w0, #31, 34f",
    "mov w19, w0",
    "ldr w0, [sp]", // what the new process left there: 0, or why it is none
    "cbnz w0, 34f",
    // It runs.
    "mov x0, #4",
    "mov x1, sp",
    "mov x2, #1",
    "mov x8, #64", // write
    "svc #0",
    "mov x0, #4",
    "mov x1, #0",
    "mov x2, #0",
    "mov x8, #24", // dup3
    "svc #0",
    "mov w21, #4",
    "33:",
    "mov w0, w21",
    "mov x8, #57", // close
    "svc #0",
    "subs w21, w21, #1",
    "b.ne 33b",
    "mov x0, #5",
    "mov x1, #2",  // F_SETFD
    "mov x2, #1",  // FD_CLOEXEC
    "mov x8, #25", // fcntl
    "svc #0",
    // The environment: one variable, the process in w19, encoded.
    "and w9, w19, #0x3f",
    "lsl w10, w19, #2",
    "and w11, w10, #0x3f00",
    "orr w9, w9, w11",
    "lsl w10, w10, #2",
    "and w11, w10, #0x3f0000",
    "orr w9, w9, w11",
    "lsl w10, w10, #2",
    "and w11, w10, #0x3f000000",
    "orr w9, w9, w11",
    "orr w9, w9, #0x40404040",
    "stp w9, wzr, [sp, #64]",
    "adr x9, 39f",
    "stp x9, xzr, [sp]",
    "add x9, sp, #64",
    "stp x9, xzr, [sp, #16]",
    "mov x0, #5",
    "adr x1, 40f",
    "mov x2, sp",
    "add x3, sp, #16",
    "mov x4, #0x1000", // AT_EMPTY_PATH
    "mov x8, #281",    // execveat
    "svc #0",
    "b 38f",
    // It does not: w0 holds the negative number of the error.
    "34:",
    "neg w0, w0",
    "str w0, [sp, #4]",
    "mov w9, #1",
    "strb w9, [sp, #3]",
    "mov x0, #4",
    "add x1, sp, #3",
    "mov x2, #5",
    "mov x8, #64", // write
    "svc #0",
    "b 38f",
    // The new process.
    "36:",
    "mov x8, #157", // setsid
    "svc #0",
    "mov x0, #4",
    "mov x8, #57", // close
    "svc #0",
    "mov x0, #5",
    "mov x8, #57", // close
    "svc #0",
    "ldr x0, [x22]",
    "mov x1, x22",
    "mov x2, x23",
    "mov x8, #221", // execve
    "svc #0",
    "str w0, [sp]",
    "38:",
    "mov x0, #1",
    "mov x8, #94", // exit_group
    "svc #0",
    "brk #1",
    "39:",
    ".ascii \"fungraph-init\"",
    "40:",
    ".byte 0",
    ".balign 4",
    ".globl fungraph_init_end",
    ".hidden fungraph_init_end",
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
