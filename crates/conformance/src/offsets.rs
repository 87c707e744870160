//! The contract of [`Offsets`](madrigal_projection::Offsets): one function for each rule, run on an empty store.
//!
//! [`offsets_suite!`](crate::offsets_suite) makes a test of each for an implementation.
#![expect(clippy::unwrap_used, reason = "a case fails by panicking")]

use std::collections::HashSet;

use madrigal_core::{FaultOutcome, Host, LogEpoch, Position, Timestamp};
use madrigal_projection::{
    Checkpoint, DynOffsets, GroupBatch, GroupId, ParkedEvent, ParkedFilter, ParkedPayload, Skipped,
};

/// Makes one test for each case. `$make` is an async function that returns a store and whatever keeps it alive.
#[macro_export]
macro_rules! offsets_suite {
    ($make:path) => {
        $crate::offsets_suite!(@cases $make:
            a_batch_is_kept_as_a_whole
            a_group_is_never_set_back
            groups_do_not_see_each_other
            handled_ids_are_known_until_they_are_forgotten
            a_parked_message_keeps_its_payload_and_can_be_settled
        );
    };
    (@cases $make:path: $($case:ident)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let (store, _alive) = $make().await;
                $crate::offsets::$case(store).await;
            }
        )+
    };
}

fn group() -> GroupId {
    GroupId::new("indexer", "orders")
}

fn at(epoch: LogEpoch, position: u64) -> GroupBatch {
    GroupBatch::at(Checkpoint { epoch, position: Position(position) }, Timestamp::from_micros(1_000))
}

fn parked(position: u64) -> ParkedEvent {
    ParkedEvent {
        lane: "order-1".to_owned(),
        position: Position(position),
        id: format!("id-{position}"),
        kind: "OddHappened".to_owned(),
        payload: Some(ParkedPayload(r#"{"text":"it's"}"#.to_owned())),
        cause: "it is odd".to_owned(),
        attempts: 1,
        first_at: Timestamp::from_micros(5),
        last_at: Timestamp::from_micros(7),
        skipped: None,
    }
}

fn ids(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

/// Checkpoint, inbox and parked messages are there together.
pub async fn a_batch_is_kept_as_a_whole(store: DynOffsets) {
    let epoch = LogEpoch::new(&Host::seeded(1));
    assert_eq!(store.checkpoint(&group()).await.unwrap(), None);
    let batch = GroupBatch { handled: ids(&["a"]), parked: vec![parked(4)], ..at(epoch, 7) };
    store.commit(&group(), batch).await.unwrap();
    assert_eq!(store.checkpoint(&group()).await.unwrap(), Some(Checkpoint { epoch, position: Position(7) }));
    assert_eq!(store.handled(&group(), ids(&["a", "b"])).await.unwrap(), HashSet::from(["a".to_owned()]));
    assert_eq!(store.parked_lanes(&group(), 9).await.unwrap(), ["order-1"]);
}

/// Neither within its epoch nor to another; nothing of such a batch stays.
pub async fn a_group_is_never_set_back(store: DynOffsets) {
    let (epoch, other) = (LogEpoch::new(&Host::seeded(1)), LogEpoch::new(&Host::seeded(2)));
    store.commit(&group(), at(epoch, 7)).await.unwrap();
    for batch in [at(epoch, 6), at(other, 8)] {
        let refused = store.commit(&group(), GroupBatch { handled: ids(&["a"]), ..batch }).await.unwrap_err();
        assert_eq!(refused.outcome, FaultOutcome::NotApplied);
    }
    assert!(store.handled(&group(), ids(&["a"])).await.unwrap().is_empty());
    assert_eq!(store.checkpoint(&group()).await.unwrap().unwrap().position, Position(7));
}

/// Neither another group of the topic nor the same group of another topic.
pub async fn groups_do_not_see_each_other(store: DynOffsets) {
    let epoch = LogEpoch::new(&Host::seeded(1));
    let batch = GroupBatch { handled: ids(&["a"]), parked: vec![parked(4)], ..at(epoch, 7) };
    store.commit(&group(), batch).await.unwrap();
    for other in [GroupId::new("indexer", "products"), GroupId::new("cache", "orders")] {
        assert_eq!(store.checkpoint(&other).await.unwrap(), None);
        assert!(store.handled(&other, ids(&["a"])).await.unwrap().is_empty());
        assert!(store.parked(&other, ParkedFilter::default()).await.unwrap().is_empty());
    }
}

/// The inbox is bounded by time.
pub async fn handled_ids_are_known_until_they_are_forgotten(store: DynOffsets) {
    let epoch = LogEpoch::new(&Host::seeded(1));
    store.commit(&group(), GroupBatch { handled: ids(&["old"]), ..at(epoch, 1) }).await.unwrap();
    let later = Timestamp::from_micros(2_000);
    store.commit(&group(), GroupBatch { handled: ids(&["new", "old"]), at: later, ..at(epoch, 2) }).await.unwrap();
    store
        .commit(&group(), GroupBatch { handled: ids(&["older"]), at: Timestamp::from_micros(10), ..at(epoch, 3) })
        .await
        .unwrap();
    assert!(store.forget_handled(Timestamp::from_micros(500)).await.unwrap() >= 1);
    assert!(store.handled(&group(), ids(&["older"])).await.unwrap().is_empty());
    assert_eq!(store.handled(&group(), ids(&["new"])).await.unwrap().len(), 1);
}

/// Payloads come back as they came; a message is unparked or skipped with its reason.
pub async fn a_parked_message_keeps_its_payload_and_can_be_settled(store: DynOffsets) {
    let epoch = LogEpoch::new(&Host::seeded(1));
    store.commit(&group(), GroupBatch { parked: vec![parked(4), parked(5)], ..at(epoch, 7) }).await.unwrap();
    assert_eq!(store.parked(&group(), ParkedFilter::default()).await.unwrap(), [parked(4), parked(5)]);
    let unparked = vec![("order-1".to_owned(), Position(4))];
    let (lane, at_time) = ("order-1".to_owned(), Timestamp::from_micros(9));
    let skipped = vec![Skipped { lane, position: Position(5), reason: "anna: a test".to_owned(), at: at_time }];
    store.commit(&group(), GroupBatch { unparked, skipped, ..at(epoch, 7) }).await.unwrap();
    assert!(store.parked_lanes(&group(), 9).await.unwrap().is_empty());
    let listed = store.parked(&group(), ParkedFilter::default()).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].skipped.as_deref(), Some("anna: a test"));
}
