//! sync-service: keeps the copies of other services' rows in step, and looks whether they are.
//!
//! Rooms in reading order:
//!
//! * [`connectors`]: which tables are captured, declared as for Debezium;
//! * [`transformers`]: what happens to a row on its way, as configured;
//! * [`processors`]: what the changes of a topic mean; [`copies`]: who keeps copies;
//! * [`capture`]: following a connector, from its owner's log into the copies;
//! * [`monitor`]: compares owners and copies and repairs what diverges;
//! * [`rebuilds`]: telling a copy everything once more;
//! * `queries`, `http`: what operators ask; [`config`], [`service`]: putting it together.

pub mod capture;
pub mod config;
pub mod connectors;
pub mod copies;
mod http;
mod measures;
pub mod monitor;
pub mod processors;
mod queries;
pub mod rebuilds;
pub mod service;
pub mod transformers;

pub use config::SyncConfig;
pub use service::{SyncNeighbours, SyncService};
