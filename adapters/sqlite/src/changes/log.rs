//! The log: opening, reading, acknowledging, pruning, forgetting.

use std::str::FromStr;

use madrigal_cdc::{
    CapturedTable, Change, Changes, Key, Op, PlacedChange, ReadChangesError, Row as ChangedRow, RowVersions,
    SnapshotMark, SourceInfo,
};
use madrigal_core::{LogEpoch, Position, Timestamp};
use rusqlite::{OptionalExtension, params};

use super::tables::{self, Table};
use super::{CaptureTable, Inner, MAX_LIMIT, chunks, triggers};
use crate::parked::{number, unsigned};
use crate::sql::{self, Connection, Result, Row};

/// Where a read begins.
#[derive(Debug, Clone, Copy)]
pub(super) enum After {
    /// Before everything that is kept.
    Earliest,
    /// At the end.
    Latest,
    /// After a place.
    Position(Position),
}

/// Brings the triggers to what the tables need; the epoch, and the tables. The inner error says why it cannot be.
pub(super) fn open(
    tx: &sql::Transaction<'_>,
    captured: &[CaptureTable],
    next_epoch: LogEpoch,
) -> Result<std::result::Result<(LogEpoch, Vec<Table>), String>> {
    let mut described = Vec::new();
    for capture in captured {
        match tables::describe(tx, capture)? {
            Ok(table) => described.push(table),
            Err(why) => return Ok(Err(why)),
        }
    }
    let mut gap = false;
    let mut fresh = Vec::new();
    for table in &described {
        match arrange(tx, table)? {
            Arranged::AsBefore => {}
            Arranged::First => fresh.push(table),
            Arranged::AfterGap => gap = true,
        }
    }
    let known: Option<String> = tx.query_row("SELECT epoch FROM changes_log", [], |row| row.get(0)).optional()?;
    let epoch = match known {
        Some(epoch) if !gap => epoch_of(&epoch)?,
        _ => {
            begin(tx, next_epoch)?;
            fresh = described.iter().collect();
            next_epoch
        }
    };
    for table in fresh {
        chunks::retell_all(tx, table)?;
    }
    Ok(Ok((epoch, described)))
}

/// Begins a history. Where there was another, somebody wrote without being seen, or the file is of another time: its
/// places must not be taken for complete, nor its changes for what led to the rows. Numbers go on.
fn begin(tx: &sql::Transaction<'_>, epoch: LogEpoch) -> Result<()> {
    tx.execute("DELETE FROM changes", [])?;
    tx.execute("DELETE FROM changes_consumers", [])?;
    tx.execute(
        "INSERT INTO changes_log (one, epoch, pruned_through) VALUES (1, ?1, ?2)
         ON CONFLICT (one) DO UPDATE SET epoch = excluded.epoch, pruned_through = excluded.pruned_through",
        params![epoch.to_string(), number(end(tx)?.0)],
    )
    .map(|_| ())
}

enum Arranged {
    /// The triggers were there all the time; they may have been replaced now by those of other columns.
    AsBefore,
    /// The table is captured from now on.
    First,
    /// The triggers were not those that it was left with.
    AfterGap,
}

