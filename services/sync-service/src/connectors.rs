//! Connectors: which tables of which owner are captured, and under which topics their changes come.
//!
//! A connector is declared as for Kafka Connect, in the JSON that Debezium takes: [`definition`] reads and checks it,
//! [`router`] is the transform `RegexRouter`, [`store`] keeps what was declared, [`running`] says what of it can be run
//! here. Two classes are known:
//!
//! * [`SQLITE_CLASS`]: the tables of an embedded service, which its owner captures by triggers; `database.service` names
//!   the owner. Nobody opens the owner's file: changes come over the owner's topics.
//! * [`POSTGRES_CLASS`]: PostgreSQL's log. Such a connector is checked and kept; this build cannot run it and says so.

pub mod definition;
pub mod router;
pub mod running;
pub mod store;

pub use definition::{ConnectorDefinition, Misfit, POSTGRES_CLASS, SQLITE_CLASS, Source, TableName};
pub use router::RegexRouter;
pub use store::{ConnectorStore, Declared, Known, RegisterError};
