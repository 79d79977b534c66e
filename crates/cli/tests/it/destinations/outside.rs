//! A stand-in for everything outside: takes what is put and posted, or refuses it for a while.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use crate::harness::{read_head, stand_in};

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) head: String,
    pub(super) body: String,
    taken: bool,
}

#[derive(Default)]
struct State {
    seen: Vec<Request>,
    refuse: usize,
    takes_nothing: bool,
}

#[derive(Clone)]
pub(super) struct Outside {
    address: String,
    state: Arc<Mutex<State>>,
}

impl Outside {
    pub(super) fn start() -> Self {
        let state = Arc::<Mutex<State>>::default();
        let serving = Arc::clone(&state);
        Self { address: stand_in(move |stream| serve(&serving, stream)), state }
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// The next so many requests are answered with 503.
    pub(super) fn refuse(&self, count: usize) {
        self.state.lock().expect("no panic").refuse = count;
    }

    /// All that comes is too large, whatever its size.
    pub(super) fn take_nothing(&self) {
        self.state.lock().expect("no panic").takes_nothing = true;
    }

    /// The request of a method about a call that was taken.
    pub(super) fn taken(&self, method: &str, call: &str) -> Option<Request> {
        self.about(method, call).into_iter().find(|request| request.taken)
    }

    /// How many there were.
    pub(super) fn count(&self, method: &str, call: &str) -> usize {
        self.about(method, call).len()
    }

    fn about(&self, method: &str, call: &str) -> Vec<Request> {
        let state = self.state.lock().expect("no panic");
        let of = |request: &&Request| request.head.starts_with(method) && request.body.contains(call);
        state.seen.iter().filter(of).cloned().collect()
    }
}

fn serve(state: &Mutex<State>, mut stream: TcpStream) {
    let Some(head) = read_head(&mut stream) else { return };
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    if stream.read_exact(&mut body).is_err() {
        return;
    }
    let (taken, takes_nothing) = {
        let mut state = state.lock().expect("no panic");
        let taken = state.refuse == 0 && !state.takes_nothing;
        state.refuse = state.refuse.saturating_sub(1);
        let body = String::from_utf8_lossy(&body).into_owned();
        state.seen.push(Request { head, body, taken });
        (taken, state.takes_nothing)
    };
    let status = match (taken, takes_nothing) {
        (true, _) => "200 OK",
        (false, false) => "503 Slow Down",
        (false, true) => "413 Payload Too Large",
    };
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    // Whoever asked may have gone.
    let _gone = stream.write_all(answer.as_bytes());
}
