//! SQLite keeps the contracts of the ports that it implements.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod applied;
mod changes;
mod changes_crash;
mod changes_snapshots;
mod crash;
mod database;
mod generations;
mod ports;
mod small;
