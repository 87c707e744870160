//! The test kit for projections: whatever happens on the way, the same history gives the same view.
//!
//! [`check_projection`] replays a history in many ways (batches of every size, a restart at every batch border, every
//! event twice and out of batch, commits that fail or whose answer is lost, no cache) and compares the rows and what was
//! parked with a fold by hand. [`ReplayLog`] and [`FailingViews`] are there for a projection's own tests.
#![expect(clippy::unwrap_used, reason = "a case fails by panicking")]

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use madrigal_core::{
    CallContext, EventType, ExpectedVersion, Fault, Host, JsonBytes, LogEpoch, LogName, NewEvent, Position,
    RecordedEvent, StreamName,
};
use madrigal_event_store::{
    AppendError, Appended, DynEventStore, EventStore, LogRead, MemoryEventStore, ReadError, StreamAppend, StreamRead,
    StreamSlice, WaitError,
};
use madrigal_projection::{
    Checkpoint, DynViewSnapshot, DynViewStore, Generations, Interest, MemoryViews, ParkedEvent, ParkedFilter,
    Projection, ProjectionRunner, Query, RunnerOptions, StoredRow, ViewBatch, ViewId, ViewStore,
};
use serde::Serialize;
use tokio::sync::Semaphore;

/// A log of given events, in memory, for tests of projections.
pub async fn history<T: Serialize>(host: &Host, events: &[(&str, &str, T)]) -> Vec<RecordedEvent> {
    let store = MemoryEventStore::new(LogName::parse("history").unwrap(), host);
    for (stream, event_type, data) in events {
        let stream: StreamName = stream.parse().unwrap();
        let event = NewEvent::fresh(
            host,
            EventType::parse(event_type).unwrap(),
            1,
            JsonBytes::of(data).unwrap(),
            &CallContext::new(host),
        );
        store.append(stream, ExpectedVersion::Any, vec![event]).await.unwrap();
    }
    let mut all = Vec::new();
    loop {
        let after = all.last().map_or(Position::START, |event: &RecordedEvent| event.position);
        let read = store.read_log(after, 10_000).await.unwrap();
        if read.events.is_empty() {
            return all;
        }
        all.extend(read.events);
    }
}

/// A read-only log that replays a history; on request it repeats itself, as no store should.
pub struct ReplayLog {
    name: LogName,
    epoch: LogEpoch,
    events: Vec<RecordedEvent>,
    stutters: bool,
}

impl ReplayLog {
    /// The history as a log.
    pub fn new(epoch: LogEpoch, events: Vec<RecordedEvent>) -> Self {
        Self { name: LogName::parse("history").unwrap(), epoch, events, stutters: false }
    }

    /// Delivers every event twice, and up to three events from before each read's beginning.
    #[must_use]
    pub fn stuttering(mut self) -> Self {
        self.stutters = true;
        self
    }
}

#[async_trait]
impl EventStore for ReplayLog {
    fn log(&self) -> &LogName {
        &self.name
    }

    fn epoch(&self) -> LogEpoch {
        self.epoch
    }

    fn end(&self) -> Position {
        self.events.last().map_or(Position::START, |event| event.position)
    }

    async fn append_many(&self, _appends: Vec<StreamAppend>) -> Result<Vec<Appended>, AppendError> {
        Err(Fault::permanent("replay-log", "append", "a replayed history is read-only").into())
    }

    async fn read_stream(&self, stream: &StreamName, read: StreamRead) -> Result<StreamSlice, Fault> {
        let of_stream: Vec<&RecordedEvent> = self.events.iter().filter(|event| event.stream == *stream).collect();
        let version = of_stream.last().map_or_else(Default::default, |event| event.version());
        let later = of_stream.into_iter().filter(|event| event.version() > read.after);
        Ok(StreamSlice { events: later.take(read.limit).cloned().collect(), version })
    }

