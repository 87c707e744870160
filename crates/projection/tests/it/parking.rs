//! What cannot be applied parks its key, in order, and the rest goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use madrigal_core::{Host, JsonBytes, RecordedEvent};
use madrigal_event_store::DynEventStore;
use madrigal_projection::{
    DynViewStore, MemoryViews, ParkedEvent, ParkedFilter, ParkingError, ProjectionRunner, RunError, RunnerOptions,
};
use serde_json::json;

use crate::shop::{Carts, append, cart, item, log};

fn runner_with(log: &DynEventStore, views: &DynViewStore, options: RunnerOptions) -> ProjectionRunner<Carts> {
    ProjectionRunner::new(Carts, Arc::clone(log), Arc::clone(views), Host::system(), options).unwrap()
}

fn runner(log: &DynEventStore, views: &DynViewStore) -> ProjectionRunner<Carts> {
    runner_with(log, views, RunnerOptions::default())
}

async fn total(runner: &ProjectionRunner<Carts>, key: &str) -> i64 {
    runner.reader().get(key).await.unwrap().unwrap().row.total
}

fn shown(events: &[ParkedEvent]) -> Vec<(&str, u64, u32)> {
    events.iter().map(|event| (event.lane.as_str(), event.position.0, event.attempts)).collect()
}

/// Turns negative prices positive once it is switched on: the mend that operators wait for.
fn mending(switch: &Arc<AtomicBool>) -> RunnerOptions {
    let switch = Arc::clone(switch);
    let upcast = move |event: RecordedEvent| {
        let mut data: serde_json::Value = event.decode()?;
        if switch.load(Ordering::Relaxed)
            && let Some(price) = data["price"].as_i64()
        {
            data["price"] = json!(price.abs());
        }
        Ok(RecordedEvent { event_data: JsonBytes::of(&data)?, ..event })
    };
    RunnerOptions::default().upcasting(Arc::new(upcast))
}

#[tokio::test]
async fn a_bad_event_parks_its_key_and_no_other() {
    let (log, views): (_, DynViewStore) = (log(), Arc::new(MemoryViews::new()));
    cart(&log, "a", 1).await;
    item(&log, "a", 5).await;
    item(&log, "a", -1).await;
    cart(&log, "b", 1).await;
    item(&log, "a", 7).await;
    item(&log, "b", 9).await;
    let runner = runner(&log, &views);
    runner.catch_up().await.unwrap();
    assert_eq!((total(&runner, "a").await, total(&runner, "b").await), (5, 9));
    let parked = runner.control().parked(ParkedFilter::default()).await.unwrap();
    assert_eq!(shown(&parked), [("key/a", 3, 1), ("key/a", 5, 0)]);
    assert_eq!((parked[0].kind.as_str(), parked[0].cause.as_str()), ("ItemAdded", "a negative price"));
    assert!(runner.reader().is_parked("a") && !runner.reader().is_parked("b"));
    assert_eq!(runner.reader().lag().await.unwrap().parked_lanes, 1);
}

#[tokio::test]
async fn a_parked_key_stays_parked_after_a_restart() {
    let (log, views): (_, DynViewStore) = (log(), Arc::new(MemoryViews::new()));
    cart(&log, "a", 1).await;
    item(&log, "a", -1).await;
    runner(&log, &views).catch_up().await.unwrap();
    item(&log, "a", 7).await;
    let restarted = runner(&log, &views);
    restarted.catch_up().await.unwrap();
    assert_eq!(total(&restarted, "a").await, 0);
    let parked = restarted.control().parked(ParkedFilter::default()).await.unwrap();
    assert_eq!(shown(&parked), [("key/a", 2, 1), ("key/a", 3, 0)]);
}

#[tokio::test]
async fn an_unknown_type_parks_its_stream_until_it_is_skipped() {
    let (log, views): (_, DynViewStore) = (log(), Arc::new(MemoryViews::new()));
    cart(&log, "a", 1).await;
    append(&log, "cart-a", "CartBurnt", json!({})).await;
    item(&log, "a", 7).await;
    let runner = runner(&log, &views);
    runner.catch_up().await.unwrap();
    let control = runner.control();
    let parked = control.parked(ParkedFilter::default()).await.unwrap();
    assert_eq!(shown(&parked), [("stream/cart-a", 2, 1), ("stream/cart-a", 3, 0)]);
    assert!(parked[0].cause.contains("unknown event type CartBurnt"));
    assert!(matches!(control.skip("stream/cart-a", "").await, Err(ParkingError::NoReason)));
    let report = control.skip("stream/cart-a", "anna: of another shop").await.unwrap();
    assert_eq!((report.applied, report.waiting), (1, 0));
    assert_eq!(total(&runner, "a").await, 7);
    let listed = control.parked(ParkedFilter::default()).await.unwrap();
    assert_eq!((listed.len(), listed[0].skipped.as_deref()), (1, Some("anna: of another shop")));
    item(&log, "a", 1).await;
    runner.catch_up().await.unwrap();
    assert_eq!(total(&runner, "a").await, 8);
}

