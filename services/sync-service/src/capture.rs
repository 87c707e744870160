//! Following a connector: its owner's changes, through processors and transformers, into copies.
//!
//! One capture follows one log. It reads a batch of changes, asks the processors what they mean, tells every copy its rows
//! (all copies at the same time), and goes on when all have them; so memory holds one batch, and a slow copy slows the
//! reader. What cannot be understood parks its key and everything of that key behind it; other keys go on.
//!
//! Where a capture stands is what the copies say (`applied through`, kept with their rows), never only what this service
//! remembers: after a crash, or where a copy lost its latest rows, it goes on at the earliest place. Coming twice is no
//! harm: copies refuse what is older. A copy that is new, or that stands in another history of the log, is first told
//! every row that the owner has (`snapshot`).

mod batch;
mod owned;
mod rebuild;
mod settle;
mod snapshot;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use madrigal_cdc::{Changes, DynChangeSource, ReadChangesError};
use madrigal_core::tasks::{self, StopSignal};
use madrigal_core::{Fault, Host, LogEpoch, LogName, Position, Timestamp};
use madrigal_projection::consumer::{PollFrom, Start};
use madrigal_projection::{Checkpoint, DynOffsets, GroupId, Status};
use tokio::sync::watch;

use crate::connectors::ConnectorDefinition;
use crate::copies::Copies;
use crate::processors::{Activity, Processor};
use crate::transformers::Transformers;

pub(crate) use owned::OwnedRow;
pub use rebuild::Retold;

/// The name under which this service acknowledges what it has.
pub const CONSUMER: &str = "sync-service";
/// Changes of one batch: also how many may come again after a crash.
const BATCH: usize = 500;
/// How long a read waits for a change.
const WAIT: Duration = Duration::from_secs(5);
/// Beyond this many parked keys nothing goes on: the cause is not a single bad change.
const MAX_PARKED: usize = 10_000;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(5);

/// What a capture stands on.
#[derive(Clone)]
pub struct CaptureParts {
    /// The connector's declaration.
    pub connector: ConnectorDefinition,
    /// The owner's changes.
    pub source: DynChangeSource,
    /// Where rows go.
    pub copies: Copies,
    /// What happens to them on their way.
    pub transformers: Arc<Transformers>,
    /// The state of `user_events`.
    pub activity: Activity,
    /// Checkpoint and parked changes.
    pub offsets: DynOffsets,
    /// Clock.
    pub host: Host,
}

/// A table that no processor handles.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("table {table} comes under the topic {topic}, which no processor handles")]
pub struct NoProcessor {
    /// The table.
    pub table: String,
    /// The topic, after all routes.
    pub topic: String,
}

/// Follows one connector. Cheap to clone; clones are the same capture.
#[derive(Clone)]
pub struct Capture {
    shared: Arc<Shared>,
}

struct Shared {
    parts: CaptureParts,
    /// By table.
    processors: BTreeMap<String, Box<dyn Processor>>,
    engine: tokio::sync::Mutex<Option<Loaded>>,
    progress: watch::Sender<Progress>,
}

/// What is held between batches.
#[derive(Default)]
struct Loaded {
    /// `None`: the copies must be told everything first.
    checkpoint: Option<Checkpoint>,
    held: HashSet<String>,
}

/// How a capture fares.
#[derive(Debug, Clone)]
pub struct Progress {
    /// What it does.
    pub status: Status,
    /// Up to where every copy has everything.
    pub applied: Option<Checkpoint>,
    /// Where the source's log ended when it was last read.
    pub end: Position,
    /// When every copy last had everything that there was.
    pub caught_up_at: Option<Timestamp>,
    /// How many rows of a snapshot were told, while one is taken.
    pub snapshot_rows: Option<u64>,
    /// The lanes that wait for somebody.
    pub held: Arc<HashSet<String>>,
}

/// Why a batch was not taken in.
enum Halt {
    Fault(Fault),
    /// The log does not have what the copies lack.
    Snapshot(String),
}

impl From<Fault> for Halt {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Capture {
    /// A capture of the connector's tables. Nothing is read before [`Capture::run`].
    ///
    /// # Errors
    /// Every table whose topic no processor handles.
    pub fn new(parts: CaptureParts) -> Result<Self, Vec<NoProcessor>> {
        let mut processors = BTreeMap::new();
        let mut missing = Vec::new();
        for table in &parts.connector.tables {
            let topic = parts.transformers.routed(&parts.connector.topic_of(table));
            match crate::processors::all().into_iter().find(|processor| processor.topic() == topic) {
                Some(processor) => drop(processors.insert(table.table.clone(), processor)),
                None => missing.push(NoProcessor { table: table.to_string(), topic }),
            }
        }
        if !missing.is_empty() {
            return Err(missing);
        }
        let (progress, _) = watch::channel(Progress {
            status: Status::Idle,
            applied: None,
            end: Position::START,
            caught_up_at: None,
            snapshot_rows: None,
            held: Arc::default(),
        });
        let engine = tokio::sync::Mutex::new(None);
        Ok(Self { shared: Arc::new(Shared { parts, processors, engine, progress }) })
    }

