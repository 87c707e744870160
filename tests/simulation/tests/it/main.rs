//! The simulation in the test suite: fresh seeds, kept seeds, determinism, mutants.

mod determinism;
mod mutants;
mod seeds;
mod test_kit;
