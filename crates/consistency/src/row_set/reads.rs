//! What is asked of a set, rows and digests, and what is answered.

use madrigal_core::{PositionToken, RowVersion};
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::row::{Detail, KeyRange, Row};

/// A part of a set, in the order of keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PageRead {
    /// Which keys.
    pub range: KeyRange,
    /// At most so many rows, 1 to [`super::MAX_PAGE`].
    pub limit: usize,
    /// What of them.
    pub detail: Detail,
}

/// How a range is cut into chunks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Cut {
    /// So many rows in each, at most so many chunks: an owner says where they end.
    Every {
        /// Rows in a chunk, at least 1.
        rows: u64,
        /// At most so many chunks; together at most [`super::MAX_DIGESTED`] rows.
        chunks: usize,
    },
    /// Behind each of these keys, in order: where the owner cut. The last chunk ends with the range.
    After(Vec<String>),
}

/// Asks for digests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DigestAsk {
    /// Of which keys.
    pub range: KeyRange,
    /// In which chunks.
    pub cut: Cut,
    /// Of versions, or of contents too.
    pub detail: Detail,
    /// The fields of content that count; all where none is named.
    pub fields: Vec<String>,
    /// Whether versions count.
    pub versions: bool,
    /// Drawn for each check.
    pub seed: u64,
}

/// The digest of one chunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChunkDigest {
    /// Its last key; `None` where it has no end.
    pub through: Option<String>,
    /// Of its rows that are not deleted.
    pub digest: Digest,
}

/// Digests of neighbouring chunks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Digests {
    /// In the order of their keys, without gaps.
    pub chunks: Vec<ChunkDigest>,
    /// Whether the last chunk ends with the range.
    pub ended: bool,
    /// See [`super::RowSet::position`].
    pub position: PositionToken,
}

/// Rows, and where they were read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RowsRead {
    /// In the order of their keys.
    pub rows: Vec<Row>,
    /// See [`super::RowSet::position`].
    pub position: PositionToken,
}

/// Of the row after each change those of these versions: what an owner that has all of them answers about its history. `None`
/// where there are more than [`super::MAX_PAGE`].
pub fn of_versions(rows: Vec<Row>, first: RowVersion, last: RowVersion) -> Option<Vec<Row>> {
    let within = |row: &Row| row.version.is_some_and(|version| (first..=last).contains(&version));
    let rows: Vec<Row> = rows.into_iter().filter(within).collect();
    (rows.len() <= super::MAX_PAGE).then_some(rows)
}

/// Rows that were changed lately.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Changed {
    /// Their keys, each once.
    pub keys: Vec<String>,
    /// Up to where the owner was looked at: to its end.
    pub through: PositionToken,
}
