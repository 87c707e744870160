//! order-service: orders from the draft to the door, event-sourced, placed and cancelled by sagas.
//!
//! Rooms in reading order: [`events`] (the facts), [`aggregates`] (the rules), [`sagas`] (placing and cancelling across
//! services), [`commands`] and [`queries`] (what the API asks), [`projections`] (the order view), [`row_sets`] and [`books`]
//! (what the monitor compares), [`neighbours`] (who is asked), [`http`] (the API), [`config`], [`service`].

pub mod aggregates;
pub mod books;
pub mod commands;
pub mod config;
pub mod events;
pub mod http;
pub mod neighbours;
pub mod projections;
pub mod queries;
pub mod row_sets;
pub mod sagas;
pub mod service;
pub mod topics;

pub use config::OrderConfig;
pub use neighbours::OrderNeighbours;
pub use service::OrderService;
