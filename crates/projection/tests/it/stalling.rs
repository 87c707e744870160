//! A view runs on the history it knows, or not at all.

use std::sync::Arc;

use madrigal_conformance::projection_kit::{CommitFate, FailingViews, ReplayLog};
use madrigal_core::tasks::{self, StopSignal};
use madrigal_core::{Host, JsonBytes, LogEpoch};
use madrigal_event_store::DynEventStore;
use madrigal_projection::{
    Checkpoint, DynViewStore, MemoryViews, ProjectionRunner, RunError, RunnerOptions, Status, StoredRow, ViewBatch,
};

use crate::shop::{Carts, cart, eventful_history, item, log, stalled};

fn runner(log: DynEventStore, views: &DynViewStore) -> ProjectionRunner<Carts> {
    ProjectionRunner::new(Carts, log, Arc::clone(views), Host::system(), RunnerOptions::default()).unwrap()
}

#[tokio::test]
async fn a_view_ahead_of_its_log_refuses_to_run() {
    let (history, views): (_, DynViewStore) = (eventful_history().await, Arc::new(MemoryViews::new()));
    let epoch = LogEpoch::new(&Host::system());
    let shorter = history[..history.len() - 5].to_vec();
    runner(Arc::new(ReplayLog::new(epoch, history)), &views).catch_up().await.unwrap();
    let lost = runner(Arc::new(ReplayLog::new(epoch, shorter)), &views);
    let refused = stalled(&lost).await;
    assert!(matches!(refused, RunError::BeyondEnd { .. }), "{refused}");
    let why = lost.control().why_stalled().unwrap();
    assert!(why.contains("beyond the log's end"), "{why}");
    assert!(lost.reader().lag().await.unwrap().stalled_since.is_some());
}

#[tokio::test]
async fn a_view_of_another_epoch_refuses_to_run() {
    let (history, views): (_, DynViewStore) = (eventful_history().await, Arc::new(MemoryViews::new()));
    let log = || Arc::new(ReplayLog::new(LogEpoch::new(&Host::system()), history.clone()));
    runner(log(), &views).catch_up().await.unwrap();
    let restored = runner(log(), &views);
    let refused = stalled(&restored).await;
    assert!(matches!(refused, RunError::OtherEpoch { .. }), "{refused}");
    assert!(restored.control().why_stalled().is_some());
}

#[tokio::test]
async fn a_row_of_another_form_is_told_not_overwritten() {
    let (log, views): (_, DynViewStore) = (log(), Arc::new(MemoryViews::new()));
    cart(&log, "a", 1).await;
    let first = runner(Arc::clone(&log), &views);
    let at = Checkpoint { epoch: log.epoch(), position: first.catch_up().await.unwrap() };
    let row = views.get(&first.view(), "a").await.unwrap().unwrap();
    let puts = vec![("a".to_owned(), StoredRow { body: JsonBytes::of("of old").unwrap(), ..row })];
    views.commit(&first.view(), ViewBatch { puts, ..ViewBatch::at(at) }).await.unwrap();
    item(&log, "a", 1).await;
    let refused = stalled(&runner(log, &views)).await;
    assert!(matches!(&refused, RunError::RowForm { key, .. } if key == "a"), "{refused}");
}

#[tokio::test]
async fn a_broken_store_is_tried_again_and_the_cause_is_shown() {
    let (log, views): (_, DynViewStore) = (log(), Arc::new(MemoryViews::new()));
    cart(&log, "a", 1).await;
    let fate = |number| if number < 1 { CommitFate::Fails } else { CommitFate::Works };
    let failing: DynViewStore = Arc::new(FailingViews::new(Arc::clone(&views), fate));
    let (runner, stop) = (runner(Arc::clone(&log), &failing), StopSignal::new());
    let (control, reader) = (runner.control(), runner.reader());
    let running = tasks::spawn("runner", {
        let stop = stop.clone();
        async move { runner.run(stop).await }
    });
    while control.why_stalled().is_none() {
        tokio::task::yield_now().await;
    }
    assert!(control.why_stalled().unwrap().contains("scripted failure"));
    let token = madrigal_core::PositionToken::of(log.log().clone(), log.epoch(), log.end());
    reader.wait_for(&token, std::time::Duration::from_secs(60)).await.unwrap();
    assert_eq!(reader.get("a").await.unwrap().unwrap().row.owner, 1);
    stop.cancel();
    running.await.unwrap().unwrap();
    assert_eq!(control.status(), Status::Stopped);
}
