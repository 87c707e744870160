//! The desk's answers, one rule a test.

use futures::future::join_all;
use madrigal_catalog_service::commands::{Command, DeskOptions, Reply};
use madrigal_catalog_service::domain::{ReleaseCause, Stock};
use madrigal_core::{CallContext, ExpectedVersion, FaultOutcome, FaultRetry, Host, JsonBytes, NewEvent};
use madrigal_event_store::EventStore;

use crate::support::{Desk, LOSES_ANSWER, REFUSES, Troubled, id, memory_store, reserve, saga};

fn books(received: i64, on_hand: i64, reserved: i64, sold: i64) -> Stock {
    Stock { received, adjusted: 0, on_hand, reserved, sold }
}

async fn shop(stock: i64) -> Desk {
    let host = Host::system();
    let desk = Desk::on(memory_store(&host), &host);
    desk.create("tea", stock).await;
    desk
}

#[tokio::test]
async fn two_hundred_buyers_of_the_last_unit_are_one_reservation() {
    let desk = shop(1).await;
    let asked = (0..200).map(|buyer| {
        let desk = desk.clone();
        async move { desk.reserve(&format!("s{buyer}"), &[("tea", 1)]).await }
    });
    let replies = join_all(asked).await;
    let reserved = replies.iter().filter(|reply| matches!(reply, Reply::Reserved { .. })).count();
    let refused = replies.iter().filter(|reply| matches!(reply, Reply::OutOfStock { .. })).count();
    assert_eq!((reserved, refused), (1, 199));
    assert_eq!(desk.stock("tea").await, books(1, 1, 1, 0));
}

#[tokio::test]
async fn a_repeated_reservation_gets_the_stored_answer_and_takes_nothing() {
    let desk = shop(10).await;
    let first = desk.reserve("s", &[("tea", 3)]).await;
    let Reply::Reserved { lines, .. } = &first else { panic!("{first:?}") };
    assert_eq!((lines[0].name.as_str(), lines[0].price.amount, lines[0].quantity), ("tea", 100, 3));
    assert_eq!(desk.reserve("s", &[("tea", 3)]).await, first);
    assert_eq!(desk.reserve("s", &[("tea", 4)]).await, Reply::OtherContent);
    assert_eq!(desk.stock("tea").await, books(10, 10, 3, 0));
}

#[tokio::test]
async fn the_same_reservation_a_thousand_times_at_once_is_one() {
    let desk = shop(2_000).await;
    let asked = (0..1_000).map(|_| {
        let desk = desk.clone();
        async move { desk.reserve("s", &[("tea", 1)]).await }
    });
    let replies = join_all(asked).await;
    assert!(replies.iter().all(|reply| *reply == replies[0] && matches!(reply, Reply::Reserved { .. })));
    assert_eq!(desk.stock("tea").await, books(2_000, 2_000, 1, 0));
}

#[tokio::test]
async fn an_undo_before_its_reservation_leaves_a_tombstone_that_refuses_it() {
    let desk = shop(10).await;
    assert!(matches!(desk.release("s").await, Reply::Undone { nothing_to_undo: true, .. }));
    assert_eq!(desk.reserve("s", &[("tea", 1)]).await, Reply::ReservationGone);
    assert!(matches!(desk.take_back("t").await, Reply::Undone { nothing_to_undo: true, .. }));
    assert_eq!(desk.reserve("t", &[("tea", 1)]).await, Reply::ReservationGone);
    assert_eq!(desk.stock("tea").await, books(10, 10, 0, 0));
}

#[tokio::test]
async fn a_release_gives_back_once() {
    let desk = shop(10).await;
    desk.reserve("s", &[("tea", 4)]).await;
    assert!(matches!(desk.release("s").await, Reply::Undone { nothing_to_undo: false, .. }));
    assert!(matches!(desk.release("s").await, Reply::Undone { nothing_to_undo: true, .. }));
    assert_eq!(desk.reserve("s", &[("tea", 4)]).await, Reply::ReservationGone);
    assert_eq!(desk.stock("tea").await, books(10, 10, 0, 0));
}

#[tokio::test]
async fn a_confirmation_sells_once_and_a_return_brings_back_once() {
    let desk = shop(10).await;
    desk.reserve("s", &[("tea", 4)]).await;
    let sold = desk.confirm("s").await;
    assert!(matches!(sold, Reply::Sold { .. }));
    assert_eq!(desk.confirm("s").await, sold);
    assert_eq!(desk.stock("tea").await, books(10, 6, 0, 4));
    assert_eq!(desk.release("s").await, Reply::AlreadySold);
    assert!(matches!(desk.take_back("s").await, Reply::Undone { nothing_to_undo: false, .. }));
    assert!(matches!(desk.take_back("s").await, Reply::Undone { nothing_to_undo: true, .. }));
    assert_eq!(desk.stock("tea").await, books(10, 10, 0, 0));
}

