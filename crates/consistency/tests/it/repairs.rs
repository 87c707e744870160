//! Repair touches what was seen and nothing else.

use madrigal_consistency::{CheckOptions, Damage, Outcome, RowSet, Verdict, number_key};

use crate::world::{Pace, World, content};

#[tokio::test(start_paused = true)]
async fn each_kind_of_damage_is_cured_and_the_next_check_is_clean() {
    let world = World::new(1, 500, false);
    for (number, damage) in
        [(3, Damage::Change), (4, Damage::Delete), (5, Damage::Older), (6, Damage::Newer), (900, Damage::Add)]
    {
        world.copy.plant(&number_key(number), damage).await.unwrap();
    }
    let pair = world.pair();
    let found = pair.check(&CheckOptions::CONTENT, &world.host).await;
    assert_eq!(found.divergent, 5);
    for divergence in found.divergences.clone() {
        let dry = pair.repair(divergence.clone(), false, "anna", &world.host).await.unwrap();
        assert_eq!((dry.outcome, dry.divergence), (Outcome::WouldRepair, divergence));
    }
    assert_eq!(
        pair.check(&CheckOptions::CONTENT, &world.host).await.divergences,
        found.divergences,
        "nothing was done"
    );
    for divergence in found.divergences {
        let entry = pair.repair(divergence, true, "anna", &world.host).await.unwrap();
        assert_eq!((entry.outcome, entry.by.as_str()), (Outcome::Repaired, "anna"));
    }
    let clean = pair.check(&CheckOptions::CONTENT, &world.host).await;
    assert_eq!((clean.verdict(), clean.consistent), (Verdict::Consistent, 500));
}

#[tokio::test(start_paused = true)]
async fn a_row_that_is_equal_by_now_is_left_alone() {
    let world = World::new(2, 10, false);
    world.copy.plant(&number_key(3), Damage::Change).await.unwrap();
    let pair = world.pair();
    let mut found = pair.check(&CheckOptions::CONTENT, &world.host).await;
    world.owner.write(&number_key(3), Some(content(33)));
    world.copy.follow(usize::MAX);
    let entry = pair.repair(found.divergences.remove(0), true, "policy", &world.host).await.unwrap();
    assert_eq!(entry.outcome, Outcome::Healed);
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_stands_still_is_not_repaired_on_suspicion() {
    let world = World::new(3, 10, false);
    world.copy.plant(&number_key(3), Damage::Delete).await.unwrap();
    let pair = world.pair();
    let mut found = pair.check(&CheckOptions::CONTENT, &world.host).await;
    world.owner.write(&number_key(3), Some(content(33)));
    let entry = pair.repair(found.divergences.remove(0), true, "policy", &world.host).await.unwrap();
    assert_eq!(entry.outcome, Outcome::Unverified);
    assert_eq!(world.copy.get(&number_key(3)), None, "it was not touched");
}

#[tokio::test(start_paused = true)]
async fn a_row_that_is_written_meanwhile_is_repaired_as_it_then_is() {
    for seed in 0..50 {
        let world = World::new(seed, 10, true);
        world.copy.plant(&number_key(3), Damage::Newer).await.unwrap();
        let pair = world.pair();
        let mut found = pair.check(&CheckOptions::CONTENT, &world.host).await;
        world.pace(Pace { writes: 0, follows: 5, hot: Some(3) });
        let entry = pair.repair(found.divergences.remove(0), true, "policy", &world.host).await.unwrap();
        world.pace(Pace::default());
        world.copy.follow(usize::MAX);
        assert_eq!(entry.outcome, Outcome::Repaired, "{seed}");
        let clean = pair.check(&CheckOptions::CONTENT, &world.host).await;
        assert_eq!((clean.verdict(), clean.consistent), (Verdict::Consistent, 10), "{seed}");
    }
}
