//! The rules of user-service, each held through its public routes and its calls.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod calls;
mod capturing;
mod changing;
mod erasing;
mod logging_in;
mod merging;
mod passwords;
mod positions;
mod reading;
mod registering;
mod secrets;
mod shop;
mod storing;
