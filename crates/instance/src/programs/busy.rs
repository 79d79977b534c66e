//! How much is under way, for whoever has to wait until it is done.

use tokio::sync::watch;

/// Counts what is under way. Cheap to share.
#[derive(Clone, Debug)]
pub(crate) struct Busy {
    count: watch::Sender<usize>,
}

/// One thing under way, until this is dropped.
#[derive(Debug)]
pub(crate) struct Task {
    count: watch::Sender<usize>,
}

impl Default for Busy {
    fn default() -> Self {
        Self { count: watch::Sender::new(0) }
    }
}

impl Busy {
    /// Something begins.
    pub(crate) fn begin(&self) -> Task {
        self.count.send_modify(|count| *count += 1);
        Task { count: self.count.clone() }
    }

    /// Waits until nothing is under way.
    pub(crate) async fn done(&self) {
        let mut count = self.count.subscribe();
        // It never closes: there is a sender in `self`.
        let _done = count.wait_for(|count| *count == 0).await;
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.count.send_modify(|count| *count -= 1);
    }
}
