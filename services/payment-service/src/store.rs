//! The streams of payments: `payment-{sagaId}` in the service's own event store.

use std::fmt;
use std::time::Duration;

use madrigal_core::{
    CallContext, EventType, ExpectedVersion, Fault, NewEvent, Position, PositionToken, RecordedEvent, StreamName,
    StreamVersion,
};
use madrigal_event_store::{AppendError, DynEventStore, StreamRead};

use crate::domain::event::SCHEMA_VERSION;
use crate::domain::{Payment, PaymentEvent};

const ENGINE: &str = "payment-service";
/// How long a writer that lost a race waits for the winner to become readable.
const RACE_WAIT: Duration = Duration::from_millis(100);

/// One payment as it was read.
#[derive(Debug, Clone)]
pub struct LoadedPayment {
    /// Folded.
    pub payment: Payment,
    /// How many events its stream has.
    pub version: StreamVersion,
    /// Where the last of them stands.
    pub position: Position,
}

/// Reads and writes payments.
#[derive(Clone)]
pub struct PaymentStore {
    events: DynEventStore,
}

impl PaymentStore {
    /// Payments in this store.
    pub fn new(events: DynEventStore) -> Self {
        Self { events }
    }

    /// The recorded events of a saga's payment, in order; empty where there is none.
    ///
    /// # Errors
    /// A [`Fault`] if the store broke or the saga's id cannot name a stream.
    pub async fn events(&self, saga_id: &str) -> Result<Vec<RecordedEvent>, Fault> {
        // A payment's stream has each kind of event at most once: one read is all of it.
        Ok(self.events.read_stream(&stream(saga_id)?, StreamRead::START).await?.events)
    }

    /// A saga's payment.
    ///
    /// # Errors
    /// As [`PaymentStore::events`], and where an event cannot be decoded.
    pub async fn load(&self, saga_id: &str) -> Result<LoadedPayment, Fault> {
        Self::fold(&self.events(saga_id).await?)
    }

    /// The payment that these events of one stream make.
    ///
    /// # Errors
    /// A permanent [`Fault`] where an event cannot be decoded.
    pub fn fold(events: &[RecordedEvent]) -> Result<LoadedPayment, Fault> {
        let mut payment = Payment::default();
        for event in events {
            let event = PaymentEvent::decode(event).map_err(|error| Fault::permanent(ENGINE, "decode", error))?;
            payment = payment.evolve(event);
        }
        let (version, position) =
            events.last().map_or((StreamVersion::NONE, Position::START), |last| (last.version(), last.position));
        Ok(LoadedPayment { payment, version, position })
    }

    /// Appends events after what was read and folds them in; `None` where somebody else was first (load again then).
    ///
    /// # Errors
    /// A [`Fault`] if the store broke.
    ///
    /// # Cancellation
    /// Repeat it: the ids of the events are functions of the saga.
    pub async fn append(
        &self,
        saga_id: &str,
        loaded: LoadedPayment,
        events: Vec<PaymentEvent>,
        context: &CallContext,
    ) -> Result<Option<LoadedPayment>, Fault> {
        let mut new = Vec::with_capacity(events.len());
        for event in &events {
            new.push(encode(saga_id, event, context)?);
        }
        let end = self.events.end();
        match self.events.append(stream(saga_id)?, ExpectedVersion::Exact(loaded.version), new).await {
            // Somebody (an abandoned call, perhaps) did the same before: more may have followed.
            Ok(appended) if appended.repeated => Ok(None),
            Ok(appended) => {
                let payment = events.into_iter().fold(loaded.payment, Payment::evolve);
                Ok(Some(LoadedPayment { payment, version: appended.version, position: appended.position }))
            }
            Err(AppendError::WrongVersion { .. } | AppendError::EventIdReused { .. }) => {
                // What was first may not be durable yet, and until then nobody can read it.
                let _ = self.events.wait_beyond(end, RACE_WAIT).await;
                Ok(None)
            }
            Err(AppendError::Fault(fault)) => Err(fault),
            Err(other) => Err(Fault::permanent(ENGINE, "append", other)),
        }
    }

    /// The token of everything that is durable now.
    pub fn end(&self) -> PositionToken {
        self.token(self.events.end())
    }

    /// The token of a position in this store.
    pub fn token(&self, position: Position) -> PositionToken {
        self.events.token(position)
    }
}

impl fmt::Debug for PaymentStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PaymentStore").field("log", self.events.log()).finish_non_exhaustive()
    }
}

fn encode(saga_id: &str, event: &PaymentEvent, context: &CallContext) -> Result<NewEvent, Fault> {
    let event_type = EventType::parse(event.name())
        .ok_or_else(|| Fault::permanent(ENGINE, "encode", "an event type is letters and digits"))?;
    let data = event.data().map_err(|error| Fault::permanent(ENGINE, "encode", error))?;
    Ok(NewEvent::new(event.id(saga_id), event_type, SCHEMA_VERSION, data, context))
}

fn stream(saga_id: &str) -> Result<StreamName, Fault> {
    StreamName::new("payment", saga_id).map_err(|error| Fault::permanent(ENGINE, "stream-name", error))
}
