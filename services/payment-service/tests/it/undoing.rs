//! Refunds, tombstones, and late messages.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::future::join_all;
use madrigal_contracts::payment::Payment;
use madrigal_payment_service::PaymentService;
use madrigal_payment_service::provider::LedgerKind;

use crate::shop::{Shop, Watched, charge, kinds, memory, refund, sums};

#[tokio::test]
async fn a_refund_gives_back_once_and_ends_the_saga_s_charging() {
    let shop = Shop::open().await;
    shop.charge("s-1", 300, "tok_visa").await.unwrap();
    let undone = shop.refund("s-1").await.unwrap();
    assert!(!undone.nothing_to_undo);
    let shop = shop.reopen().await;
    assert_eq!(shop.refund("s-1").await.unwrap(), undone);
    assert_eq!(shop.charge("s-1", 300, "tok_visa").await.unwrap(), Payment::Voided);
    let ledger = shop.ledger().await;
    assert_eq!(kinds(&ledger.entries), [LedgerKind::Charged, LedgerKind::Refunded]);
    assert_eq!(sums(&ledger), (300, 300));
}

#[tokio::test]
async fn the_undo_of_something_never_seen_leaves_a_tombstone_here_and_at_the_provider() {
    let shop = Shop::open().await;
    let undone = shop.refund("s-1").await.unwrap();
    assert!(undone.nothing_to_undo);
    assert_eq!(shop.refund("s-1").await.unwrap(), undone);
    let shop = shop.reopen().await;
    assert_eq!(shop.charge("s-1", 300, "tok_visa").await.unwrap(), Payment::Voided);
    assert_eq!(kinds(&shop.ledger().await.entries), [LedgerKind::Voided]);
}

#[tokio::test]
async fn the_undo_of_a_declined_payment_has_nothing_to_undo() {
    let shop = Shop::open().await;
    shop.charge("s-1", 300, "tok_declined").await.unwrap();
    assert!(shop.refund("s-1").await.unwrap().nothing_to_undo);
    assert_eq!(shop.charge("s-1", 300, "tok_declined").await.unwrap(), Payment::Voided);
}

#[tokio::test]
async fn the_undo_of_an_unknown_charge_gives_back_what_the_provider_did_charge() {
    let shop = Shop::open().await;
    shop.charge("s-1", 300, "tok_timeout_paid").await.unwrap_err();
    assert!(!shop.refund("s-1").await.unwrap().nothing_to_undo);
    assert_eq!(sums(&shop.ledger().await), (300, 300));
    assert_eq!(shop.charge("s-1", 300, "tok_timeout_paid").await.unwrap(), Payment::Voided);
}

#[tokio::test]
async fn a_late_charge_finishes_an_interrupted_undo_before_it_says_voided() {
    let provider = Watched::new();
    let service = PaymentService::with(memory("payment"), provider.clone());
    charge(&service, "s-1", 300, "tok_visa").await.unwrap();
    provider.refuse.store(2, Ordering::SeqCst);
    refund(&service, "s-1").await.unwrap_err();
    charge(&service, "s-1", 300, "tok_visa").await.unwrap_err();
    assert_eq!(sums(&service.queries().ledger(0, 10).await.unwrap()), (300, 0));
    assert_eq!(charge(&service, "s-1", 300, "tok_visa").await.unwrap(), Payment::Voided);
    assert_eq!(sums(&service.queries().ledger(0, 10).await.unwrap()), (300, 300));
    assert!(!refund(&service, "s-1").await.unwrap().nothing_to_undo);
}

#[tokio::test]
async fn a_refund_whose_answer_was_lost_is_found_by_asking_again() {
    let provider = Watched::new();
    let service = PaymentService::with(memory("payment"), provider.clone());
    charge(&service, "s-1", 300, "tok_visa").await.unwrap();
    provider.lose_answers.store(1, Ordering::SeqCst);
    refund(&service, "s-1").await.unwrap_err();
    assert!(!refund(&service, "s-1").await.unwrap().nothing_to_undo);
    let ledger = service.queries().ledger(0, 10).await.unwrap();
    assert_eq!(kinds(&ledger.entries), [LedgerKind::Charged, LedgerKind::Refunded]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn charges_and_refunds_that_race_never_leave_money_behind() {
    let shop = Arc::new(Shop::open().await);
    for round in 0..20 {
        let saga = format!("s-{round}");
        let calls = (0..20).map(|call| {
            let (shop, saga) = (Arc::clone(&shop), saga.clone());
            madrigal_core::tasks::spawn("race", async move {
                if (call + round) % 2 == 0 {
                    shop.charge(&saga, 100, "tok_visa").await.map(|_| ()).unwrap();
                } else {
                    shop.refund(&saga).await.map(|_| ()).unwrap();
                }
            })
        });
        join_all(calls).await.into_iter().for_each(Result::unwrap);
        assert_eq!(shop.charge(&saga, 100, "tok_visa").await.unwrap(), Payment::Voided);
        let (charged, refunded) = sums(&shop.ledger().await);
        assert_eq!(charged, refunded, "after round {round}");
    }
}
