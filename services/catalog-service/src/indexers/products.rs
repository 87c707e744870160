//! Follows the log and puts the view's rows into one generation of the search index.
//!
//! The index holds no state of its own: for every product that events touch it takes the row from the view `products`, as
//! far as that has come. A row that is newer than the event is fine: the later event comes too. Most stock events change
//! nothing that is searched for, and cost a look-up only.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use lru::LruCache;
use madrigal_core::spans::{BatchSpans, Doing};
use madrigal_core::tasks::{self, Instant, StopSignal};
use madrigal_core::{Fault, Host, Position, RecordedEvent, StreamVersion, Timestamp};
use madrigal_event_store::{DynEventStore, WaitError};
use madrigal_projection::{Checkpoint, ViewReader};
use madrigal_tantivy::index::Change;
use madrigal_telemetry::names;

use super::index::Followed;
use crate::domain::ProductRated;
use crate::projections::{ProductRow, ProductView};
use crate::queries::ProductCache;
use crate::search::fields::{change, in_stock};

/// At most one commit in this time: each costs some file syncs. Copies have what their owner has within 200 ms, the commit
/// itself included.
const COMMIT_EVERY: Duration = Duration::from_millis(100);
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

/// Keeps a generation in step.
pub struct ProductIndexer {
    store: DynEventStore,
    view: ViewReader<ProductView>,
    host: Host,
    into: Arc<Followed>,
    /// As indexed: the product's version, whether it was available, how many ratings it had.
    indexed: LruCache<String, (StreamVersion, bool, u64)>,
    cache: Option<ProductCache>,
}

/// What the next events bring.
struct Batch {
    through: Position,
    changes: Vec<Change>,
    /// When the first of its events happened.
    since: Option<Timestamp>,
    /// Whether there is more at once.
    full: bool,
    /// End when it is committed, or given up.
    _spans: BatchSpans,
}

impl ProductIndexer {
    pub(crate) fn new(store: DynEventStore, view: ViewReader<ProductView>, host: Host, into: Arc<Followed>) -> Self {
        Self { store, view, host, into, indexed: LruCache::new(REMEMBERED), cache: None }
    }

    /// The same, which tells this cache of what the log brings.
    pub(crate) fn telling(self, cache: Option<ProductCache>) -> Self {
        Self { cache, ..self }
    }

    /// Follows the log until `stop`, and says each time when it is at its end. Whatever breaks is tried again from the last
    /// commit.
    ///
    /// # Cancellation
    /// Safe: what was not committed is done again.
    pub(crate) async fn run(mut self, stop: StopSignal, at_end: impl Fn() + Send + Sync) {
        while !stop.is_cancelled() {
            if let Err(fault) = self.follow(&stop, &at_end).await {
                let (cause, known) = (fault.chain(), self.into.trouble());
                // Once, however often it is tried.
                if known.is_none() {
                    tracing::warn!(error = %cause, "indexing is held up, trying again");
                }
                let since = known.map_or_else(|| self.host.now(), |(_, since)| since);
                self.into.set_trouble(Some((cause, since)));
                self.indexed.clear();
                tasks::sleep_or_stopped(PAUSE, &stop).await;
            }
        }
    }

    async fn follow(&mut self, stop: &StopSignal, at_end: &(impl Fn() + Send + Sync)) -> Result<(), Fault> {
        let mut committed = self.start().await?;
        let mut scanned = committed;
        let mut last_commit: Option<Instant> = None;
        loop {
            if scanned >= self.store.end() {
                at_end();
            }
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
            let Some(batch) = self.next(scanned, stop).await? else { return Ok(()) };
            let gate = self.into.gate.lock().await;
            scanned = batch.through;
            if batch.changes.is_empty() && scanned.0 - committed.0 < EVENTS_WITHOUT_COMMIT {
                self.into.reached.send_replace(scanned);
                continue;
            }
            let checkpoint = Checkpoint { epoch: self.store.epoch(), position: scanned };
            let changed = !batch.changes.is_empty();
            self.into.index.commit(batch.changes, checkpoint).await?;
            self.into.reached.send_replace(scanned);
            self.into.set_trouble(None);
            drop(gate);
            committed = scanned;
            // What an index that is being built catches up with is no lag that anybody sees.
            if let Some(since) = batch.since.filter(|_| changed && !batch.full) {
                self.measure(since);
            }
            // Far behind, there is nothing to wait for.
            last_commit = (!batch.full).then(tasks::instant);
        }
    }

