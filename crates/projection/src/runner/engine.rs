//! One step of one generation: read, fold, commit, publish; and the operator's verbs, which take the same lock.

use std::collections::HashMap;
use std::mem;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};

use madrigal_core::spans::{BatchSpans, Doing};
use madrigal_core::{Position, RecordedEvent, Timestamp};
use madrigal_event_store::ReadError;
use tokio::sync::watch;

use super::RunnerOptions;
use super::cache::{RowCache, Slot};
use super::fold::{self, Plan};
use super::gather::Gathering;
use super::lanes::{self, Lanes};
use super::pace::Pace;
use crate::progress::{Progress, RunError, Status};
use crate::projection::{ApplyError, Projection};
use crate::store::DynViewStore;
use crate::view::{Checkpoint, StoredRow, ViewBatch, ViewId};

/// Keeps one generation of a view in step with its log.
pub(crate) struct Engine<P: Projection> {
    pub(crate) projection: Arc<P>,
    pub(crate) view: ViewId,
    /// The version of the code that folded its first rows.
    pub(crate) version: u32,
    pub(crate) log: madrigal_event_store::DynEventStore,
    pub(crate) views: DynViewStore,
    pub(crate) host: madrigal_core::Host,
    pub(crate) options: RunnerOptions,
    pub(crate) prepared: tokio::sync::OnceCell<()>,
    pub(crate) loaded: tokio::sync::Mutex<Option<Loaded<P::Row>>>,
    pub(crate) progress: watch::Sender<Progress>,
    /// How it is built, as long as it does not serve.
    pub(crate) pace: Pace,
    /// How it takes its batches, once it serves.
    pub(crate) gathering: Gathering,
    /// Why its rows cannot be read by this code, if they cannot.
    pub(crate) unreadable: OnceLock<String>,
    /// Told when an operator has changed what held it up.
    pub(crate) mended: tokio::sync::Notify,
    /// How often an operator has changed what is parked here.
    pub(crate) touched: AtomicU64,
}

/// What runs an engine: the projection, where from, where to.
pub(crate) struct Parts<P: Projection> {
    pub(crate) projection: Arc<P>,
    pub(crate) log: madrigal_event_store::DynEventStore,
    pub(crate) views: DynViewStore,
    pub(crate) host: madrigal_core::Host,
    pub(crate) options: RunnerOptions,
}

/// What the runner holds in memory between batches. Taken out for each step and put back only when the step has
/// succeeded, so that a failure, or a step that was dropped half-way, forgets all of it.
pub(crate) struct Loaded<R> {
    pub(super) checkpoint: Checkpoint,
    pub(super) lanes: Lanes,
    /// Whether lanes were held or freed since they were last published.
    pub(super) lanes_changed: bool,
    pub(super) cache: RowCache<R>,
    behind: bool,
}

impl<R> Loaded<R> {
    pub(super) const fn position(&self) -> Position {
        self.checkpoint.position
    }

    pub(super) fn lanes(&self) -> usize {
        self.lanes.len()
    }
}

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) applied_through: Position,
    pub(crate) end: Position,
}

impl<P: Projection> Engine<P> {
    pub(crate) fn new(parts: &Parts<P>, view: ViewId, version: u32, building: bool) -> Self {
        let (progress, _) = watch::channel(Progress::none());
        Self {
            projection: Arc::clone(&parts.projection),
            view,
            version,
            log: Arc::clone(&parts.log),
            views: Arc::clone(&parts.views),
            host: parts.host.clone(),
            options: parts.options.clone(),
            prepared: tokio::sync::OnceCell::new(),
            loaded: tokio::sync::Mutex::new(None),
            progress,
            pace: Pace::new(building, &parts.options),
            gathering: Gathering::default(),
            unreadable: OnceLock::new(),
            mended: tokio::sync::Notify::new(),
            touched: AtomicU64::new(0),
        }
    }

    /// Applies the next batch, if there is one.
    pub(crate) async fn step(&self) -> Result<Step, RunError> {
        let mut held = self.loaded.lock().await;
        self.step_held(&mut held, None).await
    }

