//! The owner's row, written into a copy that still is what was seen.

use madrigal_core::RowVersion;
use serde::{Deserialize, Serialize};

use crate::row::Row;

/// A row of a copy as it was seen, for a repair that must not touch another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    /// Its version, where the copy keeps versions.
    pub version: Option<RowVersion>,
    /// The hash of its content, [`crate::Content::hash`] over [`RepairRow::fields`]; `None` where it was deleted.
    pub content: Option<u64>,
}

impl Seen {
    /// A row as it is seen now.
    pub fn of(row: &Row, fields: &[String]) -> Self {
        Self { version: row.version, content: row.content.as_ref().map(|content| content.hash(fields)) }
    }
}

/// Writes the owner's row into a copy, if the copy still is what was seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RepairRow {
    /// Which row.
    pub key: String,
    /// What the copy had; `None` where it had no row.
    pub seen: Option<Seen>,
    /// The fields that `seen` is hashed over.
    pub fields: Vec<String>,
    /// What the owner has, with its content; a tombstone or `None` removes the copy's row. A copy that can ask its owner
    /// for more than the fields that are compared does so.
    pub row: Option<Row>,
}

/// What became of a repair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Repaired {
    /// The copy has the owner's row now, or one that is newer.
    Done,
    /// The copy is not what was seen any more: look again.
    Changed,
    /// This set cannot be repaired, or not so.
    Refused {
        /// Why.
        why: String,
    },
}
