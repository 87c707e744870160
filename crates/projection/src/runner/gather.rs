//! When what serves takes its next batch: a commit costs nearly the same for one event as for a hundred, so a view that has
//! just committed lets events gather for a moment, unless somebody waits for them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use madrigal_core::tasks::{self, StopSignal};
use tokio::sync::Notify;

/// The rest after a batch, in times of what the batch took: a view keeps at most an eleventh of one thread busy with small
/// batches.
const SHARE: u32 = 10;
/// The longest rest: reads that name no position are at most so much older.
const LONGEST: Duration = Duration::from_millis(100);

/// A batch of so many events is a sign of load. Smaller ones are followed by no rest: a view of a quiet shop is as fresh as
/// it can be.
const LOAD: u64 = 32;

/// How long to rest after a batch of so many events that took so long and reached the log's end.
pub(super) fn after(events: u64, took: Duration) -> Duration {
    if events < LOAD { Duration::ZERO } else { (took * SHARE).min(LONGEST) }
}

/// The readers that wait for a view.
#[derive(Debug, Default)]
pub(crate) struct Gathering {
    readers: AtomicUsize,
    came: Notify,
}

impl Gathering {
    /// Says that somebody waits for the view, as long as the answer lives: there is no rest meanwhile.
    pub(crate) fn awaited(&self) -> Awaited<'_> {
        self.readers.fetch_add(1, Ordering::SeqCst);
        self.came.notify_waiters();
        Awaited(self)
    }

    /// Rests, until somebody waits for the view.
    pub(super) async fn rest(&self, time: Duration, stop: &StopSignal) {
        if time.is_zero() {
            return;
        }
        let came = self.came.notified();
        tokio::pin!(came);
        // Whoever comes after this is heard; who came before is counted.
        came.as_mut().enable();
        if self.readers.load(Ordering::SeqCst) > 0 {
            return;
        }
        tokio::select! {
            biased;
            () = came => {}
            _ = tasks::sleep_or_stopped(time, stop) => {}
        }
    }
}

/// Somebody who waits.
pub(crate) struct Awaited<'a>(&'a Gathering);

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        self.0.readers.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    #[test]
    fn a_rest_is_in_proportion_to_the_batch_and_never_long() {
        assert_eq!(after(LOAD, Duration::from_micros(300)), Duration::from_millis(3));
        assert_eq!(after(LOAD, Duration::from_secs(1)), LONGEST);
        assert_eq!(after(LOAD - 1, Duration::from_secs(1)), Duration::ZERO, "the shop is quiet");
    }

    /// The clock stands still: a rest of an hour that nobody ends takes an hour of it.
    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_a_rest() {
        let (gathering, stop) = (Arc::new(Gathering::default()), StopSignal::new());
        let begun = tasks::instant();
        let awaited = gathering.awaited();
        gathering.rest(HOUR, &stop).await;
        assert!(begun.elapsed() < HOUR, "somebody waited already");
        drop(awaited);

        let resting = tasks::spawn("resting", {
            let (gathering, stop) = (Arc::clone(&gathering), stop.clone());
            async move { gathering.rest(HOUR, &stop).await }
        });
        tasks::sleep(Duration::from_secs(1)).await;
        assert!(!resting.is_finished(), "nobody waits any more");
        let awaited = gathering.awaited();
        resting.await.unwrap();
        assert!(begun.elapsed() < HOUR, "somebody came");
        drop(awaited);

        gathering.rest(HOUR, &stop).await;
        assert!(begun.elapsed() >= HOUR);
        stop.cancel();
        gathering.rest(HOUR, &stop).await;
        assert!(begun.elapsed() < 2 * HOUR, "it stops");
    }
}
