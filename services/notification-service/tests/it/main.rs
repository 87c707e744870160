//! notification-service from the outside: its call, its delivery, its routes, and what its files give away.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod delivery;
mod desk;
mod flaky_store;
mod outbox;
mod routes;
