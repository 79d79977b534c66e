//! The system calls a sandboxed process may not make, in one table.
//!
//! Everything else is allowed: runtimes differ too much for a list of what they need, and the other walls hold without this one.
//! The table takes away what has been the way through those walls: mounts, namespaces, keys, other processes' memory, and the
//! large young interfaces (bpf, io_uring, perf). Names stand beside numbers: `linux.seccomp` of a bundle for an OCI program is
//! written from the same table (see seccomp/profile.rs).
//!
//! The answer is EPERM, but for clone3 ENOSYS: its flags lie in memory, where a filter cannot look, and every C library then
//! falls back to clone, whose flags it can. seccompiler knows one answer per filter, hence two filters, and a third by hand.

mod profile;

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, sock_filter,
};

/// The filters, compiled once per spawner.
#[derive(Clone, Debug)]
pub(super) struct Filters {
    programs: Vec<BpfProgram>,
}

/// The filters cannot be compiled: the kernel's architecture is one that nobody built this for.
#[derive(Debug, thiserror::Error)]
pub(super) enum FilterError {
    #[error("there are no filters for this processor architecture")]
    Architecture,
    #[error("the filter rule for {name} does not compile")]
    Rule { name: &'static str, source: seccompiler::BackendError },
    #[error("the filters do not compile")]
    Compile(#[source] seccompiler::BackendError),
}

/// When a call is refused. Each inner list must hold as a whole; one of them is enough.
enum When {
    Always,
    Any(Vec<Vec<(u8, SeccompCmpOp, u64)>>),
}

struct Rule {
    name: &'static str,
    number: i64,
    when: When,
}

macro_rules! always {
    ($($name:ident)*) => { vec![$((stringify!($name), libc::$name)),*] };
}

impl Filters {
    pub(super) fn compile() -> Result<Filters, FilterError> {
        let programs = vec![foreign_numbers(), filter(unknown(), libc::ENOSYS)?, filter(table(), libc::EPERM)?];
        Ok(Filters { programs })
    }

    /// Puts the filters on the calling thread, for good.
    pub(super) fn apply(&self) -> Result<(), seccompiler::Error> {
        self.programs.iter().try_for_each(|program| seccompiler::apply_filter(program))
    }
}

/// The same for an OCI program: `linux.seccomp` of its bundles.
pub(super) fn profile() -> serde_json::Value {
    profile::profile(&table(), &unknown())
}

/// Calls answered as if the kernel did not have them.
fn unknown() -> Vec<Rule> {
    vec![Rule { name: "SYS_clone3", number: libc::SYS_clone3, when: When::Always }]
}

fn table() -> Vec<Rule> {
    let always = plain().into_iter().map(|(name, number)| Rule { name, number, when: When::Always });
    always.chain(conditional()).collect()
}

/// Calls nothing that runs in a sandbox has a use for.
fn plain() -> Vec<(&'static str, i64)> {
    let mut calls = always![
        // mounts and roots
        SYS_mount SYS_umount2 SYS_pivot_root SYS_chroot SYS_fsopen SYS_fsconfig SYS_fsmount SYS_fspick SYS_open_tree
        SYS_move_mount SYS_mount_setattr SYS_open_by_handle_at SYS_fanotify_init
        // namespaces
        SYS_setns
        // keys: the kernel's keyrings are not divided as the rest is
        SYS_keyctl SYS_add_key SYS_request_key
        // other processes
        SYS_ptrace SYS_process_vm_readv SYS_process_vm_writev SYS_kcmp SYS_pidfd_getfd SYS_process_madvise SYS_move_pages
        SYS_migrate_pages
        // interfaces whose faults have led out before
        SYS_bpf SYS_perf_event_open SYS_userfaultfd SYS_io_uring_setup SYS_io_uring_enter SYS_io_uring_register
        // the machine itself
        SYS_kexec_load SYS_init_module SYS_finit_module SYS_delete_module SYS_reboot SYS_swapon SYS_swapoff SYS_acct
        SYS_quotactl SYS_quotactl_fd SYS_syslog SYS_vhangup SYS_sethostname SYS_setdomainname SYS_nfsservctl
        SYS_settimeofday SYS_clock_settime SYS_clock_adjtime SYS_adjtimex SYS_lookup_dcookie
    ];
    #[cfg(target_arch = "x86_64")]
    calls.extend(always![
        SYS_kexec_file_load SYS_iopl SYS_ioperm SYS_modify_ldt SYS_uselib SYS_ustat SYS_sysfs SYS__sysctl SYS_vserver
    ]);
    calls
}

/// Calls refused by their arguments.
fn conditional() -> Vec<Rule> {
    use SeccompCmpOp::{Eq, Ne};
    const NAMESPACES: [i32; 7] = [
        libc::CLONE_NEWNS,
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWNET,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWCGROUP,
    ];
    let new_namespace = |flags: &[i32]| {
        When::Any(flags.iter().map(|flag| vec![(0, SeccompCmpOp::MaskedEq(*flag as u64), *flag as u64)]).collect())
    };
    // In clone that bit is part of the exit signal; in unshare it is the time namespace.
    let for_unshare = [&NAMESPACES[..], &[libc::CLONE_NEWTIME]].concat();
    let is_not_one_of = |values: &[i32]| values.iter().map(|value| (0, Ne, *value as u64)).collect::<Vec<_>>();
    let families = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];
    // Only routing netlink: getaddrinfo and lists of network interfaces ask it.
    let netlink = vec![(0, Eq, libc::AF_NETLINK as u64), (2, Ne, libc::NETLINK_ROUTE as u64)];
    // Reading the personality, or asking for the plain one, changes nothing.
    let personality = vec![(0, Ne, 0), (0, Ne, 0xffff_ffff)];
    // Whoever could take back the signal that comes with the spawner's death would outlive it.
    let death_signal = vec![(0, Eq, libc::PR_SET_PDEATHSIG as u64), (1, Ne, libc::SIGKILL as u64)];
    let rules = vec![
        Rule { name: "SYS_clone", number: libc::SYS_clone, when: new_namespace(&NAMESPACES) },
        Rule { name: "SYS_unshare", number: libc::SYS_unshare, when: new_namespace(&for_unshare) },
        Rule { name: "SYS_socket", number: libc::SYS_socket, when: When::Any(vec![is_not_one_of(&families), netlink]) },
        Rule { name: "SYS_personality", number: libc::SYS_personality, when: When::Any(vec![personality]) },
        Rule { name: "SYS_prctl", number: libc::SYS_prctl, when: When::Any(vec![death_signal]) },
        // Typing into a terminal that someone else reads.
        Rule { name: "SYS_ioctl", number: libc::SYS_ioctl, when: When::Any(vec![vec![(1, Eq, libc::TIOCSTI)]]) },
    ];
    rules.into_iter().chain(against_the_init()).collect()
}

/// Calls that would starve the init. It has the user of the function, so the kernel allows them; but the pid namespace ends when the
/// init has been given CPU to end, and nobody inside may put that off. 0 means the caller, and is left alone.
fn against_the_init() -> Vec<Rule> {
    use SeccompCmpOp::{Eq, Ne};
    const INIT: u64 = 1;
    /// Of `ioprio_set`, from `linux/ioprio.h`.
    const IOPRIO_WHO: [u64; 3] = [1, 2, 3];
    let is_init = |(name, number)| Rule { name, number, when: When::Any(vec![vec![(0, Eq, INIT)]]) };
    // Its process; groups of processes but the caller's own; all of a user, since that includes the init.
    let targets = |[process, group, user]: [u64; 3]| {
        When::Any(vec![vec![(0, Eq, process), (1, Eq, INIT)], vec![(0, Eq, group), (1, Ne, 0)], vec![(0, Eq, user)]])
    };
    let priorities = [libc::PRIO_PROCESS, libc::PRIO_PGRP, libc::PRIO_USER].map(|which| which as u64);
    let by_id =
        always![SYS_sched_setscheduler SYS_sched_setparam SYS_sched_setattr SYS_sched_setaffinity SYS_prlimit64];
    let mut rules: Vec<_> = by_id.into_iter().map(is_init).collect();
    rules.push(Rule { name: "SYS_setpriority", number: libc::SYS_setpriority, when: targets(priorities) });
    rules.push(Rule { name: "SYS_ioprio_set", number: libc::SYS_ioprio_set, when: targets(IOPRIO_WHO) });
    rules
}

fn filter(rules: Vec<Rule>, errno: i32) -> Result<BpfProgram, FilterError> {
    let mut map = BTreeMap::new();
    for rule in rules {
        map.insert(rule.number, compile(rule)?);
    }
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(|_| FilterError::Architecture)?;
    let filter = SeccompFilter::new(map, SeccompAction::Allow, SeccompAction::Errno(errno as u32), arch)
        .map_err(FilterError::Compile)?;
    BpfProgram::try_from(filter).map_err(FilterError::Compile)
}

fn compile(Rule { name, when, .. }: Rule) -> Result<Vec<SeccompRule>, FilterError> {
    let wrong = |source| FilterError::Rule { name, source };
    let When::Any(alternatives) = when else { return Ok(Vec::new()) };
    let condition = |(argument, operation, value)| {
        // Flags, families and ioctl numbers are read by the kernel as 32 bits; comparing 64 would let dirty upper halves pass.
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operation, value).map_err(wrong)
    };
    let rule = |conditions: Vec<_>| {
        let conditions = conditions.into_iter().map(condition).collect::<Result<Vec<_>, _>>()?;
        SeccompRule::new(conditions).map_err(wrong)
    };
    alternatives.into_iter().map(rule).collect()
}

/// Refuses the x32 numbers of x86-64: the same calls under other numbers, of which the table knows nothing.
fn foreign_numbers() -> BpfProgram {
    const X32_BIT: u32 = 0x4000_0000;
    let statement = |code: u32, k: u32| sock_filter { code: code as u16, jt: 0, jf: 0, k };
    let jump = |code: u32, k: u32, jt, jf| sock_filter { code: code as u16, jt, jf, k };
    vec![
        // The number is the first field of what a filter sees.
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0),
        jump(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, X32_BIT, 0, 1),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_compiles_and_names_each_call_once() {
        let filters = Filters::compile().expect("the table is sound");
        assert_eq!(filters.programs.len(), 3);
        let mut numbers: Vec<_> = table().iter().map(|rule| rule.number).collect();
        let count = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), count);
    }
}
