//! What catalog-service contributes to the story of an order.

use async_trait::async_trait;
use madrigal_contracts::story::{MAX_SAGAS, ReservationTold, ReservationsTold, ReservedQuantity, TellReservations};
use madrigal_core::{CallContext, Fault};
use madrigal_event_store::{DynEventStore, StreamRead};
use madrigal_http::Answer;

use crate::domain::{Reservation, ReservationEvent, SagaKey};

const ENGINE: &str = "catalog";

/// Tells what sagas reserved, from the streams of their reservations.
pub struct Reservations {
    store: DynEventStore,
}

impl Reservations {
    /// Reservations in this store.
    pub fn new(store: DynEventStore) -> Self {
        Self { store }
    }

    async fn told(&self, saga: &SagaKey) -> Result<Option<ReservationTold>, Fault> {
        // A reservation's stream has each kind of event at most once: one read is all of it.
        let slice = self.store.read_stream(&saga.stream(), StreamRead::START).await?;
        let permanent =
            |error: &dyn std::fmt::Display| Fault::permanent(ENGINE, "tell-reservations", error.to_string());
        let (mut reservation, mut events) = (None, Vec::with_capacity(slice.events.len()));
        for event in &slice.events {
            let decoded = ReservationEvent::read(event).map_err(|error| permanent(&error))?;
            reservation = Reservation::evolve(reservation, &decoded);
            events.push(serde_json::to_value(event).map_err(|error| permanent(&error))?);
        }
        Ok(reservation.map(|reservation| ReservationTold {
            saga_id: saga.as_str().to_owned(),
            state: reservation.standing.as_str().to_owned(),
            lines: reservation
                .lines
                .into_iter()
                .map(|line| ReservedQuantity {
                    product_id: line.product_id.as_str().to_owned(),
                    name: line.name,
                    quantity: line.quantity,
                })
                .collect(),
            events,
        }))
    }
}

#[async_trait]
impl Answer<TellReservations> for Reservations {
    async fn answer(&self, _context: CallContext, call: TellReservations) -> Result<ReservationsTold, Fault> {
        // Taken before the reads: everything up to here is in them.
        let position = self.store.token(self.store.end());
        let mut reservations = Vec::new();
        for saga in call.saga_ids.iter().take(MAX_SAGAS).filter_map(|id| SagaKey::parse(id)) {
            reservations.extend(self.told(&saga).await?);
        }
        Ok(ReservationsTold { reservations, position })
    }
}
