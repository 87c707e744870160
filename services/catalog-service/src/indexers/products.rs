//! Follows the log and puts the view's rows into the search index.
//!
//! The index holds no state of its own: for every product that events touch it takes the row from the view `products`,
//! which is waited for. A row that is newer than the event is fine: the later event comes too. Most stock events change
//! nothing that is searched for, and cost a look-up only.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::time::Duration;

use lru::LruCache;
use madrigal_core::tasks::{self, Instant, StopSignal};
use madrigal_core::{Fault, Position, PositionToken, StreamVersion};
use madrigal_event_store::{DynEventStore, ReadError, WaitError};
use madrigal_projection::{Checkpoint, DynViewStore, ViewReader};
use madrigal_tantivy::index::Change;

use crate::projections::{ProductRow, ProductView};
use crate::search::{ProductIndex, change, in_stock};

/// At most one commit in this time: each costs some file syncs. Changes are searchable well within a second.
const COMMIT_EVERY: Duration = Duration::from_millis(200);
/// Events looked at for one commit.
const EVENTS_AT_ONCE: usize = 10_000;
/// Where nothing changes what is searched for, the checkpoint is committed after so many events all the same.
const EVENTS_WITHOUT_COMMIT: u64 = 100_000;
/// Products of which it is remembered how they were indexed.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(100_000).unwrap();
/// How long to wait for the view before looking whether to stop.
const VIEW_WAIT: Duration = Duration::from_secs(1);
/// The pause after something broke.
const PAUSE: Duration = Duration::from_millis(500);

/// Keeps the index in step.
pub struct ProductIndexer {
    store: DynEventStore,
    views: DynViewStore,
    view: ViewReader<ProductView>,
    index: ProductIndex,
    /// As indexed: the product's version, and whether it was available.
    indexed: LruCache<String, (StreamVersion, bool)>,
}

impl ProductIndexer {
    /// An indexer of these.
    pub fn new(store: DynEventStore, views: DynViewStore, view: ViewReader<ProductView>, index: ProductIndex) -> Self {
        Self { store, views, view, index, indexed: LruCache::new(REMEMBERED) }
    }

    /// Follows the log until `stop`. Whatever breaks is tried again from the last commit.
    ///
    /// # Cancellation
    /// Safe: what was not committed is done again.
    pub async fn run(mut self, stop: StopSignal) {
        while !stop.is_cancelled() {
            if let Err(fault) = self.follow(&stop).await {
                tracing::warn!(error = %fault.chain(), "indexing is held up, trying again");
                self.indexed.clear();
                tasks::sleep_or_stopped(PAUSE, &stop).await;
            }
        }
    }

    async fn follow(&mut self, stop: &StopSignal) -> Result<(), Fault> {
        let mut committed = self.start().await?;
        let mut scanned = committed;
        let mut last_commit: Option<Instant> = None;
        loop {
            let end = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                end = self.store.wait_beyond(scanned, VIEW_WAIT) => end,
            };
            match end {
                Ok(_) => {}
                Err(WaitError::TimedOut { .. }) => continue,
                Err(WaitError::Fault(fault)) => return Err(fault),
            }
            if let Some(rest) = last_commit.map(|last| COMMIT_EVERY.saturating_sub(last.elapsed()))
                && !rest.is_zero()
                && tasks::sleep_or_stopped(rest, stop).await
            {
                return Ok(());
            }
            let Some((through, changes)) = self.changes(scanned, stop).await? else { return Ok(()) };
            scanned = through;
            if changes.is_empty() && scanned.0 - committed.0 < EVENTS_WITHOUT_COMMIT {
                self.index.reached(scanned);
                continue;
            }
            let checkpoint = Checkpoint { epoch: self.store.epoch(), position: scanned };
            self.index.commit(changes, checkpoint).await?;
            committed = scanned;
            last_commit = Some(tasks::instant());
        }
    }

    /// Where to go on; an index of another history is emptied first.
    async fn start(&mut self) -> Result<Position, Fault> {
        let Some(checkpoint) = self.index.checkpoint()? else { return Ok(Position::START) };
        if checkpoint.epoch == self.store.epoch() && checkpoint.position <= self.store.end() {
            self.index.reached(checkpoint.position);
            return Ok(checkpoint.position);
        }
        tracing::warn!("the search index is of another history of the log; building it anew");
        self.index.clear().await?;
        Ok(Position::START)
    }

    /// The changes that the next events bring, and the position that has them; `None` where it was stopped meanwhile.
    async fn changes(&mut self, after: Position, stop: &StopSignal) -> Result<Option<(Position, Vec<Change>)>, Fault> {
        let read = self.store.read_log(after, EVENTS_AT_ONCE).await.map_err(|error| match error {
            ReadError::Fault(fault) => fault,
            other => Fault::not_applied("catalog", "index", other),
        })?;
        let touched: BTreeSet<&str> = read
            .events
            .iter()
            .filter(|event| matches!(event.stream.category(), "product" | "stock"))
            .map(|event| event.stream.id())
            .collect();
        if touched.is_empty() {
            return Ok(Some((read.scanned_through, Vec::new())));
        }
        let token = PositionToken::of(self.store.log().clone(), self.store.epoch(), read.scanned_through);
        while self.view.wait_for(&token, VIEW_WAIT).await.is_err() {
            if stop.is_cancelled() {
                return Ok(None);
            }
        }
        let keys: Vec<String> = touched.into_iter().map(ToOwned::to_owned).collect();
        let rows = self.views.load(self.view.view(), keys.clone()).await?;
        let mut changes = Vec::new();
        for key in keys {
            let row: Option<ProductRow> = match rows.get(&key) {
                Some(stored) => {
                    Some(stored.body.decode().map_err(|error| Fault::permanent("catalog", "decode-row", error))?)
                }
                None => None,
            };
            let state = row.as_ref().map(|row| (row.version, in_stock(row)));
            if state.is_some() && self.indexed.get(&key).copied() == state {
                continue;
            }
            if let Some(state) = state {
                self.indexed.put(key.clone(), state);
            }
            changes.push(change(key, row.as_ref()));
        }
        Ok(Some((read.scanned_through, changes)))
    }
}

impl std::fmt::Debug for ProductIndexer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProductIndexer").field("index", &self.index).finish_non_exhaustive()
    }
}