    async fn read_log(&self, after: Position, limit: usize) -> Result<LogRead, ReadError> {
        let end = self.end();
        if after > end {
            return Err(ReadError::BeyondEnd { reader: after, end });
        }
        let first = self.events.partition_point(|event| event.position <= after);
        let fresh = &self.events[first..self.events.len().min(first + limit)];
        let scanned_through = fresh.last().map_or(after, |event| event.position);
        let mut events = Vec::new();
        if self.stutters && limit > 1 {
            events.extend_from_slice(&self.events[first.saturating_sub(3)..first]);
            events.extend(fresh.iter().flat_map(|event| [event.clone(), event.clone()]));
        } else {
            events.extend_from_slice(fresh);
        }
        Ok(LogRead { events, scanned_through, end })
    }

    async fn wait_beyond(&self, _position: Position, _limit: Duration) -> Result<Position, WaitError> {
        Err(WaitError::TimedOut { end: self.end() })
    }
}

/// What happens to a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitFate {
    /// It works.
    Works,
    /// It fails without an effect: a crash between load and commit.
    Fails,
    /// It happens, and its answer is lost.
    AnswerLost,
}

type Fate = Box<dyn Fn(usize) -> CommitFate + Send + Sync>;

/// A view store whose commits meet a scripted fate.
pub struct FailingViews {
    inner: DynViewStore,
    fate: Fate,
    arranging: Option<Fate>,
    reading: Option<Arc<Semaphore>>,
    commits: Mutex<usize>,
    /// Whether any commit has failed or lost its answer yet.
    struck: AtomicBool,
}

impl FailingViews {
    /// `fate` is asked with the number of the commit, from 0, failed ones included.
    pub fn new(inner: DynViewStore, fate: impl Fn(usize) -> CommitFate + Send + Sync + 'static) -> Self {
        let (commits, struck) = (Mutex::new(0), AtomicBool::new(false));
        Self { inner, fate: Box::new(fate), arranging: None, reading: None, commits, struck }
    }

    /// With changes of generations meeting a fate too, asked with the revision that is to be stored.
    #[must_use]
    pub fn arranging(self, fate: impl Fn(usize) -> CommitFate + Send + Sync + 'static) -> Self {
        Self { arranging: Some(Box::new(fate)), ..self }
    }

    /// With queries that each wait for a permit, and use it up.
    #[must_use]
    pub fn reading(self, permits: Arc<Semaphore>) -> Self {
        Self { reading: Some(permits), ..self }
    }
}