#[tokio::test]
async fn a_return_of_what_is_still_held_releases_it() {
    let desk = shop(10).await;
    desk.reserve("s", &[("tea", 4)]).await;
    assert!(matches!(desk.take_back("s").await, Reply::Undone { nothing_to_undo: false, .. }));
    assert!(matches!(desk.confirm("s").await, Reply::SoldAfterRelease { .. }));
    assert_eq!(desk.stock("tea").await, books(10, 10, 0, 0));
}

#[tokio::test]
async fn a_confirmation_after_the_release_is_recorded_once_and_sells_nothing() {
    let desk = shop(10).await;
    desk.reserve("s", &[("tea", 4)]).await;
    desk.release("s").await;
    let late = desk.confirm("s").await;
    assert!(matches!(late, Reply::SoldAfterRelease { .. }));
    assert_eq!(desk.confirm("s").await, late);
    assert_eq!(desk.confirm("never").await, Reply::NoReservation);
    assert!(desk.loader.slip(&saga("s")).await.unwrap().reservation.unwrap().confirmed_late);
    assert_eq!(desk.stock("tea").await, books(10, 10, 0, 0));
}

#[tokio::test]
async fn a_refused_command_affects_no_other_of_its_group() {
    let desk = shop(10).await;
    desk.create("milk", 1).await;
    let commands = vec![
        reserve("a", &[("tea", 4), ("milk", 1)]),
        reserve("b", &[("tea", 1), ("milk", 1)]),
        reserve("c", &[("unknown", 1), ("tea", 1)]),
        reserve("d", &[("no such id!", 1)]),
        Command::Confirm { saga: saga("e") },
        Command::ChangeStock { product: id("tea"), change: -100, reason: "x".into() },
        reserve("f", &[("tea", 6)]),
    ];
    let replies = join_all(commands.into_iter().map(|command| desk.ask(command))).await;
    let kinds: Vec<bool> =
        replies.iter().map(|reply| matches!(reply.as_ref().unwrap(), Reply::Reserved { .. })).collect();
    assert_eq!(kinds, [true, false, false, false, false, false, true]);
    assert_eq!((desk.stock("tea").await, desk.stock("milk").await), (books(10, 10, 10, 0), books(1, 1, 1, 0)));
}

#[tokio::test]
async fn a_group_may_reserve_confirm_and_return_the_same_saga() {
    let desk = shop(10).await;
    let commands = vec![
        reserve("s", &[("tea", 4)]),
        Command::Confirm { saga: saga("s") },
        Command::TakeBack { saga: saga("s") },
        Command::Release { saga: saga("t"), cause: ReleaseCause::Undone },
        reserve("t", &[("tea", 1)]),
    ];
    let replies = join_all(commands.into_iter().map(|command| desk.ask(command))).await;
    assert!(matches!(replies[1], Ok(Reply::Sold { .. })));
    assert!(matches!(replies[2], Ok(Reply::Undone { nothing_to_undo: false, .. })));
    assert!(matches!(replies[4], Ok(Reply::ReservationGone)));
    assert_eq!(desk.stock("tea").await, books(10, 10, 0, 0));
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let host = Host::system();
    let store = memory_store(&host);
    let before = Desk::on(store.clone(), &host);
    before.create("tea", 10).await;
    let reserved = before.reserve("s", &[("tea", 4)]).await;
    before.reserve("t", &[("tea", 1)]).await;
    before.release("t").await;
    before.desk.close().await;
    assert!(!before.desk.is_open());
    let closed = before.ask(reserve("u", &[("tea", 1)])).await.unwrap_err();
    assert_eq!(closed.outcome, FaultOutcome::NotApplied);
    let after = Desk::on(store, &host);
    assert_eq!(after.reserve("s", &[("tea", 4)]).await, reserved);
    assert_eq!(after.reserve("t", &[("tea", 1)]).await, Reply::ReservationGone);
    assert!(matches!(after.confirm("s").await, Reply::Sold { .. }));
    assert_eq!(after.stock("tea").await, books(10, 6, 0, 4));
}

#[tokio::test]
async fn what_a_failed_append_decided_is_forgotten() {
    let host = Host::system();
    let store = Troubled::new(&host);
    let desk = Desk::on(store.clone(), &host);
    desk.create("tea", 1).await;
    store.next_append(REFUSES);
    let fault = desk.ask(reserve("s", &[("tea", 1)])).await.unwrap_err();
    assert_eq!(fault.outcome, FaultOutcome::NotApplied);
    assert!(matches!(desk.reserve("t", &[("tea", 1)]).await, Reply::Reserved { .. }));
    assert!(matches!(desk.reserve("s", &[("tea", 1)]).await, Reply::OutOfStock { .. }));
}

