//! Asking the services, and putting together what they tell.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join;
use http::StatusCode;
use madrigal_contracts::story::{
    MailTold, MailsTold, OrderTold, PaymentTold, PaymentsTold, ReservationTold, ReservationsTold, SagaTold, TellMails,
    TellOrder, TellPayments, TellReservations,
};
use madrigal_core::{CallContext, Fault};
use madrigal_http::problem::{self, Answered};
use madrigal_http::{Caller, Neighbour, Problem};
use serde_json::Value;

use super::shapes::{MailPart, Missing, OrderStory, PaymentPart, StockPart};
use super::{Storytellers, timeline};

/// When a story without order-service may be asked for again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What the services told, each part as far as it is there.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) order: Option<OrderTold>,
    pub(super) reservations: Vec<ReservationTold>,
    pub(super) payments: Vec<PaymentTold>,
    pub(super) mails: Vec<MailTold>,
}

/// The story of the order with this id, or of this saga's, for this caller.
///
/// # Errors
/// 404 where there is no such order of the caller's; 503 where nobody can know whose it is.
pub(super) async fn story(
    storytellers: &Storytellers,
    caller: &Caller,
    context: &CallContext,
    id: String,
) -> Answered<OrderStory> {
    let sees_all = caller.is_operator() || caller.is_service();
    let mut asking = Asking { context, missing: Vec::new(), as_of: BTreeMap::new() };
    let mails_of = |order_id: &str| TellMails { order_id: order_id.to_owned() };
    let (order, mut mails) = join(
        storytellers.orders.call(context, TellOrder { id: id.clone() }),
        storytellers.notifications.call(context, mails_of(&id)),
    )
    .await;
    let order = match order {
        Ok(Some(order)) if sees_all || caller.user_id() == Some(order.user_id) => Some(order),
        Ok(_) => return Err(problem::not_found("such order")),
        Err(fault) if sees_all => {
            asking.went_without(&storytellers.orders, &["order", "events", "saga"], &fault);
            for part in ["payment", "stock"] {
                asking.miss(part, "Without order-service nobody knows the sagas by which it is found.".to_owned());
            }
            None
        }
        Err(fault) => {
            tracing::warn!(cause = %fault.chain(), "a story cannot be told without order-service");
            return Err(unknown_now());
        }
    };
    let order_id = order.as_ref().map_or_else(|| id.clone(), |order| order.order_id.clone());
    if order_id != id {
        mails = storytellers.notifications.call(context, mails_of(&order_id)).await;
    }
    let mut told = Told::default();
    match mails {
        Ok(MailsTold { mails, position }) => {
            asking.as_of.insert("notification-service".to_owned(), position);
            told.mails = mails;
        }
        Err(fault) => asking.went_without(&storytellers.notifications, &["mails"], &fault),
    }
    if let Some(order) = order {
        asking.as_of.insert("order-service".to_owned(), order.position.clone());
        let saga_ids = order.sagas.iter().filter(|saga| saga.places).map(|saga| saga.saga_id.clone()).collect();
        asking.participants(storytellers, saga_ids, &mut told).await;
        told.order = Some(order);
    }
    if told.order.is_none() && told.mails.is_empty() {
        // Nobody who answers has ever heard of it; whether it exists cannot be known now.
        return Err(unknown_now());
    }
    let Asking { missing, as_of, .. } = asking;
    Ok(OrderStory { missing, as_of, ..put_together(order_id, told, sees_all) })
}

fn unknown_now() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "upstream-unavailable", "A service is not available")
        .detail("The order-service does not answer now, and nobody else knows whose order this is. Try again.")
        .with("service", "order-service".into())
        .retry_after(AGAIN_AFTER)
}

struct Asking<'a> {
    context: &'a CallContext,
    missing: Vec<Missing>,
    as_of: BTreeMap<String, madrigal_core::PositionToken>,
}

impl Asking<'_> {
    /// What the sagas reserved and charged.
    async fn participants(&mut self, storytellers: &Storytellers, saga_ids: Vec<String>, told: &mut Told) {
        if saga_ids.is_empty() {
            return;
        }
        let (reservations, payments) = join(
            storytellers.catalog.call(self.context, TellReservations { saga_ids: saga_ids.clone() }),
            storytellers.payments.call(self.context, TellPayments { saga_ids }),
        )
        .await;
        match reservations {
            Ok(ReservationsTold { reservations, position }) => {
                self.as_of.insert("catalog-service".to_owned(), position);
                told.reservations = reservations;
            }
            Err(fault) => self.went_without(&storytellers.catalog, &["stock"], &fault),
        }
        match payments {
            Ok(PaymentsTold { payments, position }) => {
                self.as_of.insert("payment-service".to_owned(), position);
                told.payments = payments;
            }
            Err(fault) => self.went_without(&storytellers.payments, &["payment"], &fault),
        }
    }

    /// What is inside of a fault is for the log, not for whoever asks.
    fn went_without(&mut self, service: &Neighbour, parts: &[&str], fault: &Fault) {
        let service = service.service();
        tracing::warn!(service, cause = %fault.chain(), "a story is told without this service");
        for part in parts {
            self.miss(part, format!("{service} does not answer now. Try again later."));
        }
    }

    fn miss(&mut self, part: &str, detail: String) {
        self.missing.push(Missing { part: part.to_owned(), detail });
    }
}

