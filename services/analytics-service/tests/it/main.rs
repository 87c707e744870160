//! analytics-service from its topics to its routes.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod collecting;
mod copies;
mod customers;
mod own_writes;
mod parking;
mod property;
mod refreshing;
mod routes;
mod support;
