//! Which sagas an order has: found by the order's id, also where the order never came to be.

use madrigal_core::{PersonId, RecordedEvent};
use madrigal_projection::{ApplyError, Columns, Interest, Projection};
use madrigal_saga::SagaId;
use serde::{Deserialize, Serialize};

use crate::sagas::place_order::PLACE_ORDER;

/// The most sagas that a row keeps: the latest. A draft that is declined over and over has one each time.
pub const KEPT: usize = madrigal_contracts::story::MAX_SAGAS;

/// The sagas of one order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderSagas {
    /// Whose order it is or would have been.
    pub user_id: Option<PersonId>,
    /// In the order of their starts, at most [`KEPT`].
    pub sagas: Vec<OrderSaga>,
}

/// A saga of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderSaga {
    /// The saga.
    pub saga_id: SagaId,
    /// Whether it places the order (else it cancels it).
    pub places: bool,
}

/// The fold of the starts of sagas into [`OrderSagas`], by order.
#[derive(Debug, Clone, Copy, Default)]
pub struct OrderSagasProjection;

/// What is read of a saga's first record.
#[derive(Debug, Deserialize)]
pub(crate) struct Started {
    pub(crate) definition: String,
    pub(crate) owner: Option<PersonId>,
    pub(crate) input: StartedFor,
}

/// What is read of a saga's input.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StartedFor {
    pub(crate) order_id: String,
}

impl Started {
    /// The start that this event is; `None` for every other event, and for sagas that are not about an order.
    pub(crate) fn of(event: &RecordedEvent) -> Option<(SagaId, Self)> {
        if event.event_type.as_str() != "SagaStarted" {
            return None;
        }
        Some((SagaId::of_stream(&event.stream)?, event.decode().ok()?))
    }
}

impl Projection for OrderSagasProjection {
    type Row = OrderSagas;

    fn name(&self) -> &'static str {
        "order-sagas"
    }

    fn version(&self) -> u32 {
        1
    }

    fn column_names(&self) -> &'static [&'static str] {
        &[]
    }

    fn keys(&self, event: &RecordedEvent) -> Result<Interest, ApplyError> {
        Ok(Started::of(event).map_or(Interest::Skip, |(_, started)| Interest::Key(started.input.order_id)))
    }

    fn apply(
        &self,
        _key: &str,
        row: Option<Self::Row>,
        event: &RecordedEvent,
    ) -> Result<Option<Self::Row>, ApplyError> {
        let Some((saga_id, started)) = Started::of(event) else { return Ok(row) };
        let mut row = row.unwrap_or_default();
        row.user_id = row.user_id.or(started.owner);
        if row.sagas.iter().all(|known| known.saga_id != saga_id) {
            row.sagas.push(OrderSaga { saga_id, places: started.definition == PLACE_ORDER });
        }
        let surplus = row.sagas.len().saturating_sub(KEPT);
        row.sagas.drain(..surplus);
        Ok(Some(row))
    }

    fn columns(&self, _row: &Self::Row) -> Columns {
        Columns::none()
    }
}
