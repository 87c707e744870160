//! Parked keys of a candidate hold its switch until they are settled.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use madrigal_projection::{ParkedFilter, Refusal, ServingState, Verdict};

use super::{Versioned, filled, refusal, runner, views};
use crate::shop::{Carts, item};

#[tokio::test]
async fn a_parked_key_of_the_candidate_holds_the_switch_until_it_is_settled() {
    let (log, views) = (filled(3).await, views());
    item(&log, "001", -1).await;
    item(&log, "001", 7).await;
    let projection = Versioned::of(1, 1);
    let mended = Arc::clone(&projection.mended);
    let runner = runner(projection, &log, &views);
    runner.catch_up().await.unwrap();
    let managed = runner.managed();
    let status = managed.status().await.unwrap();
    assert_eq!((status.state, status.parked_keys), (ServingState::Parked, 1));
    let why = managed.why_stalled().await.unwrap();
    assert_eq!(why.cause, "parked-keys");
    assert!(why.detail.unwrap().contains("key/001: a negative price"));
    managed.rebuild().await.unwrap();
    runner.catch_up().await.unwrap();
    assert_eq!(managed.compare().await.unwrap().compared.verdict, Verdict::Equal);
    assert_eq!(refusal(managed.switch(None).await), Refusal::Parked { keys: 1 });
    let parked = managed.parked(ParkedFilter::default()).await.unwrap();
    let shown: Vec<(u32, u64)> = parked.iter().map(|parked| (parked.generation, parked.event.position.0)).collect();
    assert_eq!(shown, [(1, 10), (2, 10), (1, 11), (2, 11)]);

    assert_eq!(refusal(managed.retry("002").await), Refusal::NothingParked { key: "002".to_owned() });
    let failed = managed.retry("001").await.unwrap();
    assert_eq!((failed.applied, failed.cause.as_deref()), (0, Some("a negative price")));
    assert_eq!(
        managed.status().await.unwrap().candidate.unwrap().compared,
        None,
        "what was compared does not count now"
    );
    mended.store(true, Ordering::SeqCst);
    assert_eq!(managed.retry("key/001").await.unwrap().applied, 4, "two in each generation");
    assert_eq!(refusal(managed.switch(None).await), Refusal::NotCompared);
    assert_eq!(managed.compare().await.unwrap().compared.verdict, Verdict::Equal);
    assert_eq!(managed.switch(None).await.unwrap().parked_keys, 0);
    assert_eq!(runner.reader().get("001").await.unwrap().unwrap().row.total, 12);
    assert_eq!(managed.why_stalled().await.unwrap().cause, "nothing");
}

#[tokio::test]
async fn a_skip_is_for_every_generation_and_needs_a_reason() {
    let (log, views) = (filled(2).await, views());
    item(&log, "001", -1).await;
    item(&log, "001", 7).await;
    let runner = runner(Carts, &log, &views);
    runner.catch_up().await.unwrap();
    let managed = runner.managed();
    managed.rebuild().await.unwrap();
    runner.catch_up().await.unwrap();
    assert_eq!(refusal(managed.skip("001", " ").await), Refusal::NoReason);
    assert_eq!(managed.skip("001", "anna: a test").await.unwrap().applied, 2);
    let listed = managed.parked(ParkedFilter::default()).await.unwrap();
    assert!(listed.iter().all(|parked| parked.event.skipped.as_deref() == Some("anna: a test")));
    managed.compare().await.unwrap();
    managed.switch(None).await.unwrap();
    assert_eq!(runner.reader().get("001").await.unwrap().unwrap().row.total, 12);
}
