//! order-service's projections against the rules that every projection keeps.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod order_view;
mod row_sets;
mod topics;
