//! The whole shop over HTTP, on embedded engines: what a customer, an operator and an attacker would see.
#![expect(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    reason = "a test fails by panicking; JSON reads best made in place"
)]

mod bad_input;
mod cancelling;
mod importing;
mod personal_data;
mod placing;
mod projections;
mod propagation;
mod races;
mod rating;
mod restarts;
mod story;
mod unknown_outcomes;