#[async_trait]
impl ViewStore for FailingViews {
    async fn prepare(&self, view: &ViewId, columns: &'static [&'static str]) -> Result<(), Fault> {
        self.inner.prepare(view, columns).await
    }

    async fn checkpoint(&self, view: &ViewId) -> Result<Option<Checkpoint>, Fault> {
        self.inner.checkpoint(view).await
    }

    async fn load(&self, view: &ViewId, keys: Vec<String>) -> Result<HashMap<String, StoredRow>, Fault> {
        self.inner.load(view, keys).await
    }

    async fn commit(&self, view: &ViewId, batch: ViewBatch) -> Result<(), Fault> {
        let number = {
            let mut commits = self.commits.lock().unwrap();
            *commits += 1;
            *commits - 1
        };
        let fate = (self.fate)(number);
        self.struck.fetch_or(fate != CommitFate::Works, Ordering::Relaxed);
        match fate {
            CommitFate::Works => self.inner.commit(view, batch).await,
            CommitFate::Fails => Err(Fault::not_applied("failing-views", "commit", "scripted failure")),
            CommitFate::AnswerLost => {
                self.inner.commit(view, batch).await?;
                Err(Fault::unknown("failing-views", "commit", "scripted loss of the answer"))
            }
        }
    }

    async fn get(&self, view: &ViewId, key: &str) -> Result<Option<StoredRow>, Fault> {
        self.inner.get(view, key).await
    }

    async fn query(&self, view: &ViewId, query: Query) -> Result<Vec<(String, StoredRow)>, Fault> {
        if let Some(permits) = &self.reading {
            permits.acquire().await.unwrap().forget();
        }
        self.inner.query(view, query).await
    }

    async fn parked(&self, view: &ViewId, filter: ParkedFilter) -> Result<Vec<ParkedEvent>, Fault> {
        self.inner.parked(view, filter).await
    }

    async fn parked_lanes(&self, view: &ViewId, limit: usize) -> Result<Vec<String>, Fault> {
        self.inner.parked_lanes(view, limit).await
    }

    async fn generations(&self, name: &str) -> Result<Option<Generations>, Fault> {
        self.inner.generations(name).await
    }

    async fn arrange(&self, name: &str, next: &Generations) -> Result<(), Fault> {
        let fate = match &self.arranging {
            Some(fate) => fate(usize::try_from(next.revision).unwrap()),
            None => CommitFate::Works,
        };
        match fate {
            CommitFate::Works => self.inner.arrange(name, next).await,
            CommitFate::Fails => Err(Fault::not_applied("failing-views", "arrange", "scripted failure")),
            CommitFate::AnswerLost => {
                self.inner.arrange(name, next).await?;
                Err(Fault::unknown("failing-views", "arrange", "scripted loss of the answer"))
            }
        }
    }

    async fn snapshot(&self) -> Result<DynViewSnapshot, Fault> {
        self.inner.snapshot().await
    }

    async fn clear(&self, view: &ViewId, at_most: usize) -> Result<bool, Fault> {
        self.inner.clear(view, at_most).await
    }
}

/// A view as it can be compared: rows with version and position, and what is parked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewImage {
    rows: BTreeMap<String, (u64, u64, serde_json::Value)>,
    parked: Vec<(String, u64)>,
}

impl ViewImage {
    /// Reads all of a view.
    pub async fn of(views: &DynViewStore, view: &ViewId) -> Self {
        let mut rows = BTreeMap::new();
        let mut after = None::<String>;
        loop {
            let page = views.query(view, Query::oldest(Query::MAX_ROWS).after(after.take())).await.unwrap();
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            rows.extend(page.into_iter().map(|(key, row)| (key, shown(&row))));
        }
        let mut parked = Vec::new();
        let mut filter = ParkedFilter::default();
        loop {
            let page = views.parked(view, filter.clone()).await.unwrap();
            let Some(last) = page.last() else { break };
            filter.after = last.position;
            parked.extend(page.into_iter().map(|event| (event.lane, event.position.0)));
        }
        parked.sort();
        Self { rows, parked }
    }
}

fn shown(row: &StoredRow) -> (u64, u64, serde_json::Value) {
    (row.version.0, row.position.0, row.body.decode().unwrap())
}

