//! Projections and reactors over in-memory stores.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod examples;
mod folding;
mod freshness;
mod generations;
mod memory;
mod parking;
mod reactors;
mod shop;
mod stalling;
