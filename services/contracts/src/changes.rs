//! Reading an owner's changes, for whoever brings them to copies: the same port over calls.
//!
//! The owner passes its [`ChangeSource`] to [`answering`]; sync-service has a [`RemoteChangeSource`], which is a source
//! again. Secret columns never leave the owner, by its own source's contract.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use madrigal_cdc::{
    CapturedTable, Change, ChangeSource, Changes, Chunk, ChunkError, DynChangeSource, Key, PlacedChange,
    ReadChangesError, debezium,
};
use madrigal_core::{CallContext, Fault, Host, LogEpoch, LogName, Position};
use madrigal_http::calls::{Answer, Call, Calls, Neighbour};
use madrigal_projection::Checkpoint;
use madrigal_projection::consumer::{PollFrom, Start};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The most changes or rows of one answer over calls, so that it stays far below what a call may hold.
const MAX_ROWS: usize = 200;
/// The longest wait of one call.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// A change in Debezium's envelope, with its key and its place.
#[derive(Debug, Clone)]
pub struct ToldChange(PlacedChange);

#[derive(Serialize, Deserialize)]
struct WireChange {
    position: Position,
    key: Option<Key>,
    value: Box<RawValue>,
}

impl Serialize for ToldChange {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let PlacedChange { position, change } = &self.0;
        let text = change.to_json().map_err(serde::ser::Error::custom)?;
        let value = serde_json::from_slice(text.as_bytes()).map_err(serde::ser::Error::custom)?;
        WireChange { position: *position, key: change.key().cloned(), value }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ToldChange {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = WireChange::deserialize(deserializer)?;
        let change = debezium::parse(wire.key, wire.value.get().as_bytes()).map_err(serde::de::Error::custom)?;
        Ok(Self(PlacedChange { position: wire.position, change }))
    }
}

/// Asks for the next changes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReadChanges {
    /// After this place; from the log's end where there is none.
    pub after: Option<Checkpoint>,
    /// At most so many.
    pub limit: usize,
    /// How long to wait for one.
    pub wait_millis: u64,
}

/// The next changes, or why there are none.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ChangesTold {
    /// Changes in order of position.
    #[serde(rename_all = "camelCase")]
    Changes {
        /// The changes.
        changes: Vec<ToldChange>,
        /// Everything up to here was looked at.
        scanned_through: Position,
        /// The log's epoch.
        epoch: LogEpoch,
        /// The log's end.
        end: Position,
    },
    /// The place is of another history; this is the log's.
    OtherEpoch(LogEpoch),
    /// The place is beyond the log's end, which is here.
    BeyondEnd(Position),
    /// Changes after the place are gone; those after this one are there.
    Pruned(Position),
}

impl Call for ReadChanges {
    type Answer = ChangesTold;
    const NAME: &'static str = "changes.read";
    const LIMIT: Duration = Duration::from_secs(15);
}

/// Asks for rows of a captured table.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReadCapturedRows {
    /// The table.
    pub table: String,
    /// Which rows.
    pub which: WhichRows,
}

/// Which rows of a table.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WhichRows {
    /// Behind a key, in order of keys.
    After(Option<Key>, usize),
    /// With these keys.
    Keys(Vec<Key>),
}

/// Rows as they stand in a table.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RowsTold {
    /// The rows; `None` where the table is not captured or a key is not one of it.
    pub rows: Option<Vec<ToldChange>>,
    /// See [`Chunk::low`].
    pub low: Position,
    /// See [`Chunk::high`].
    pub high: Position,
    /// The log's epoch.
    pub epoch: Option<LogEpoch>,
    /// See [`Chunk::next`].
    pub next: Option<Key>,
}

impl Call for ReadCapturedRows {
    type Answer = RowsTold;
    const NAME: &'static str = "changes.read-rows";
    const LIMIT: Duration = Duration::from_secs(15);
}

/// Says that a consumer has everything through a place.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AcknowledgeChanges {
    /// The consumer.
    pub consumer: String,
    /// The place.
    pub through: Checkpoint,
}

impl Call for AcknowledgeChanges {
    type Answer = ();
    const NAME: &'static str = "changes.acknowledge";
}

/// The calls of an owner, with those about its changes.
pub fn answering(calls: Calls, source: DynChangeSource) -> Calls {
    let owner = Arc::new(Owner(source));
    calls
        .on::<ReadChanges>(Arc::clone(&owner))
        .on::<ReadCapturedRows>(Arc::clone(&owner))
        .on::<AcknowledgeChanges>(owner)
}

struct Owner(DynChangeSource);

#[async_trait]
impl Answer<ReadChanges> for Owner {
    async fn answer(&self, _: CallContext, call: ReadChanges) -> Result<ChangesTold, Fault> {
        let from = call.after.map_or(PollFrom::Start(Start::Latest), PollFrom::After);
        let wait = Duration::from_millis(call.wait_millis).min(LONGEST_WAIT);
        match self.0.read(from, call.limit.clamp(1, MAX_ROWS), wait).await {
            Ok(Changes { changes, scanned_through, epoch, end }) => {
                let changes = changes.into_iter().map(ToldChange).collect();
                Ok(ChangesTold::Changes { changes, scanned_through, epoch, end })
            }
            Err(ReadChangesError::OtherEpoch { log, .. }) => Ok(ChangesTold::OtherEpoch(log)),
            Err(ReadChangesError::BeyondEnd { end, .. }) => Ok(ChangesTold::BeyondEnd(end)),
            Err(ReadChangesError::Pruned { kept_after, .. }) => Ok(ChangesTold::Pruned(kept_after)),
            Err(ReadChangesError::Fault(fault)) => Err(fault),
        }
    }
}

