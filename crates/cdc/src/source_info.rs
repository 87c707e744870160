//! Where a change comes from.

use madrigal_core::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Where a change comes from: `source` of the envelope.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourceInfo {
    /// The version of what captured it.
    pub version: String,
    /// What captured it, as in `postgresql`, `sqlite`.
    pub connector: String,
    /// The logical name of the captured database, which topics begin with, as in `app`.
    pub name: String,
    /// The database.
    pub db: String,
    /// The schema inside it, as in `public`; of SQLite `main`.
    pub schema: String,
    /// The table.
    pub table: String,
    /// The transaction's number, where the engine has one.
    pub tx_id: Option<u64>,
    /// The place in the engine's log: of PostgreSQL an LSN, of SQLite the change's number.
    pub lsn: Option<u64>,
    /// The engine's own order, as text, where Debezium gives one.
    pub sequence: Option<String>,
    /// When the database made the change; of a row read for a snapshot, when it was read.
    pub at: Timestamp,
    /// Whether and how it was read for a snapshot.
    pub snapshot: SnapshotMark,
}

/// Whether a change is of a snapshot; a text in the envelope, never a truth value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SnapshotMark {
    /// It was read from the log.
    #[default]
    False,
    /// A row of a snapshot.
    True,
    /// The first row of a snapshot.
    First,
    /// The first row of its table.
    FirstInDataCollection,
    /// The last row of its table.
    LastInDataCollection,
    /// The last row of a snapshot.
    Last,
    /// A row of a chunk that was read while the log was followed.
    Incremental,
}

impl SnapshotMark {
    const ALL: [Self; 7] = [
        Self::False,
        Self::True,
        Self::First,
        Self::FirstInDataCollection,
        Self::LastInDataCollection,
        Self::Last,
        Self::Incremental,
    ];

    /// The word of the envelope.
    pub const fn word(self) -> &'static str {
        match self {
            Self::False => "false",
            Self::True => "true",
            Self::First => "first",
            Self::FirstInDataCollection => "first_in_data_collection",
            Self::LastInDataCollection => "last_in_data_collection",
            Self::Last => "last",
            Self::Incremental => "incremental",
        }
    }

    /// The mark with this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mark| mark.word() == word)
    }

    /// Whether the row was read from its table, not from the log.
    pub const fn is_snapshot(self) -> bool {
        !matches!(self, Self::False)
    }
}

/// The form in JSON. `ts_ms` is what every version writes; `ts_us` is more exact where it is there.
#[derive(Serialize, Deserialize)]
struct Wire {
    #[serde(default)]
    version: String,
    #[serde(default)]
    connector: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    ts_ms: i64,
    #[serde(default)]
    snapshot: Option<WireSnapshot>,
    #[serde(default)]
    db: String,
    #[serde(default)]
    sequence: Option<String>,
    #[serde(default)]
    ts_us: Option<i64>,
    #[serde(default)]
    schema: Option<String>,
    #[serde(default)]
    table: Option<String>,
    #[serde(default, rename = "txId")]
    tx_id: Option<u64>,
    #[serde(default)]
    lsn: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum WireSnapshot {
    Word(String),
    /// Old connectors.
    Flag(bool),
}

impl Serialize for SourceInfo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let wire = Wire {
            version: self.version.clone(),
            connector: self.connector.clone(),
            name: self.name.clone(),
            ts_ms: self.at.as_micros().div_euclid(1_000),
            snapshot: Some(WireSnapshot::Word(self.snapshot.word().to_owned())),
            db: self.db.clone(),
            sequence: self.sequence.clone(),
            ts_us: Some(self.at.as_micros()),
            schema: Some(self.schema.clone()),
            table: Some(self.table.clone()),
            tx_id: self.tx_id,
            lsn: self.lsn,
        };
        wire.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SourceInfo {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = Wire::deserialize(deserializer)?;
        let snapshot = match wire.snapshot {
            None | Some(WireSnapshot::Flag(false)) => SnapshotMark::False,
            Some(WireSnapshot::Flag(true)) => SnapshotMark::True,
            Some(WireSnapshot::Word(word)) => SnapshotMark::parse(&word)
                .ok_or_else(|| serde::de::Error::custom(format_args!("unknown word in snapshot: {word:?}")))?,
        };
        Ok(Self {
            version: wire.version,
            connector: wire.connector,
            name: wire.name,
            db: wire.db,
            schema: wire.schema.unwrap_or_default(),
            table: wire.table.unwrap_or_default(),
            tx_id: wire.tx_id,
            lsn: wire.lsn,
            sequence: wire.sequence,
            at: Timestamp::from_micros(wire.ts_us.unwrap_or_else(|| wire.ts_ms.saturating_mul(1_000))),
            snapshot,
        })
    }
}
