//! Reads are as fresh as a token asks for, or say why they are not.

use std::sync::Arc;
use std::time::Duration;

use madrigal_core::tasks::{self, StopSignal};
use madrigal_core::{Host, LogEpoch, LogName, Position, PositionToken};
use madrigal_event_store::DynEventStore;
use madrigal_projection::{DynViewStore, MemoryViews, NotYet, ProjectionRunner, Query, RunnerOptions};

use crate::shop::{Carts, cart, item, log};

fn runner(log: &DynEventStore) -> ProjectionRunner<Carts> {
    let views: DynViewStore = Arc::new(MemoryViews::new());
    ProjectionRunner::new(Carts, Arc::clone(log), views, Host::system(), RunnerOptions::default()).unwrap()
}

fn token(log: &DynEventStore, position: Position) -> PositionToken {
    PositionToken::of(log.log().clone(), log.epoch(), position)
}

const LONG: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_waits_for_its_write_sees_it() {
    let log = log();
    let (runner, stop) = (runner(&log), StopSignal::new());
    let reader = runner.reader();
    let running = tasks::spawn("runner", {
        let stop = stop.clone();
        async move { runner.run(stop).await }
    });
    cart(&log, "a", 1).await;
    for count in 1..=50 {
        let position = item(&log, "a", 2).await;
        reader.wait_for(&token(&log, position), LONG).await.unwrap();
        let seen = reader.get("a").await.unwrap().unwrap();
        assert_eq!((seen.row.total, seen.position), (2 * count, position));
    }
    stop.cancel();
    running.await.unwrap().unwrap();
    assert_eq!(reader.lag().await.unwrap().events, 0);
}

#[tokio::test]
async fn a_view_that_is_behind_says_how_far() {
    let log = log();
    let (runner, first) = (runner(&log), cart(&log, "a", 1).await);
    runner.catch_up().await.unwrap();
    item(&log, "a", 1).await;
    let last = item(&log, "a", 1).await;
    let reader = runner.reader();
    reader.wait_for(&token(&log, first), Duration::ZERO).await.unwrap();
    match reader.wait_for(&token(&log, last), Duration::from_millis(5)).await.unwrap_err() {
        NotYet::Behind { lag, .. } => assert_eq!((lag.events, lag.stalled_since), (2, None)),
        odd => panic!("{odd}"),
    }
}

#[tokio::test]
async fn a_token_of_another_history_is_refused_at_once() {
    let log = log();
    let position = cart(&log, "a", 1).await;
    let reader = runner(&log).reader();
    let other = PositionToken::of(log.log().clone(), LogEpoch::new(&Host::system()), position);
    assert!(matches!(reader.wait_for(&other, LONG).await, Err(NotYet::OtherEpoch { .. })));
    assert!(matches!(reader.wait_for(&token(&log, Position(9)), LONG).await, Err(NotYet::BeyondEnd { .. })));
}

#[tokio::test]
async fn components_of_other_logs_are_not_waited_for() {
    let log = log();
    let other = PositionToken::of(LogName::parse("elsewhere").unwrap(), log.epoch(), Position(99));
    runner(&log).reader().wait_for(&other, LONG).await.unwrap();
}

#[tokio::test]
async fn a_view_is_readable_before_its_runner_has_looked() {
    let reader = runner(&log()).reader();
    assert!(reader.get("a").await.unwrap().is_none());
    assert!(reader.query(Query::newest(10).having("owner", 1)).await.unwrap().is_empty());
    assert_eq!(reader.applied_through(), None);
}
