//! Custom functions: `bootstrap` asks for its events over HTTP, at `RUNTIME_API_ADDR` (contract: custom-runtime.md section 1).

mod api;
mod calls;
mod desk;
mod line;

#[cfg(test)]
mod tests;

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use tokio::{
    net::TcpListener,
    time::{sleep, timeout},
};

use self::{api::Api, desk::Desk};
use crate::{
    child::{self, Program},
    failure::Failure,
    frame::Call,
    link::Link,
    load::Load,
};

/// How long answers of a program that has ended are looked for: they lie in a socket of this process already, or never come.
const LAST_ANSWERS: Duration = Duration::from_millis(50);
/// How long one that has begun to arrive by then may take.
const LAST_BYTES: Duration = Duration::from_millis(500);

/// A running Custom function.
pub(crate) struct Custom {
    desk: Desk,
    link: Link,
}

impl Custom {
    /// Starts `bootstrap`; it is ready when it asks for its first event.
    pub(crate) async fn start(load: Arc<Load>, link: &Link) -> Result<(Self, Program), Failure> {
        let no_address = |error| Failure::start(&format!("no address for the runtime API: {error}"));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(no_address)?;
        let address = listener.local_addr().map_err(no_address)?.to_string();
        let path = load.code_root().join("bootstrap");
        child::check_file(&path, true)?;
        let mut command = child::command(&path, &load);
        command.env("RUNTIME_API_ADDR", &address);
        let program = Program::start(command).map_err(|error| child::explain(&path, &error))?;
        let desk = Desk::default();
        // Serves as long as this process lives.
        tokio::spawn(api::serve(listener, Api::new(desk.clone(), link.clone(), load.result_limit())));
        let asks = "asked for an event (GET http://$RUNTIME_API_ADDR/v1/runtime/invocation/request)";
        tokio::select! {
            () = desk.asked() => Ok((Self { desk, link: link.clone() }, program)),
            status = program.ended() => Err(child::ended_early("bootstrap", status, &format!("before it {asks}"))),
            () = sleep(load.start_limit()) => {
                let seconds = load.start_seconds();
                Err(Failure::not_ready(&format!("bootstrap has not {asks} within {seconds} seconds; raise initializer_timeout, or do less before that")))
            }
        }
    }

    /// What a program does before it asks for an event is its initializer: there is nothing to call.
    pub(crate) fn initialize(&self, call: u32) {
        let link = self.link.clone();
        tokio::spawn(async move { link.initialized(call).await });
    }

    /// Hands the event to the next one who asks.
    pub(crate) fn call(&self, call: Call) {
        self.desk.arrive(call);
    }

    /// Takes the answers that were sent just before.
    pub(crate) async fn program_ended(&self) {
        let _unanswered = timeout(LAST_ANSWERS, self.desk.all_answered()).await;
        let _stuck = timeout(LAST_BYTES, self.desk.all_taken()).await;
        // They came while it was ending, and another instance can have them.
        for call in self.desk.not_begun() {
            self.link.not_begun(call).await;
        }
    }
}
