//! How a running Madrigal is watched: logs, metrics, traces and health.
//!
//! * [`logs`]: `tracing` to standard error, human on a terminal, JSON otherwise;
//! * [`metrics`]: the Prometheus text, and the [`names`] of everything that is measured;
//! * [`health`]: checks of what a service stands on, put together to the documents that people and machines ask for;
//! * [`traces`]: spans, sent to a collector over OTLP where the environment names one;
//! * [`routes`]: `/livez`, `/readyz`, `/health`, `/metrics`.

pub mod health;
pub mod logs;
pub mod metrics;
pub mod names;
pub mod routes;
pub mod traces;

pub use health::{Check, Health, HealthReport, HealthSource, Standing, Status};
pub use logs::{LogError, LogOptions, init_logs};
pub use metrics::{Metrics, MetricsError};
pub use routes::{MetricsAccess, router};
pub use traces::{Traces, init_traces};
