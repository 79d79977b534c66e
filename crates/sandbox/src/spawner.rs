//! The spawner process: one thread, one loop, root.

mod bundle;
mod descriptors;
mod disk;
mod embedded;
mod executor;
mod idmap;
mod init;
mod instance;
mod late;
mod launcher;
mod loopback;
mod mounts;
mod namespace;
mod network;
mod oci;
mod open_files;
mod report;
mod reserved;
mod seccomp;
mod setup;
mod shares;
mod skeleton;
mod slots;
mod socket;
mod staging;

mod turn;

use std::collections::{HashMap, VecDeque};
use std::error::Error as StdError;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::event::{Timespec, epoll};
use rustix::process::{Pid, WaitOptions, wait};

use self::instance::Instance;
use self::launcher::Launcher;
pub use self::network::closed_ways;
pub(crate) use self::network::probe as probe_network;
use self::reserved::Reserved;
pub(crate) use self::shares::try_share;
use crate::channel;
use crate::exit::Exit;
use crate::fit::Fit;
use crate::launch::Launch;
use crate::message::{Reply, Request, Unfit};

/// How long an empty cgroup may take to become removable before it is looked at again.
const RETRY: Timespec = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };
const NOW: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
/// How long the end may take before the rest is left to the next start.
const END_WITHIN: Duration = Duration::from_secs(5);

/// The spawner's own main. The program calls it, before anything else, when its first argument is
/// [`SPAWNER_COMMAND`](crate::SPAWNER_COMMAND); its standard input is the socket to the server. A subscriber for its log lines, on
/// standard error, may be installed before.
pub fn spawner_main() -> ExitCode {
    match setup::enter().and_then(|(reserved, control)| run(reserved, control)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the spawner ends");
            ExitCode::FAILURE
        }
    }
}

fn run(reserved: Reserved, control: OwnedFd) -> io::Result<()> {
    let mut buffer = Vec::new();
    let config = match channel::receive(&control, &mut buffer).map_err(io::Error::other)? {
        Some((Request::Setup(config), _)) => config,
        Some(_) => return Err(io::Error::other("the first message was not the set-up")),
        None => return Ok(()),
    };
    let reply = |reply: &Reply| channel::send(&control, reply, &[]).map_err(io::Error::other);
    let launcher = match setup::prepare(&config, reserved) {
        Ok(launcher) => launcher,
        Err(error) => return reply(&Reply::Failed { reason: chain(&error) }),
    };
    reply(&Reply::Ready { egress: launcher.egress.clone() })?;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &control, epoll::EventData::new_u64(CONTROL), epoll::EventFlags::IN)?;
    let mut spawner = Host {
        launcher,
        control,
        epoll,
        instances: HashMap::new(),
        numbers: HashMap::new(),
        queue: VecDeque::new(),
        leftovers: Vec::new(),
        buffer,
    };
    let result = spawner.serve();
    spawner.end();
    result
}

/// What an event is about; sandboxes have twice their number, plus one for the report of their exec.
const CONTROL: u64 = 0;

fn process_token(number: u64) -> epoll::EventData {
    epoll::EventData::new_u64(number * 2)
}

fn report_token(number: u64) -> epoll::EventData {
    epoll::EventData::new_u64(number * 2 + 1)
}

/// A launch that was asked for.
struct Order {
    number: u64,
    launch: Box<Launch>,
    descriptors: Vec<OwnedFd>,
}

struct Host {
    launcher: Launcher,
    control: OwnedFd,
    epoll: OwnedFd,
    /// By the number of their launch, which is never 0.
    instances: HashMap<u64, Instance>,
    numbers: HashMap<Pid, u64>,
    /// Launches asked for. Each takes milliseconds, so everything else overtakes them.
    queue: VecDeque<Order>,
    /// Ids of dead sandboxes whose cgroups could not be removed yet.
    leftovers: Vec<String>,
    buffer: Vec<u8>,
}