#[async_trait]
impl Answer<ReadCapturedRows> for Owner {
    async fn answer(&self, _: CallContext, call: ReadCapturedRows) -> Result<RowsTold, Fault> {
        let read = match call.which {
            WhichRows::After(after, limit) => self.0.chunk(&call.table, after.as_ref(), limit.clamp(1, MAX_ROWS)).await,
            WhichRows::Keys(mut keys) => {
                keys.truncate(MAX_ROWS);
                self.0.rows(&call.table, &keys).await
            }
        };
        match read {
            Ok(Chunk { rows, low, high, epoch, next }) => {
                let told = |change| ToldChange(PlacedChange { position: low, change });
                let rows = Some(rows.into_iter().map(told).collect());
                Ok(RowsTold { rows, low, high, epoch: Some(epoch), next })
            }
            Err(ChunkError::Fault(fault)) => Err(fault),
            Err(ChunkError::UnknownTable(_) | ChunkError::NotAKey(_)) => {
                Ok(RowsTold { rows: None, low: Position::START, high: Position::START, epoch: None, next: None })
            }
        }
    }
}

#[async_trait]
impl Answer<AcknowledgeChanges> for Owner {
    async fn answer(&self, _: CallContext, call: AcknowledgeChanges) -> Result<(), Fault> {
        self.0.acknowledge(&call.consumer, call.through).await
    }
}

/// An owner's changes, read by calls. Batches are small: at most 200 changes or rows.
#[derive(Debug, Clone)]
pub struct RemoteChangeSource {
    owner: Neighbour,
    log: LogName,
    host: Host,
}

impl RemoteChangeSource {
    /// The changes of this owner, whose log has that name.
    pub const fn new(owner: Neighbour, log: LogName, host: Host) -> Self {
        Self { owner, log, host }
    }

    async fn call<C: Call>(&self, call: C) -> Result<C::Answer, Fault> {
        self.owner.call(&CallContext::new(&self.host), call).await
    }

    async fn rows_told(&self, table: &str, which: WhichRows) -> Result<Chunk, ChunkError> {
        let told = self.call(ReadCapturedRows { table: table.to_owned(), which }).await?;
        let (Some(rows), Some(epoch)) = (told.rows, told.epoch) else {
            return Err(ChunkError::UnknownTable(table.to_owned()));
        };
        let rows: Vec<Change> = rows.into_iter().map(|ToldChange(placed)| placed.change).collect();
        Ok(Chunk { rows, low: told.low, high: told.high, epoch, next: told.next })
    }
}

#[async_trait]
impl ChangeSource for RemoteChangeSource {
    fn log(&self) -> &LogName {
        &self.log
    }

    /// Only the owner knows its tables' forms: a permanent fault.
    async fn tables(&self) -> Result<Vec<CapturedTable>, Fault> {
        Err(Fault::permanent(self.owner.service(), "tables", "an owner does not tell its tables' forms over calls"))
    }

    async fn read(&self, from: PollFrom, limit: usize, wait: Duration) -> Result<Changes, ReadChangesError> {
        let after = match from {
            PollFrom::After(at) => Some(at),
            PollFrom::Start(Start::Latest) => None,
            PollFrom::Start(Start::Earliest | Start::At(_)) => {
                let why = "over calls a log is read from a checkpoint or from its end";
                return Err(Fault::permanent(self.owner.service(), "read-changes", why).into());
            }
        };
        let wait_millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let reader = || after.unwrap_or(Checkpoint { epoch: LogEpoch::new(&self.host), position: Position::START });
        match self.call(ReadChanges { after, limit, wait_millis }).await? {
            ChangesTold::Changes { changes, scanned_through, epoch, end } => {
                let changes = changes.into_iter().map(|ToldChange(placed)| placed).collect();
                Ok(Changes { changes, scanned_through, epoch, end })
            }
            ChangesTold::OtherEpoch(log) => Err(ReadChangesError::OtherEpoch { reader: reader().epoch, log }),
            ChangesTold::BeyondEnd(end) => Err(ReadChangesError::BeyondEnd { reader: reader().position, end }),
            ChangesTold::Pruned(kept_after) => Err(ReadChangesError::Pruned { reader: reader().position, kept_after }),
        }
    }

    async fn chunk(&self, table: &str, after: Option<&Key>, limit: usize) -> Result<Chunk, ChunkError> {
        self.rows_told(table, WhichRows::After(after.cloned(), limit)).await
    }

    async fn rows(&self, table: &str, keys: &[Key]) -> Result<Chunk, ChunkError> {
        let mut all: Option<Chunk> = None;
        for some in keys.chunks(MAX_ROWS) {
            let next = self.rows_told(table, WhichRows::Keys(some.to_vec())).await?;
            match &mut all {
                Some(all) => {
                    all.rows.extend(next.rows);
                    all.high = next.high;
                }
                None => all = Some(next),
            }
        }
        match all {
            Some(all) => Ok(all),
            None => self.rows_told(table, WhichRows::Keys(Vec::new())).await,
        }
    }

    async fn acknowledge(&self, consumer: &str, through: Checkpoint) -> Result<(), Fault> {
        self.call(AcknowledgeChanges { consumer: consumer.to_owned(), through }).await
    }
}
