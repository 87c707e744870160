//! The catalogue: products, their stock and the reservations of sagas, event-sourced in a journal of its own.
//!
//! The rooms, in reading order:
//!
//! * [`domain`]: pure decisions and state;
//! * [`commands`]: the stock desk, which decides and makes durable, and what is put to it;
//! * [`store`]: loading state from streams and snapshots;
//! * [`projections`], [`indexers`], [`search`]: views and the search index over the log; [`topics`]: what others may follow;
//! * `users_index`: the copy of users that operators search;
//! * [`queries`]: reading; `http`: the public routes;
//! * [`neighbours`], [`config`], [`service`]: whom it asks, its settings, and all of it put together.

pub mod books;
pub mod commands;
pub mod config;
pub mod domain;
mod http;
pub mod indexers;
pub mod neighbours;
pub mod projections;
pub mod queries;
pub mod row_sets;
pub mod search;
pub mod service;
pub mod store;
pub mod topics;
mod users_index;

pub use config::CatalogConfig;
pub use neighbours::CatalogNeighbours;
pub use service::CatalogService;
