//! The order saga: reserve, pay, **create** (the pivot), then confirm the reservation and write to the customer.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use madrigal_contracts::catalog::{
    ConfirmReservation, Confirmation, ProductQuantity, ReleaseReservation, Reservation, ReserveStock, ReservedLine,
};
use madrigal_contracts::notification::MailKind;
use madrigal_contracts::payment::{ChargePayment, Payment, RefundPayment};
use madrigal_contracts::person_keys::RemotePersonKeys;
use madrigal_core::{Currency, ExpectedVersion, Host, Money, PersonId, Sealed, StreamName, StreamVersion};
use madrigal_event_store::{DynEventStore, StreamAppend};
use madrigal_saga::{
    Action, DefinitionError, LocalAction, LocalDecision, SagaDefinition, SagaStory, StepContext, StepOutcome, Undo,
    UndoOutcome,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::aggregates::order::{self, Order, OrderCommand, OrderRejection, Placing};
use crate::commands::load_order;
use crate::events::{Customer, OrderEvent, OrderItem, PaymentProcessed};
use crate::neighbours::OrderNeighbours;
use crate::sagas::delivery::after_working_days;
use crate::sagas::mailer::Mailer;
use crate::sagas::{mails, step};

/// The definition's name.
pub const PLACE_ORDER: &str = "place-order";
/// The step that holds the stock.
pub const RESERVE: &str = "reserve-inventory";
/// The step that takes the money.
pub const PAY: &str = "process-payment";
/// The pivot.
pub const CREATE: &str = "create-order";
/// The step that turns the reservation into a sale.
pub const CONFIRM: &str = "confirm-reservation";
/// The step that writes to the customer.
pub const NOTIFY: &str = "send-confirmation";

/// What the saga needs to know, kept in its first record.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlaceOrder {
    /// The order that will be.
    pub order_id: String,
    /// Whose it will be.
    pub user_id: PersonId,
    /// Name, e-mail, address.
    pub customer: Sealed<Customer>,
    /// What is ordered; each product once.
    pub lines: Vec<ProductQuantity>,
    /// What the buyer expects to pay in.
    pub currency: Currency,
    /// The provider's token.
    pub payment_token: String,
    /// The draft's version, where a draft is placed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft_version: Option<StreamVersion>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reserved {
    items: Vec<OrderItem>,
}

/// What the saga has reserved, once it has: the lines at the prices that will be charged.
pub fn reserved_items(story: &SagaStory) -> Option<Vec<OrderItem>> {
    let reserve = story.steps.iter().find(|step| &*step.name == RESERVE)?;
    let done = reserve.attempts.iter().rev().find(|attempt| attempt.outcome.as_deref() == Some("done"))?;
    let reserved: Reserved = serde_json::from_value(done.detail.clone()?).ok()?;
    Some(reserved.items)
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
    working_days: u32,
    limit: Duration,
) -> Result<SagaDefinition, DefinitionError> {
    let reserve = Arc::new(ReserveInventory(neighbours.clone()));
    let pay = Arc::new(ProcessPayment(neighbours.clone()));
    let create = Arc::new(CreateOrder { store, host: host.clone(), working_days });
    SagaDefinition::new(PLACE_ORDER, 1)
        .compensatable(RESERVE, reserve.clone(), reserve)
        .compensatable(PAY, pay.clone(), pay)
        .local_pivot(CREATE, create)
        .retriable(CONFIRM, Arc::new(ConfirmStock(neighbours.clone())))
        .retriable(NOTIFY, Arc::new(SendConfirmation(Mailer::new(neighbours, keys, host))))
        .after(PAY, &[RESERVE])
        .after(CREATE, &[PAY])
        .after(CONFIRM, &[CREATE])
        .after(NOTIFY, &[CREATE])
        .deadline_before_pivot(limit)
        .build()
}

struct ReserveInventory(OrderNeighbours);

#[async_trait]
impl Action for ReserveInventory {
    async fn run(&self, step: &StepContext) -> StepOutcome {
        let input: PlaceOrder = match step::input(step) {
            Ok(input) => input,
            Err(detail) => return step::unreadable(detail),
        };
        let call = ReserveStock { saga_id: step.saga_id.to_string(), order_id: input.order_id, lines: input.lines };
        match self.0.catalog.call(&step.call, call).await {
            Ok(Reservation::Reserved { lines, position }) => {
                let reserved = Reserved { items: lines.into_iter().map(order_item).collect() };
                StepOutcome::Done { output: step::output(&reserved), position: Some(position) }
            }
            Ok(Reservation::OutOfStock { lines }) => {
                StepOutcome::Rejected { reason: json!({ "code": "out-of-stock", "lines": lines }) }
            }
            Ok(Reservation::Released) => StepOutcome::Rejected { reason: json!({ "code": "reservation-released" }) },
            Err(fault) => StepOutcome::of_fault(&fault),
        }
    }
}

#[async_trait]
impl Undo for ReserveInventory {
    async fn undo(&self, step: &StepContext) -> UndoOutcome {
        let call = ReleaseReservation { saga_id: step.saga_id.to_string() };
        step::undone(self.0.catalog.call(&step.call, call).await)
    }
}

fn order_item(line: ReservedLine) -> OrderItem {
    let quote = line.quote;
    order::item(quote.product_id, quote.name, quote.price, quote.discount, line.quantity)
}

struct ProcessPayment(OrderNeighbours);

