//! The rules of merging, each held by a test.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod examples;
mod fields;
mod properties;