    /// The same under the lock that the caller holds, and not beyond `until`.
    pub(super) async fn step_held(
        &self,
        held: &mut Option<Loaded<P::Row>>,
        until: Option<Position>,
    ) -> Result<Step, RunError> {
        let mut loaded = match held.take() {
            Some(loaded) => loaded,
            None => self.load().await?,
        };
        let log_epoch = self.log.epoch();
        if loaded.checkpoint.epoch != log_epoch {
            return Err(RunError::OtherEpoch { checkpoint: loaded.checkpoint.epoch, log: log_epoch });
        }
        let limit = match (self.pace.is_building(), loaded.behind) {
            (true, _) => self.pace.batch(),
            (false, true) => self.options.batch_behind,
            (false, false) => self.options.batch,
        };
        let read = self.log.read_log(loaded.checkpoint.position, limit).await.map_err(read_error)?;
        let (from, end) = (loaded.checkpoint.position, read.end);
        let through = until.map_or(read.scanned_through, |until| until.min(read.scanned_through));
        if through > from {
            let checkpoint = Checkpoint { epoch: log_epoch, position: through };
            // The store's contract says so already; a view must not depend on it.
            let mut last = from;
            let events = read.events.into_iter().filter(|event| {
                let next = event.position > last;
                last = last.max(event.position);
                next && event.position <= through
            });
            self.apply(&mut loaded, events.collect(), checkpoint).await?;
        }
        loaded.behind = end.0.saturating_sub(loaded.checkpoint.position.0) > self.options.batch_behind as u64;
        let step = Step { applied_through: loaded.checkpoint.position, end };
        self.publish(&mut loaded);
        *held = Some(loaded);
        Ok(step)
    }

    async fn apply(
        &self,
        loaded: &mut Loaded<P::Row>,
        events: Vec<RecordedEvent>,
        checkpoint: Checkpoint,
    ) -> Result<(), RunError> {
        let now = self.host.now();
        // What a candidate catches up with is no lag that anybody sees.
        if !self.pace.is_building() {
            self.measure(&events, now);
        }
        let plan = Plan::of(&*self.projection, self.options.upcaster.as_ref(), &mut loaded.lanes, events, now);
        let mut spans = self.spans(&plan.events);
        let mut batch = ViewBatch::at(checkpoint);
        batch.parked = plan.parked;
        let mut keys: Vec<&String> = plan.groups.keys().collect();
        // Rows in the order of their keys go to neighbouring pages of the store's index.
        keys.sort_unstable();
        let mut slots = self.slots(loaded, &keys).await?;
        for (done, key) in keys.into_iter().enumerate() {
            if done % YIELD_EVERY == YIELD_EVERY - 1 {
                tokio::task::yield_now().await;
            }
            let events: Vec<&RecordedEvent> = plan.groups[key].iter().map(|index| &plan.events[*index]).collect();
            let start = slots.remove(key).unwrap_or_else(Slot::absent);
            let slot = match self.fold_key(key, start, &events, &mut batch) {
                Ok(slot) => slot,
                Err((applied, error)) => self.park_from(key, applied, &error, &events, loaded, &mut batch).await?,
            };
            loaded.cache.put(key.clone(), slot);
        }
        loaded.lanes_changed |= !batch.parked.is_empty();
        if loaded.lanes.len() >= self.options.max_parked_lanes {
            return Err(RunError::TooManyParked(self.options.max_parked_lanes));
        }
        batch.parked.sort_by_key(|event| event.position);
        let oldest = plan.groups.values().flatten().min().and_then(|index| plan.events.get(*index));
        let oldest = oldest.map(|event| event.metadata.timestamp).filter(|_| !self.pace.is_building());
        if let Err(fault) = self.views.commit(&self.view, batch).await {
            spans.fail("the view was not written");
            return Err(fault.into());
        }
        if let Some(oldest) = oldest {
            self.measure_commit(oldest);
        }
        loaded.checkpoint = checkpoint;
        Ok(())
    }

    fn spans(&self, events: &[RecordedEvent]) -> BatchSpans {
        // What is built anew is nothing that was done for those who wrote the events.
        if self.pace.is_building() {
            return BatchSpans::default();
        }
        let parents = events.iter().map(|event| event.metadata.traceparent.as_deref());
        let mut spans = BatchSpans::begin(self.options.service, Doing::Fold, self.projection.name(), parents);
        spans.note("madrigal.events", events.len());
        spans
    }

