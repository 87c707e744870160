//! sync-service from the outside: a real change log, copies that can be broken, and what becomes of them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod books;
mod connectors;
mod kept;
mod monitor;
mod own_writes;
mod parking;
mod propagation;
mod rebuilding;
mod routes;
mod shop;
mod silence;
mod starting_again;
mod transformed;
