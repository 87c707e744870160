//! What the three event families share: names, versions and the error for events that cannot be read.

use madrigal_core::{EventType, JsonBytes, RecordedEvent};
use serde::Serialize;

/// An event in a stream of this service that this binary cannot read.
#[derive(Debug, thiserror::Error)]
#[error("event {event_type} version {schema_version} of stream {stream} at version {version} cannot be read")]
pub struct UnreadableEvent {
    /// The stream.
    pub stream: String,
    /// The event's type.
    pub event_type: String,
    /// The version of its data's form.
    pub schema_version: u16,
    /// Its place in the stream.
    pub version: u64,
    /// What the decoder said; `None` where the type or its version is not known.
    #[source]
    pub source: Option<serde_json::Error>,
}

impl UnreadableEvent {
    /// The error for `event`.
    pub fn of(event: &RecordedEvent, source: Option<serde_json::Error>) -> Self {
        Self {
            stream: event.stream.to_string(),
            event_type: event.event_type.to_string(),
            schema_version: event.schema_version,
            version: event.version().0,
            source,
        }
    }
}

/// An event's type and data, ready for the store. All forms of this service are at version 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The type.
    pub event_type: EventType,
    /// The data.
    pub data: JsonBytes,
}

/// The version of the data's form that this binary writes.
pub const SCHEMA_VERSION: u16 = 1;

#[expect(clippy::expect_used, reason = "names are constants of this crate, and data are structs with text keys")]
pub(super) fn written(event_type: &'static str, data: &impl Serialize) -> Written {
    Written {
        event_type: EventType::parse(event_type).expect("a valid event type"),
        data: JsonBytes::of(data).expect("data that is JSON"),
    }
}

pub(super) fn read<T: serde::de::DeserializeOwned>(event: &RecordedEvent) -> Result<T, UnreadableEvent> {
    if event.schema_version != SCHEMA_VERSION {
        return Err(UnreadableEvent::of(event, None));
    }
    event.decode().map_err(|error| UnreadableEvent::of(event, Some(error)))
}
