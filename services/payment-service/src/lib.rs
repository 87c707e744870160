//! payment-service: charges and gives back, exactly once per saga, through a provider that may answer late, twice or
//! not at all.
//!
//! Rooms in reading order:
//!
//! * [`domain`]: a payment's events, state and decisions, all pure;
//! * [`provider`]: the port to whoever moves the money; [`sandbox`]: the stand-in for it, with a ledger of its own;
//! * [`store`]: the streams `payment-{sagaId}`; [`commands`]: charge and refund; [`queries`]: what is shown;
//! * [`http`]: the public routes, for operators and services; [`topics`]: what others may hear;
//! * [`books`]: what the monitor compares with the orders;
//! * [`config`], [`service`]: putting it together.
//!
//! The intent is durable before the provider is called, and the outcome before anybody is answered. So whatever is lost in
//! between, the same call again asks the provider under the same key, and the provider charges a key once.

pub mod books;
pub mod commands;
pub mod config;
pub mod domain;
pub mod http;
pub mod provider;
pub mod queries;
pub mod sandbox;
pub mod service;
pub mod store;
pub mod topics;

pub use config::PaymentConfig;
pub use provider::{Charge, GivenBack, PaymentProvider, ProviderError};
pub use sandbox::{Sandbox, SandboxOptions};
pub use service::PaymentService;