#[tokio::test]
async fn a_retry_applies_in_order_with_the_mended_form() {
    let (log, views): (_, DynViewStore) = (log(), Arc::new(MemoryViews::new()));
    cart(&log, "a", 1).await;
    item(&log, "a", -3).await;
    item(&log, "a", 4).await;
    let mended = Arc::new(AtomicBool::new(false));
    let runner = runner_with(&log, &views, mending(&mended));
    runner.catch_up().await.unwrap();
    let control = runner.control();
    let still = control.retry("key/a").await.unwrap();
    assert_eq!((still.applied, still.waiting, still.cause.as_deref()), (0, 2, Some("a negative price")));
    assert_eq!(shown(&control.parked(ParkedFilter::default()).await.unwrap())[0], ("key/a", 2, 2));
    mended.store(true, Ordering::Relaxed);
    let freed = control.retry("key/a").await.unwrap();
    assert_eq!((freed.applied, freed.waiting), (2, 0));
    assert_eq!(total(&runner, "a").await, 7);
    assert!(control.parked(ParkedFilter::default()).await.unwrap().is_empty());
    assert!(matches!(control.retry("key/a").await, Err(ParkingError::UnknownLane(_))));
    item(&log, "a", 1).await;
    runner.catch_up().await.unwrap();
    assert_eq!(runner.reader().get("a").await.unwrap().unwrap().version.0, 4);
}

#[tokio::test]
async fn a_retry_that_stops_half_way_keeps_what_it_applied() {
    let (log, views): (_, DynViewStore) = (log(), Arc::new(MemoryViews::new()));
    cart(&log, "a", 1).await;
    for price in [-1, 2, -3, 4] {
        item(&log, "a", price).await;
    }
    let runner = runner(&log, &views);
    runner.catch_up().await.unwrap();
    let report = runner.control().skip("key/a", "anna: a test").await.unwrap();
    assert_eq!((report.applied, report.waiting), (1, 2));
    assert_eq!(total(&runner, "a").await, 2);
    let waiting = runner.control().parked(ParkedFilter::waiting_in("key/a")).await.unwrap();
    assert_eq!(shown(&waiting), [("key/a", 4, 1), ("key/a", 5, 0)]);
}

#[tokio::test]
async fn a_freed_stream_goes_behind_what_its_key_still_holds() {
    let (log, views): (_, DynViewStore) = (log(), Arc::new(MemoryViews::new()));
    cart(&log, "a", 1).await;
    item(&log, "a", -1).await;
    append(&log, "cart-a", "CartBurnt", json!({})).await;
    item(&log, "a", 7).await;
    let mended = Arc::new(AtomicBool::new(false));
    let runner = runner_with(&log, &views, mending(&mended));
    runner.catch_up().await.unwrap();
    let control = runner.control();
    control.skip("stream/cart-a", "anna: a test").await.unwrap();
    assert_eq!(total(&runner, "a").await, 0, "the later item must wait for the earlier one");
    mended.store(true, Ordering::Relaxed);
    control.retry("key/a").await.unwrap();
    assert_eq!(total(&runner, "a").await, 8);
}

#[tokio::test]
async fn too_much_parked_stalls_the_projection() {
    let (log, views): (_, DynViewStore) = (log(), Arc::new(MemoryViews::new()));
    for index in 0..5 {
        item(&log, &index.to_string(), 1).await;
    }
    let options = RunnerOptions { max_parked_lanes: 3, ..RunnerOptions::default() };
    let runner = runner_with(&log, &views, options);
    let stalled = crate::shop::stalled(&runner).await;
    assert!(matches!(stalled, RunError::TooManyParked(3)), "{stalled}");
    assert!(runner.control().why_stalled().unwrap().contains("3 or more lanes"));
    assert_eq!(runner.reader().applied_through(), None);
}
