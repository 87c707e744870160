//! The contract suites: one module per port, one function per MUST, run on every implementation.
//!
//! An implementation's tests call the suite's macro with a function that makes an empty instance.

#[cfg(feature = "bus")]
pub mod bus;
#[cfg(feature = "calls")]
pub mod calls;
#[cfg(feature = "cdc")]
pub mod change_source;
pub mod event_store;
#[cfg(feature = "projection")]
pub mod offsets;
#[cfg(feature = "projection")]
pub mod projection_kit;
#[cfg(feature = "saga")]
pub mod saga;
#[cfg(feature = "cdc")]
pub mod sink;
#[cfg(feature = "projection")]
pub mod view_store;
