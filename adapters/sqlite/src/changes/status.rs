//! How much of the log is kept, and for whom.

use madrigal_core::{Position, Timestamp};

use super::log;
use crate::parked::unsigned;
use crate::sql::{Connection, Result};

/// How much is kept, and for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangesStatus {
    /// Changes in the table.
    pub kept: u64,
    /// The most that are kept.
    pub cap: u64,
    /// Changes up to here are gone.
    pub pruned_through: Position,
    /// The newest change.
    pub end: Position,
    /// Who acknowledges, by name.
    pub consumers: Vec<ConsumerStatus>,
}

/// A consumer that acknowledges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerStatus {
    /// Its name.
    pub name: String,
    /// What it has.
    pub position: Position,
    /// How many changes it is behind.
    pub behind: u64,
    /// Changes that it does not have are gone: it must take a snapshot.
    pub lost: bool,
    /// When it last acknowledged.
    pub at: Timestamp,
}

pub(super) fn read(connection: &Connection, cap: u64) -> Result<ChangesStatus> {
    let (end, pruned_through) = (log::end(connection)?, log::pruned_through(connection)?);
    let kept: i64 = connection.query_row("SELECT count(*) FROM changes", [], |row| row.get(0))?;
    let mut select = connection.prepare("SELECT name, position, at FROM changes_consumers ORDER BY name")?;
    let consumers = select.query_map([], |row| {
        let position = Position(unsigned(row.get(1)?));
        let at: String = row.get(2)?;
        Ok(ConsumerStatus {
            name: row.get(0)?,
            position,
            behind: end.0.saturating_sub(position.0),
            lost: position < pruned_through,
            at: at.parse().map_err(|error: madrigal_core::time::TimestampError| log::unreadable(2, error))?,
        })
    })?;
    Ok(ChangesStatus { kept: unsigned(kept), cap, pruned_through, end, consumers: consumers.collect::<Result<_>>()? })
}
