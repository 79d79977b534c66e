//! How many starts are under way. Each is a value that goes with its task, so that one that breaks off is not waited for for ever.

use std::sync::Arc;

/// The starts of one group, or of one kind of blanks.
#[derive(Debug, Default)]
pub(crate) struct Starts(Arc<()>);

/// One of them: it counts until it is dropped. Where the count is looked at under a lock, that happens under it.
#[derive(Debug)]
pub(crate) struct Underway {
    _counted: Arc<()>,
}

impl Starts {
    pub(crate) fn begin(&self) -> Underway {
        Underway { _counted: Arc::clone(&self.0) }
    }

    pub(crate) fn count(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }
}
