//! A launcher whose processes are tasks.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use fungraph_instance::{
    Blueprint, BoxFuture, Ended, FrameHeader, Interpreter, Kind, LaunchError, Launched, Launcher, Plan, Process,
    Socket, interpreters::Origin,
};
use fungraph_model::{FunctionKey, FunctionVersion, HookSpec, Language, Strategy};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixStream, unix::pipe},
    sync::watch,
    task::JoinHandle,
};

/// What a function is made of, as far as the pool looks.
pub(super) fn plan(name: &str, strategy: Strategy, initializer: Option<HookSpec>) -> Plan {
    let mut version = fungraph_model::sample::function(name);
    (version.spec.strategy, version.spec.initializer) = (strategy, initializer);
    let interpreter = Interpreter {
        language: Language::Python,
        version: (3, 9, 0),
        program: PathBuf::from("/usr/bin/python3"),
        prefix: None,
        library: None,
        origin: Origin::System,
        image: None,
    };
    let (version, interpreter) = (Arc::new(version), Arc::new(interpreter));
    Plan { version, interpreter, code: PathBuf::from("code"), root: None, region: "local".into() }
}

/// The same with a change.
pub(super) fn plan_with(name: &str, strategy: Strategy, change: impl FnOnce(&mut FunctionVersion)) -> Plan {
    let mut plan = plan(name, strategy, None);
    change(Arc::make_mut(&mut plan.version));
    plan
}

/// Starts tasks instead of processes.
#[derive(Default)]
pub(super) struct FakeLauncher {
    launched: AtomicUsize,
    fail_next: AtomicBool,
    fail_always: AtomicBool,
    panic_next: AtomicBool,
    running: Mutex<Vec<Running>>,
    fits: Arc<Fits>,
}

/// What functions processes were given, and whether the next is refused.
#[derive(Default)]
struct Fits {
    functions: Mutex<Vec<String>>,
    refuse_next: AtomicBool,
    /// Killed processes are not gone before the test says so.
    linger: AtomicBool,
}

struct Running {
    ended: watch::Sender<Option<Ended>>,
    task: JoinHandle<()>,
}

const KILLED: Ended = Ended { code: None, signal: Some(9), out_of_memory: false };

impl FakeLauncher {
    pub(super) fn launched(&self) -> usize {
        self.launched.load(Ordering::SeqCst)
    }

    pub(super) fn fail_next(&self) {
        self.fail_next.store(true, Ordering::SeqCst);
    }

    pub(super) fn fail_always(&self, fail: bool) {
        self.fail_always.store(fail, Ordering::SeqCst);
    }

    /// The next launch is a fault of ours.
    pub(super) fn panic_next(&self) {
        self.panic_next.store(true, Ordering::SeqCst);
    }

    /// The functions that processes were made instances of, in order.
    pub(super) fn fitted(&self) -> Vec<String> {
        self.fits.functions.lock().expect("no test panics inside").clone()
    }

    pub(super) fn refuse_next_fit(&self) {
        self.fits.refuse_next.store(true, Ordering::SeqCst);
    }

    /// From now on killed processes stay until [`Self::kill_all`].
    pub(super) fn let_linger(&self, linger: bool) {
        self.fits.linger.store(linger, Ordering::SeqCst);
    }

    pub(super) fn alive(&self) -> usize {
        let running = self.running.lock().expect("no test panics inside");
        running.iter().filter(|process| process.ended.borrow().is_none()).count()
    }

    /// Every process is ended from outside, and its socket is closed when this returns.
    pub(super) async fn kill_all(&self) {
        let running = std::mem::take(&mut *self.running.lock().expect("no test panics inside"));
        for process in running {
            process.ended.send_replace(Some(KILLED));
            process.task.await.expect("a process does not panic");
        }
    }
}

