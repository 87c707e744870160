//! The event store: streams of events with optimistic concurrency, read by stream or in the order of the log.
//!
//! [`EventStore`] is the port; its MUSTs are cases of `madrigal-conformance`. Two implementations are here:
//! [`JournalEventStore`] (durable, embedded) and [`MemoryEventStore`] (the reference: the rules, written as plainly as
//! possible). Modules in reading order:
//!
//! * [`port`], [`limits`]: what a store promises, and how much a call may bring; [`reads`]: a whole stream, and which ones changed;
//! * [`journal_store`]: the journal's; inside: `envelope` (an event's bytes), `index` (streams and event ids), `tail` (the newest events);
//! * [`memory`]: the reference;
//! * [`aggregate`]: decisions over a stream; [`conflict`]: deciding again; [`upcaster`]: old events; [`snapshot`]: cached states, and their port;
//! * [`subscription`]: following the log from a checkpoint.

pub mod aggregate;
pub mod conflict;
pub mod envelope;
pub mod index;
pub mod journal_store;
pub mod limits;
pub mod memory;
pub mod port;
pub mod reads;
pub mod snapshot;
pub mod subscription;
mod tail;
pub mod upcaster;

pub use aggregate::{Aggregate, Aggregates, EventData, ExecuteError, Executed, Loaded};
pub use conflict::until_readable;
pub use index::{IndexError, IndexOptions};
pub use journal_store::{EventStoreOptions, JournalEventStore, StoreOpenError, open_log};
pub use memory::MemoryEventStore;
pub use port::{
    AppendError, Appended, DynEventStore, EventStore, LogRead, ReadError, StoreTrouble, StreamAppend, StreamRead,
    StreamSlice, WaitError,
};
pub use reads::{changed_streams, whole_stream};
pub use snapshot::{MemorySnapshots, Snapshot, SnapshotStore};
pub use subscription::{Checkpoint, Subscription, subscribe};
pub use upcaster::{UpcastError, Upcasters};