impl Host {
    /// Until the server asks for the end, or is gone.
    fn serve(&mut self) -> io::Result<()> {
        loop {
            let mut events =
                [epoll::Event { flags: epoll::EventFlags::empty(), data: epoll::EventData::new_u64(0) }; 32];
            let is_done = self.leftovers.is_empty() && !self.instances.values().any(|instance| instance.is_killed);
            let timeout = match (self.queue.is_empty(), is_done) {
                (false, _) => Some(&NOW),
                (true, false) => Some(&RETRY),
                (true, true) => None,
            };
            let count = match epoll::wait(&self.epoll, &mut events, timeout) {
                Ok(count) => count,
                Err(rustix::io::Errno::INTR) => 0,
                Err(errno) => return Err(errno.into()),
            };
            for event in &events[..count] {
                match event.data.u64() {
                    CONTROL if !self.receive()? => return Ok(()),
                    CONTROL => {}
                    token if token % 2 == 1 => self.started(token / 2)?,
                    // The process itself is collected below, with every other.
                    _ => {}
                }
            }
            if let Some(Order { number, launch, descriptors }) = self.queue.pop_front() {
                self.launch(number, &launch, descriptors)?;
            }
            self.kill_again();
            self.leftovers.retain(|id| !self.launcher.clean_up(id));
            // After both: the helpers of a launch that failed are dead once its cgroups are gone, and nothing tells of them.
            self.reap()?;
        }
    }

