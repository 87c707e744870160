//! Whether somebody waits for what a view has not committed.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Readers that wait, and the bell for a runner that gathers.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    waiting: AtomicUsize,
    bell: Notify,
}

/// One reader that waits, until it is dropped.
#[derive(Debug)]
pub(crate) struct Waiting<'a>(&'a Wanted);

impl Wanted {
    /// Counts a reader, and wakes the runner.
    pub(crate) fn wait(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        self.bell.notify_waiters();
        Waiting(self)
    }

    /// Returns as soon as a reader waits.
    pub(crate) async fn wanted(&self) {
        // Made before the count is looked at: a reader that comes in between rings it.
        let rung = self.bell.notified();
        if self.waiting.load(Ordering::SeqCst) == 0 {
            rung.await;
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}
