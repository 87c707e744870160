//! The test kit, applied to sagas of several shapes.

use std::sync::{Arc, Mutex};

use madrigal_core::{Host, LogName};
use madrigal_event_store::{DynEventStore, MemoryEventStore};
use madrigal_saga::testkit::{Ledger, StandIns, torture};
use madrigal_saga::{SagaDefinition, SagaState};
use serde_json::json;

use crate::shop::CreateOrder;

fn empty_store(host: &Host) -> DynEventStore {
    Arc::new(MemoryEventStore::new(LogName::parse("order").unwrap(), host))
}

fn with_local_pivot(host: &Host) -> SagaDefinition {
    let ledger = Arc::new(Ledger::default());
    let create = CreateOrder { host: host.clone(), told: Mutex::default(), decisions: Mutex::default() };
    SagaDefinition::new("place-order", 1)
        .compensatable("reserve", Arc::clone(&ledger) as _, Arc::clone(&ledger) as _)
        .compensatable("pay", Arc::clone(&ledger) as _, Arc::clone(&ledger) as _)
        .local_pivot("create", Arc::new(create))
        .retriable("confirm", Arc::clone(&ledger) as _)
        .retriable("mail", ledger)
        .after("mail", &["create"])
        .build()
        .unwrap()
}

fn with_branches_and_a_remote_pivot() -> SagaDefinition {
    let ledger = Arc::new(Ledger::default());
    SagaDefinition::new("book-trip", 1)
        .compensatable("hold-budget", Arc::clone(&ledger) as _, Arc::clone(&ledger) as _)
        .compensatable("book-flight", Arc::clone(&ledger) as _, Arc::clone(&ledger) as _)
        .compensatable("book-hotel", Arc::clone(&ledger) as _, Arc::clone(&ledger) as _)
        .after("book-hotel", &["hold-budget"])
        .pivot("pay", Arc::clone(&ledger) as _)
        .retriable("send-tickets", ledger)
        .build()
        .unwrap()
}

fn without_a_pivot() -> SagaDefinition {
    let ledger = Arc::new(Ledger::default());
    SagaDefinition::new("two-holds", 1)
        .compensatable("one", Arc::clone(&ledger) as _, Arc::clone(&ledger) as _)
        .compensatable("two", Arc::clone(&ledger) as _, ledger)
        .after("two", &[])
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_saga_with_a_local_pivot_survives_every_trouble_at_every_node() {
    let host = Host::seeded(3);
    let report = torture(|| StandIns::new(&with_local_pivot(&host), empty_store(&host), json!({}))).await;
    // 10 + 10 + 3 + 6 + 6 injections; crashes before and after each of 5 appends forward, and of those on the way back.
    assert!(report.trials.len() >= 35 + 10 + 8, "{}", report.trials.len());
    assert!(report.trials.iter().any(|trial| trial.state == SagaState::Compensated));
    assert!(report.trials.iter().all(|trial| trial.struck > 0));
}

#[tokio::test]
async fn a_saga_with_branches_and_a_remote_pivot_survives_every_trouble_at_every_node() {
    let host = Host::seeded(3);
    let definition = with_branches_and_a_remote_pivot();
    let report = torture(|| StandIns::new(&definition, empty_store(&host), json!({}))).await;
    assert!(report.trials.len() > 50, "{}", report.trials.len());
}

#[tokio::test]
async fn a_saga_without_a_pivot_survives_every_trouble_at_every_node() {
    let host = Host::seeded(3);
    let definition = without_a_pivot();
    let report = torture(|| StandIns::new(&definition, empty_store(&host), json!({}))).await;
    assert!(report.trials.len() > 20, "{}", report.trials.len());
}
