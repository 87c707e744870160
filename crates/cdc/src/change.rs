//! A change of one row: the envelope.

use madrigal_core::{JsonBytes, Timestamp};
use serde::{Deserialize, Serialize};

use crate::row::{Key, Row};
use crate::source_info::SourceInfo;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Op {
    /// The row was made.
    #[serde(rename = "c")]
    Create,
    /// The row was changed.
    #[serde(rename = "u")]
    Update,
    /// The row was deleted.
    #[serde(rename = "d")]
    Delete,
    /// The row was there when the table was read.
    #[serde(rename = "r")]
    Read,
    /// The whole table was emptied; there is no key.
    #[serde(rename = "t")]
    Truncate,
    /// A message in the database's log, not about a row.
    #[serde(rename = "m")]
    Message,
}

impl Op {
    /// The letter of the envelope.
    pub const fn letter(self) -> &'static str {
        match self {
            Self::Create => "c",
            Self::Update => "u",
            Self::Delete => "d",
            Self::Read => "r",
            Self::Truncate => "t",
            Self::Message => "m",
        }
    }

    /// The operation of that letter.
    pub fn parse(letter: &str) -> Option<Self> {
        [Self::Create, Self::Update, Self::Delete, Self::Read, Self::Truncate, Self::Message]
            .into_iter()
            .find(|op| op.letter() == letter)
    }
}

/// A change's place in its transaction, where the source tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionMark {
    /// The transaction.
    pub id: String,
    /// Its place among all changes of the transaction, from 1.
    pub total_order: u64,
    /// Its place among the transaction's changes of the same table, from 1.
    pub data_collection_order: u64,
}

/// One change, with its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The row's key; `None` for a truncation, a message, and tables without a key.
    pub key: Option<Key>,
    /// The row before, as far as the database tells: with PostgreSQL's default identity only the key.
    pub before: Option<Row>,
    /// The row after; `None` where it is gone.
    pub after: Option<Row>,
    /// Where it comes from.
    pub source: SourceInfo,
    /// What happened.
    pub op: Op,
    /// When it was captured, to the millisecond in JSON.
    pub captured_at: Timestamp,
    /// Its place in its transaction.
    pub transaction: Option<TransactionMark>,
}

impl Change {
    /// The key that both rows of a change are of. A changed key is told as a delete and a create.
    pub const fn key(&self) -> Option<&Key> {
        self.key.as_ref()
    }

    /// Whether the row is gone after it, so that a tombstone follows.
    pub const fn is_delete(&self) -> bool {
        matches!(self.op, Op::Delete)
    }

    /// The envelope as JSON.
    ///
    /// # Errors
    /// Does not happen: rows are JSON.
    pub fn to_json(&self) -> Result<JsonBytes, serde_json::Error> {
        crate::debezium::write(self)
    }
}
