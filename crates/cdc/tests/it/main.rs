//! The envelope, compared with what Debezium writes; snapshots; the sink in memory.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod envelope;
mod sinks;
mod snapshots;
