//! The view `open-reservations`: what is held and neither sold nor released, so that old ones can be asked about.

use madrigal_core::{RecordedEvent, Timestamp};
use madrigal_projection::{ApplyError, Columns, Interest, Projection};
use serde::{Deserialize, Serialize};

use crate::domain::{ProductRated, Request, ReservationEvent};

/// A reservation that is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenReservation {
    /// Since when.
    pub made_at: Timestamp,
    /// The order that it is for.
    pub order_id: String,
}

/// The fold; keys are sagas.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenReservations;

impl Projection for OpenReservations {
    type Row = OpenReservation;

    fn name(&self) -> &'static str {
        "open-reservations"
    }

    fn version(&self) -> u32 {
        1
    }

    fn column_names(&self) -> &'static [&'static str] {
        &[]
    }

    fn keys(&self, event: &RecordedEvent) -> Result<Interest, ApplyError> {
        match event.stream.category() {
            "reservation" => Ok(Interest::own(event)),
            "product" | "stock" | ProductRated::CATEGORY | Request::CATEGORY => Ok(Interest::Skip),
            _ => Err(ApplyError::unknown_type(event)),
        }
    }

    fn apply(
        &self,
        _: &str,
        row: Option<OpenReservation>,
        event: &RecordedEvent,
    ) -> Result<Option<OpenReservation>, ApplyError> {
        let read = ReservationEvent::read(event).map_err(|error| ApplyError::refused(error.to_string()))?;
        Ok(match read {
            ReservationEvent::Made(made) => {
                Some(OpenReservation { made_at: event.metadata.timestamp, order_id: made.order_id })
            }
            ReservationEvent::Released(_) | ReservationEvent::Confirmed | ReservationEvent::Returned => None,
            ReservationEvent::Tombstoned | ReservationEvent::ConfirmedAfterRelease => row,
        })
    }

    fn columns(&self, _: &OpenReservation) -> Columns {
        Columns::none()
    }
}
