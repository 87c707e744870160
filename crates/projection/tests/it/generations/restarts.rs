//! Restarts while a candidate is built, and a switch whose answer is lost.

use std::sync::Arc;

use madrigal_conformance::projection_kit::{CommitFate, FailingViews, ViewImage};
use madrigal_projection::{DynViewStore, Verdict, ViewId};

use super::{filled, runner, views};
use crate::shop::{Carts, item};

/// A restart after every few steps: nothing is built twice, nothing is left out.
#[tokio::test]
async fn a_candidate_is_taken_up_where_it_was() {
    let (log, views) = (filled(30).await, views());
    let first = runner(Carts, &log, &views);
    first.catch_up().await.unwrap();
    first.managed().rebuild().await.unwrap();
    let second = ViewId::new("carts", 2).unwrap();
    views.prepare(&second, &["owner"]).await.unwrap();
    for fails_at in 0..9 {
        // Two commits go through, the third is where the process ends.
        let fate = |number| if number < 2 { CommitFate::Works } else { CommitFate::Fails };
        let dying: DynViewStore = Arc::new(FailingViews::new(Arc::clone(&views), fate));
        let _ = runner(Carts, &log, &dying).catch_up().await;
        let at = views.checkpoint(&second).await.unwrap().map_or(0, |at| at.position.0);
        assert!(at <= 20 * (fails_at + 1), "it began again: {at}");
    }
    let last = runner(Carts, &log, &views);
    last.catch_up().await.unwrap();
    assert_eq!(last.managed().compare().await.unwrap().compared.verdict, Verdict::Equal);
    assert_eq!(last.managed().switch(None).await.unwrap().generation, 2);
    assert_eq!(ViewImage::of(&views, &last.view()).await, ViewImage::of(&views, &first.view()).await);
}

/// The answer to the switch is lost, or the switch is: both leave one generation serving, the same in memory and in the store.
#[tokio::test]
async fn a_switch_happens_whole_or_not_at_all() {
    for fate in [CommitFate::Fails, CommitFate::AnswerLost] {
        let (log, inner) = (filled(5).await, views());
        // First, begun, compared, switched.
        let failing = FailingViews::new(Arc::clone(&inner), |_| CommitFate::Works);
        let meets = move |revision| if revision == 4 { fate } else { CommitFate::Works };
        let views: DynViewStore = Arc::new(failing.arranging(meets));
        let runner = runner(Carts, &log, &views);
        runner.catch_up().await.unwrap();
        let managed = runner.managed();
        managed.rebuild().await.unwrap();
        runner.catch_up().await.unwrap();
        managed.compare().await.unwrap();
        let switched = managed.switch(None).await.is_ok();
        assert_eq!(switched, fate == CommitFate::AnswerLost, "{fate:?}");
        let stored = inner.generations("carts").await.unwrap().unwrap();
        assert_eq!(runner.view().generation(), stored.serving.number, "{fate:?}");
        assert_eq!(stored.serving.number, if switched { 2 } else { 1 });
        item(&log, "001", 9).await;
        runner.catch_up().await.unwrap();
        assert_eq!(runner.reader().get("001").await.unwrap().unwrap().row.total, 14);
    }
}