/// Replays `history` in many ways into view stores that `make_views` makes (each with whatever keeps it alive), and checks
/// that all give the same view, which is the one that a fold by hand gives. The history should have every event type and
/// a few hundred events at most: it is replayed some twenty times.
pub async fn check_projection<P, M, F, A>(make: impl Fn() -> P, make_views: M, history: Vec<RecordedEvent>)
where
    P: Projection,
    M: Fn() -> F,
    F: Future<Output = (DynViewStore, A)>,
{
    let epoch = LogEpoch::new(&Host::system());
    let log = || -> DynEventStore { Arc::new(ReplayLog::new(epoch, history.clone())) };
    let expected = by_hand(&make(), &history);
    let view = ViewId::new(make().name(), 1).unwrap();
    let size = |batch| RunnerOptions { batch, batch_behind: batch, ..RunnerOptions::default() };

    for batch in [1, 2, 3, 7, 1_000] {
        for cached_rows in [0, 2, 1_000] {
            let (views, _alive) = make_views().await;
            let options = RunnerOptions { cached_rows, ..size(batch) };
            run(&make, log(), &views, &options).await;
            expect(&expected, &views, &view, &format!("batches of {batch}, {cached_rows} rows cached")).await;
        }
    }
    for batch in [2, 5, 1_000] {
        let (views, _alive) = make_views().await;
        let stuttering = Arc::new(ReplayLog::new(epoch, history.clone()).stuttering());
        run(&make, stuttering, &views, &size(batch)).await;
        expect(&expected, &views, &view, &format!("every event twice, batches of {batch}")).await;
    }
    let (views, _alive) = make_views().await;
    for end in 1..=history.len() {
        let so_far: DynEventStore = Arc::new(ReplayLog::new(epoch, history[..end].to_vec()));
        run(&make, so_far, &views, &size(1_000)).await;
    }
    expect(&expected, &views, &view, "a restart after every event").await;
    for fate in [CommitFate::Fails, CommitFate::AnswerLost] {
        let (views, _alive) = make_views().await;
        let failing = Arc::new(FailingViews::new(Arc::clone(&views), move |number| match number % 2 {
            0 => fate,
            _ => CommitFate::Works,
        }));
        let dyn_failing: DynViewStore = Arc::clone(&failing) as DynViewStore;
        run(&make, log(), &dyn_failing, &size(3)).await;
        assert!(failing.struck.load(Ordering::Relaxed), "no commit met its fate");
        expect(&expected, &views, &view, &format!("commits that meet {fate:?}")).await;
    }
}

async fn run<P: Projection>(make: &impl Fn() -> P, log: DynEventStore, views: &DynViewStore, options: &RunnerOptions) {
    let runner = ProjectionRunner::new(make(), log, Arc::clone(views), Host::system(), options.clone()).unwrap();
    for _ in 0..100_000 {
        if runner.catch_up().await.is_ok() {
            return;
        }
    }
    panic!("the runner does not get through");
}

async fn expect(expected: &ViewImage, views: &DynViewStore, view: &ViewId, how: &str) {
    let image = ViewImage::of(views, view).await;
    assert_eq!(image.rows, expected.rows, "the rows after {how}");
    assert_eq!(image.parked, expected.parked, "what is parked after {how}");
}

/// The view as the rules say it, one event after the other, through JSON each time.
fn by_hand<P: Projection>(projection: &P, history: &[RecordedEvent]) -> ViewImage {
    let mut image = ViewImage { rows: BTreeMap::new(), parked: Vec::new() };
    let held = |parked: &[(String, u64)], lane: &str| parked.iter().any(|(known, _)| known == lane);
    for event in history {
        let stream_lane = format!("stream/{}", event.stream);
        let keys = match projection.keys(event) {
            _ if held(&image.parked, &stream_lane) => None,
            Ok(Interest::Skip) => Some(Vec::new()),
            Ok(Interest::Key(key)) => Some(vec![key]),
            Ok(Interest::Keys(keys)) => Some(keys),
            Err(_) => None,
        };
        let Some(keys) = keys else {
            image.parked.push((stream_lane, event.position.0));
            continue;
        };
        for key in keys {
            let lane = format!("key/{key}");
            let before = image.rows.get(&key).map(|(_, _, row)| serde_json::from_value(row.clone()).unwrap());
            let folded = || catch_unwind(AssertUnwindSafe(|| projection.apply(&key, before, event)));
            let after = match held(&image.parked, &lane) {
                true => Err(()),
                false => folded().map_err(drop).and_then(|row| row.map_err(drop)),
            };
            match after {
                Err(()) => image.parked.push((lane, event.position.0)),
                Ok(None) => drop(image.rows.remove(&key)),
                Ok(Some(row)) => {
                    let json = JsonBytes::of(&row).unwrap().decode().unwrap();
                    image.rows.insert(key, (event.version().0, event.position.0, json));
                }
            }
        }
    }
    image.parked.sort();
    image
}

/// A fresh in-memory view store, for [`check_projection`].
pub async fn memory_views() -> (DynViewStore, ()) {
    (Arc::new(MemoryViews::new()), ())
}
