//! What the desk remembers may be old: an append of unknown outcome lands later, another desk writes, a snapshot is wrong.

use std::sync::Arc;

use futures::future::join_all;
use madrigal_catalog_service::commands::{DeskOptions, Reply};
use madrigal_catalog_service::domain::Stock;
use madrigal_core::{FaultOutcome, Host, JsonBytes, StreamVersion};
use madrigal_event_store::{MemorySnapshots, Snapshot, SnapshotStore};

use crate::support::{ARRIVES_TWICE, Desk, IS_LATE, Troubled, id, memory_store, reserve};

fn books(received: i64, on_hand: i64, reserved: i64, sold: i64) -> Stock {
    Stock { received, adjusted: 0, on_hand, reserved, sold }
}

/// A desk that knows `tea`, ten of them, and another one on the same store.
async fn rivals() -> (Desk, Desk) {
    let host = Host::system();
    let store = memory_store(&host);
    let (desk, rival) = (Desk::on(store.clone(), &host), Desk::on(store, &host));
    desk.create("tea", 10).await;
    (desk, rival)
}

#[tokio::test]
async fn a_reservation_that_landed_late_is_not_counted_twice_when_it_is_asked_for_again() {
    let host = Host::system();
    let store = Troubled::new(&host);
    let desk = Desk::on(store.clone(), &host);
    desk.create("tea", 10).await;
    store.next_append(IS_LATE);
    assert_eq!(desk.ask(reserve("s", &[("tea", 4)])).await.unwrap_err().outcome, FaultOutcome::Unknown);
    assert_eq!(desk.confirm("s").await, Reply::NoReservation);
    store.land().await;
    assert!(matches!(desk.reserve("t", &[("tea", 1)]).await, Reply::Reserved { .. }));
    // Here the desk knows the tea with what landed, and remembers that there is no reservation `s`.
    assert!(matches!(desk.reserve("s", &[("tea", 4)]).await, Reply::Reserved { .. }));
    assert!(matches!(desk.reserve("u", &[("tea", 5)]).await, Reply::Reserved { .. }), "five are left");
    for saga in ["s", "t", "u"] {
        assert!(matches!(desk.confirm(saga).await, Reply::Sold { .. }), "{saga}");
    }
    assert_eq!(desk.stock("tea").await, books(10, 0, 0, 10));
}

#[tokio::test]
async fn a_snapshot_is_never_made_of_what_only_the_desk_believes() {
    let host = Host::system();
    let store = Troubled::new(&host);
    let snapshots: Arc<dyn SnapshotStore> = Arc::new(MemorySnapshots::new());
    let options = DeskOptions { snapshot_every: 1, ..DeskOptions::default() };
    let desk = Desk::with_snapshots(store.clone(), &host, options, Some(Arc::clone(&snapshots)));
    desk.create("tea", 10).await;
    store.next_append(IS_LATE);
    desk.ask(reserve("s", &[("tea", 4)])).await.unwrap_err();
    assert_eq!(desk.confirm("s").await, Reply::NoReservation);
    store.land().await;
    desk.reserve("t", &[("tea", 1)]).await;
    desk.reserve("s", &[("tea", 4)]).await;
    desk.desk.close().await;
    tokio::task::yield_now().await;
    let snapshot = snapshots.load(&id("tea").stock_stream()).await.unwrap().unwrap();
    assert_eq!((snapshot.version, snapshot.state.decode::<Stock>().unwrap()), (StreamVersion(3), books(10, 10, 5, 0)));
}

#[tokio::test]
async fn an_append_that_arrived_twice_has_its_effect_and_its_answer_once() {
    let host = Host::system();
    let store = Troubled::new(&host);
    let desk = Desk::on(store.clone(), &host);
    desk.create("tea", 10).await;
    store.next_append(ARRIVES_TWICE);
    let changed = desk.change("tea", 5).await;
    assert!(matches!(changed, Reply::StockChanged { stock, .. } if stock == books(15, 15, 0, 0)), "{changed:?}");
    store.next_append(ARRIVES_TWICE);
    let (first, reserved) = {
        let both = join_all([desk.ask(reserve("s", &[("tea", 4)])), desk.ask(reserve("t", &[("tea", 1)]))]).await;
        let [s, t] = both.try_into().unwrap();
        (s.unwrap(), t.unwrap())
    };
    assert!(matches!((&first, &reserved), (Reply::Reserved { .. }, Reply::Reserved { .. })));
    assert_eq!(desk.reserve("s", &[("tea", 4)]).await, first);
    assert!(matches!(desk.reserve("u", &[("tea", 10)]).await, Reply::Reserved { .. }), "ten are left");
    assert_eq!(desk.stock("tea").await, books(15, 15, 15, 0));
}