    /// From the first event of a batch until it is searchable; one sample for a batch, so that what is shown is never less
    /// than the truth.
    fn measure(&self, since: Timestamp) {
        let labels = [("source", "catalog"), ("target", "products.search"), ("entity_type", "products")];
        metrics::histogram!(names::DATA_SYNC_LATENCY, &labels).record(self.host.now().since(since).as_secs_f64());
    }

    /// Where to go on; an index of another history is emptied first.
    async fn start(&mut self) -> Result<Position, Fault> {
        let Some(checkpoint) = self.into.index.checkpoint()? else { return Ok(Position::START) };
        if checkpoint.epoch == self.store.epoch() && checkpoint.position <= self.store.end() {
            self.into.reached.send_replace(checkpoint.position);
            return Ok(checkpoint.position);
        }
        tracing::warn!("the search index is of another history of the log; building it anew");
        self.into.index.clear().await?;
        self.into.reached.send_replace(Position::START);
        Ok(Position::START)
    }

    /// What the next events bring, as far as the view has them; `None` where it was stopped meanwhile.
    async fn next(&mut self, after: Position, stop: &StopSignal) -> Result<Option<Batch>, Fault> {
        let read =
            self.store.read_log(after, EVENTS_AT_ONCE).await.map_err(|error| error.into_fault("catalog", "index"))?;
        let Some(first) = read.events.first() else {
            let spans = BatchSpans::default();
            let through = read.scanned_through;
            return Ok(Some(Batch { through, changes: Vec::new(), since: None, full: false, _spans: spans }));
        };
        let since = first.metadata.timestamp;
        let token = self.store.token(first.position);
        while self.view.wait_for(&token, VIEW_WAIT).await.is_err() {
            if stop.is_cancelled() {
                return Ok(None);
            }
        }
        let seen = self.view.applied_through().map_or(Position::START, |checkpoint| checkpoint.position);
        let through = read.scanned_through.min(seen).max(first.position);
        if let Some(cache) = &self.cache {
            cache.hear(&read.events, through);
        }
        let touched: BTreeSet<&str> = read
            .events
            .iter()
            .filter(|event| event.position <= through)
            .filter_map(|event| match event.stream.category() {
                "product" | "stock" => Some(event.stream.id()),
                ProductRated::CATEGORY => event.stream.id().split('~').next(),
                _ => None,
            })
            .collect();
        let keys: Vec<String> = touched.into_iter().map(ToOwned::to_owned).collect();
        let changes = self.changes(keys).await?;
        let full = read.events.len() >= EVENTS_AT_ONCE / 2 && through == read.scanned_through;
        // What is built anew is nothing that was done for those who wrote the events.
        let spans = if changes.is_empty() || full { BatchSpans::default() } else { spans(&read.events, through) };
        Ok(Some(Batch { through, changes, since: Some(since), full, _spans: spans }))
    }

    async fn changes(&mut self, keys: Vec<String>) -> Result<Vec<Change>, Fault> {
        let mut rows = self.view.load(keys.clone()).await?;
        let mut changes = Vec::new();
        for key in keys {
            let row: Option<ProductRow> = rows.remove(&key).map(|viewed| viewed.row);
            let state = row.as_ref().map(|row| (row.version, in_stock(row), row.ratings.count()));
            if state.is_some() && self.indexed.get(&key).copied() == state {
                continue;
            }
            if let Some(state) = state {
                self.indexed.put(key.clone(), state);
            }
            changes.push(change(key, row.as_ref()));
        }
        Ok(changes)
    }
}

/// The spans of what these events bring into the index.
fn spans(events: &[RecordedEvent], through: Position) -> BatchSpans {
    let events = events.iter().filter(|event| event.position <= through);
    let parents = events.map(|event| event.metadata.traceparent.as_deref());
    BatchSpans::begin("catalog-service", Doing::Fold, "products.search", parents)
}

impl std::fmt::Debug for ProductIndexer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProductIndexer").field("generation", &self.into.generation.number).finish_non_exhaustive()
    }
}
