//! Go functions: their executable serves Go's `net/rpc` at `RUNTIME_API_ADDR`, and this is its client (contract: runtimes.md 8.4).
//!
//! A call is one write to the program and its answer one read. Calls that run at the same time share the connection and are
//! told apart by their numbers.

mod connect;
mod gob;
mod output;
mod program;
mod replies;
mod rpc;
mod running;

use std::{io, io::IoSlice, sync::Arc};

use tokio::{
    io::AsyncWriteExt as _,
    net::tcp::OwnedWriteHalf,
    sync::{Mutex, watch},
    time::Instant,
};

use crate::{
    child::{self, Program},
    failure::{self, Failure},
    frame::Call,
    link::Link,
    load::Load,
};
use connect::Port;
use output::Output;
use replies::Reader;
use rpc::{EMPTY_EVENT, Request, Requests};
use running::Running;

/// The header that the library looks the request id up in.
const REQUEST_ID: &str = "X-Cff-Request-Id";
/// The header that the library looks the alias up in.
const VERSION_TAG: &str = "X-Cff-Origin-Version-Tag";
const INVOKE_TYPE: &str = "X-Cff-Invoke-Type";
const NO_INITIALIZER: &str = "WARN initializer_handler is not used: a Go1.x function has no initializer. Do such work in main, \
                              before runtime.Register";

/// A running Go function.
pub(crate) struct Go {
    link: Link,
    running: Arc<Running>,
    writer: Arc<Mutex<Writer>>,
    /// Where output does not go to the platform by itself.
    output: Option<Arc<Output>>,
    /// Whether everything that the program said was read.
    read: watch::Receiver<bool>,
}

struct Writer {
    stream: OwnedWriteHalf,
    requests: Requests,
}

impl Go {
    /// Starts the program and waits until it speaks RPC.
    pub(crate) async fn start(load: Arc<Load>, link: &Link) -> Result<(Self, Program), Failure> {
        let begun = Instant::now();
        let port = Port::choose();
        let port = port.map_err(|error| cannot_load(&format!("there is no free port to serve at ({error})")))?;
        let running = Arc::new(Running::default());
        let (program, output) = launch(&load, port, &running, link)?;
        let connection = connect::connect(port, &program, begun + load.start_limit(), load.start_limit());
        let connected = match connection.await {
            Ok(connected) => connected,
            Err(why) => {
                Output::take_rest(output.as_deref()).await;
                return Err(why.failure(&load.handler));
            }
        };
        let (stream, writer) = connected.stream.into_split();
        let reader = Reader {
            stream,
            replies: connected.replies,
            link: link.clone(),
            running: Arc::clone(&running),
            program: program.clone(),
            output: output.clone(),
            result_limit: load.result_limit(),
        };
        let (tell, read) = watch::channel(false);
        // Ends with the connection, and then this process ends too.
        tokio::spawn(async move {
            reader.run().await;
            tell.send_replace(true);
        });
        let writer = Arc::new(Mutex::new(Writer { stream: writer, requests: Requests::default() }));
        Ok((Self { link: link.clone(), running, writer, output, read }, program))
    }

    /// There is nothing to run: the program's `main` has run already.
    pub(crate) fn initialize(&self, number: u32) {
        let link = self.link.clone();
        tokio::spawn(async move {
            link.log(number, NO_INITIALIZER).await;
            link.initialized(number).await;
        });
    }

    /// Hands the event over; whoever reads gives the answer.
    pub(crate) fn call(&self, call: Call) {
        self.running.begin(call.number, &call.id);
        let writer = Arc::clone(&self.writer);
        // A write that fails means that the connection is gone; the reader sees that too, and fails all calls.
        tokio::spawn(async move { writer.lock().await.hand_over(&call).await });
    }

    /// Waits until what the program said is read, or nothing comes any more.
    pub(crate) async fn program_ended(&self) {
        let mut read = self.read.clone();
        let _slow = tokio::time::timeout(replies::GRACE, read.wait_for(|read| *read)).await;
        Output::take_rest(self.output.as_deref()).await;
    }
}

/// Starts the program; its output is the instance's own, unless several calls may print into it.
fn launch(
    load: &Load,
    port: Port,
    running: &Arc<Running>,
    link: &Link,
) -> Result<(Program, Option<Arc<Output>>), Failure> {
    let path = program::find(load.code_root(), &load.handler).map_err(|why| cannot_load(&why.to_string()))?;
    let mut command = child::command(&path, load);
    command.env("RUNTIME_API_ADDR", port.address().to_string());
    let several = load.concurrent_num > 1;
    let output = several.then(|| Output::of(&mut command, running, link)).transpose();
    let output = output.map_err(|error| cannot_load(&format!("its output cannot be taken ({error})")))?;
    let program = Program::start(command).map_err(|error| cannot_load(&program::explain(&load.handler, &error)))?;
    if let Some(output) = output.clone() {
        // Ends with the program, and whatever it started.
        tokio::spawn(async move { output.pass_on().await });
    }
    Ok((program, output))
}

impl Writer {
    async fn hand_over(&mut self, call: &Call) -> io::Result<()> {
        let payload = if call.event.is_empty() { EMPTY_EVENT } else { &call.event[..] };
        // The library takes the alias from it, and nothing else tells it of one.
        let tag = call.alias.as_ref().map(|alias| format!("!{alias}"));
        let mut header = vec![(REQUEST_ID, &*call.id)];
        header.extend(tag.as_deref().map(|tag| (VERSION_TAG, tag)));
        // The library drops the result then; of calls that somebody waits for it need not be told.
        header.extend(call.is_async.then_some((INVOKE_TYPE, "async")));
        let (before, after) = self.requests.next(&Request { call: call.number.into(), payload, header: &header });
        let mut slices = [IoSlice::new(&before), IoSlice::new(payload), IoSlice::new(&after)];
        let mut rest = slices.as_mut_slice();
        while !rest.is_empty() {
            match self.stream.write_vectored(rest).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                written => IoSlice::advance_slices(&mut rest, written),
            }
        }
        Ok(())
    }
}

fn cannot_load(why: &str) -> Failure {
    Failure::new(failure::LOAD, "FunctionLoadError", why)
}