    /// Folds the events of one key into the batch. An error says how many were applied before it; nothing is in the batch
    /// then, and the row is lost.
    fn fold_key(
        &self,
        key: &str,
        start: Slot<P::Row>,
        events: &[&RecordedEvent],
        batch: &mut ViewBatch,
    ) -> Result<Slot<P::Row>, (usize, ApplyError)> {
        let (had_row, before) = (start.row.is_some(), start.position);
        let folded = fold::fold(&*self.projection, key, start, events, true);
        if let Some(error) = folded.error {
            return Err((folded.applied, error));
        }
        let slot = folded.slot;
        if slot.position > before {
            match &slot.row {
                None if had_row => batch.deletes.push(key.to_owned()),
                None => {}
                // A row that cannot be stored: none of these events counts as applied.
                Some(row) => {
                    let stored = fold::stored(&*self.projection, row, &slot).map_err(|error| (0, error))?;
                    batch.puts.push((key.to_owned(), stored));
                }
            }
        }
        Ok(slot)
    }

    /// Parks a key from the event after `applied` on, and folds those before it again from the row that the store has.
    async fn park_from(
        &self,
        key: &str,
        applied: usize,
        error: &ApplyError,
        events: &[&RecordedEvent],
        loaded: &mut Loaded<P::Row>,
        batch: &mut ViewBatch,
    ) -> Result<Slot<P::Row>, RunError> {
        let (now, lane) = (self.host.now(), lanes::key_lane(key));
        tracing::warn!(view = %self.view, %lane, position = %events[applied].position, %error, "parked a key");
        batch.parked.push(fold::failed(lane.clone(), events[applied], error, now));
        batch.parked.extend(events[applied + 1..].iter().map(|event| fold::behind(lane.clone(), event, now)));
        loaded.lanes.hold(&lane);
        let stored = |row: Option<StoredRow>| row.map_or_else(|| Ok(Slot::absent()), |row| self.decoded(key, &row));
        let start = stored(self.views.get(&self.view, key).await?)?;
        match self.fold_key(key, start, &events[..applied], batch) {
            Ok(slot) => Ok(slot),
            // What was applied a moment ago fails now, or cannot be stored: a fold that is not pure, or a row that only
            // the failing event would have mended. All of it is parked.
            Err((_, error)) => {
                let first = events.first().map(|first| fold::failed(lane.clone(), first, &error, now));
                batch.parked.retain(|event| event.lane != lane || event.position > events[applied].position);
                batch.parked.extend(first);
                batch.parked.extend(events[1..=applied].iter().map(|event| fold::behind(lane.clone(), event, now)));
                stored(self.views.get(&self.view, key).await?)
            }
        }
    }

    /// The rows of `keys`: from the cache, the missing ones from the store in one query.
    async fn slots(
        &self,
        loaded: &mut Loaded<P::Row>,
        keys: &[&String],
    ) -> Result<HashMap<String, Slot<P::Row>>, RunError> {
        let mut slots = HashMap::with_capacity(keys.len());
        let mut missing = Vec::new();
        for key in keys {
            match loaded.cache.take(key) {
                Some(slot) => drop(slots.insert((*key).clone(), slot)),
                None => missing.push((*key).clone()),
            }
        }
        for chunk in missing.chunks(MAX_LOAD) {
            for (key, row) in self.views.load(&self.view, chunk.to_vec()).await? {
                let slot = self.decoded(&key, &row)?;
                slots.insert(key, slot);
            }
        }
        Ok(slots)
    }

    pub(super) fn decoded(&self, key: &str, row: &StoredRow) -> Result<Slot<P::Row>, RunError> {
        let decoded: P::Row =
            row.body.decode().map_err(|error| RunError::RowForm { key: key.to_owned(), why: error.to_string() })?;
        Ok(Slot { row: Some(decoded), version: row.version, position: row.position })
    }

    /// Makes the view known to its store, once in this process: reads may come before the first batch.
    pub(crate) async fn prepared(&self) -> Result<(), madrigal_core::Fault> {
        let prepare = || self.views.prepare(&self.view, self.projection.column_names());
        self.prepared.get_or_try_init(prepare).await.copied()
    }

