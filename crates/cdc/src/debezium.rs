//! The envelope's JSON, as Debezium writes it.
//!
//! Read: a bare envelope, or one with its schema beside it (`{"schema": …, "payload": …}`); fields that are not known are
//! passed over. Written: a bare envelope with the fields below. Left out of what Debezium 3.6 writes: `ts_us` and `ts_ns` of
//! the envelope (when it was captured is told in milliseconds), `ts_ns`, `xmin`, `origin` and `origin_lsn` of the source.
//!
//! # Source
//! Debezium 3.6, connector for PostgreSQL, "Data change events".

use madrigal_core::{JsonBytes, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::change::{Change, Op, TransactionMark};
use crate::row::{Key, Row};
use crate::source_info::SourceInfo;

/// What one message of a topic of changes is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A change.
    Change(Box<Change>),
    /// What follows a delete, so that a compacted log forgets the key: nothing is left under it.
    Tombstone(Key),
}

impl Record {
    /// The record that a message's key and value are. Empty and `null` values are tombstones.
    ///
    /// # Errors
    /// [`EnvelopeError`].
    pub fn parse(key: Option<&[u8]>, value: Option<&[u8]>) -> Result<Self, EnvelopeError> {
        let key = key.filter(|text| !is_nothing(text)).map(parse_key).transpose()?;
        match value.filter(|text| !is_nothing(text)) {
            None => key.map(Self::Tombstone).ok_or(EnvelopeError::NoKey),
            Some(value) => parse(key, value).map(|change| Self::Change(Box::new(change))),
        }
    }

    /// The key.
    pub const fn key(&self) -> Option<&Key> {
        match self {
            Self::Change(change) => change.key(),
            Self::Tombstone(key) => Some(key),
        }
    }
}

/// JSON that is no change.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// It is not JSON, or fields are missing or of another kind.
    #[error("not a change in Debezium's envelope")]
    Malformed(#[source] serde_json::Error),
    /// The key has no columns, or one of them is NULL.
    #[error("not a key: it needs columns, and none may be NULL")]
    Key,
    /// The change is of a row and says no key, or a tombstone has none.
    #[error("there is no key")]
    NoKey,
    /// The operation needs a row that is not there.
    #[error("operation {0} without the row that it is about")]
    NoRow(&'static str),
}

/// The change that this value is, with its key from the message's key.
///
/// # Errors
/// [`EnvelopeError`].
pub fn parse(key: Option<Key>, value: &[u8]) -> Result<Change, EnvelopeError> {
    let wire: Inward = payload(value)?;
    let change = Change {
        key,
        before: wire.before,
        after: wire.after,
        source: wire.source,
        op: wire.op,
        captured_at: Timestamp::from_micros(wire.ts_ms.unwrap_or(0).saturating_mul(1_000)),
        transaction: wire.transaction,
    };
    let row_is_there = match change.op {
        Op::Create | Op::Update | Op::Read => change.after.is_some(),
        // Without an identity PostgreSQL tells nothing of a deleted row but its key.
        Op::Delete => change.before.is_some() || change.key.is_some(),
        Op::Truncate | Op::Message => true,
    };
    if row_is_there { Ok(change) } else { Err(EnvelopeError::NoRow(change.op.letter())) }
}

/// The key that this JSON is, with or without its schema.
///
/// # Errors
/// [`EnvelopeError`].
pub fn parse_key(key: &[u8]) -> Result<Key, EnvelopeError> {
    Key::new(payload(key)?).ok_or(EnvelopeError::Key)
}

/// The envelope of a change.
///
/// # Errors
/// Does not happen: rows are JSON.
pub fn write(change: &Change) -> Result<JsonBytes, serde_json::Error> {
    JsonBytes::of(&Outward {
        before: change.before.as_ref(),
        after: change.after.as_ref(),
        source: &change.source,
        transaction: change.transaction.as_ref(),
        op: change.op,
        ts_ms: change.captured_at.as_micros().div_euclid(1_000),
    })
}

fn is_nothing(text: &[u8]) -> bool {
    matches!(text.trim_ascii(), b"" | b"null")
}

/// What stands in `payload`, or the whole where there is no schema beside it.
fn payload<T: for<'de> Deserialize<'de>>(text: &[u8]) -> Result<T, EnvelopeError> {
    let wrapped: Result<Wrapped<'_>, _> = serde_json::from_slice(text);
    let inner = match &wrapped {
        // A row's own columns may be called so too: only both together, and nothing else, are a wrapping.
        Ok(wrapped) => wrapped.payload.get().as_bytes(),
        Err(_) => text,
    };
    serde_json::from_slice(inner).map_err(EnvelopeError::Malformed)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wrapped<'a> {
    #[serde(borrow, rename = "schema")]
    _schema: &'a RawValue,
    #[serde(borrow)]
    payload: &'a RawValue,
}

#[derive(Deserialize)]
struct Inward {
    #[serde(default)]
    before: Option<Row>,
    #[serde(default)]
    after: Option<Row>,
    source: SourceInfo,
    op: Op,
    #[serde(default)]
    ts_ms: Option<i64>,
    #[serde(default)]
    transaction: Option<TransactionMark>,
}

#[derive(Serialize)]
struct Outward<'a> {
    before: Option<&'a Row>,
    after: Option<&'a Row>,
    source: &'a SourceInfo,
    transaction: Option<&'a TransactionMark>,
    op: Op,
    ts_ms: i64,
}
