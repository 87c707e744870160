//! The rules of the edge, on a small example router.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod auth;
mod bodies;
mod calls;
mod edge;
mod examples;
mod lines;
mod odd_input;
mod over_sockets;
mod problem_pages;
mod shop;