    pub(super) async fn load(&self) -> Result<Loaded<P::Row>, RunError> {
        self.prepared().await?;
        let stored = self.views.checkpoint(&self.view).await?;
        let (epoch, end) = (self.log.epoch(), self.log.end());
        let checkpoint = stored.unwrap_or(Checkpoint { epoch, position: Position::START });
        if checkpoint.epoch != epoch {
            return Err(RunError::OtherEpoch { checkpoint: checkpoint.epoch, log: epoch });
        }
        if checkpoint.position > end {
            return Err(RunError::BeyondEnd { checkpoint: checkpoint.position, end });
        }
        let lanes = self.views.parked_lanes(&self.view, self.options.max_parked_lanes).await?;
        if lanes.len() >= self.options.max_parked_lanes {
            return Err(RunError::TooManyParked(lanes.len()));
        }
        let cache = self.fresh_cache();
        Ok(Loaded { checkpoint, lanes: Lanes::of(lanes), lanes_changed: true, cache, behind: false })
    }

    /// A candidate keeps few rows in memory: most of them are written once on the way, and what serves has its own.
    pub(super) fn fresh_cache(&self) -> RowCache<P::Row> {
        let rows = self.options.cached_rows;
        RowCache::new(if self.pace.is_building() { rows.min(CACHED_WHILE_BUILDING) } else { rows })
    }

    /// From now on the engine serves.
    pub(super) fn serve(&self, held: &mut Option<Loaded<P::Row>>) {
        self.pace.built();
        if let Some(loaded) = held {
            loaded.cache = self.fresh_cache();
        }
    }

    pub(super) fn publish(&self, loaded: &mut Loaded<P::Row>) {
        let lanes = mem::take(&mut loaded.lanes_changed).then(|| Arc::new(loaded.lanes.all()));
        self.progress.send_modify(|progress| {
            progress.checkpoint = Some(loaded.checkpoint);
            if let Some(lanes) = lanes {
                progress.lanes = lanes;
            }
        });
    }

    pub(crate) fn set_status(&self, status: Status) {
        self.set_trouble(status, "nothing");
    }

    pub(crate) fn set_trouble(&self, status: Status, word: &'static str) {
        self.progress.send_if_modified(|progress| {
            let changed = progress.status != status;
            (progress.status, progress.word) = (status, word);
            changed
        });
    }

    /// `data_sync_latency_seconds`: from the oldest event of a batch to the commit of its rows; one sample for a batch, so
    /// that what is shown is never less than the truth.
    fn measure_commit(&self, oldest: Timestamp) {
        let labels = [
            ("source", self.log.log().to_string()),
            ("target", self.projection.name().to_owned()),
            ("entity_type", "events".to_owned()),
        ];
        let took = self.host.now().since(oldest).as_secs_f64();
        metrics::histogram!("data_sync_latency_seconds", &labels).record(took);
    }

    /// `event_processing_lag_seconds`: for each type in the batch the oldest event's age when it is applied.
    fn measure(&self, events: &[RecordedEvent], now: Timestamp) {
        let mut seen: Vec<&str> = Vec::new();
        for event in events {
            let event_type = event.event_type.as_str();
            if seen.contains(&event_type) {
                continue;
            }
            seen.push(event_type);
            metrics::gauge!("event_processing_lag_seconds", "service" => self.options.service, "event_type" => event_type.to_owned())
                .set(now.since(event.metadata.timestamp).as_secs_f64());
        }
    }
}

/// Rows folded before other tasks of the runtime get their turn: about a millisecond of work.
const YIELD_EVERY: usize = 256;

/// Rows that a candidate keeps decoded in memory.
const CACHED_WHILE_BUILDING: usize = 2_000;

/// [`crate::ViewStore::load`]'s bound.
const MAX_LOAD: usize = 10_000;

pub(super) fn read_error(error: ReadError) -> RunError {
    match error {
        ReadError::OtherEpoch { reader, log } => RunError::OtherEpoch { checkpoint: reader, log },
        ReadError::BeyondEnd { reader, end } => RunError::BeyondEnd { checkpoint: reader, end },
        ReadError::Fault(fault) => RunError::Fault(fault),
    }
}