    /// The connector.
    pub fn connector(&self) -> &ConnectorDefinition {
        &self.shared.parts.connector
    }

    /// The log that it follows.
    pub fn log(&self) -> &LogName {
        self.shared.parts.source.log()
    }

    /// The copies that it tells.
    pub fn copies(&self) -> Vec<&'static str> {
        self.shared.copies()
    }

    /// How it fares.
    pub fn progress(&self) -> Progress {
        self.shared.progress.borrow().clone()
    }

    /// The keys of a copy's rows that are parked: a copy may lack their latest changes though it is further.
    pub fn parked_keys(&self, copy: &str) -> Vec<String> {
        let held = self.shared.progress.borrow().held.clone();
        let topics = self.shared.processors.values().filter(|processor| processor.copies().contains(&copy));
        let topics: Vec<&str> = topics.map(|processor| processor.topic()).collect();
        let of_copy = held.iter().filter_map(|lane| lane.split_once(':'));
        of_copy.filter(|(topic, _)| topics.contains(topic)).map(|(_, key)| key.to_owned()).collect()
    }

    /// Follows the log until `stop`. Faults are tried again for ever, with pauses from 100 ms to 5 s.
    ///
    /// # Cancellation
    /// Safe: what was not acknowledged comes again.
    pub async fn run(&self, stop: StopSignal) {
        let shared = &self.shared;
        let mut pause = FIRST_PAUSE;
        while !stop.is_cancelled() {
            match shared.turn(WAIT, &stop).await {
                Ok(_) => {
                    pause = FIRST_PAUSE;
                    shared.set_status(Status::Running);
                }
                Err(fault) => {
                    shared.troubled(&fault.chain());
                    tasks::sleep_or_stopped(pause, &stop).await;
                    pause = (pause * 2).min(LAST_PAUSE);
                }
            }
        }
        shared.set_status(Status::Stopped);
    }

    /// Tells the copies everything that there is now. For tests and tools.
    ///
    /// # Errors
    /// The first [`Fault`].
    pub async fn catch_up(&self) -> Result<(), Fault> {
        loop {
            if self.shared.turn(Duration::ZERO, &StopSignal::new()).await? {
                return Ok(());
            }
        }
    }
}

impl std::fmt::Debug for Capture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Capture").field("connector", &self.connector().name).finish_non_exhaustive()
    }
}

impl Shared {
    /// As [`Shared::turn_once`]; after a fault what is held in memory is read again: something may have become durable.
    async fn turn(&self, wait: Duration, stop: &StopSignal) -> Result<bool, Fault> {
        let turned = self.turn_once(wait, stop).await;
        if turned.is_err() {
            *self.engine.lock().await = None;
        }
        turned
    }

    /// Reads once and takes in what came; true where nothing is left.
    async fn turn_once(&self, wait: Duration, stop: &StopSignal) -> Result<bool, Fault> {
        let mut guard = self.engine.lock().await;
        if guard.is_none() {
            let loaded = self.load().await?;
            self.publish(&loaded);
            *guard = Some(loaded);
        }
        let Some(checkpoint) = guard.as_ref().and_then(|loaded| loaded.checkpoint) else {
            let taken = self.take_snapshot(stop).await?;
            if let (Some(loaded), Some(checkpoint)) = (guard.as_mut(), taken) {
                let lanes = self.parts.offsets.parked_lanes(&self.group(checkpoint.epoch), MAX_PARKED).await?;
                *loaded = Loaded { checkpoint: Some(checkpoint), held: lanes.into_iter().collect() };
                self.publish(loaded);
            }
            return Ok(false);
        };
        // Operators' verbs do not wait for changes.
        drop(guard);
        let changes = tokio::select! {
            () = stop.cancelled() => return Ok(false),
            read = self.read(checkpoint, wait) => read,
        };
        let mut guard = self.engine.lock().await;
        let Some(loaded) = guard.as_mut() else { return Ok(false) };
        match changes {
            Ok(changes) => {
                let end = changes.end.max(changes.scanned_through);
                self.take_in(loaded, changes).await?;
                let done = loaded.checkpoint.is_some_and(|at| at.position >= end);
                let now = self.parts.host.now();
                self.progress.send_modify(|progress| {
                    progress.end = end;
                    if done {
                        progress.caught_up_at = Some(now);
                    }
                });
                self.publish(loaded);
                Ok(done)
            }
            Err(Halt::Fault(fault)) => Err(fault),
            Err(Halt::Snapshot(why)) => {
                tracing::warn!(connector = self.parts.connector.name, why, "the copies are told every row again");
                loaded.checkpoint = None;
                Ok(false)
            }
        }
    }

