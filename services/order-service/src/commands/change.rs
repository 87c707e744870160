//! Changing orders that exist: drafts' lines, shipping, delivering, cancelling.

use std::time::Duration;

use madrigal_core::{CallContext, EventId, ExpectedVersion, Fault, Fingerprint, Host, PositionToken, StreamVersion};
use madrigal_event_store::{AppendError, DynEventStore, until_readable};
use madrigal_saga::{SagaEngine, SagaId, SagaProgress, StartError, StartSaga};

use super::load_order;
use super::place::order_stream;
use crate::aggregates::order::{Order, OrderCommand, OrderRejection};
use crate::sagas::cancel_order::{self, CANCEL_ORDER, CancelOrder};

/// How often a decision is repeated when others change the order at the same time.
const ATTEMPTS: u32 = 16;

/// Why an order was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// There is no such order.
    #[error("there is no such order")]
    NotFound,
    /// The caller's version is not the order's.
    #[error("the order is at version {0}")]
    WrongVersion(StreamVersion),
    /// The order refuses.
    #[error(transparent)]
    Refused(#[from] OrderRejection),
    /// Others changed the order again and again at the same time. Nothing was changed.
    #[error("the order is being changed by many at once")]
    Contended,
    /// Something broke.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Changes orders.
#[derive(Clone)]
pub struct OrderChanges {
    store: DynEventStore,
    engine: SagaEngine,
    host: Host,
}

impl OrderChanges {
    /// Changes over this store and engine.
    pub fn new(store: DynEventStore, engine: SagaEngine, host: Host) -> Self {
        Self { store, engine, host }
    }

    /// The order as it is now, folded from its events.
    ///
    /// # Errors
    /// [`ChangeError::NotFound`] or a fault.
    pub async fn load(&self, order_id: &str) -> Result<Order, ChangeError> {
        let stream = order_stream(order_id).map_err(|_| ChangeError::NotFound)?;
        load_order(&*self.store, &stream).await?.ok_or(ChangeError::NotFound)
    }

    /// Decides a command on the order as it is and appends what follows; decides again if somebody was faster.
    ///
    /// # Errors
    /// [`ChangeError`]; nothing was changed, unless a fault says that its outcome is unknown.
    ///
    /// # Cancellation
    /// The change may have happened: read the order.
    pub async fn execute(
        &self,
        order_id: &str,
        if_match: Option<StreamVersion>,
        command: &OrderCommand,
        context: &CallContext,
    ) -> Result<(StreamVersion, PositionToken), ChangeError> {
        let stream = order_stream(order_id).map_err(|_| ChangeError::NotFound)?;
        for _ in 0..ATTEMPTS {
            let order = load_order(&*self.store, &stream).await?.ok_or(ChangeError::NotFound)?;
            if if_match.is_some_and(|version| version != order.version) {
                return Err(ChangeError::WrongVersion(order.version));
            }
            let events = order
                .decide(command.clone())?
                .iter()
                .map(|event| event.encode(EventId::new(&self.host), context))
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| Fault::permanent("order-service", "encode", error))?;
            match self.store.append(stream.clone(), ExpectedVersion::Exact(order.version), events).await {
                Ok(appended) => {
                    let token = self.store.token(appended.position);
                    return Ok((appended.version, token));
                }
                Err(AppendError::WrongVersion { actual, .. }) => {
                    until_readable(&*self.store, &stream, actual).await;
                }
                Err(AppendError::Fault(fault)) => return Err(fault.into()),
                Err(other) => return Err(Fault::permanent("order-service", "append", other).into()),
            }
        }
        Err(ChangeError::Contended)
    }

    /// Starts the cancellation saga of an order, or attaches to the one under way: there is one per order.
    ///
    /// # Errors
    /// [`ChangeError`].
    ///
    /// # Cancellation
    /// The saga may have been started: ask again.
    pub async fn cancel(&self, order_id: &str, reason: String, context: &CallContext) -> Result<SagaId, ChangeError> {
        let order = self.load(order_id).await?;
        let id = cancel_order::saga_id(order_id);
        if self.engine.outcome(&id, Duration::ZERO).await? == SagaProgress::Unknown {
            // Refused before the saga starts where the outcome is certain already; else the pivot decides.
            order.decide(OrderCommand::Cancel { reason: reason.clone() })?;
        }
        let input = CancelOrder {
            order_id: order_id.to_owned(),
            placed_by: order.saga_id.clone(),
            reason,
            customer: order.customer.clone(),
        };
        let start = StartSaga {
            id,
            definition: CANCEL_ORDER,
            input: serde_json::to_value(&input).map_err(|error| Fault::permanent("order-service", "cancel", error))?,
            // One cancellation per order, whatever reason a repetition states.
            fingerprint: Fingerprint::of(order_id.as_bytes()),
            owner: Some(order.user_id),
            call: context.clone(),
        };
        match self.engine.start(start).await {
            Ok(started) => Ok(started.id),
            Err(StartError::Fault(fault)) => Err(fault.into()),
            Err(other) => Err(Fault::not_applied("saga", "start", other).into()),
        }
    }
}

impl std::fmt::Debug for OrderChanges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OrderChanges").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
