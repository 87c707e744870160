//! Change capture: what happened to rows, in one envelope, from sources behind one port, to sinks with one rule.
//!
//! A **change** is one row made, changed or deleted at its owner, in the JSON of Debezium: whatever reads Debezium's topics
//! reads these, and these readers read Debezium's. A **source** reads changes from the owner's database, whoever wrote
//! them; a **sink** is a copy that refuses what is older than what it has.
//!
//! Modules in reading order:
//!
//! * [`value`], [`row`]: columns and rows; [`source_info`], [`change`]: the envelope; [`debezium`]: its JSON, read and written;
//! * [`row_versions`]: which version a change gives its row;
//! * [`source`]: the port [`ChangeSource`]; [`snapshot`]: chunks of tables between watermarks; `topic` (feature `topic`): a
//!   table's changes as a topic of the bus;
//! * [`sink`]: the port [`Sink`]; [`memory_sink`]: the reference.

pub mod change;
pub mod debezium;
pub mod memory_sink;
pub mod row;
pub mod row_versions;
pub mod sink;
pub mod snapshot;
pub mod source;
pub mod source_info;
#[cfg(feature = "topic")]
pub mod topic;
pub mod value;

pub use change::{Change, Op, TransactionMark};
pub use debezium::{EnvelopeError, Record};
pub use memory_sink::MemorySink;
pub use row::{Key, Row};
pub use row_versions::{RowVersions, VersionError};
pub use sink::{Applied, ApplyError, CopyRow, DynSink, Repaired, Sink, SinkBatch, Write};
pub use snapshot::{SnapshotProgress, SnapshotReader, Snapshots};
pub use source::{
    CapturedColumn, CapturedTable, ChangeSource, Changes, Chunk, ChunkError, DynChangeSource, PlacedChange,
    ReadChangesError, Retelling,
};
pub use source_info::{SnapshotMark, SourceInfo};
#[cfg(feature = "topic")]
pub use topic::{ChangeTopic, change_of};
pub use value::{UNAVAILABLE, Value};
