//! The envelope, compared with what Debezium writes.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod envelope;
