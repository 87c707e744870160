//! Topics in process and over HTTP.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod contracts;
mod examples;
mod over_http;
mod sources;
