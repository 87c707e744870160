//! Fresh seeds with every run of the tests, and those that ever failed.

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

#[test]
fn customers_get_orders_through() {
    let seeds: Vec<u64> = (1..=8).collect();
    let orders = std::sync::atomic::AtomicUsize::new(0);
    let count = |_: usize, outcome: &Outcome| {
        orders.fetch_add(outcome.orders, std::sync::atomic::Ordering::Relaxed);
    };
    seeds::run_all(&seeds, None, count).unwrap();
    let orders = orders.into_inner();
    assert!(orders >= 20, "only {orders} orders: a shop in which nothing happens breaks no rule");
}
