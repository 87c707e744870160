//! The event store: streams of events with optimistic concurrency, read by stream or in the order of the log.
//!
//! [`EventStore`] is the port; its MUSTs are cases of `madrigal-conformance`. Two implementations are here: the journal's
//! (durable) and the in-memory reference (the rules, written as plainly as possible).

pub mod port;
pub mod snapshot;

pub use port::{
    AppendError, Appended, DynEventStore, EventStore, LogRead, ReadError, StreamAppend, StreamRead, StreamSlice,
    WaitError,
};
pub use snapshot::{Snapshot, SnapshotStore};