#[async_trait]
impl Action for ProcessPayment {
    async fn run(&self, step: &StepContext) -> StepOutcome {
        let read = || Ok::<_, String>((step::input::<PlaceOrder>(step)?, step::output_of::<Reserved>(step, RESERVE)?));
        let (input, reserved) = match read() {
            Ok(read) => read,
            Err(detail) => return step::unreadable(detail),
        };
        let summary = match order::totals(&reserved.items, input.currency) {
            Ok(summary) => summary,
            Err(rejection) => return StepOutcome::Rejected { reason: rejected(&rejection) },
        };
        let amount = Money { amount: summary.final_amount, currency: input.currency };
        let call = ChargePayment {
            saga_id: step.saga_id.to_string(),
            order_id: input.order_id,
            amount,
            token: input.payment_token,
        };
        match self.0.payments.call(&step.call, call).await {
            Ok(Payment::Paid { payment_id, last_four, position }) => {
                let paid = PaymentProcessed { payment_id, amount, last_four };
                StepOutcome::Done { output: step::output(&paid), position: Some(position) }
            }
            Ok(Payment::Declined { reason }) => {
                StepOutcome::Rejected { reason: json!({ "code": "payment-declined", "detail": reason }) }
            }
            Ok(Payment::Voided) => StepOutcome::Rejected { reason: json!({ "code": "payment-voided" }) },
            Err(fault) => StepOutcome::of_fault(&fault),
        }
    }
}

#[async_trait]
impl Undo for ProcessPayment {
    async fn undo(&self, step: &StepContext) -> UndoOutcome {
        step::undone(self.0.payments.call(&step.call, RefundPayment { saga_id: step.saga_id.to_string() }).await)
    }
}

struct CreateOrder {
    store: DynEventStore,
    host: Host,
    working_days: u32,
}

#[async_trait]
impl LocalAction for CreateOrder {
    async fn decide(&self, step: &StepContext) -> LocalDecision {
        match self.events(step).await {
            Ok(decision) => decision,
            Err(detail) => LocalDecision::Unknown { detail },
        }
    }
}

impl CreateOrder {
    async fn events(&self, step: &StepContext) -> Result<LocalDecision, String> {
        let input: PlaceOrder = step::input(step)?;
        let reserved: Reserved = step::output_of(step, RESERVE)?;
        let summary = order::totals(&reserved.items, input.currency).map_err(|rejection| rejection.to_string())?;
        let placing = Placing {
            items: reserved.items,
            summary,
            customer: input.customer,
            saga_id: step.saga_id.to_string(),
            payment: step::output_of(step, PAY)?,
            estimated_delivery: Some(after_working_days(self.host.now(), self.working_days)),
        };
        let stream = StreamName::new(OrderEvent::CATEGORY, &input.order_id).map_err(|error| error.to_string())?;
        let (expected, events) = match input.draft_version {
            None => {
                let events = order::place_new(input.order_id.clone(), input.user_id, input.currency, placing);
                (ExpectedVersion::NoStream, events)
            }
            Some(version) => {
                let draft = load_order(&*self.store, &stream).await.map_err(|error| error.to_string())?;
                match place_draft(draft, version, placing) {
                    Ok(events) => (ExpectedVersion::Exact(version), events),
                    Err(reason) => return Ok(LocalDecision::Rejected { reason }),
                }
            }
        };
        let events = step::new_events(step, &events)?;
        let output = json!({ "orderId": input.order_id });
        Ok(LocalDecision::Commit { appends: vec![StreamAppend { stream, expected, events }], output })
    }
}

fn place_draft(draft: Option<Order>, version: StreamVersion, placing: Placing) -> Result<Vec<OrderEvent>, Value> {
    let draft = draft.ok_or_else(|| json!({ "code": "order-not-found" }))?;
    if draft.version != version {
        return Err(json!({ "code": "draft-changed", "detail": "the draft was changed while it was being placed" }));
    }
    draft.decide(OrderCommand::Place(placing)).map_err(|rejection| rejected(&rejection))
}

fn rejected(rejection: &OrderRejection) -> Value {
    json!({ "code": "order-refused", "detail": rejection.to_string() })
}

struct ConfirmStock(OrderNeighbours);

#[async_trait]
impl Action for ConfirmStock {
    async fn run(&self, step: &StepContext) -> StepOutcome {
        match self.0.catalog.call(&step.call, ConfirmReservation { saga_id: step.saga_id.to_string() }).await {
            Ok(Confirmation::Sold { position }) => {
                StepOutcome::Done { output: json!({ "sold": true }), position: Some(position) }
            }
            Ok(Confirmation::AfterRelease { position }) => {
                StepOutcome::Done { output: json!({ "sold": false, "afterRelease": true }), position: Some(position) }
            }
            Ok(Confirmation::Unknown) => {
                StepOutcome::Unknown { detail: "catalog knows no such reservation".to_owned(), retry_after: None }
            }
            Err(fault) => StepOutcome::of_fault(&fault),
        }
    }
}

struct SendConfirmation(Mailer);

#[async_trait]
impl Action for SendConfirmation {
    async fn run(&self, step: &StepContext) -> StepOutcome {
        let read = || Ok::<_, String>((step::input::<PlaceOrder>(step)?, step::output_of::<Reserved>(step, RESERVE)?));
        let (input, reserved) = match read() {
            Ok(read) => read,
            Err(detail) => return step::unreadable(detail),
        };
        let summary = match order::totals(&reserved.items, input.currency) {
            Ok(summary) => summary,
            Err(rejection) => return step::unreadable(rejection.to_string()),
        };
        self.0
            .send(step, &input.order_id, MailKind::OrderConfirmation, &input.customer, |customer| {
                mails::confirmation(&input.order_id, customer, &reserved.items, &summary, input.currency)
            })
            .await
    }
}
