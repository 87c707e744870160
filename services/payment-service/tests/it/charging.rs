//! Every token's path, and one charge however often it is asked.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::future::join_all;
use madrigal_contracts::payment::Payment;
use madrigal_core::{FaultOutcome, FaultRetry};
use madrigal_payment_service::PaymentService;
use madrigal_payment_service::provider::LedgerKind;

use crate::shop::{Shop, Watched, charge, kinds, memory, refund, sums};

fn last_four(payment: &Payment) -> &str {
    match payment {
        Payment::Paid { last_four, .. } => last_four,
        other => panic!("not paid: {other:?}"),
    }
}

fn declined(reason: &str) -> Payment {
    Payment::Declined { reason: reason.to_owned() }
}

#[tokio::test]
async fn tokens_that_pay_charge_once_and_answer_the_same_ever_after() {
    let shop = Shop::open().await;
    let first = shop.charge("s-1", 1_999, "tok_visa").await.unwrap();
    assert_eq!(last_four(&first), "4242");
    assert_eq!(last_four(&shop.charge("s-2", 1, "tok_mastercard").await.unwrap()), "4444");
    assert_eq!(shop.charge("s-1", 1_999, "tok_visa").await.unwrap(), first);
    let shop = shop.reopen().await;
    assert_eq!(shop.charge("s-1", 1_999, "tok_visa").await.unwrap(), first);
    let ledger = shop.ledger().await;
    assert_eq!(kinds(&ledger.entries), [LedgerKind::Charged, LedgerKind::Charged]);
    assert_eq!(sums(&ledger), (2_000, 0));
}

#[tokio::test]
async fn declined_payments_say_why_and_stay_declined() {
    let shop = Shop::open().await;
    for (saga, token, reason) in [
        ("s-1", "tok_declined", "card_declined"),
        ("s-2", "tok_insufficient", "insufficient_funds"),
        ("s-3", "tok_nobody_knows", "invalid_token"),
        ("s-4", "4242424242424242", "invalid_token"),
    ] {
        assert_eq!(shop.charge(saga, 5, token).await.unwrap(), declined(reason));
        assert_eq!(shop.charge(saga, 5, token).await.unwrap(), declined(reason));
    }
    assert_eq!(sums(&shop.ledger().await), (0, 0));
}

#[tokio::test]
async fn a_charge_answered_too_late_is_found_by_asking_again() {
    let shop = Shop::open().await;
    let fault = shop.charge("s-1", 700, "tok_timeout_paid").await.unwrap_err();
    assert_eq!(fault.outcome, FaultOutcome::Unknown);
    assert!(fault.chain().contains("payment-provider"), "{}", fault.chain());
    assert_eq!(sums(&shop.ledger().await), (700, 0));
    assert_eq!(last_four(&shop.charge("s-1", 700, "tok_timeout_paid").await.unwrap()), "0119");
    assert_eq!(kinds(&shop.ledger().await.entries), [LedgerKind::Charged]);
}

#[tokio::test]
async fn a_provider_that_never_answers_is_settled_by_the_undo() {
    let shop = Shop::open().await;
    for _ in 0..3 {
        let fault = shop.charge("s-1", 700, "tok_timeout_unpaid").await.unwrap_err();
        assert_eq!(fault.outcome, FaultOutcome::Unknown);
    }
    assert!(shop.refund("s-1").await.unwrap().nothing_to_undo);
    assert_eq!(shop.charge("s-1", 700, "tok_timeout_unpaid").await.unwrap(), Payment::Voided);
    assert_eq!(kinds(&shop.ledger().await.entries), [LedgerKind::Voided]);
}

#[tokio::test]
async fn a_flaky_provider_is_asked_again_until_it_pays() {
    let shop = Shop::open().await;
    for _ in 0..2 {
        let fault = shop.charge("s-1", 700, "tok_flaky").await.unwrap_err();
        assert_eq!(fault.outcome, FaultOutcome::NotApplied);
        assert!(matches!(fault.retry, FaultRetry::After(_)));
    }
    assert_eq!(last_four(&shop.charge("s-1", 700, "tok_flaky").await.unwrap()), "0341");
    assert_eq!(kinds(&shop.ledger().await.entries), [LedgerKind::Charged]);
}

#[tokio::test]
async fn what_costs_nothing_never_reaches_the_provider() {
    let provider = Watched::new();
    let service = PaymentService::with(memory("payment"), provider.clone());
    let paid = charge(&service, "s-1", 0, "tok_visa").await.unwrap();
    assert_eq!(last_four(&paid), "");
    assert_eq!(charge(&service, "s-1", 0, "tok_visa").await.unwrap(), paid);
    assert!(!refund(&service, "s-1").await.unwrap().nothing_to_undo);
    assert_eq!(charge(&service, "s-1", 0, "tok_visa").await.unwrap(), Payment::Voided);
    assert_eq!(provider.calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn other_terms_under_one_saga_are_a_permanent_fault_and_never_charged() {
    let shop = Shop::open().await;
    shop.charge("s-1", 100, "tok_visa").await.unwrap();
    for (amount, token) in [(101, "tok_visa"), (100, "tok_mastercard"), (0, "tok_visa")] {
        let fault = shop.charge("s-1", amount, token).await.unwrap_err();
        assert_eq!((fault.retry, fault.outcome), (FaultRetry::Never, FaultOutcome::NotApplied));
    }
    let negative = shop.charge("s-2", -1, "tok_visa").await.unwrap_err();
    assert_eq!(negative.retry, FaultRetry::Never);
    assert!(shop.charge("no such stream", 1, "tok_visa").await.is_err());
    assert_eq!(sums(&shop.ledger().await), (100, 0));
    assert_eq!(last_four(&shop.charge("s-3", i64::MAX, "tok_visa").await.unwrap()), "4242");
    assert_eq!(last_four(&shop.charge("s-4", i64::MAX, "tok_visa").await.unwrap()), "4242");
    assert_eq!(sums(&shop.ledger().await).0, 100 + 2 * i128::from(i64::MAX));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_duplicates_at_once_are_one_charge() {
    let shop = Arc::new(Shop::open().await);
    let calls = (0..1_000).map(|_| {
        let shop = Arc::clone(&shop);
        madrigal_core::tasks::spawn("duplicate", async move { shop.charge("s-1", 500, "tok_visa").await.unwrap() })
    });
    let answers: Vec<Payment> = join_all(calls).await.into_iter().map(Result::unwrap).collect();
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(last_four(&answers[0]), "4242");
    let ledger = shop.ledger().await;
    assert_eq!((kinds(&ledger.entries), sums(&ledger)), (vec![LedgerKind::Charged], (500, 0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_provider_is_never_asked_twice_at_once_for_one_saga() {
    let provider = Watched::new();
    provider.lose_answers.store(20, Ordering::SeqCst);
    let service = Arc::new(PaymentService::with(memory("payment"), provider.clone()));
    let calls = (0..100).map(|_| {
        let service = Arc::clone(&service);
        madrigal_core::tasks::spawn("duplicate", async move { charge(&service, "s-1", 500, "tok_visa").await })
    });
    let answers: Vec<_> = join_all(calls).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers.iter().filter(|answer| answer.is_err()).count(), 20);
    assert_eq!(provider.calls.load(Ordering::SeqCst), 21);
    assert_eq!(provider.most_at_once.load(Ordering::SeqCst), 1);
    assert_eq!(kinds(&service.queries().ledger(0, 10).await.unwrap().entries), [LedgerKind::Charged]);
}
