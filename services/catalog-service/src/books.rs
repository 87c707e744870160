//! The reservations' side of the books over all services: what is held and sold for each saga, by the streams.

use std::collections::BTreeSet;

use async_trait::async_trait;
use madrigal_contracts::books::{
    ListMovedSagas, MAX_EVENTS, MAX_SAGAS, MovedSagas, ReadSagaReservations, ReservationStanding, SagaReservation,
};
use madrigal_contracts::catalog::ProductQuantity;
use madrigal_core::{CallContext, Fault};
use madrigal_event_store::DynEventStore;
use madrigal_http::Answer;

use crate::domain::{Reservation, SagaKey, Standing};
use crate::store::Loader;

/// Tells what is held and sold. Cheap to clone.
#[derive(Clone)]
pub struct SagaReservations {
    store: DynEventStore,
    loader: Loader,
}

impl SagaReservations {
    /// Of the reservations in this store.
    pub fn new(store: DynEventStore) -> Self {
        let loader = Loader::new(store.clone(), None);
        Self { store, loader }
    }
}

#[async_trait]
impl Answer<ListMovedSagas> for SagaReservations {
    async fn answer(&self, _: CallContext, call: ListMovedSagas) -> Result<MovedSagas, Fault> {
        let end = self.store.end();
        if call.limit == 0 || call.after >= end {
            return Ok(MovedSagas { through: call.after, end, ..MovedSagas::default() });
        }
        let read = self
            .store
            .read_log(call.after, call.limit.min(MAX_EVENTS))
            .await
            .map_err(|error| error.into_fault("catalog-service", "list-moved-sagas"))?;
        let through = call.through.map_or(read.scanned_through, |through| through.min(read.scanned_through));
        let moved = read.events.iter().filter(|event| event.position <= through);
        let moved = moved.filter(|event| event.stream.category() == SagaKey::CATEGORY);
        let sagas: BTreeSet<String> = moved.map(|event| event.stream.id().to_owned()).collect();
        let at = read.events.last().map(|event| event.metadata.timestamp);
        Ok(MovedSagas { sagas: sagas.into_iter().collect(), begun: 0, through, end: read.end, at })
    }
}

#[async_trait]
impl Answer<ReadSagaReservations> for SagaReservations {
    async fn answer(&self, _: CallContext, call: ReadSagaReservations) -> Result<Vec<SagaReservation>, Fault> {
        let sagas = call.sagas.iter().take(MAX_SAGAS).filter_map(|saga| SagaKey::parse(saga)).collect();
        let mut told = Vec::new();
        for (saga, slip) in self.loader.slips(sagas).await {
            told.extend(slip?.reservation.map(|reservation| tell(&saga, &reservation)));
        }
        Ok(told)
    }
}

fn tell(saga: &SagaKey, reservation: &Reservation) -> SagaReservation {
    let line = |line: &crate::domain::ReservationLine| ProductQuantity {
        product_id: line.product_id.as_str().to_owned(),
        quantity: line.quantity,
    };
    SagaReservation {
        saga_id: saga.as_str().to_owned(),
        order_id: reservation.order_id.clone(),
        standing: match reservation.standing {
            Standing::Reserved => ReservationStanding::Reserved,
            Standing::Released => ReservationStanding::Released,
            Standing::Sold => ReservationStanding::Sold,
            Standing::Returned => ReservationStanding::Returned,
            Standing::Tombstoned => ReservationStanding::Tombstoned,
        },
        confirmed_late: reservation.confirmed_late,
        lines: reservation.lines.iter().map(line).collect(),
    }
}

impl std::fmt::Debug for SagaReservations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SagaReservations").finish_non_exhaustive()
    }
}
