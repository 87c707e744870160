//! Pairs in memory, checked while everything moves.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod interleaved;
mod repairs;
mod sweeps;
mod world;
