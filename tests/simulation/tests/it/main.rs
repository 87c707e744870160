//! The simulation in the test suite: fresh seeds, kept seeds, determinism, mutants.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking; the seeds it tried are for its reader"
)]

mod determinism;
mod mutants;
mod seeds;
mod test_kit;
