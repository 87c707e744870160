//! Starts shops for tests: in this process, on a port of their own, with their data in a temporary directory.

mod fixtures;
mod one_process;

pub use fixtures::{Customer, PASSWORD, fresh_key, product};
pub use one_process::OneProcess;
