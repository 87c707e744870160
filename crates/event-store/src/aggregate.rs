//! Aggregates: pure decisions over a stream, and the loop that loads, decides, appends.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use madrigal_core::{
    CallContext, EventType, ExpectedVersion, Fault, Host, JsonBytes, NewEvent, Position, RecordedEvent, StreamName,
    StreamVersion,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::conflict::until_readable;
use crate::port::{AppendError, DynEventStore, StreamRead};
use crate::snapshot::{Snapshot, SnapshotStore};
use crate::upcaster::Upcasters;

/// What an event type of a program needs to be stored and read back.
pub trait EventData: Sized + Send + Sync {
    /// The stored type.
    fn event_type(&self) -> EventType;

    /// The schema version in which [`EventData::to_json`] writes: the current one of its type.
    fn schema_version(&self) -> u16;

    /// The data.
    ///
    /// # Errors
    /// If it cannot be JSON.
    fn to_json(&self) -> Result<JsonBytes, serde_json::Error>;

    /// The event of stored data, upcast to the current schema version of its type.
    ///
    /// # Errors
    /// If the type is unknown or the data does not have its form.
    fn from_json(event_type: &EventType, data: &JsonBytes) -> Result<Self, Box<dyn StdError + Send + Sync>>;
}

/// The rules of one kind of stream. Both functions are pure: no clock, no calls, no randomness.
pub trait Aggregate {
    /// What the events of a stream fold to.
    type State: Default + Clone + Serialize + DeserializeOwned + Send + Sync;
    /// What can be asked for.
    type Command: Send + Sync;
    /// What can happen.
    type Event: EventData;
    /// Why a command is refused.
    type Rejection: Send;

    /// Identifies the form of `State` in snapshots: change it with every change of the state or of `evolve`.
    const STATE_FORM: u64;

    /// The events that the command causes; none if there is nothing to do.
    ///
    /// # Errors
    /// The rejection; nothing is written then.
    fn decide(state: &Self::State, command: &Self::Command) -> Result<Vec<Self::Event>, Self::Rejection>;

    /// The state after an event.
    fn evolve(state: Self::State, event: &Self::Event) -> Self::State;
}

/// A state and how far it is folded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded<S> {
    /// The state.
    pub state: S,
    /// The stream's version.
    pub version: StreamVersion,
    /// How many events were read for it.
    pub events_read: u64,
}

