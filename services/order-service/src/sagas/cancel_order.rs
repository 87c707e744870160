//! The cancellation saga: **cancel** (its first step and its pivot), then stock, money and a mail.
//!
//! `OrderCancelled` is decided against shipping by the order's version: whoever appends first wins. What follows is
//! retried until it is done.

use std::sync::Arc;

use async_trait::async_trait;
use madrigal_contracts::catalog::{ReturnStock, Undone};
use madrigal_contracts::notification::MailKind;
use madrigal_contracts::payment::RefundPayment;
use madrigal_contracts::person_keys::RemotePersonKeys;
use madrigal_core::{ExpectedVersion, Fault, Host, Sealed, StreamName};
use madrigal_event_store::{DynEventStore, StreamAppend};
use madrigal_saga::{
    Action, DefinitionError, LocalAction, LocalDecision, SagaDefinition, SagaId, StepContext, StepOutcome,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::aggregates::order::OrderCommand;
use crate::commands::load_order;
use crate::events::{Customer, OrderEvent};
use crate::neighbours::OrderNeighbours;
use crate::sagas::mailer::Mailer;
use crate::sagas::{mails, step};

/// The definition's name.
pub const CANCEL_ORDER: &str = "cancel-order";
/// The pivot.
pub const CANCEL: &str = "cancel-order";

/// The one saga that cancels this order, started or not.
pub fn saga_id(order_id: &str) -> SagaId {
    SagaId::derive("order-service", CANCEL_ORDER, order_id)
}

/// What the saga needs to know, kept in its first record.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CancelOrder {
    /// The order.
    pub order_id: String,
    /// The saga that had placed it when the cancellation was asked for. A draft may be placed after that: what counts is
    /// what the pivot found.
    pub placed_by: Option<String>,
    /// In the caller's words.
    pub reason: String,
    /// Name, e-mail, address.
    pub customer: Sealed<Customer>,
}

/// What the pivot leaves.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cancelled {
    order_id: String,
    /// The saga that placed the order which was cancelled; `None` for a draft that was never placed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    placed_by: Option<String>,
}

/// The saga whose stock and money go back: the one that the pivot found, and where it recorded none, the one that was
/// known before.
fn placed_by(step: &StepContext) -> Result<Option<String>, String> {
    let input: CancelOrder = step::input(step)?;
    let found = step.outputs.decode::<Cancelled>(CANCEL).and_then(|cancelled| cancelled.placed_by);
    Ok(found.or(input.placed_by))
}

/// The saga as it is declared.
///
/// # Errors
/// Never, unless the declaration itself breaks the engine's rules.
pub fn definition(
    store: DynEventStore,
    neighbours: &OrderNeighbours,
    keys: RemotePersonKeys,
    host: Host,
) -> Result<SagaDefinition, DefinitionError> {
    SagaDefinition::new(CANCEL_ORDER, 1)
        .local_pivot(CANCEL, Arc::new(AppendCancellation { store }))
        .retriable("return-stock", Arc::new(ReturnGoods(neighbours.clone())))
        .retriable("refund-payment", Arc::new(GiveMoneyBack(neighbours.clone())))
        .retriable("send-cancellation", Arc::new(SendCancellation(Mailer::new(neighbours, keys, host))))
        .after("return-stock", &[CANCEL])
        .after("refund-payment", &[CANCEL])
        .after("send-cancellation", &[CANCEL])
        .build()
}

struct AppendCancellation {
    store: DynEventStore,
}

#[async_trait]
impl LocalAction for AppendCancellation {
    async fn decide(&self, step: &StepContext) -> LocalDecision {
        match self.events(step).await {
            Ok(decision) => decision,
            Err(detail) => LocalDecision::Unknown { detail },
        }
    }
}

impl AppendCancellation {
    async fn events(&self, step: &StepContext) -> Result<LocalDecision, String> {
        let input: CancelOrder = step::input(step)?;
        let stream = StreamName::new(OrderEvent::CATEGORY, &input.order_id).map_err(|error| error.to_string())?;
        let Some(order) = load_order(&*self.store, &stream).await.map_err(|error| error.to_string())? else {
            return Ok(LocalDecision::Rejected { reason: json!({ "code": "order-not-found" }) });
        };
        let events = match order.decide(OrderCommand::Cancel { reason: input.reason }) {
            Ok(events) => events,
            Err(rejection) => {
                let reason = json!({ "code": "order-status", "detail": rejection.to_string() });
                return Ok(LocalDecision::Rejected { reason });
            }
        };
        let events = step::new_events(step, &events)?;
        let append = StreamAppend { stream, expected: ExpectedVersion::Exact(order.version), events };
        let cancelled = Cancelled { order_id: input.order_id, placed_by: order.saga_id };
        Ok(LocalDecision::Commit { appends: vec![append], output: step::output(&cancelled) })
    }
}

struct ReturnGoods(OrderNeighbours);

#[async_trait]
impl Action for ReturnGoods {
    async fn run(&self, step: &StepContext) -> StepOutcome {
        let saga_id = match placed_by(step) {
            Ok(Some(saga_id)) => saga_id,
            Ok(None) => return nothing_to_do(),
            Err(detail) => return step::unreadable(detail),
        };
        given_back(self.0.catalog.call(&step.call, ReturnStock { saga_id }).await)
    }
}

struct GiveMoneyBack(OrderNeighbours);

#[async_trait]
impl Action for GiveMoneyBack {
    async fn run(&self, step: &StepContext) -> StepOutcome {
        let saga_id = match placed_by(step) {
            Ok(Some(saga_id)) => saga_id,
            Ok(None) => return nothing_to_do(),
            Err(detail) => return step::unreadable(detail),
        };
        given_back(self.0.payments.call(&step.call, RefundPayment { saga_id }).await)
    }
}

fn given_back(answer: Result<Undone, Fault>) -> StepOutcome {
    match answer {
        Ok(undone) => StepOutcome::Done {
            output: json!({ "nothingToUndo": undone.nothing_to_undo }),
            position: Some(undone.position),
        },
        Err(fault) => StepOutcome::of_fault(&fault),
    }
}

fn nothing_to_do() -> StepOutcome {
    StepOutcome::Done { output: json!({ "nothingToUndo": true }), position: None }
}

struct SendCancellation(Mailer);

#[async_trait]
impl Action for SendCancellation {
    async fn run(&self, step: &StepContext) -> StepOutcome {
        let (input, placed_by) = match (step::input::<CancelOrder>(step), placed_by(step)) {
            (Ok(input), Ok(placed_by)) => (input, placed_by),
            (Err(detail), _) | (_, Err(detail)) => return step::unreadable(detail),
        };
        self.0
            .send(step, &input.order_id, MailKind::OrderCancellation, &input.customer, |customer| {
                mails::cancellation(&input.order_id, customer, placed_by.is_some())
            })
            .await
    }
}

#[cfg(test)]
mod tests;
