//! The journal's tests: what it promises, and what a crash or a fault leaves.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod crash;
mod faults;
mod faulty_disk;
mod kill;
mod log;
