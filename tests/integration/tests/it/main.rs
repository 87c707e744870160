//! The whole shop over HTTP, on embedded engines: what a customer, an operator and an attacker would see.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bad_input;
mod cancelling;
mod personal_data;
mod placing;
mod races;
mod restarts;
mod unknown_outcomes;
