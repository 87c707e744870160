//! The language that the shop's services speak among themselves: the calls that one asks of another, by service.
//!
//! A service never names another service's crate; it names these types. They change like an API: fields are added, never
//! given another meaning. Refusals that business knows are variants of the answers; whatever breaks is a
//! [`madrigal_core::Fault`].

pub mod analytics;
pub mod books;
pub mod catalog;
pub mod changes;
pub mod copies;
pub mod notification;
pub mod order;
pub mod parked;
pub mod payment;
pub mod person_keys;
pub mod projections;
pub mod rows;
pub mod story;
pub mod user;
