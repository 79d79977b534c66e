//! Work on many bytes beside the other tasks of a thread.

use tokio::{
    runtime::{Handle, RuntimeFlavor},
    task::block_in_place,
};

/// Some 0.1 ms, ten times what it takes to change threads.
const LARGE: usize = 64 << 10;

/// Does what takes a while with so many bytes: what else waits for this thread of the runtime, of which there may be one, goes on in
/// another.
pub fn beside<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    let others_wait = || Handle::try_current().is_ok_and(|here| here.runtime_flavor() == RuntimeFlavor::MultiThread);
    if bytes > LARGE && others_wait() { block_in_place(work) } else { work() }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Duration};

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn what_takes_a_while_keeps_nobody_waiting() {
        let (tell, told) = mpsc::channel();
        let work = tokio::spawn(async move {
            tokio::spawn(async move { tell.send(()) });
            beside(LARGE + 1, || told.recv_timeout(Duration::from_secs(60)))
        });
        assert_eq!(work.await.expect("it runs"), Ok(()), "the other task had its turn");
    }

    #[tokio::test]
    async fn where_one_thread_is_all_there_is_the_work_is_done_at_once() {
        assert_eq!(beside(LARGE + 1, || 7), 7);
    }
}
