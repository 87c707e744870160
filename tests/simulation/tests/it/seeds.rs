//! Fresh seeds with every run of the tests, and those that ever failed.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use madrigal_core::Host;
use madrigal_simulation::{Outcome, seeds};

fn show(_done: usize, outcome: &Outcome) {
    for violation in &outcome.violations {
        println!("seed {}: {violation}", outcome.seed);
    }
}

#[test]
fn no_invariant_breaks_under_200_fresh_seeds() {
    // Short numbers, so that they can be typed.
    let first = Host::system().random_u64() >> 32;
    println!("fresh seeds {first} to {}", first + 199);
    let seeds: Vec<u64> = (first..first + 200).collect();
    let failed = seeds::run_all(&seeds, None, show).unwrap();
    assert!(failed.is_empty(), "put these into tests/simulation/seeds.txt: {failed:?}");
}

#[test]
fn no_invariant_breaks_under_the_seeds_that_ever_failed() {
    let kept = seeds::kept();
    assert!(!kept.is_empty());
    assert_eq!(seeds::run_all(&kept, None, show).unwrap(), Vec::<u64>::new());
}

/// What a trace says of each kind of trouble.
const TROUBLES: &[&str] = &[
    ": request lost",
    ": answer lost",
    ": answer late",
    ": doubled",
    ": late",
    "Requests are lost",
    "Answers are lost",
    "held up for",
    "is killed",
    "is a zombie now",
    "stands still",
    "blow: StoreCrash",
    "blow: TornWrite",
    "blow: FailedSync",
    "blow: SlowSyncs",
    "blow: LostViews",
    "no room on the disk",
    "blow: ReadOnlyDisk",
];

#[test]
fn customers_get_orders_through_whatever_the_trouble() {
    let seeds: Vec<u64> = (1..=32).collect();
    let orders = AtomicUsize::new(0);
    let struck: Mutex<BTreeSet<&str>> = Mutex::default();
    let look = |_: usize, outcome: &Outcome| {
        orders.fetch_add(outcome.orders, Ordering::Relaxed);
        let seen = TROUBLES.iter().copied().filter(|trouble| outcome.trace.contains(trouble));
        struck.lock().unwrap().extend(seen);
    };
    seeds::run_all(&seeds, None, look).unwrap();
    let (orders, struck) = (orders.into_inner(), struck.into_inner().unwrap());
    assert!(orders >= 80, "only {orders} orders: a shop in which nothing happens breaks no rule");
    let spared: Vec<_> = TROUBLES.iter().filter(|trouble| !struck.contains(**trouble)).collect();
    assert!(spared.is_empty(), "never met: {spared:?}");
}
