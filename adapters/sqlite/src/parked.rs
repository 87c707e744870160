//! The table of parked events, shared by views and groups; `scope` says whose they are.

use madrigal_core::{Position, Timestamp};
use madrigal_projection::{ParkedEvent, ParkedFilter, ParkedPayload, Skipped};
use rusqlite::{Connection, Row, params};

use crate::sql;

pub(crate) const TABLE: &str = "CREATE TABLE parked (
    scope TEXT NOT NULL, lane TEXT NOT NULL, position INTEGER NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL,
    payload TEXT, cause TEXT NOT NULL, attempts INTEGER NOT NULL, first_at INTEGER NOT NULL, last_at INTEGER NOT NULL,
    skipped TEXT, PRIMARY KEY (scope, lane, position)) STRICT;
  CREATE INDEX parked_in_order ON parked (scope, position);";

/// Applies a batch's changes to the parked events of `scope`.
pub(crate) fn change(
    tx: &sql::Transaction<'_>,
    scope: &str,
    parked: &[ParkedEvent],
    unparked: &[(String, Position)],
    skipped: &[Skipped],
) -> sql::Result<()> {
    for event in parked {
        tx.prepare_cached(
            "INSERT INTO parked (scope, lane, position, id, kind, payload, cause, attempts, first_at, last_at, skipped)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
             ON CONFLICT (scope, lane, position) DO UPDATE SET cause = excluded.cause, attempts = excluded.attempts,
               first_at = excluded.first_at, last_at = excluded.last_at, payload = excluded.payload,
               skipped = excluded.skipped",
        )?
        .execute(params![
            scope,
            event.lane,
            number(event.position.0),
            event.id,
            event.kind,
            event.payload.as_ref().map(|payload| payload.0.as_str()),
            event.cause,
            event.attempts,
            event.first_at.as_micros(),
            event.last_at.as_micros(),
            event.skipped
        ])?;
    }
    for (lane, position) in unparked {
        tx.prepare_cached("DELETE FROM parked WHERE scope = ?1 AND lane = ?2 AND position = ?3")?.execute(params![
            scope,
            lane,
            number(position.0)
        ])?;
    }
    for skip in skipped {
        tx.prepare_cached(
            "UPDATE parked SET skipped = ?4, last_at = ?5 WHERE scope = ?1 AND lane = ?2 AND position = ?3",
        )?
        .execute(params![scope, skip.lane, number(skip.position.0), skip.reason, skip.at.as_micros()])?;
    }
    Ok(())
}

pub(crate) fn list(connection: &Connection, scope: &str, filter: &ParkedFilter) -> sql::Result<Vec<ParkedEvent>> {
    let mut select = connection.prepare_cached(
        "SELECT lane, position, id, kind, payload, cause, attempts, first_at, last_at, skipped FROM parked
         WHERE scope = ?1 AND position > ?2 AND (?3 IS NULL OR lane = ?3) AND (skipped IS NULL OR NOT ?4)
         ORDER BY position, lane LIMIT ?5",
    )?;
    let limit = number(filter.bounded_limit() as u64);
    let rows =
        select.query_map(params![scope, number(filter.after.0), filter.lane, filter.waiting_only, limit], event_of)?;
    rows.collect()
}

pub(crate) fn lanes(connection: &Connection, scope: &str, limit: usize) -> sql::Result<Vec<String>> {
    let mut select = connection.prepare_cached(
        "SELECT DISTINCT lane FROM parked WHERE scope = ?1 AND skipped IS NULL ORDER BY lane LIMIT ?2",
    )?;
    let rows = select.query_map(params![scope, number(limit as u64)], |row| row.get(0))?;
    rows.collect()
}

fn event_of(row: &Row<'_>) -> sql::Result<ParkedEvent> {
    Ok(ParkedEvent {
        lane: row.get(0)?,
        position: Position(unsigned(row.get(1)?)),
        id: row.get(2)?,
        kind: row.get(3)?,
        payload: row.get::<_, Option<String>>(4)?.map(ParkedPayload),
        cause: row.get(5)?,
        attempts: row.get(6)?,
        first_at: Timestamp::from_micros(row.get(7)?),
        last_at: Timestamp::from_micros(row.get(8)?),
        skipped: row.get(9)?,
    })
}

/// A position or version as SQLite keeps it; positions end far below 2^63.
pub(crate) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The reverse of [`number`].
pub(crate) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
