//! Telling copies everything that the owner has.
//!
//! The log's end is read first; then every table, in chunks by key; then the log is followed from that end. A change that
//! comes while the tables are read is told twice, and the version decides: so no watermark inside a chunk is needed where
//! rows carry their owner's version. Rows that a copy has and the owner does not are deleted at the end.

use std::collections::HashSet;

use madrigal_cdc::{Change, ChunkError, Key, Op, PlacedChange, SourceInfo};
use madrigal_contracts::copies::{AppliedThrough, CopyRow, ListCopyKeys};
use madrigal_core::tasks::StopSignal;
use madrigal_core::{Fault, RowVersion};
use madrigal_projection::{Checkpoint, GroupBatch};

use super::Shared;

/// Rows of a chunk.
const CHUNK: usize = 1_000;

impl Shared {
    /// Tells every copy every row; where the log is to be followed from. `None` where it was stopped before the end: it
    /// begins again.
    pub(super) async fn take_snapshot(&self, stop: &StopSignal) -> Result<Option<Checkpoint>, Fault> {
        let from = self.end().await?;
        let mut told = 0u64;
        self.progress.send_modify(|progress| progress.snapshot_rows = Some(0));
        // Users before what they did: an activity without its user is told to nobody.
        let mut tables: Vec<&String> = self.processors.keys().collect();
        tables.sort_by_key(|table| self.processors.get(*table).is_some_and(|found| found.topic() != "users"));
        let mut batch = GroupBatch::at(from, self.parts.host.now());
        let mut held = HashSet::new();
        for table in tables {
            let mut keys = HashSet::new();
            let mut after: Option<Key> = None;
            loop {
                if stop.is_cancelled() {
                    return Ok(None);
                }
                let chunk = self.parts.source.chunk(table, after.as_ref(), CHUNK).await.map_err(chunk_fault)?;
                let placed = |change: Change| PlacedChange { position: chunk.low, change };
                let changes: Vec<(String, PlacedChange)> = chunk
                    .rows
                    .into_iter()
                    .filter_map(|change| Some((self.lane(&change)?.1, placed(change))))
                    .filter(|(lane, _)| !held.contains(lane))
                    .collect();
                keys.extend(changes.iter().filter_map(|(lane, _)| lane.split_once(':')).map(|(_, key)| key.to_owned()));
                let found = self.tell(&changes, None, None).await?;
                for (lane, (index, cause)) in found.refused {
                    if let Some((_, placed)) = changes.get(index)
                        && let Some((processor, _)) = self.lane(&placed.change)
                    {
                        let now = self.parts.host.now();
                        batch.parked.push(super::batch::parked(processor, &lane, placed, &cause, 1, now));
                    }
                    held.insert(lane);
                }
                told += changes.len() as u64;
                self.progress.send_modify(|progress| progress.snapshot_rows = Some(told));
                match chunk.next {
                    Some(next) => after = Some(next),
                    None => break,
                }
            }
            self.delete_what_is_gone(table, &keys).await?;
        }
        for copy in self.copies() {
            let through =
                AppliedThrough { log: self.parts.source.log().clone(), epoch: from.epoch, position: from.position };
            self.parts.copies.apply(copy, Vec::new(), Some(through), None).await?;
        }
        self.parts.offsets.commit(&self.group(from.epoch), batch).await?;
        self.progress.send_modify(|progress| progress.snapshot_rows = None);
        tracing::info!(connector = self.parts.connector.name, rows = told, from = %from.position, "the copies were told every row");
        Ok(Some(from))
    }

    /// Deletes the rows of copies that the owner does not have any more.
    async fn delete_what_is_gone(&self, table: &str, keys: &HashSet<String>) -> Result<(), Fault> {
        let Some(processor) = self.processors.get(table).filter(|processor| processor.topic() == "users") else {
            return Ok(());
        };
        let version = RowVersion::LAST_OF_FIRST_EPOCH;
        for copy in self.copies().into_iter().filter(|copy| processor.copies().contains(copy)) {
            let mut after: Option<String> = None;
            loop {
                let there = self.parts.copies.keys(copy, after.as_deref()).await?;
                let whole = there.len() >= ListCopyKeys::MAX;
                after = there.last().cloned();
                let gone: Vec<CopyRow> = there
                    .into_iter()
                    .filter(|key| !keys.contains(key))
                    .map(|key| CopyRow { key, version, row: None })
                    .collect();
                if !gone.is_empty() {
                    tracing::warn!(copy, rows = gone.len(), "rows that their owner does not have are deleted");
                    self.parts.copies.apply(copy, gone, None, None).await?;
                }
                if !whole {
                    break;
                }
            }
        }
        Ok(())
    }

    /// A row as its table has it now: a read, or a delete where it is gone.
    pub(super) async fn read_key(&self, table: &str, key: &Key) -> Result<Change, Fault> {
        let chunk = self.parts.source.rows(table, std::slice::from_ref(key)).await.map_err(chunk_fault)?;
        let gone = || Change {
            key: Some(key.clone()),
            before: None,
            after: None,
            source: SourceInfo { table: table.to_owned(), at: self.parts.host.now(), ..SourceInfo::default() },
            op: Op::Delete,
            captured_at: self.parts.host.now(),
            transaction: None,
        };
        Ok(chunk.rows.into_iter().next().unwrap_or_else(gone))
    }
}

pub(super) fn chunk_fault(error: ChunkError) -> Fault {
    match error {
        ChunkError::Fault(fault) => fault,
        other => Fault::permanent("sync-service", "read-rows", other),
    }
}