/// What a command did.
#[derive(Debug)]
pub struct Executed<A: Aggregate> {
    /// What happened; empty if there was nothing to do.
    pub events: Vec<A::Event>,
    /// The state after it.
    pub state: A::State,
    /// The stream's version after it.
    pub version: StreamVersion,
    /// The position of the last event; `None` if there was nothing to do.
    pub position: Option<Position>,
}

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError<R> {
    /// The rules refuse it.
    #[error("the command was refused")]
    Rejected(R),
    /// Others were quicker, every time.
    #[error("stream {stream} changed {attempts} times while deciding")]
    Contended {
        /// The stream.
        stream: StreamName,
        /// How often it was tried.
        attempts: u32,
    },
    /// The events could not be appended for another reason.
    #[error(transparent)]
    Append(AppendError),
    /// The stream could not be read or folded.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Loads aggregates and carries out commands.
#[derive(Clone)]
pub struct Aggregates {
    store: DynEventStore,
    host: Host,
    snapshots: Option<Arc<dyn SnapshotStore>>,
    upcasters: Upcasters,
    snapshot_every: u64,
    attempts: u32,
}

impl Aggregates {
    /// Aggregates in `store`, without snapshots and upcasters; a conflict is decided again up to 8 times.
    pub fn new(store: DynEventStore, host: &Host) -> Self {
        Self {
            store,
            host: host.clone(),
            snapshots: None,
            upcasters: Upcasters::new(),
            snapshot_every: u64::MAX,
            attempts: 8,
        }
    }

    /// Keeps a snapshot whenever at least `every` events had to be read (at least 1).
    #[must_use]
    pub fn with_snapshots(mut self, snapshots: Arc<dyn SnapshotStore>, every: u64) -> Self {
        (self.snapshots, self.snapshot_every) = (Some(snapshots), every.max(1));
        self
    }

    /// Applies these steps to every event that is read.
    #[must_use]
    pub fn with_upcasters(mut self, upcasters: Upcasters) -> Self {
        self.upcasters = upcasters;
        self
    }

    /// The current state: the snapshot if there is one of this form, and always the events after it. A snapshot beyond its
    /// stream is of another history: all are forgotten then.
    ///
    /// # Errors
    /// A fault if the stream cannot be read, or an event in it is not known. A broken snapshot store is no error.
    ///
    /// # Cancellation
    /// Safe: reads only, except for a snapshot, which is there or not.
    pub async fn load<A: Aggregate>(&self, stream: &StreamName) -> Result<Loaded<A::State>, Fault> {
        let (state, version) = self.snapshot::<A>(stream).await.unwrap_or_default();
        let mut loaded = Loaded { state, version, events_read: 0 };
        loop {
            let slice = self.store.read_stream(stream, StreamRead::after(loaded.version)).await?;
            if loaded.events_read == 0 && slice.version < loaded.version {
                // The log was set back, and the snapshots were not: what they say never happened.
                self.forget_snapshots(stream).await;
                loaded = Loaded { state: A::State::default(), version: StreamVersion::NONE, events_read: 0 };
                continue;
            }
            let more = slice.has_more();
            for event in slice.events {
                let version = event.version();
                loaded.state = A::evolve(loaded.state, &self.decode::<A>(event)?);
                loaded.version = version;
                loaded.events_read += 1;
            }
            if !more {
                break;
            }
        }
        if loaded.events_read >= self.snapshot_every {
            self.keep::<A>(stream, &loaded).await;
        }
        Ok(loaded)
    }

    /// Loads, decides, appends; decides again when somebody else was quicker.
    ///
    /// # Errors
    /// [`ExecuteError`]. After a fault with unknown outcome the events may be there: load and look.
    ///
    /// # Cancellation
    /// A dropped call may or may not have its effect.
    pub async fn execute<A: Aggregate>(
        &self,
        stream: &StreamName,
        command: &A::Command,
        context: &CallContext,
    ) -> Result<Executed<A>, ExecuteError<A::Rejection>> {
        for _ in 0..self.attempts {
            let Loaded { state, version, .. } = self.load::<A>(stream).await?;
            let events = A::decide(&state, command).map_err(ExecuteError::Rejected)?;
            if events.is_empty() {
                return Ok(Executed { events, state, version, position: None });
            }
            let new = events.iter().map(|event| self.encode(event, context)).collect::<Result<_, _>>()?;
            match self.store.append(stream.clone(), ExpectedVersion::Exact(version), new).await {
                Ok(done) => {
                    let state = events.iter().fold(state, A::evolve);
                    return Ok(Executed { events, state, version: done.version, position: Some(done.position) });
                }
                Err(AppendError::WrongVersion { actual, .. }) => until_readable(&*self.store, stream, actual).await,
                Err(AppendError::Fault(fault)) => return Err(ExecuteError::Fault(fault)),
                Err(error) => return Err(ExecuteError::Append(error)),
            }
        }
        Err(ExecuteError::Contended { stream: stream.clone(), attempts: self.attempts })
    }

    fn encode<E: EventData>(&self, event: &E, context: &CallContext) -> Result<NewEvent, Fault> {
        let data = event.to_json().map_err(|error| Fault::permanent("aggregate", "encode", error))?;
        Ok(NewEvent::fresh(&self.host, event.event_type(), event.schema_version(), data, context))
    }

    fn decode<A: Aggregate>(&self, event: RecordedEvent) -> Result<A::Event, Fault> {
        let event = self.upcasters.upcast(event).map_err(|error| Fault::permanent("aggregate", "upcast", error))?;
        A::Event::from_json(&event.event_type, &event.event_data)
            .map_err(|error| Fault::permanent("aggregate", "decode", error))
    }

    async fn snapshot<A: Aggregate>(&self, stream: &StreamName) -> Option<(A::State, StreamVersion)> {
        let loaded = self.snapshots.as_ref()?.load(stream).await;
        let snapshot = loaded
            .inspect_err(|fault| tracing::warn!(%stream, error = %fault.chain(), "no snapshot; folding all events"))
            .ok()??;
        let state = snapshot.state.decode().ok().filter(|_| snapshot.schema_hash == A::STATE_FORM)?;
        Some((state, snapshot.version))
    }

    async fn forget_snapshots(&self, stream: &StreamName) {
        tracing::error!(%stream, "a snapshot is beyond its stream; all snapshots are forgotten");
        let Some(snapshots) = &self.snapshots else { return };
        if let Err(fault) = snapshots.clear().await {
            tracing::warn!(error = %fault.chain(), "the snapshots were not forgotten");
        }
    }

    async fn keep<A: Aggregate>(&self, stream: &StreamName, loaded: &Loaded<A::State>) {
        let (Some(snapshots), Ok(state)) = (&self.snapshots, JsonBytes::of(&loaded.state)) else { return };
        let snapshot = Snapshot { version: loaded.version, schema_hash: A::STATE_FORM, state };
        if let Err(fault) = snapshots.save(stream, snapshot).await {
            tracing::warn!(%stream, error = %fault.chain(), "a snapshot was not kept");
        }
    }
}

impl fmt::Debug for Aggregates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aggregates").field("log", self.store.log()).finish_non_exhaustive()
    }
}
