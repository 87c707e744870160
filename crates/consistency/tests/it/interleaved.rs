//! Random interleavings of writes, lag, stalls and planted damage with a check: nothing is reported that is not so, and
//! nothing that is so is missed.

use std::collections::BTreeMap;

use madrigal_consistency::{CheckOptions, Damage, Detail, Issue, PairReport, RowSet, Verdict, number_key};
use proptest::prelude::*;

use crate::world::{Pace, World};

fn small(detail: Detail) -> CheckOptions {
    // Small chunks, so that a check of few rows has many looks.
    CheckOptions { chunk_rows: 8, chunks: 3, leaf_rows: 2, ..CheckOptions::of(detail) }
}

fn run<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(future)
}

fn detail() -> impl Strategy<Value = Detail> {
    prop_oneof![Just(Detail::Versions), Just(Detail::Content)]
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![Just(Damage::Change), Just(Damage::Delete), Just(Damage::Add), Just(Damage::Older), Just(Damage::Newer)]
}

const fn issue_of(damage: Damage) -> Issue {
    match damage {
        Damage::Change | Damage::Newer => Issue::Different,
        Damage::Delete => Issue::Missing,
        Damage::Add => Issue::Extra,
        Damage::Older => Issue::Stale,
    }
}

fn found(report: &PairReport) -> BTreeMap<String, Issue> {
    report.divergences.iter().map(|divergence| (divergence.key.clone(), divergence.issue)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn there_are_no_false_alarms(
        seed in any::<u64>(), rows in 0..60u64, writes in 0..4u64, follows in 0..6u64, lag in 0..30u64,
        detail in detail(), remembers in any::<bool>(), versioned in any::<bool>(),
    ) {
        let world = World::with(seed, rows, remembers, |described| described.versioned = versioned);
        world.pace(Pace { writes: 3, ..Pace::default() });
        (0..lag).for_each(|_| world.stir());
        world.pace(Pace { writes, follows, hot: None });
        let pair = world.pair();
        for _ in 0..3 {
            let report = run(pair.check(&small(detail), &world.host));
            prop_assert_eq!(report.divergent, 0, "{:?}", report.divergences);
            prop_assert_eq!(&report.trouble, &None);
            prop_assert!(report.behind.is_none() || report.unverified > 0);
        }
        world.pace(Pace::default());
        world.copy.follow(usize::MAX);
        let rest = run(pair.check(&small(detail), &world.host));
        prop_assert_eq!((rest.verdict(), rest.consistent, rest.total()), (Verdict::Consistent, world.live(), world.live()));
    }

    #[test]
    fn damage_is_not_missed_and_nothing_else_is_named(
        seed in any::<u64>(), rows in 20..80u64, writes in 0..4u64, follows in 4..10u64,
        planted in prop::collection::btree_map(0..60u64, damage(), 0..6), detail in detail(), remembers in any::<bool>(),
    ) {
        let world = World::new(seed, rows, remembers);
        let mut expected = BTreeMap::new();
        for (number, damage) in planted {
            // What is added is outside of what the owner will ever write.
            let number = if damage == Damage::Add { number + 1_000_000 } else { number % rows };
            if expected.contains_key(&number_key(number)) {
                continue;
            }
            world.quiet(number);
            if damage == Damage::Older {
                // A second version, so that there is an older one.
                world.owner.write(&number_key(number), Some(crate::world::content(7)));
                world.copy.follow(usize::MAX);
            }
            run(world.copy.plant(&number_key(number), damage)).unwrap();
            if detail == Detail::Content || damage != Damage::Change {
                expected.insert(number_key(number), issue_of(damage));
            }
        }
        world.pace(Pace { writes, follows, hot: None });
        let report = run(world.pair().check(&small(detail), &world.host));
        prop_assert_eq!(found(&report), expected.clone());
        prop_assert_eq!(report.divergent, expected.len() as u64);
    }

    #[test]
    fn a_copy_that_stands_still_is_unverified_where_it_lacks_something_and_never_divergent(
        seed in any::<u64>(), rows in 1..60u64, missed in 1..40u64, detail in detail(),
    ) {
        let world = World::new(seed, rows, true);
        world.pace(Pace { writes: 3, ..Pace::default() });
        (0..missed).for_each(|_| world.stir());
        world.pace(Pace::default());
        let (lag, pair) = (world.copy.lag() as u64, world.pair());
        let first = run(pair.check(&small(detail), &world.host));
        prop_assert_eq!(first.divergent, 0);
        prop_assert_eq!(first.verdict(), if lag == 0 { Verdict::Consistent } else { first.verdict() });
        if let Some(behind) = first.behind {
            prop_assert_eq!(behind.by, Some(lag));
            let second = run(pair.check(&small(detail), &world.host));
            prop_assert_eq!(second.behind.map(|behind| behind.since), Some(behind.since), "since the first look");
        }
        world.copy.follow(usize::MAX);
        let rest = run(pair.check(&small(detail), &world.host));
        prop_assert_eq!((rest.verdict(), rest.behind), (Verdict::Consistent, None));
    }

    #[test]
    fn a_divergent_row_is_found_though_it_is_written_all_the_time(
        seed in any::<u64>(), rows in 4..40u64, follows in 2..6u64, versioned in any::<bool>(), stuck in any::<bool>(),
    ) {
        let world = World::with(seed, rows, true, |described| described.versioned = versioned);
        let hot = seed % rows;
        if stuck { world.stick(hot) } else { world.bend(hot) }
        world.pace(Pace { writes: 0, follows: follows + 4, hot: Some(hot) });
        let report = run(world.pair().check(&small(Detail::Content), &world.host));
        let issue = if stuck && versioned { Issue::Stale } else { Issue::Different };
        prop_assert_eq!(found(&report), BTreeMap::from([(number_key(hot), issue)]));
    }
}
