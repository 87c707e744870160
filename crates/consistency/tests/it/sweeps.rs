//! What a sweep costs, and how much it holds.

use madrigal_consistency::row_set::MAX_PAGE;
use madrigal_consistency::{
    CheckOptions, Content, Damage, Detail, Divergence, Issue, Outcome, Pace, Row, RowSet, Verdict, number_key,
};

use crate::world::World;

#[tokio::test(start_paused = true)]
async fn a_few_rows_that_diverge_are_found_without_looking_at_all_rows_one_by_one() {
    let world = World::new(1, 40_000, false);
    for (number, damage) in [(7, Damage::Delete), (20_000, Damage::Newer), (39_999, Damage::Change)] {
        world.copy.plant(&number_key(number), damage).await.unwrap();
    }
    world.copy.plant(&number_key(50_000), Damage::Add).await.unwrap();
    let pair = world.pair();
    let versions = pair.check(&CheckOptions::VERSIONS, &world.host).await;
    let keys = |report: &madrigal_consistency::PairReport| -> Vec<(String, Issue)> {
        report.divergences.iter().map(|divergence| (divergence.key.clone(), divergence.issue)).collect()
    };
    let (missing, newer) = ((number_key(7), Issue::Missing), (number_key(20_000), Issue::Different));
    let extra = (number_key(50_000), Issue::Extra);
    assert_eq!(keys(&versions), [missing.clone(), newer.clone(), extra.clone()]);
    assert_eq!((versions.consistent, versions.total()), (39_998, 40_001));
    let content = pair.check(&CheckOptions::CONTENT, &world.host).await;
    assert_eq!(keys(&content), [missing, newer, (number_key(39_999), Issue::Different), extra]);
    let divergence = &content.divergences[2];
    let shown = |row: &Option<madrigal_consistency::Row>| row.clone().unwrap().content.unwrap();
    assert_eq!(shown(&divergence.owner).get("n"), Some(&39_999.into()), "both rows are told");
    assert_eq!(shown(&divergence.copy), Content::new().with("n", "damaged"));
    for report in [versions, content] {
        assert_eq!(report.verdict(), Verdict::Divergent);
        assert!(report.cost.rows_judged <= 8, "{:?}", report.cost);
        assert!(report.cost.rows_read < 5_000, "{:?}", report.cost);
        assert!(report.cost.digested < 2 * 40_000 + 40_000, "{:?}", report.cost);
    }
}

#[tokio::test(start_paused = true)]
async fn a_sweep_holds_some_pages_of_rows_whatever_diverges() {
    let world = World::new(2, 30_000, false);
    for number in 0..30_000 {
        world.copy.put(&number_key(number), None);
    }
    let pair = world.pair();
    let missing = pair.check(&CheckOptions::VERSIONS, &world.host).await;
    assert_eq!((missing.divergent, missing.divergences.len()), (30_000, 1_000));
    assert!(missing.cost.most_rows_held <= 2 * MAX_PAGE as u64, "{:?}", missing.cost);
    let world = World::new(3, 0, false);
    for number in 0..30_000 {
        world.copy.plant(&number_key(number), Damage::Add).await.unwrap();
    }
    let extra = world.pair().check(&CheckOptions::CONTENT, &world.host).await;
    assert_eq!((extra.divergent, extra.score()), (30_000, 0.0));
    assert!(extra.cost.most_rows_held <= 2 * MAX_PAGE as u64, "{:?}", extra.cost);
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_holds_a_part_lacks_nothing_and_must_not_have_what_the_owner_has_not() {
    let world = World::with(4, 100, false, |described| described.partial = true);
    for number in 10..100 {
        world.copy.put(&number_key(number), None);
    }
    let pair = world.pair();
    let part = pair.check(&CheckOptions::CONTENT, &world.host).await;
    assert_eq!((part.verdict(), part.total()), (Verdict::Consistent, 10));
    world.copy.plant(&number_key(3), Damage::Change).await.unwrap();
    world.copy.plant(&number_key(500), Damage::Add).await.unwrap();
    let found = pair.check(&CheckOptions::CONTENT, &world.host).await;
    assert_eq!((found.divergent, found.consistent), (2, 9));
}

#[tokio::test(start_paused = true)]
async fn of_a_row_that_its_owner_cannot_read_nothing_is_said_and_nothing_is_written() {
    let world = World::new(8, 10, true);
    let (told, kept) = (number_key(3), number_key(4));
    let before = world.copy.get(&told);
    world.owner.write(&told, Some(unreadable()));
    world.copy.follow(usize::MAX);
    // As a view does that parks the key: it is through, and has the row as it was.
    world.copy.put(&told, before.clone());
    world.copy.put(&kept, world.copy.get(&kept).map(|row| row.with_content(unreadable())));
    let pair = world.pair();
    let report = pair.check(&CheckOptions::CONTENT, &world.host).await;
    assert_eq!((report.consistent, report.unverified, report.divergent), (8, 1, 1));
    assert_eq!(report.divergences[0].key, kept, "a copy's row that cannot be read is what is looked for");
    let reported = Divergence { key: told.clone(), ..report.divergences[0].clone() };
    let entry = pair.repair(reported, true, "somebody", &world.host).await.unwrap();
    assert_eq!((entry.outcome, world.copy.get(&told)), (Outcome::Unverified, before));
}

fn unreadable() -> Content {
    Row::unreadable("", None, "of a newer program").content.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_check_leaves_the_others_their_share_of_the_time() {
    assert_eq!(CheckOptions::VERSIONS.pace.share_now(), 100);
    let world = World::new(5, 20_000, false);
    let options = CheckOptions { chunks: 1, ..CheckOptions::VERSIONS }.at(Pace::sharing(25));
    let report = world.pair().check(&options, &world.host).await;
    assert_eq!(report.verdict(), Verdict::Consistent);
    // Time stands still here unless somebody sleeps: it worked for no time, so it owes no rest.
    assert_eq!(report.cost.rested.as_nanos(), 0);
}

#[tokio::test]
async fn a_pair_of_fields_that_the_owner_does_not_have_is_refused() {
    let world = World::with(6, 1, false, |described| described.fields.push("colour".to_owned()));
    let owner = std::sync::Arc::new(world.owner.clone());
    let error = madrigal_consistency::Pair::new("p", owner, std::sync::Arc::new(world.copy.clone())).unwrap_err();
    assert_eq!(error.missing, ["colour"]);
    assert_eq!(CheckOptions::of(Detail::Content).detail, Detail::Content);
}