/// The story without what only the asking knows.
pub(super) fn put_together(order_id: String, mut told: Told, sees_all: bool) -> OrderStory {
    let timeline = timeline::of(&told, sees_all);
    let (mut order, mut events, mut more_events) = (None, Vec::new(), false);
    let (mut saga, mut cancellation, mut earlier_sagas) = (None, None, Vec::new());
    if let Some(part) = told.order.take() {
        (order, events, more_events) = (part.order, part.events, part.more_events);
        let decisive = decisive(&part.sagas);
        for (at, one) in part.sagas.into_iter().enumerate() {
            let shown = if sees_all { one.saga } else { without_operators(one.saga) };
            match (one.places, Some(at) == decisive) {
                (true, true) => saga = Some((one.saga_id, shown)),
                (true, false) => earlier_sagas.push(shown),
                (false, _) => cancellation = Some(shown),
            }
        }
    }
    let (saga_id, saga) = saga.unzip();
    let saga_id = saga_id.unwrap_or_default();
    let first = |key: &str| {
        let of_saga = saga.as_ref().and_then(|saga: &Value| saga[key].as_str());
        let of_event = events.first().and_then(|event: &Value| event["metadata"][key].as_str());
        of_saga.or(of_event).map(str::to_owned)
    };
    let kept = |events: Vec<Value>| if sees_all { events } else { Vec::new() };
    OrderStory {
        correlation_id: first("correlationId"),
        trace_id: trace_id(&events, &told),
        payment: told.payments.into_iter().find(|payment| payment.saga_id == saga_id).map(|payment| PaymentPart {
            saga_id: payment.saga_id,
            state: payment.state,
            amount: payment.amount,
            payment_id: payment.payment_id,
            last_four: payment.last_four,
            reason: payment.reason,
            events: kept(payment.events),
        }),
        stock: told
            .reservations
            .into_iter()
            .filter(|reservation| reservation.saga_id == saga_id)
            .flat_map(|reservation| {
                let (state, events) = (reservation.state, kept(reservation.events));
                reservation.lines.into_iter().map(move |line| StockPart {
                    product_id: line.product_id,
                    name: line.name,
                    quantity: line.quantity,
                    state: state.clone(),
                    events: events.clone(),
                })
            })
            .collect(),
        mails: told
            .mails
            .into_iter()
            .map(|mail| MailPart {
                key: mail.key,
                kind: mail.kind,
                state: mail.state,
                requested_at: mail.requested_at,
                settled_at: mail.settled_at,
                failure: mail.failure,
                message_id: mail.message_id,
                events: kept(mail.events),
            })
            .collect(),
        order_id,
        order,
        events,
        more_events,
        saga,
        cancellation,
        earlier_sagas,
        timeline,
        as_of: BTreeMap::new(),
        missing: Vec::new(),
    }
}

/// The saga that placed the order, else the last one that tried.
fn decisive(sagas: &[SagaTold]) -> Option<usize> {
    let placing = |saga: &SagaTold| saga.places;
    let decided = sagas.iter().position(|saga| placing(saga) && saga.decided);
    decided.or_else(|| sagas.iter().rposition(placing))
}

/// What operators did, and who they are, is for operators.
fn without_operators(mut saga: Value) -> Value {
    if let Some(saga) = saga.as_object_mut() {
        saga.remove("operator");
    }
    saga
}

/// The trace of the first event that has one (W3C trace context: version, trace, parent, flags).
fn trace_id(events: &[Value], told: &Told) -> Option<String> {
    let of_reservations = told.reservations.iter().flat_map(|reservation| &reservation.events);
    let of_payments = told.payments.iter().flat_map(|payment| &payment.events);
    let all = events.iter().chain(of_reservations).chain(of_payments);
    let traced = all.filter_map(|event| event["metadata"]["traceparent"].as_str());
    traced.filter_map(|text| text.split('-').nth(1)).find(|id| id.len() == 32).map(str::to_owned)
}
