//! How far a collector is: what readers wait for, and how long it rests where nobody does.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use madrigal_bus::{DynTopicSource, PollFrom};
use madrigal_core::tasks::{self, StopSignal};
use madrigal_core::{Host, LogEpoch, LogName, Position, PositionToken};
use madrigal_projection::{Checkpoint, Status};
use tokio::sync::{Notify, watch};

/// How long the owner of a log may take to say where it ends.
const ASK: Duration = Duration::from_millis(500);

/// Why the figures are not as fresh as a token asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotYet {
    /// The time is over, or the collector is stalled.
    #[error("analytics is {0} events behind")]
    Behind(u64),
    /// The token is of another history of the log, or beyond its end (412).
    #[error("the token is of another history of a log")]
    OtherHistory,
}

#[derive(Debug, Clone)]
struct Progress {
    checkpoint: Option<Checkpoint>,
    end: Position,
    status: Status,
    lanes: Arc<HashSet<String>>,
}

/// What a collector shows of itself.
pub(super) struct Shown<'a> {
    pub(super) checkpoint: Option<Checkpoint>,
    pub(super) end: Option<Position>,
    pub(super) lanes: &'a HashSet<String>,
}

/// How far one collector is. Cheap to clone.
#[derive(Clone)]
pub struct Following {
    inner: Arc<Inner>,
}

struct Inner {
    topic: DynTopicSource,
    log: LogName,
    host: Host,
    progress: watch::Sender<Progress>,
    readers: AtomicUsize,
    came: Notify,
}

impl Following {
    pub(super) fn new(topic: DynTopicSource, log: LogName, host: Host) -> Self {
        let none =
            Progress { checkpoint: None, end: Position::START, status: Status::Idle, lanes: Arc::new(HashSet::new()) };
        let (progress, _) = watch::channel(none);
        let inner = Inner { topic, log, host, progress, readers: AtomicUsize::new(0), came: Notify::new() };
        Self { inner: Arc::new(inner) }
    }

    /// The topic.
    pub fn topic(&self) -> &str {
        self.inner.topic.topic()
    }

    /// The log that the topic tells of.
    pub fn log(&self) -> &LogName {
        &self.inner.log
    }

    /// Up to where everything but parked keys is in the figures; `None` before the first batch.
    pub fn applied_through(&self) -> Option<Checkpoint> {
        self.inner.progress.borrow().checkpoint
    }

    /// The same as a token.
    pub fn position(&self) -> PositionToken {
        let at = self.applied_through();
        at.map_or_else(PositionToken::default, |at| PositionToken::of(self.log().clone(), at.epoch, at.position))
    }

    /// How the collector fares.
    pub fn status(&self) -> Status {
        self.inner.progress.borrow().status.clone()
    }

    /// How many keys are parked.
    pub fn parked_keys(&self) -> usize {
        self.inner.progress.borrow().lanes.len()
    }

    /// Whether messages of this key are parked.
    pub fn is_parked(&self, key: &str) -> bool {
        self.inner.progress.borrow().lanes.contains(key)
    }

    /// How many events of the log are not in the figures, by the end that its owner says now (at most 500 ms are waited for
    /// that), else by the end that it last said.
    pub async fn lag_events(&self) -> u64 {
        let end = self.ask_end().await;
        let progress = self.inner.progress.borrow();
        let applied = progress.checkpoint.map_or(0, |at| at.position.0);
        end.unwrap_or(progress.end).0.saturating_sub(applied)
    }

    /// The log's end now; `None` where its owner does not say.
    async fn ask_end(&self) -> Option<Position> {
        let at = self.applied_through()?;
        let asked = tasks::within(ASK, self.inner.topic.poll(PollFrom::After(at), 1, Duration::ZERO)).await?;
        let end = asked.ok()?.end;
        self.inner.progress.send_if_modified(|progress| {
            progress.end = progress.end.max(end);
            false
        });
        Some(end)
    }