    /// Takes in every request that is there. False at the end.
    fn receive(&mut self) -> io::Result<bool> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let more = loop {
            match channel::receive_now(&self.control, &mut buffer) {
                Ok(Some((Request::Shutdown, _)) | None) => break false,
                Ok(Some((request, descriptors))) => self.handle(request, descriptors)?,
                Err(error) if error.would_block() => break true,
                Err(error) => return Err(io::Error::other(error)),
            }
        };
        self.buffer = buffer;
        Ok(more)
    }

    fn handle(&mut self, request: Request, descriptors: Vec<OwnedFd>) -> io::Result<()> {
        match request {
            Request::Launch { number, launch } => self.queue.push_back(Order { number, launch, descriptors }),
            Request::Untrack { port } => self.launcher.untrack(port),
            Request::Fit { number, fit } => self.fit(number, &fit)?,
            Request::Socket { number } => self.socket(number)?,
            Request::Kill { number } => {
                if let Some(instance) = self.instances.get_mut(&number) {
                    instance.kill(&self.launcher.cgroups);
                }
            }
            Request::Shutdown => {}
            Request::Setup(_) => return Err(io::Error::other("a second set-up")),
        }
        Ok(())
    }

    fn fit(&mut self, number: u64, fit: &Fit) -> io::Result<()> {
        // One that has just ended is told by its end.
        let Some(instance) = self.instances.get_mut(&number) else { return Ok(()) };
        let late = instance.late.take();
        let failure = self.launcher.fit(&instance.id, instance.user, late, fit).err();
        let failure = failure.map(|error| Unfit { reason: chain(&error), told: error.told() });
        self.tell(&Reply::Fitted { number, failure })
    }

    fn socket(&self, number: u64) -> io::Result<()> {
        // As above.
        let Some(instance) = self.instances.get(&number) else { return Ok(()) };
        let made = self.launcher.home_network.tcp_socket_of(instance.pid);
        let failure = made.as_ref().err().map(ToString::to_string);
        let sockets: Vec<_> = made.iter().map(AsFd::as_fd).collect();
        channel::send(&self.control, &Reply::Socket { number, failure }, &sockets).map_err(io::Error::other)
    }

    fn launch(&mut self, number: u64, launch: &Launch, descriptors: Vec<OwnedFd>) -> io::Result<()> {
        let Ok([socket, output]) = <[OwnedFd; 2]>::try_from(descriptors) else {
            return self.refuse(number, "a launch brings two descriptors".into());
        };
        if self.instances.values().any(|instance| instance.id == launch.id) || self.leftovers.contains(&launch.id) {
            return self.refuse(number, "a sandbox of that id is still there".into());
        }
        match self.launcher.launch(launch, &socket, output) {
            Ok(instance) => self.watch(number, instance),
            Err(error) => {
                self.leftovers.push(launch.id.clone());
                self.refuse(number, chain(&error))
            }
        }
    }

    fn watch(&mut self, number: u64, instance: Instance) -> io::Result<()> {
        epoll::add(&self.epoll, &instance.pidfd, process_token(number), epoll::EventFlags::IN)?;
        epoll::add(&self.epoll, &instance.report, report_token(number), epoll::EventFlags::IN)?;
        self.numbers.insert(instance.pid, number);
        self.instances.insert(number, instance);
        Ok(())
    }

    /// The report of a start can be read: tells the server, or ends the attempt.
    fn started(&mut self, number: u64) -> io::Result<()> {
        let Some(instance) = self.instances.get_mut(&number) else { return Ok(()) };
        if instance.is_known {
            return Ok(());
        }
        // By hand: processes being made hold copies, and closing ours would not remove it.
        epoll::delete(&self.epoll, &instance.report)?;
        if !instance.read_report() {
            instance.kill(&self.launcher.cgroups);
            return Ok(());
        }
        let (gauge, counters) = (instance.gauge.take(), instance.counters.take());
        let reply = Reply::Launched {
            number,
            pid: instance.pid.as_raw_nonzero().get().cast_unsigned(),
            gauge: gauge.as_ref().map(|(kind, _)| *kind),
            counters: counters.is_some(),
        };
        let descriptors: Vec<_> =
            gauge.iter().map(|(_, file)| file.as_fd()).chain(counters.iter().map(AsFd::as_fd)).collect();
        channel::send(&self.control, &reply, &descriptors).map_err(io::Error::other)
    }

    /// What began while its like was killed.
    fn kill_again(&mut self) {
        let killed = self.instances.values_mut().filter(|instance| instance.is_killed);
        killed.for_each(|instance| instance.kill(&self.launcher.cgroups));
    }

    /// Collects every dead child: sandboxes, and the helpers of launches that failed half-way.
    fn reap(&mut self) -> io::Result<()> {
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            let Some(number) = self.numbers.remove(&pid) else { continue };
            let is_news = self.instances.get(&number).is_some_and(|instance| !instance.is_known);
            // A server that is gone cannot be told; the sandbox is let go all the same, since nobody will tell of it again.
            let told = if is_news { self.started(number) } else { Ok(()) };
            let Some(mut instance) = self.instances.remove(&number) else { continue };
            epoll::delete(&self.epoll, &instance.pidfd)?;
            if let Some(reason) = instance.failure.clone() {
                self.release(instance);
                told.and(self.refuse(number, reason))?;
                continue;
            }
            let exit = Exit {
                status: instance.exit_status(status),
                out_of_memory: self.launcher.cgroups.ran_out_of_memory(&instance.id),
                tmp_full: instance.disk.as_ref().is_some_and(disk::Disk::is_full),
            };
            // Told first: the rest takes a millisecond or two, and nobody needs to wait for it.
            let told = told.and_then(|()| self.tell(&Reply::Exited { number, exit }));
            self.release(instance);
            told?;
        }
        Ok(())
    }

    fn release(&mut self, instance: Instance) {
        let (id, slot) = instance.dissolve();
        self.launcher.slots.give_back(slot);
        if !self.launcher.clean_up(&id) {
            self.leftovers.push(id);
        }
    }

    fn refuse(&self, number: u64, reason: String) -> io::Result<()> {
        self.tell(&Reply::LaunchFailed { number, reason })
    }

    fn tell(&self, reply: &Reply) -> io::Result<()> {
        channel::send(&self.control, reply, &[]).map_err(io::Error::other)
    }

    /// Kills everything and leaves the host as it was.
    fn end(mut self) {
        let deadline = Instant::now() + END_WITHIN;
        self.instances.values_mut().for_each(|instance| instance.kill(&self.launcher.cgroups));
        while !self.instances.is_empty() && Instant::now() < deadline {
            let mut events =
                [epoll::Event { flags: epoll::EventFlags::empty(), data: epoll::EventData::new_u64(0) }; 32];
            // A server that is gone makes its own socket ready all the time.
            let _not_watched = epoll::delete(&self.epoll, &self.control);
            let _interrupted = epoll::wait(&self.epoll, &mut events, Some(&RETRY));
            self.kill_again();
            // A server that is gone cannot be told; what matters is that each call goes on with the rest.
            while self.reap().is_err() {}
        }
        setup::sweep(&self.launcher.cgroups, deadline);
    }
}

/// An error and its causes in one line.
fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        // Some of libcontainer's errors repeat their cause.
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}
