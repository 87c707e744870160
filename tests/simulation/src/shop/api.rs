//! What customers and operators ask of order-service, without HTTP around it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use madrigal_bus::{DynTopicSource, Message, PollFrom};
use madrigal_contracts::catalog::ProductQuantity;
use madrigal_core::{CallContext, Fault, Fingerprint, LogEpoch, PersonId, Position, tasks};
use madrigal_http::calls::{Answer, Call};
use madrigal_order_service::aggregates::order::OrderCommand;
use madrigal_order_service::commands::{ChangeError, OrderChanges, OrderRequest, PlaceError, Placements};
use madrigal_projection::Checkpoint;
use madrigal_projection::consumer::Start;
use madrigal_saga::{SagaEngine, SagaFilter, SagaId, SagaProgress, SagaState, Verb};
use serde::{Deserialize, Serialize};

/// Places an order.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Place {
    /// Who orders.
    pub user: i64,
    /// The `Idempotency-Key`.
    pub key: String,
    /// What.
    pub lines: Vec<ProductQuantity>,
    /// The means of payment.
    pub token: String,
}

/// What came of an order or of a wish about one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answered {
    /// It is so: the order's id.
    Done(String),
    /// It will not be, for this reason.
    Refused(String),
    /// Not decided yet.
    Pending,
}

/// Cancels an order that stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Cancel {
    /// The order.
    pub order_id: String,
}

/// Asks a saga to give up before its pivot.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GiveUp {
    /// Who ordered.
    pub user: i64,
    /// Under which key.
    pub key: String,
}

/// Hands an order to the carrier.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ship {
    /// The order.
    pub order_id: String,
}

/// An operator's round: resumes what is paused and tells how many sagas are open.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Tend {}

/// The next messages of the topic `orders`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Poll {
    /// The epoch and the position of the last message seen, if there was one.
    pub after: Option<(LogEpoch, Position)>,
}

/// Messages as CloudEvents, through where they go, the log's epoch and its end.
pub type PolledMessages = (Vec<String>, Position, LogEpoch, Position);

impl Call for Place {
    type Answer = Answered;
    const NAME: &'static str = "customer.place";
    const LIMIT: Duration = Duration::from_secs(15);
}

impl Call for Cancel {
    type Answer = Answered;
    const NAME: &'static str = "customer.cancel";
    const LIMIT: Duration = Duration::from_secs(15);
}

impl Call for GiveUp {
    type Answer = Answered;
    const NAME: &'static str = "customer.give-up";
}

impl Call for Ship {
    type Answer = Answered;
    const NAME: &'static str = "operator.ship";
}

impl Call for Tend {
    type Answer = usize;
    const NAME: &'static str = "operator.tend";
}

impl Call for Poll {
    type Answer = PolledMessages;
    const NAME: &'static str = "topic.orders";
}

/// Answers them: what the HTTP handlers do, without HTTP.
pub(super) struct Api {
    pub(super) placements: Placements,
    pub(super) changes: OrderChanges,
    pub(super) engine: SagaEngine,
    pub(super) topic: DynTopicSource,
}

/// How long the API waits for a decision before it says that there is none yet.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often it looks.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

fn saga_of(user: i64, key: &str) -> SagaId {
    SagaId::derive(&user.to_string(), "place-order", key)
}

impl Api {
    /// Looks now and then instead of waiting: who waits for one saga with others is woken in an order that no seed decides.
    async fn decided(&self, id: &SagaId, order_id: Option<&str>) -> Result<Answered, Fault> {
        let until = tasks::instant() + PATIENCE;
        loop {
            let answered = match self.engine.outcome(id, Duration::ZERO).await? {
                SagaProgress::Running | SagaProgress::Unknown => Answered::Pending,
                SagaProgress::Committed { outputs, .. } => {
                    let told = outputs.get("create-order").and_then(|output| output["orderId"].as_str());
                    Answered::Done(told.or(order_id).unwrap_or_default().to_owned())
                }
                SagaProgress::Refused { step, reason } => Answered::Refused(format!("{step}: {reason}")),
                SagaProgress::Failed { cause, reason, .. } => Answered::Refused(format!("{cause:?}: {reason}")),
            };
            if answered != Answered::Pending || tasks::instant() >= until {
                return Ok(answered);
            }
            tasks::sleep(LOOK_AGAIN).await;
        }
    }
}