    /// Waits until the token's component of this log is in the figures, at most `limit`. Other components are not this
    /// collector's.
    ///
    /// # Errors
    /// [`NotYet`].
    ///
    /// # Cancellation
    /// Safe.
    pub async fn wait_for(&self, token: &PositionToken, limit: Duration) -> Result<(), NotYet> {
        let Some((epoch, position)) = token.component(&self.inner.log) else { return Ok(()) };
        if self.has_applied(epoch, position) {
            return Ok(());
        }
        let known = self.applied_through();
        if known.is_some_and(|at| at.epoch != epoch) {
            return Err(NotYet::OtherHistory);
        }
        if self.ask_end().await.is_some_and(|end| position > end) {
            return Err(NotYet::OtherHistory);
        }
        let _awaited = self.awaited();
        let mut progress = self.inner.progress.subscribe();
        let settled = progress.wait_for(|progress| {
            let other = progress.checkpoint.is_some_and(|at| at.epoch != epoch || at.position >= position);
            other || matches!(progress.status, Status::Stalled { .. })
        });
        let settled = tasks::within(limit, async { settled.await.is_ok() }).await;
        match self.applied_through() {
            Some(at) if at.epoch != epoch => Err(NotYet::OtherHistory),
            Some(at) if at.position >= position => Ok(()),
            _ => {
                let _ = settled;
                Err(NotYet::Behind(self.lag_events().await))
            }
        }
    }

    fn has_applied(&self, epoch: LogEpoch, position: Position) -> bool {
        self.applied_through().is_some_and(|at| at.epoch == epoch && at.position >= position)
    }

    pub(super) fn caught_up(&self) -> bool {
        let progress = self.inner.progress.borrow();
        progress.checkpoint.is_some_and(|at| at.position >= progress.end)
    }

    pub(super) fn show(&self, shown: &Shown<'_>) {
        self.inner.progress.send_if_modified(|progress| {
            let changed = progress.checkpoint != shown.checkpoint;
            progress.checkpoint = shown.checkpoint;
            progress.end = shown.end.unwrap_or(progress.end);
            if *progress.lanes != *shown.lanes {
                progress.lanes = Arc::new(shown.lanes.clone());
            }
            changed
        });
    }

    pub(super) fn set_status(&self, status: Status) {
        self.inner.progress.send_if_modified(|progress| {
            let changed = progress.status != status;
            progress.status = status;
            changed
        });
    }

    pub(super) fn troubled(&self, cause: &str) {
        let since = match &self.inner.progress.borrow().status {
            Status::Retrying { cause: known, .. } if known == cause => return,
            Status::Retrying { since, .. } => *since,
            _ => self.inner.host.now(),
        };
        tracing::warn!(topic = self.topic(), cause, "a collector is held up, trying again");
        self.set_status(Status::Retrying { cause: cause.to_owned(), since });
    }

    /// Says that somebody waits, as long as the answer lives: the collector does not rest meanwhile.
    fn awaited(&self) -> Awaited<'_> {
        self.inner.readers.fetch_add(1, Ordering::SeqCst);
        self.inner.came.notify_waiters();
        Awaited(&self.inner.readers)
    }

    /// Rests, until somebody waits for the figures.
    pub(super) async fn rest(&self, time: Duration, stop: &StopSignal) {
        if time.is_zero() {
            return;
        }
        let came = self.inner.came.notified();
        tokio::pin!(came);
        // Whoever comes after this is heard; who came before is counted.
        came.as_mut().enable();
        if self.inner.readers.load(Ordering::SeqCst) > 0 {
            return;
        }
        tokio::select! {
            biased;
            () = came => {}
            _ = tasks::sleep_or_stopped(time, stop) => {}
        }
    }
}

impl std::fmt::Debug for Following {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Following").field("topic", &self.topic()).finish_non_exhaustive()
    }
}

struct Awaited<'a>(&'a AtomicUsize);

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