    async fn read(&self, checkpoint: Checkpoint, wait: Duration) -> Result<Changes, Halt> {
        self.parts.source.read(PollFrom::After(checkpoint), BATCH, wait).await.map_err(halted)
    }

    /// Where the log ends now.
    async fn end(&self) -> Result<Checkpoint, Fault> {
        let read = self.parts.source.read(PollFrom::Start(Start::Latest), 1, Duration::ZERO).await;
        match read {
            Ok(changes) => Ok(Checkpoint { epoch: changes.epoch, position: changes.scanned_through }),
            Err(ReadChangesError::Fault(fault)) => Err(fault),
            Err(other) => Err(Fault::not_applied("sync-service", "read-changes", other)),
        }
    }

    /// The earliest place of all copies and of this service's own memory; none where a copy has no place in this log.
    async fn load(&self) -> Result<Loaded, Fault> {
        let mut earliest: Option<Checkpoint> = None;
        for copy in self.copies() {
            let places = self.parts.copies.applied_through(copy).await?;
            let place = places.into_iter().find(|place| place.log == *self.parts.source.log());
            let Some(place) = place.filter(|place| earliest.is_none_or(|known| known.epoch == place.epoch)) else {
                return Ok(Loaded::default());
            };
            let position = earliest.map_or(place.position, |known| known.position.min(place.position));
            earliest = Some(Checkpoint { epoch: place.epoch, position });
        }
        let Some(earliest) = earliest else { return Ok(Loaded::default()) };
        let group = self.group(earliest.epoch);
        let remembered = self.parts.offsets.checkpoint(&group).await?;
        let lanes = self.parts.offsets.parked_lanes(&group, MAX_PARKED).await?;
        let checkpoint = remembered.map(|at| Checkpoint { position: at.position.min(earliest.position), ..earliest });
        Ok(Loaded { checkpoint, held: lanes.into_iter().collect() })
    }

    /// Whose place and parked changes these are: a log's other history has others.
    fn group(&self, epoch: LogEpoch) -> GroupId {
        GroupId::new(CONSUMER, &format!("{}/{epoch}", self.parts.connector.name))
    }

    /// The group of what is loaded.
    fn current_group(&self) -> Option<GroupId> {
        self.progress.borrow().applied.map(|at| self.group(at.epoch))
    }

    /// The copies that rows of these tables go to, each once.
    fn copies(&self) -> Vec<&'static str> {
        let told: HashSet<&str> = self.processors.values().flat_map(|processor| processor.copies()).copied().collect();
        self.parts.copies.names().filter(|copy| told.contains(copy)).collect()
    }

    fn publish(&self, loaded: &Loaded) {
        self.progress.send_modify(|progress| {
            progress.applied = loaded.checkpoint;
            if *progress.held != loaded.held {
                progress.held = Arc::new(loaded.held.clone());
            }
        });
        for processor in self.processors.values() {
            let prefix = format!("{}:", processor.topic());
            let keys = loaded.held.iter().filter(|lane| lane.starts_with(&prefix)).count();
            crate::measures::parked(processor.topic(), keys);
        }
    }

    fn set_status(&self, status: Status) {
        self.progress.send_if_modified(|progress| {
            let changed = progress.status != status;
            progress.status = status;
            changed
        });
    }

    fn troubled(&self, cause: &str) {
        let since = match &self.progress.borrow().status {
            Status::Retrying { cause: known, .. } if known == cause => return,
            Status::Retrying { since, .. } => *since,
            _ => self.parts.host.now(),
        };
        tracing::warn!(connector = self.parts.connector.name, cause, "the capture is held up, trying again");
        self.set_status(Status::Retrying { cause: cause.to_owned(), since });
    }
}

fn halted(error: ReadChangesError) -> Halt {
    match error {
        ReadChangesError::Fault(fault) => Halt::Fault(fault),
        lost @ (ReadChangesError::OtherEpoch { .. }
        | ReadChangesError::BeyondEnd { .. }
        | ReadChangesError::Pruned { .. }) => Halt::Snapshot(lost.to_string()),
    }
}