#[async_trait]
impl Answer<Place> for Api {
    async fn answer(&self, context: CallContext, call: Place) -> Result<Answered, Fault> {
        let fingerprint = Fingerprint::of(format!("{:?} {}", call.lines, call.token).as_bytes());
        let request =
            OrderRequest { user_id: PersonId(call.user), lines: call.lines, shipping_address: None, currency: None };
        let caller = call.user.to_string();
        let placed = self.placements.place(&caller, &call.key, fingerprint, request, call.token, &context).await;
        match placed {
            Ok(id) => self.decided(&id, None).await,
            Err(PlaceError::Fault(fault)) => Err(fault),
            Err(refused) => Ok(Answered::Refused(format!("at once: {refused}"))),
        }
    }
}

#[async_trait]
impl Answer<Cancel> for Api {
    async fn answer(&self, context: CallContext, call: Cancel) -> Result<Answered, Fault> {
        match self.changes.cancel(&call.order_id, "changed my mind".to_owned(), &context).await {
            Ok(id) => self.decided(&id, Some(&call.order_id)).await,
            Err(ChangeError::Fault(fault)) => Err(fault),
            Err(refused) => Ok(Answered::Refused(refused.to_string())),
        }
    }
}

#[async_trait]
impl Answer<GiveUp> for Api {
    async fn answer(&self, _context: CallContext, call: GiveUp) -> Result<Answered, Fault> {
        match self.engine.cancel(&saga_of(call.user, &call.key), &call.user.to_string()).await {
            Ok(()) => Ok(Answered::Done(String::new())),
            Err(refused) => Ok(Answered::Refused(refused.to_string())),
        }
    }
}

#[async_trait]
impl Answer<Ship> for Api {
    async fn answer(&self, context: CallContext, call: Ship) -> Result<Answered, Fault> {
        let (carrier, tracking_number) = ("post".to_owned(), call.order_id.clone());
        let command = OrderCommand::Ship { carrier, tracking_number, estimated_delivery: None };
        match self.changes.execute(&call.order_id, None, &command, &context).await {
            Ok(_) => Ok(Answered::Done(call.order_id)),
            Err(ChangeError::Fault(fault)) => Err(fault),
            Err(refused) => Ok(Answered::Refused(refused.to_string())),
        }
    }
}

#[async_trait]
impl Answer<Tend> for Api {
    async fn answer(&self, _context: CallContext, _call: Tend) -> Result<usize, Fault> {
        let mut open = 0;
        for state in
            [SagaState::Running, SagaState::Compensating, SagaState::Paused, SagaState::Stuck, SagaState::Parked]
        {
            let filter = SagaFilter { state: Some(state), ..SagaFilter::default() };
            let page = self.engine.list(&filter, None, 1_000).await?;
            open += page.items.len();
            for row in page.items {
                let verb = match state {
                    SagaState::Paused => Verb::Resume,
                    SagaState::Stuck => Verb::RetryNow,
                    _ => continue,
                };
                // Refused where it went on by itself meanwhile.
                let _ = self.engine.operate(&row.saga_id, verb, "operator", "the trouble is over").await;
            }
        }
        Ok(open)
    }
}

#[async_trait]
impl Answer<Poll> for Api {
    async fn answer(&self, _context: CallContext, call: Poll) -> Result<PolledMessages, Fault> {
        let from = match call.after {
            Some((epoch, position)) => PollFrom::After(Checkpoint { epoch, position }),
            None => PollFrom::Start(Start::Earliest),
        };
        let polled = self.topic.poll(from, 50, Duration::from_secs(2)).await;
        let polled = polled.map_err(|error| Fault::not_applied("topic", "poll", error))?;
        let json = |message: &Message| message.to_json().map(|json| json.get().to_owned());
        let items = polled.items.iter().map(json).collect::<Result<Vec<_>, _>>();
        let items = items.map_err(|error| Fault::permanent("topic", "poll", error))?;
        Ok((items, polled.scanned_through, polled.epoch, polled.end))
    }
}

pub(super) type SharedApi = Arc<Api>;
