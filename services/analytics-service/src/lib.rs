//! analytics-service: figures about orders, kept up to date by increments and proved by recomputing.
//!
//! Rooms in reading order:
//!
//! * [`facts`]: what one order comes to, folded from its messages; [`store`]: the file that everything is in;
//! * [`aggregators`]: the rollups (the brief's `order_analytics` by day and by hour, products, customers), by increments and by
//!   recomputing;
//! * [`collectors`]: the topics `orders` and `products`, effect and checkpoint in one transaction; [`users`]: the copy of
//!   users, which sync-service writes; [`row_sets`]: both copies as the monitor compares them;
//! * [`dashboards`], [`queries`]: what is read; [`http`]: the public routes; [`config`], [`service`]: putting it together.
//!
//! Nothing personal is kept but ids of users: who they are, user-service says to who may know. When a person is erased their
//! orders stay here under the id, as they stay in the books of any shop.

pub mod aggregators;
pub mod collectors;
pub mod config;
pub mod dashboards;
pub mod facts;
pub mod http;
pub mod queries;
pub mod row_sets;
pub mod service;
pub mod store;
pub mod users;

pub use config::AnalyticsConfig;
pub use service::{AnalyticsNeighbours, AnalyticsService};
