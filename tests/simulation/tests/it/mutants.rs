//! Every guarantee that is taken out is missed by an invariant: else the invariants would see nothing.

use std::thread;

use madrigal_simulation::{Mutant, run};

/// Seeds that are tried for each mutant, from 1 on.
const TRIED: u64 = 120;

#[test]
fn every_mutant_is_caught_by_its_invariant() {
    let caught: Vec<(Mutant, bool)> = thread::scope(|scope| {
        let hunts = Mutant::all().into_iter().map(|mutant| (mutant, scope.spawn(move || is_caught(mutant))));
        let hunts: Vec<_> = hunts.collect();
        hunts.into_iter().map(|(mutant, hunt)| (mutant, hunt.join().unwrap())).collect()
    });
    let missed: Vec<Mutant> = caught.into_iter().filter(|(_, caught)| !caught).map(|(mutant, _)| mutant).collect();
    assert_eq!(missed, []);
}

fn is_caught(mutant: Mutant) -> bool {
    let found = (1..=TRIED).find_map(|seed| {
        let outcome = run(seed, Some(mutant)).unwrap();
        let caught = outcome.violations.into_iter().find(|found| mutant.caught_by().contains(&found.invariant));
        caught.map(|violation| (seed, violation))
    });
    match &found {
        Some((seed, violation)) => println!("{}: caught by seed {seed}: {violation}", mutant.name()),
        None => println!("{}: not caught by {TRIED} seeds", mutant.name()),
    }
    found.is_some()
}
