//! A table's changes as a topic of the bus.
//!
//! A message's key is the row's key as JSON, its data the envelope, so that messages about a row stay in order and whoever
//! reads Debezium reads them. Tombstones are not sent: nothing is compacted here, and the deletes say the same. A relay to
//! a compacted log writes one after each delete ([`Change::is_delete`](crate::Change::is_delete)).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use madrigal_bus::source::MAX_WAIT;
use madrigal_bus::{Message, PollError, PollFrom, Polled, Start, TopicSource};
use madrigal_core::{Fault, LogEpoch, StreamVersion, tasks};
use madrigal_projection::Checkpoint;

use crate::change::{Change, Op};
use crate::debezium::{self, EnvelopeError};
use crate::row_versions::RowVersions;
use crate::source::{ChunkError, PlacedChange, ReadChangesError, Retelling};

/// How many changes of other tables one poll passes over before it answers without messages.
const MAX_SCAN: usize = 50_000;

/// The changes of one table, in the owner's process.
///
/// A group that begins with the earliest message gets every row, also where their changes are gone: then they are told
/// again. A group that is behind what is kept gets a permanent fault that says so; it must begin again.
#[derive(Clone)]
pub struct ChangeTopic {
    source: Arc<dyn Retelling>,
    name: &'static str,
    owner: &'static str,
    table: &'static str,
    versions: RowVersions,
}

impl ChangeTopic {
    /// The topic `name` of `owner` (as in `/user-service`), which tells the changes of `table`.
    pub const fn new(
        source: Arc<dyn Retelling>,
        name: &'static str,
        owner: &'static str,
        table: &'static str,
        versions: RowVersions,
    ) -> Self {
        Self { source, name, owner, table, versions }
    }

    fn message(&self, epoch: LogEpoch, placed: &PlacedChange) -> Result<Message, Fault> {
        let PlacedChange { position, change } = placed;
        let odd = |why: Box<dyn std::error::Error + Send + Sync>| Fault::permanent("changes", "poll", why);
        let key = change.key().ok_or_else(|| odd("a change of a row without a key".into()))?;
        let data = change.to_json().map_err(|error| odd(error.into()))?;
        Ok(Message {
            // The same change has the same id whenever it is read.
            id: format!("{epoch}-{position}"),
            source: self.owner.to_owned(),
            kind: kind(change.op).to_owned(),
            subject: Some(format!("{}/{key}", self.table)),
            version: self.versions.of(change).ok().map(|version| StreamVersion(version.count())),
            time: change.source.at,
            data,
            key: key.as_str().to_owned(),
            position: *position,
            correlation_id: None,
            causation_id: None,
            traceparent: None,
        })
    }

    /// Where a group begins that wants everything: at once, or where the rows are told again.
    async fn beginning(&self, from: PollFrom) -> Result<PollFrom, PollError> {
        if from != PollFrom::Start(Start::Earliest) || self.source.kept_after().await?.0 == 0 {
            return Ok(from);
        }
        let latest = self.source.read(PollFrom::Start(Start::Latest), 1, Duration::ZERO).await.map_err(read_error)?;
        self.source.retell(self.table, None).await.map_err(retell_error)?;
        Ok(PollFrom::After(Checkpoint { epoch: latest.epoch, position: latest.scanned_through }))
    }
}

#[async_trait]
impl TopicSource for ChangeTopic {
    fn topic(&self) -> &str {
        self.name
    }

    async fn poll(&self, from: PollFrom, limit: usize, wait: Duration) -> Result<Polled, PollError> {
        let until = tasks::instant() + wait.min(MAX_WAIT);
        let mut from = self.beginning(from).await?;
        let mut passed_over = 0;
        loop {
            let left = until.saturating_duration_since(tasks::instant());
            let read = self.source.read(from, limit, left).await.map_err(read_error)?;
            let of_table = read.changes.iter().filter(|placed| placed.change.source.table == self.table);
            let items: Vec<Message> =
                of_table.map(|placed| self.message(read.epoch, placed)).collect::<Result<_, _>>()?;
            passed_over += read.changes.len();
            let caught_up = read.scanned_through >= read.end;
            let over = tasks::instant() >= until && caught_up;
            if !items.is_empty() || over || passed_over >= MAX_SCAN {
                return Ok(Polled { items, scanned_through: read.scanned_through, epoch: read.epoch, end: read.end });
            }
            from = PollFrom::After(Checkpoint { epoch: read.epoch, position: read.scanned_through });
        }
    }
}

impl fmt::Debug for ChangeTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChangeTopic").field("name", &self.name).field("table", &self.table).finish_non_exhaustive()
    }
}

/// The type of the message of a change.
const fn kind(op: Op) -> &'static str {
    match op {
        Op::Create => "row.created",
        Op::Update => "row.updated",
        Op::Delete => "row.deleted",
        Op::Read => "row.read",
        Op::Truncate => "table.truncated",
        Op::Message => "message",
    }
}

/// The change that a message of such a topic is, this process's or Debezium's.
///
/// # Errors
/// [`EnvelopeError`].
pub fn change_of(message: &Message) -> Result<Change, EnvelopeError> {
    let key = debezium::parse_key(message.key.as_bytes())?;
    debezium::parse(Some(key), message.data.as_bytes())
}

fn read_error(error: ReadChangesError) -> PollError {
    match error {
        ReadChangesError::OtherEpoch { reader, log } => PollError::OtherEpoch { reader, log },
        ReadChangesError::BeyondEnd { reader, end } => PollError::BeyondEnd { reader, end },
        // The bus knows no such answer: every group's offsets would have to.
        pruned @ ReadChangesError::Pruned { .. } => Fault::permanent("changes", "poll", pruned).into(),
        ReadChangesError::Fault(fault) => fault.into(),
    }
}

fn retell_error(error: ChunkError) -> PollError {
    match error {
        ChunkError::Fault(fault) => fault.into(),
        other => Fault::permanent("changes", "retell", other).into(),
    }
}