impl Launcher for FakeLauncher {
    fn launch<'a>(&'a self, blueprint: &'a Blueprint) -> BoxFuture<'a, Result<Launched, LaunchError>> {
        Box::pin(async move {
            assert!(!self.panic_next.swap(false, Ordering::SeqCst), "planned");
            self.launched.fetch_add(1, Ordering::SeqCst);
            if self.fail_next.swap(false, Ordering::SeqCst) || self.fail_always.load(Ordering::SeqCst) {
                return Err(LaunchError { of: blueprint.to_string(), told: None, source: "as planned".into() });
            }
            let (socket, theirs) = Socket::pair().expect("a runtime");
            theirs.set_nonblocking(true).expect("it is open");
            let theirs = UnixStream::from_std(theirs).expect("a runtime");
            let (writer, output) = pipe::pipe().expect("a pipe");
            drop(writer);
            let (ended, _) = watch::channel(None);
            let task = tokio::spawn(live(theirs, ended.clone()));
            self.running.lock().expect("no test panics inside").push(Running { ended: ended.clone(), task });
            Ok(Launched { socket, output, process: Box::new(Fake(ended, Arc::clone(&self.fits))) })
        })
    }
}

struct Fake(watch::Sender<Option<Ended>>, Arc<Fits>);

impl Process for Fake {
    fn fit<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, Result<(), LaunchError>> {
        Box::pin(async move {
            let FunctionKey { package, name, .. } = &plan.version.key;
            let of = format!("{package}:{name}");
            if self.1.refuse_next.swap(false, Ordering::SeqCst) {
                return Err(LaunchError { of, told: None, source: "as planned".into() });
            }
            self.1.functions.lock().expect("no test panics inside").push(of);
            Ok(())
        })
    }

    fn kill(&self) {
        if self.1.linger.load(Ordering::SeqCst) {
            return;
        }
        self.0.send_if_modified(|ended| ended.replace(KILLED).is_none());
    }

    fn exited(&self) -> BoxFuture<'_, Ended> {
        let mut ended = self.0.subscribe();
        Box::pin(async move {
            let ended = ended.wait_for(Option::is_some).await;
            ended.ok().and_then(|ended| *ended).unwrap_or(KILLED)
        })
    }

    fn take_peak(&self) -> u64 {
        1 << 20
    }
}

/// A bootstrap in a task: it answers until it is killed or told to end itself.
async fn live(socket: UnixStream, ended: watch::Sender<Option<Ended>>) {
    let mut killed = ended.subscribe();
    tokio::select! {
        _ = killed.wait_for(Option::is_some) => {}
        _ = serve(socket) => {
            ended.send_replace(Some(Ended { code: Some(1), signal: None, out_of_memory: false }));
        }
    }
}

async fn serve(mut socket: UnixStream) -> std::io::Result<()> {
    send(&mut socket, Kind::Hello, 0, br#"{"protocol":1}"#).await?;
    loop {
        let mut header = [0u8; 12];
        socket.read_exact(&mut header).await?;
        let length = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
        let call = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
        let mut payload = vec![0; length as usize];
        socket.read_exact(&mut payload).await?;
        match header[10] {
            1 => send(&mut socket, Kind::Loaded, 0, b"").await?,
            2 => send(&mut socket, Kind::Initialized, call, b"").await?,
            3 => match &payload[36..] {
                b"die" => return Ok(()),
                b"hang" => {}
                b"chatter" => loop {
                    send(&mut socket, Kind::Hello, 0, b"again").await?;
                },
                b"leave" => fail_and_linger(&mut socket, call).await?,
                b"garbage" => socket.write_all(b"HTTP/1.1 200 OK\r\n").await?,
                event => send(&mut socket, Kind::Result, call, event).await?,
            },
            _ => return Ok(()),
        }
    }
}

/// Says that it ends, and is slow at it.
async fn fail_and_linger(socket: &mut UnixStream, call: u32) -> std::io::Result<()> {
    let header = FrameHeader { code: 4001, form: 1, ..FrameHeader::new(Kind::Failed, call, 2) };
    socket.write_all(&header.encode()).await?;
    socket.write_all(b"{}").await
}

async fn send(socket: &mut UnixStream, kind: Kind, call: u32, payload: &[u8]) -> std::io::Result<()> {
    let form = u8::from(kind == Kind::Result);
    let header = FrameHeader { form, ..FrameHeader::new(kind, call, payload.len()) };
    socket.write_all(&header.encode()).await?;
    socket.write_all(payload).await
}