#[tokio::test]
async fn what_another_desk_reserved_is_sold_taken_back_and_released() {
    let (desk, rival) = rivals().await;
    for saga in ["s", "t", "u"] {
        rival.reserve(saga, &[("tea", 2)]).await;
    }
    // The desk still knows ten that nobody has reserved: of these none could be sold.
    assert!(matches!(desk.confirm("s").await, Reply::Sold { .. }));
    assert!(matches!(rival.take_back("s").await, Reply::Undone { nothing_to_undo: false, .. }));
    assert!(matches!(rival.confirm("t").await, Reply::Sold { .. }));
    assert!(matches!(desk.take_back("t").await, Reply::Undone { nothing_to_undo: false, .. }));
    assert!(matches!(rival.release("u").await, Reply::Undone { nothing_to_undo: false, .. }));
    assert_eq!(desk.stock("tea").await, books(10, 10, 0, 0));
}

#[tokio::test]
async fn a_refusal_is_that_of_the_log() {
    let (desk, rival) = rivals().await;
    assert!(matches!(desk.reserve("s", &[("tea", 11)]).await, Reply::OutOfStock { .. }));
    rival.change("tea", 1).await;
    assert!(matches!(desk.reserve("s", &[("tea", 11)]).await, Reply::Reserved { .. }));
    assert_eq!(desk.confirm("r").await, Reply::NoReservation);
    rival.change("tea", 1).await;
    rival.reserve("r", &[("tea", 1)]).await;
    assert!(matches!(desk.confirm("r").await, Reply::Sold { .. }));
    rival.take_back("r").await;
    assert_eq!(desk.reserve("r", &[("tea", 1)]).await, Reply::ReservationGone);
    assert_eq!(desk.stock("tea").await, books(12, 12, 11, 0));
}

#[tokio::test]
async fn an_answer_from_memory_waits_for_a_log_that_can_be_read() {
    let host = Host::system();
    let store = Troubled::new(&host);
    let desk = Desk::on(store.clone(), &host);
    desk.create("tea", 10).await;
    let reserved = desk.reserve("s", &[("tea", 4)]).await;
    store.be_blind(true);
    assert_eq!(desk.ask(reserve("s", &[("tea", 4)])).await.unwrap_err().outcome, FaultOutcome::NotApplied);
    store.be_blind(false);
    assert_eq!(desk.reserve("s", &[("tea", 4)]).await, reserved);
}

#[tokio::test]
async fn a_wrong_snapshot_is_found_when_the_books_would_not_balance_and_forgotten() {
    let host = Host::system();
    let store = memory_store(&host);
    let before = Desk::on(store.clone(), &host);
    before.create("tea", 10).await;
    before.reserve("s", &[("tea", 4)]).await;
    let memory = Arc::new(MemorySnapshots::new());
    let snapshots: Arc<dyn SnapshotStore> = memory.clone();
    // Of this stream's form and version, and it balances; but nothing is reserved in it.
    let desk = Desk::with_snapshots(store, &host, DeskOptions::default(), Some(Arc::clone(&snapshots)));
    desk.loader.keep_stock(&id("tea"), books(10, 10, 0, 0), StreamVersion(2)).await;
    assert_eq!(desk.stock("tea").await, books(10, 10, 0, 0));
    assert!(matches!(desk.confirm("s").await, Reply::Sold { .. }));
    assert_eq!((memory.count(), desk.stock("tea").await), (0, books(10, 6, 0, 4)));
}

#[tokio::test]
async fn a_snapshot_beyond_its_stream_or_of_another_history_is_forgotten() {
    let host = Host::system();
    let store = memory_store(&host);
    Desk::on(store.clone(), &host).create("tea", 10).await;
    for (version, stock) in
        [(StreamVersion(9), books(10, 10, 3, 0)), (StreamVersion::NONE, books(i64::MAX, i64::MAX, 0, 0))]
    {
        let snapshots = Arc::new(MemorySnapshots::new());
        let desk = Desk::with_snapshots(store.clone(), &host, DeskOptions::default(), Some(snapshots.clone()));
        desk.loader.keep_stock(&id("tea"), stock, version).await;
        assert_eq!((desk.stock("tea").await, snapshots.count()), (books(10, 10, 0, 0), 0), "{version}");
        // One that is right stays.
        desk.loader.keep_stock(&id("tea"), books(10, 10, 0, 0), StreamVersion(1)).await;
        assert_eq!(desk.loader.shelf_anew(&id("tea")).await.unwrap().stock, books(10, 10, 0, 0));
        assert_eq!(snapshots.count(), 1);
    }
    let odd = Snapshot { version: StreamVersion(1), schema_hash: 1, state: JsonBytes::of(&1).unwrap() };
    let snapshots = Arc::new(MemorySnapshots::new());
    snapshots.save(&id("tea").stock_stream(), odd).await.unwrap();
    let desk = Desk::with_snapshots(store, &host, DeskOptions::default(), Some(snapshots));
    assert_eq!(desk.stock("tea").await, books(10, 10, 0, 0));
}
