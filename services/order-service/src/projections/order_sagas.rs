//! Which sagas have tried to place an order, beside the one that an order names itself: so that what is under way, or never
//! came to be, is found by the order's id.

use madrigal_core::{PersonId, RecordedEvent};
use madrigal_projection::{ApplyError, Columns, Interest, Projection};
use madrigal_saga::SagaId;
use serde::{Deserialize, Serialize};

use crate::events::OrderEvent;
use crate::sagas::place_order::PLACE_ORDER;

/// The most sagas that a row keeps: the latest. A draft that is declined over and over has one each time.
pub const KEPT: usize = madrigal_contracts::story::MAX_SAGAS;

/// The sagas of one order that are not the one which placed it. A row goes with its last one: most orders never leave one
/// behind, since an order is usually placed before the view's next batch.
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

/// The fold of the starts of sagas, and of what orders say of them, into [`OrderSagas`], by order.
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

/// What is read of an order's event that says which saga it owes itself to.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PlacedBy {
    saga_id: Option<String>,
}

impl PlacedBy {
    fn may_be_in(event: &RecordedEvent) -> bool {
        event.stream.category() == OrderEvent::CATEGORY
            && matches!(event.event_type.as_str(), "OrderCreated" | "OrderPlaced")
    }
}

impl Projection for OrderSagasProjection {
    type Row = OrderSagas;

    fn name(&self) -> &'static str {
        "order-sagas"
    }

    fn version(&self) -> u32 {
        2
    }

    fn column_names(&self) -> &'static [&'static str] {
        &[]
    }

    fn keys(&self, event: &RecordedEvent) -> Result<Interest, ApplyError> {
        if PlacedBy::may_be_in(event) {
            return Ok(Interest::Key(event.stream.id().to_owned()));
        }
        Ok(match Started::of(event) {
            Some((_, started)) if started.definition == PLACE_ORDER => Interest::Key(started.input.order_id),
            _ => Interest::Skip,
        })
    }

    fn apply(
        &self,
        _key: &str,
        row: Option<Self::Row>,
        event: &RecordedEvent,
    ) -> Result<Option<Self::Row>, ApplyError> {
        if PlacedBy::may_be_in(event) {
            let Some(mut row) = row else { return Ok(None) };
            let placed_by: PlacedBy = event.decode()?;
            row.sagas.retain(|saga| placed_by.saga_id.as_deref() != Some(saga.saga_id.to_string().as_str()));
            return Ok((!row.sagas.is_empty()).then_some(row));
        }
        let Some((saga_id, started)) = Started::of(event) else { return Ok(row) };
        let mut row = row.unwrap_or_default();
        row.user_id = row.user_id.or(started.owner);
        if row.sagas.iter().all(|known| known.saga_id != saga_id) {
            row.sagas.push(OrderSaga { saga_id, places: true });
        }
        let surplus = row.sagas.len().saturating_sub(KEPT);
        row.sagas.drain(..surplus);
        Ok(Some(row))
    }

    fn columns(&self, _row: &Self::Row) -> Columns {
        Columns::none()
    }
}