fn arrange(tx: &sql::Transaction<'_>, table: &Table) -> Result<Arranged> {
    let name = &table.described.table;
    let prefix = format!("changes_of_{name}_");
    let there: Vec<(String, String)> = {
        let mut select = tx.prepare(
            "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1
             AND substr(name, 1, length(?2)) = ?2 ORDER BY name",
        )?;
        select.query_map([name, &prefix], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_>>()?
    };
    let left: Option<String> =
        tx.query_row("SELECT triggers FROM changes_tables WHERE name = ?1", [name], |row| row.get(0)).optional()?;
    let mut wanted = triggers::of(table);
    wanted.sort_by(|one, other| one.name.cmp(&other.name));
    let as_text = |statements: Vec<&str>| statements.join(";\n");
    let found = as_text(there.iter().map(|(_, statement)| statement.as_str()).collect());
    let needed = as_text(wanted.iter().map(|trigger| trigger.statement.as_str()).collect());
    if found != needed {
        for (trigger, _) in &there {
            tx.execute_batch(&format!("DROP TRIGGER {}", tables::identifier(trigger)))?;
        }
        for trigger in &wanted {
            tx.execute_batch(&trigger.statement)?;
        }
    }
    tx.execute(
        "INSERT INTO changes_tables (name, triggers) VALUES (?1, ?2)
         ON CONFLICT (name) DO UPDATE SET triggers = excluded.triggers",
        params![name, needed],
    )?;
    Ok(match left {
        None => Arranged::First,
        Some(left) if left == found => Arranged::AsBefore,
        Some(_) => Arranged::AfterGap,
    })
}

/// The number of the newest change that there ever was.
pub(super) fn end(connection: &Connection) -> Result<Position> {
    let mut select = connection.prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'changes'")?;
    let end: Option<i64> = select.query_row([], |row| row.get(0)).optional()?;
    Ok(Position(unsigned(end.unwrap_or(0))))
}

pub(super) fn pruned_through(connection: &Connection) -> Result<Position> {
    let mut select = connection.prepare_cached("SELECT pruned_through FROM changes_log")?;
    select.query_row([], |row| row.get(0).map(|through| Position(unsigned(through))))
}

pub(super) fn read(
    connection: &Connection,
    log: &Inner,
    after: After,
    limit: usize,
) -> Result<std::result::Result<Changes, ReadChangesError>> {
    let (end, kept_after) = (end(connection)?, pruned_through(connection)?);
    let after = match after {
        After::Earliest => kept_after,
        After::Latest => end,
        After::Position(reader) if reader > end => return Ok(Err(ReadChangesError::BeyondEnd { reader, end })),
        After::Position(reader) if reader < kept_after => {
            return Ok(Err(ReadChangesError::Pruned { reader, kept_after }));
        }
        After::Position(reader) => reader,
    };
    let mut select = connection.prepare_cached(
        "SELECT id, table_name, op, key, row_before, row_after, at FROM changes WHERE id > ?1 ORDER BY id LIMIT ?2",
    )?;
    let rows = select.query_map(params![number(after.0), number(limit as u64)], |row| change(row, log))?;
    let changes: Vec<PlacedChange> = rows.collect::<Result<_>>()?;
    let scanned_through = match changes.last() {
        Some(last) if changes.len() == limit => last.position,
        _ => end,
    };
    Ok(Ok(Changes { changes, scanned_through, epoch: log.epoch, end }))
}

fn change(row: &Row<'_>, log: &Inner) -> Result<PlacedChange> {
    let position = Position(unsigned(row.get(0)?));
    let op: String = row.get(2)?;
    let op = Op::parse(&op).ok_or_else(|| unreadable(2, "no operation"))?;
    let at: Timestamp = parsed(row, 6)?;
    let mark = if op == Op::Read { SnapshotMark::Incremental } else { SnapshotMark::False };
    let table: String = row.get(1)?;
    let change = Change {
        key: Some(json(row, 3)?.ok_or_else(|| unreadable(3, "no key"))?),
        before: json(row, 4)?,
        after: json(row, 5)?,
        source: SourceInfo { lsn: Some(position.0), ..source(log, &table, at, mark) },
        op,
        // Captured in the transaction that made it.
        captured_at: at,
        transaction: None,
    };
    Ok(PlacedChange { position, change })
}

/// The source of a change of this table.
pub(super) fn source(log: &Inner, table: &str, at: Timestamp, snapshot: SnapshotMark) -> SourceInfo {
    let name = log.options.log.as_str().to_owned();
    SourceInfo {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        connector: "sqlite".to_owned(),
        db: log.database.path().file_stem().map_or_else(|| name.clone(), |stem| stem.to_string_lossy().into_owned()),
        name,
        schema: "main".to_owned(),
        table: table.to_owned(),
        tx_id: None,
        lsn: None,
        sequence: None,
        at,
        snapshot,
    }
}

pub(super) fn acknowledge(tx: &sql::Transaction<'_>, consumer: &str, through: Position) -> Result<()> {
    tx.execute(
        "INSERT INTO changes_consumers (name, position) VALUES (?1, ?2)
         ON CONFLICT (name) DO UPDATE SET position = max(position, excluded.position), at = excluded.at",
        params![consumer, number(through.0)],
    )
    .map(|_| ())
}

pub(super) fn prune(tx: &sql::Transaction<'_>, cap: u64, keep: u64) -> Result<u64> {
    let (end, from) = (end(tx)?, pruned_through(tx)?);
    let slowest: Option<i64> = tx.query_row("SELECT min(position) FROM changes_consumers", [], |row| row.get(0))?;
    let had = slowest.map_or(0, unsigned).min(end.0.saturating_sub(keep));
    let through = had.max(end.0.saturating_sub(cap)).min(from.0 + MAX_LIMIT as u64);
    if through <= from.0 {
        return Ok(0);
    }
    let deleted = tx.execute("DELETE FROM changes WHERE id <= ?1", [number(through)])?;
    tx.execute("UPDATE changes_log SET pruned_through = ?1", [number(through)])?;
    Ok(deleted as u64)
}

pub(super) fn forget_row(tx: &sql::Transaction<'_>, table: &CapturedTable, key: &Key) -> Result<()> {
    let name = &table.table;
    let last: Option<(i64, Option<String>)> = tx
        .query_row(
            "SELECT id, row_before FROM changes WHERE table_name = ?1 AND key = ?2 AND op = 'd' ORDER BY id DESC LIMIT 1",
            [name.as_str(), key.as_str()],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    let (id, before) = last.unwrap_or((0, None));
    tx.execute("DELETE FROM changes WHERE table_name = ?1 AND key = ?2 AND id <> ?3", params![name, key.as_str(), id])?;
    let before: ChangedRow = match before {
        Some(text) => serde_json::from_str(&text).map_err(|error| unreadable(1, error))?,
        None => return Ok(()),
    };
    let mut bare = key.columns().clone();
    if let RowVersions::Column { column, .. } = &table.versions
        && let Some(version) = before.get(column)
    {
        bare.set(column, version.clone());
    }
    let bare = serde_json::to_string(&bare).map_err(|error| sql::Error::ToSqlConversionFailure(Box::new(error)))?;
    tx.execute("UPDATE changes SET row_before = ?2 WHERE id = ?1", params![id, bare]).map(|_| ())
}

fn epoch_of(text: &str) -> Result<LogEpoch> {
    uuid::Uuid::from_str(text).map(LogEpoch::from_uuid).map_err(|error| unreadable(0, error))
}

fn parsed<T: FromStr>(row: &Row<'_>, column: usize) -> Result<T>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    row.get::<_, String>(column)?.parse().map_err(|error: T::Err| unreadable(column, error))
}

/// The JSON in a column.
pub(super) fn json<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> Result<Option<T>> {
    let text: Option<String> = row.get(column)?;
    text.map(|text| serde_json::from_str(&text)).transpose().map_err(|error| unreadable(column, error))
}

/// A column that holds something else than the triggers write.
pub(super) fn unreadable(column: usize, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> sql::Error {
    sql::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, error.into())
}
