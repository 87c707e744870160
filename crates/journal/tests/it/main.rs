//! The journal's tests: what it promises, and what a crash or a fault leaves.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../examples/append_and_read.rs"]
mod append_and_read;
mod archive;
mod crash;
mod faults;
mod faulty_disk;
mod fixtures;
mod kill;
mod log;
mod power;
mod repair;

#[test]
fn the_example_runs() {
    append_and_read::main().unwrap();
}
