//! The catalogue: products, their stock and reservations, event-sourced; views and search over them.
pub mod commands;
pub mod domain;
pub mod store;
