//! The contract suites: one module per port, one function per MUST, run on every implementation.
//!
//! An implementation's tests call the suite's macro with a function that makes an empty instance.

pub mod event_store;
