//! The same seed gives the same trace, byte by byte.

use std::process::Command;

use madrigal_simulation::{Mutant, run};

/// Seeds of several kinds: with and without stores elsewhere, calm and stormy.
const SEEDS: std::ops::Range<u64> = 100..112;

fn assert_equal(seed: u64, one: &str, other: &str) {
    let differ = one.lines().zip(other.lines()).enumerate().find(|(_, (one, other))| one != other);
    assert!(one == other, "seed {seed} has two traces; first difference: {differ:?}");
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in SEEDS {
        let traces = [run(seed, None).unwrap().trace, run(seed, None).unwrap().trace];
        assert!(traces[0].lines().count() > 100);
        assert_equal(seed, &traces[0], &traces[1]);
    }
}

#[test]
fn the_same_seed_gives_the_same_trace_in_another_process() {
    for seed in [100, 101, 102, 103] {
        let output = Command::new(env!("CARGO_BIN_EXE_madrigal-simulation"))
            .args(["--seed", &seed.to_string()])
            .output()
            .unwrap();
        assert!(output.status.success());
        let other = String::from_utf8(output.stdout).unwrap();
        assert_equal(seed, &run(seed, None).unwrap().trace, &other);
    }
}

#[test]
fn another_seed_and_a_mutant_give_other_traces() {
    let trace = run(100, None).unwrap().trace;
    assert_ne!(trace, run(101, None).unwrap().trace);
    assert_ne!(trace, run(100, Some(Mutant::NotSeenAsNo)).unwrap().trace);
}
