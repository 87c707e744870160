//! Tasks, sleeping and stopping: the only way to tokio's scheduler and timer, so that simulation can own them.

mod group;

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinHandle;

pub use group::TaskGroup;
pub use tokio::time::Instant;
pub use tokio_util::sync::CancellationToken as StopSignal;

/// Runs `future` as a task of its own, in the group of the task that asks, if that has one. `name` says what it is, for
/// logs of panics.
#[expect(clippy::disallowed_methods, reason = "the one place that spawns")]
pub fn spawn<F>(name: &'static str, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let _ = name;
    match TaskGroup::current() {
        Some(group) => group.spawn(future),
        None => tokio::spawn(future),
    }
}

/// Waits for `duration`.
#[expect(clippy::disallowed_methods, reason = "the one place that sleeps")]
pub async fn sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Waits for `duration` or for `stop`; true if it was stopped.
pub async fn sleep_or_stopped(duration: Duration, stop: &StopSignal) -> bool {
    tokio::select! {
        () = stop.cancelled() => true,
        () = sleep(duration) => false,
    }
}

/// The result of `future`, or `None` if it took longer than `limit`.
///
/// # Cancellation
/// Past the limit `future` is dropped at its current await point: its effect is unknown to the caller.
pub async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    tokio::time::timeout(limit, future).await.ok()
}

/// Monotonic time, for measuring and for deadlines.
pub fn instant() -> Instant {
    Instant::now()
}

/// Runs blocking work (a database file, a password hash) on the threads that tokio keeps for it.
///
/// # Errors
/// Only if the work panicked or the runtime is shutting down.
pub async fn blocking<T, W>(work: W) -> Result<T, tokio::task::JoinError>
where
    T: Send + 'static,
    W: FnOnce() -> T + Send + 'static,
{
    tokio::task::spawn_blocking(work).await
}
