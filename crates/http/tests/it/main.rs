//! The rules of the edge, on a small example router.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod auth;
mod bodies;
mod edge;
mod examples;
mod odd_input;
mod over_sockets;
mod shop;
