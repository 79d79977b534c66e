//! Linux walls around one process; knows nothing of functions.
//!
//! `serve` is two processes. The **server** talks to the network, reads code and has no privilege. The **spawner** is the same binary
//! started again, single-threaded and root, and the only part that makes namespaces, cgroups and mounts; it never reads what a
//! sandboxed process reads or writes. Between them runs one `SOCK_SEQPACKET` socket with the messages of `message.rs`, and
//! descriptors travel with them.
//!
//! ```text
//! cli main (no thread yet)   start(&config) ............ runs /proc/self/exe __spawner, waits for its "ready"
//!                            drop_privileges(uid, gid) . the server is nobody from here on
//!                            build the tokio runtime
//! server                     Spawner::connect(process)
//!                            spawner.launch(launch, socket, output) -> Sandbox; drop it, or kill(), to end it
//!                            sandbox.fit(fit): what it gets after its start, once
//!                            sandbox.tcp_socket(): a socket in its network, for the server alone
//! ```
//!
//! What holds around each process:
//!
//! | wall | how |
//! |---|---|
//! | namespaces | pid, mount, net, ipc, uts, cgroup and user, the last with 65,536 host ids of its own |
//! | files | read-only root made of the host's `/usr` and a few files of `/etc`, or of a folder such as an image; read-only binds; `/tmp` is an ext4 image of the given size; folders that the operator gives away by name, under owners of their own |
//! | privilege | uid 1003 or another one that is not root, no capability in any set, `no_new_privs`, the seccomp filters of `spawner/seccomp.rs` |
//! | limits | memory without swap, CPU weight or quota, processes, open files, no core files; never the address space, which breaks V8 and the JVM |
//! | network | loopback of its own, with a filtered way out (`spawner/network.rs`), or the host's by the operator's word |
//!
//! Who ends what: a dead server closes its socket, and the spawner kills everything, cleans up and leaves. A dead spawner takes its
//! processes along (parent-death signal, and each is the init of its pid namespace), its mounts (they live in its own mount
//! namespace) and its loop devices (they clear themselves). Only empty cgroups stay, and the next spawner of the same data folder
//! sweeps them.
//!
//! What reads the bundle of each sandbox is an [`Engine`]: libcontainer, compiled in, or crun or runc of the distribution. All walls hold
//! with each, and the tests of walls run with each.
//!
//! Every `unsafe` of the project is in this crate.

mod cgroup;
mod channel;
mod cidr;
mod client;
mod config;
mod egress;
mod engine;
mod error;
mod exit;
mod fit;
mod gauge;
mod inside;
mod launch;
mod message;
mod patience;
mod privileges;
mod refusals;
mod share;
mod spawner;
mod start;
mod wall;

pub use cidr::{Cidr, InvalidCidr};
pub use client::{Sandbox, Spawner};
pub use config::Config;
pub use egress::{Egress, InvalidEgress};
pub use engine::{Engine, EngineMissing, EngineReport};
pub use error::Error;
pub use exit::{Exit, ExitStatus};
pub use fit::Fit;
pub use gauge::MemoryGauge;
pub use inside::socket;
pub use launch::{Bind, InvalidLaunch, Launch, Limits, Network, OWN_PLACES, User};
pub use privileges::drop_privileges;
pub use share::{Mount, Share, inspect_share};
pub use spawner::closed_ways;
pub use spawner::spawner_main;
pub use start::{SPAWNER_COMMAND, SpawnerProcess, Starting, begin, start};
pub use wall::{Wall, WallReport, WallState, inspect, inspect_egress};
