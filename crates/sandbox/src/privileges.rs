//! Giving up root for good.

use std::fs;

use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::{
    CapabilitySet, CapabilitySets, Gid, Uid, clear_ambient_capability_set, remove_capability_from_bounding_set,
    set_capabilities, set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

use crate::error::Error;

/// Gives up root in this process: no groups, these ids, no capability in any set, `no_new_privs`. There is no way back.
///
/// Called before threads exist: ids and capabilities belong to threads, and only the calling one is changed.
///
/// # Errors
/// If threads exist, if an id is 0, or if the kernel refuses, which it does unless the caller is root. The process may then have
/// given up part of its privilege and should end.
pub fn drop_privileges(uid: u32, gid: u32) -> Result<(), Error> {
    if uid == 0 || gid == 0 {
        return Err(Error::Start {
            reason: "the server cannot give up root by becoming root: choose another user".into(),
        });
    }
    let threads =
        fs::read_dir("/proc/self/task").map_err(|source| Error::System { step: "count threads", source })?.count();
    if threads != 1 {
        return Err(Error::Start {
            reason: format!("privilege must be given up before threads exist, and there are {threads}"),
        });
    }
    for number in 0..64 {
        // EINVAL is the answer for numbers that this kernel has no capability for.
        match remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(1 << number)) {
            Ok(()) | Err(rustix::io::Errno::INVAL) => {}
            Err(errno) => return Err(Error::system("drop a capability from the bounding set")(errno)),
        }
    }
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    set_thread_groups(&[]).map_err(Error::system("drop supplementary groups"))?;
    set_thread_res_gid(gid, gid, gid).map_err(Error::system("change the group"))?;
    set_thread_res_uid(uid, uid, uid).map_err(Error::system("change the user"))?;
    clear_ambient_capability_set().map_err(Error::system("drop ambient capabilities"))?;
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, none).map_err(Error::system("drop capabilities"))?;
    set_no_new_privs(true).map_err(Error::system("set no_new_privs"))?;
    // A change of user makes a process undumpable, which hands /proc/self to root: descriptors could not be looked at, nor
    // could a profiler or debugger of the same user attach. Sandboxed processes have other users, so nothing is opened to them.
    set_dumpable_behavior(DumpableBehavior::Dumpable).map_err(Error::system("make the process dumpable"))
}
