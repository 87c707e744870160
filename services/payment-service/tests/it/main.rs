//! payment-service from the outside: its calls, its routes, and what is left after crashes.
#![expect(clippy::unwrap_used, reason = "helpers of tests: what fails should fail the test")]

mod charging;
mod crashes;
mod routes;
mod shop;
mod undoing;
