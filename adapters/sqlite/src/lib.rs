//! SQLite: views, offsets, inbox, snapshots and small tables in one file per service.
//!
//! Modules in reading order:
//!
//! * [`database`]: one writer, some readers, transactions as closures; [`migrations`]: numbered, checked steps;
//! * [`views`]: `ViewStore`; [`offsets`]: `Offsets`; [`inbox`]: dedup inside a caller's own transaction;
//! * [`applied`]: how far copies are, kept with their rows;
//! * [`changes`]: `ChangeSource`, by triggers;
//! * [`stream_index`]: which streams a log has, in the order of their names;
//! * [`snapshots`]: `SnapshotStore`; [`key_value`]: a durable map of texts;
//! * [`sql`]: what a service needs to write its own statements inside the closures; [`fault`]: how SQLite's errors leave.

pub mod applied;
pub mod changes;
pub mod database;
pub mod fault;
pub mod inbox;
pub mod key_value;
pub mod migrations;
pub mod offsets;
mod parked;
pub mod snapshots;
pub mod sql;
pub mod stream_index;
pub mod views;

pub use changes::{CaptureOptions, CaptureTable, SqliteChanges};
pub use database::{Database, DatabaseOptions, DatabaseSnapshot, Durability};
pub use key_value::SqliteKeyValue;
pub use migrations::Migration;
pub use offsets::SqliteOffsets;
pub use snapshots::SqliteSnapshots;
pub use stream_index::StreamIndex;
pub use views::SqliteViews;
