//! Clients that send calls as fast as they are taken, and remember what the server promised them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::task::JoinSet;

use super::stage::Running;
use crate::http1::{Connection, Request};

/// What became of all requests.
pub(super) struct Load {
    clients: usize,
    promises: Arc<Promises>,
}

/// What the server said.
#[derive(Debug, Default)]
pub(super) struct Promises {
    /// Ids of calls that it answered with 202.
    pub(super) accepted: Mutex<Vec<String>>,
    /// 429 and 503: refused, with a text.
    pub(super) refused: AtomicU64,
    /// Connections that broke before an answer: the call may have been accepted or not.
    pub(super) unknown: AtomicU64,
    /// Any other answer, which there must not be.
    pub(super) wrong: Mutex<Vec<String>>,
}

/// The clients of one round.
pub(super) struct Clients {
    tasks: JoinSet<()>,
    stop: Arc<AtomicBool>,
}

impl Load {
    pub(super) fn new(clients: usize) -> Self {
        Self { clients, promises: Arc::default() }
    }

    pub(super) fn begin(&self, server: &Running, round: u32) -> Clients {
        let (mut tasks, stop) = (JoinSet::new(), Arc::new(AtomicBool::new(false)));
        for client in 0..self.clients {
            let (address, path) = (server.address().to_owned(), server.path("/victim/invocations-async"));
            let (promises, stop) = (Arc::clone(&self.promises), Arc::clone(&stop));
            tasks.spawn(async move {
                let mut number = 0_u64;
                while !stop.load(Ordering::Relaxed) {
                    // The server is gone, or not there yet.
                    let Ok(mut connection) = Connection::open(&address).await else { return };
                    while !stop.load(Ordering::Relaxed) {
                        number += 1;
                        let event = format!("{{\"round\":{round},\"client\":{client},\"number\":{number}}}");
                        let request = Request::post(path.clone(), event.into_bytes()).render(&address);
                        let Ok(answer) = connection.call(&request).await else {
                            promises.unknown.fetch_add(1, Ordering::Relaxed);
                            break;
                        };
                        promises.note(answer.status, &answer.body).await;
                        if !answer.keep {
                            break;
                        }
                    }
                }
            });
        }
        Clients { tasks, stop }
    }

    /// Waits for the clients; their server is gone.
    pub(super) async fn finish(&mut self, clients: Clients) {
        clients.stop.store(true, Ordering::Relaxed);
        clients.tasks.join_all().await;
    }

    pub(super) fn accepted(&self) -> usize {
        self.promises.accepted.lock().expect("no panic").len()
    }

    pub(super) fn promises(&self) -> &Promises {
        &self.promises
    }
}

impl Promises {
    async fn note(&self, status: u16, body: &[u8]) {
        let answer: Value = serde_json::from_slice(body).unwrap_or_default();
        match (status, answer.get("request_id").and_then(Value::as_str)) {
            (202, Some(id)) => self.accepted.lock().expect("no panic").push(id.to_owned()),
            (429 | 503, _) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                // As a client that heeds the hint would, only sooner.
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            _ => {
                let mut wrong = self.wrong.lock().expect("no panic");
                if wrong.len() < 20 {
                    wrong.push(format!("{status} {}", String::from_utf8_lossy(body)));
                }
            }
        }
    }
}