#[tokio::test]
async fn a_retry_after_a_lost_answer_finds_its_effect() {
    let host = Host::system();
    let store = Troubled::new(&host);
    let desk = Desk::on(store.clone(), &host);
    desk.create("tea", 1).await;
    store.next_append(LOSES_ANSWER);
    let fault = desk.ask(reserve("s", &[("tea", 1)])).await.unwrap_err();
    assert_eq!(fault.outcome, FaultOutcome::Unknown);
    assert!(matches!(desk.reserve("s", &[("tea", 1)]).await, Reply::Reserved { .. }));
    assert_eq!(desk.stock("tea").await, books(1, 1, 1, 0));
}

#[tokio::test]
async fn another_writer_is_noticed_and_the_group_decided_again() {
    let host = Host::system();
    let store = memory_store(&host);
    let (desk, rival) = (Desk::on(store.clone(), &host), Desk::on(store, &host));
    desk.create("tea", 1).await;
    assert!(matches!(rival.reserve("r", &[("tea", 1)]).await, Reply::Reserved { .. }));
    assert!(matches!(desk.reserve("s", &[("tea", 1)]).await, Reply::OutOfStock { .. }));
    assert_eq!(desk.stock("tea").await, books(1, 1, 1, 0));
    desk.change("tea", 1).await;
    assert!(matches!(desk.reserve("s", &[("tea", 1)]).await, Reply::Reserved { .. }));
    assert_eq!(desk.stock("tea").await, books(2, 2, 2, 0));
}

#[tokio::test]
async fn an_event_that_cannot_be_read_stops_its_product_and_no_other() {
    let host = Host::system();
    let store = memory_store(&host);
    let context = CallContext::new(&host);
    let odd = NewEvent::fresh(
        &host,
        madrigal_core::EventType::parse("FromTheFuture").unwrap(),
        1,
        JsonBytes::of(&1).unwrap(),
        &context,
    );
    store.append(id("odd").stock_stream(), ExpectedVersion::Any, vec![odd]).await.unwrap();
    let desk = Desk::on(store, &host);
    desk.create("tea", 5).await;
    let asked = join_all([desk.ask(reserve("a", &[("odd", 1), ("tea", 1)])), desk.ask(reserve("b", &[("tea", 1)]))]);
    let replies = asked.await;
    assert_eq!(replies[0].as_ref().unwrap_err().retry, FaultRetry::Never);
    assert!(matches!(replies[1], Ok(Reply::Reserved { .. })));
    assert_eq!(desk.stock("tea").await, books(5, 5, 1, 0));
}

#[tokio::test]
async fn a_full_queue_refuses_with_advice() {
    let host = Host::system();
    let desk = Desk::with(memory_store(&host), &host, DeskOptions { queue: 1, ..DeskOptions::default() });
    // All are asked before the desk's task gets its turn: the test runs on one thread.
    let replies = join_all((0..3).map(|n| desk.ask(Command::Confirm { saga: saga(&format!("s{n}")) }))).await;
    assert!(matches!(replies[0], Ok(Reply::NoReservation)));
    let fault = replies[1].as_ref().unwrap_err();
    assert!(matches!(fault.retry, FaultRetry::After(_)) && fault.outcome == FaultOutcome::NotApplied);
}

#[tokio::test]
async fn groups_larger_than_the_store_takes_are_parted() {
    let desk = shop(1_000_000).await;
    for product in 0..40 {
        desk.create(&format!("p{product}"), 1_000).await;
    }
    let names: Vec<String> = (0..40).map(|product| format!("p{product}")).collect();
    let lines: Vec<(&str, u32)> = names.iter().map(|name| (name.as_str(), 1)).collect();
    let reserved = join_all((0..100).map(|n| {
        let (desk, lines) = (desk.clone(), lines.clone());
        async move { desk.reserve(&format!("s{n}"), &lines).await }
    }));
    assert!(reserved.await.iter().all(|reply| matches!(reply, Reply::Reserved { .. })));
    let sold = join_all((0..100).map(|n| {
        let desk = desk.clone();
        async move { desk.confirm(&format!("s{n}")).await }
    }));
    assert!(sold.await.iter().all(|reply| matches!(reply, Reply::Sold { .. })));
    assert_eq!(desk.stock("p7").await, books(1_000, 900, 0, 100));
}
