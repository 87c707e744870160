//! The event envelope: what a writer hands over, and what is read back.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::context::CallContext;
use crate::host::Host;
use crate::id::{CorrelationId, EventId};
use crate::position::Position;
use crate::stream::StreamName;
use crate::time::Timestamp;
use crate::version::StreamVersion;

/// The type of an event, a past tense in capitals: `OrderCreated`. At most 64 bytes of ASCII letters and digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventType(Arc<str>);

impl EventType {
    /// The type, or `None` if it is empty, longer than 64 bytes or has other characters.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = !text.is_empty() && text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        fits.then(|| Self(text.into()))
    }

    /// The type as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PartialEq<str> for EventType {
    fn eq(&self, other: &str) -> bool {
        &*self.0 == other
    }
}

/// One JSON value as compact UTF-8 text; cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct JsonBytes(Bytes);

/// A thread keeps a buffer up to this size to write JSON into: events and rows are small, and a text that grows from
/// nothing moves five times before it is one.
const SCRATCH_BYTES: usize = 64 << 10;

thread_local! {
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl JsonBytes {
    /// The JSON of `value`.
    ///
    /// # Errors
    /// If `value` cannot be JSON (a map with keys that are not texts).
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, serde_json::Error> {
        // Taken, not borrowed: a value may write JSON of its own while it is written.
        let mut scratch = SCRATCH.take();
        scratch.clear();
        let written = serde_json::to_writer(&mut scratch, value);
        let text = written.map(|()| Self(Bytes::copy_from_slice(&scratch)));
        if scratch.capacity() <= SCRATCH_BYTES {
            SCRATCH.set(scratch);
        }
        text
    }

    /// The bytes as they are, after checking that they are one JSON value.
    ///
    /// # Errors
    /// If they are not.
    pub fn parse(bytes: Bytes) -> Result<Self, serde_json::Error> {
        serde_json::from_slice::<&RawValue>(&bytes)?;
        Ok(Self(bytes))
    }

    /// Bytes that are known to be one JSON value: read back from a store that took them as [`JsonBytes`].
    pub const fn trusted(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// The JSON decoded.
    ///
    /// # Errors
    /// If it does not have the form of `T`.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.0)
    }

    /// The text's bytes.
    pub const fn as_bytes(&self) -> &Bytes {
        &self.0
    }
}

impl fmt::Debug for JsonBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl Serialize for JsonBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_slice(&self.0).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

/// An event that is to be appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// Chosen by the writer: a repeated append with the same ids is recognised as such.
    pub event_id: EventId,
    /// What happened.
    pub event_type: EventType,
    /// The version of the data's form, from 1.
    pub schema_version: u16,
    /// The data. Personal fields in it are sealed ([`crate::Sealed`]).
    pub event_data: JsonBytes,
    /// The id of the message that caused this one.
    pub causation_id: Option<EventId>,
    /// The request that set it in motion.
    pub correlation_id: Option<CorrelationId>,
    /// On whose behalf, as in `42` or `operator:anna`.
    pub user_id: Option<Arc<str>>,
    /// W3C trace context.
    pub traceparent: Option<Arc<str>>,
}

impl NewEvent {
    /// An event with the correlation, caller and trace of `context`.
    pub fn new(
        event_id: EventId,
        event_type: EventType,
        schema_version: u16,
        event_data: JsonBytes,
        context: &CallContext,
    ) -> Self {
        Self {
            event_id,
            event_type,
            schema_version,
            event_data,
            causation_id: context.causation_id,
            correlation_id: Some(context.correlation_id.clone()),
            user_id: context.user_id.clone(),
            traceparent: context.traceparent.clone(),
        }
    }

    /// An event with a new id.
    pub fn fresh(
        host: &Host,
        event_type: EventType,
        schema_version: u16,
        event_data: JsonBytes,
        context: &CallContext,
    ) -> Self {
        Self::new(EventId::new(host), event_type, schema_version, event_data, context)
    }
}

/// What the store and the writer say about an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// When the store accepted it.
    pub timestamp: Timestamp,
    /// Its place in its stream, from 1.
    pub version: StreamVersion,
    /// The id of the message that caused it.
    pub causation_id: Option<EventId>,
    /// The request that set it in motion.
    pub correlation_id: Option<CorrelationId>,
    /// On whose behalf.
    pub user_id: Option<Arc<str>>,
    /// W3C trace context.
    pub traceparent: Option<Arc<str>>,
}

/// An event as read from a store; serialises to the brief's shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedEvent {
    /// The writer's id.
    pub event_id: EventId,
    /// The stream it belongs to (`aggregateType` and `aggregateId` in JSON).
    pub stream: StreamName,
    /// What happened.
    pub event_type: EventType,
    /// The version of the data's form.
    pub schema_version: u16,
    /// The data.
    pub event_data: JsonBytes,
    /// What the store and the writer say about it.
    pub metadata: Metadata,
    /// Its place in the log.
    pub position: Position,
}

impl RecordedEvent {
    /// Its place in its stream.
    pub const fn version(&self) -> StreamVersion {
        self.metadata.version
    }

    /// The data decoded.
    ///
    /// # Errors
    /// If the data does not have the form of `T`.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        self.event_data.decode()
    }
}

impl Serialize for RecordedEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("RecordedEvent", 8)?;
        fields.serialize_field("eventId", &self.event_id)?;
        fields.serialize_field("aggregateType", &self.stream.aggregate_type())?;
        fields.serialize_field("aggregateId", self.stream.id())?;
        fields.serialize_field("eventType", &self.event_type)?;
        fields.serialize_field("schemaVersion", &self.schema_version)?;
        fields.serialize_field("eventData", &self.event_data)?;
        fields.serialize_field("metadata", &self.metadata)?;
        fields.serialize_field("position", &self.position)?;
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes JSON of its own while it is written.
    struct Nested(u32);

    impl Serialize for Nested {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let inner = (0..self.0).map(|n| JsonBytes::of(&n)).collect::<Result<Vec<_>, _>>();
            inner.map_err(serde::ser::Error::custom)?.serialize(serializer)
        }
    }

    #[test]
    fn json_is_the_value_whatever_was_written_before() {
        let long = "x".repeat(2 * SCRATCH_BYTES);
        assert_eq!(JsonBytes::of(&long).unwrap().as_bytes().len(), long.len() + 2);
        assert_eq!(JsonBytes::of(&[1, 2]).unwrap().as_bytes()[..], *b"[1,2]");
        assert_eq!(JsonBytes::of("a").unwrap().as_bytes()[..], *b"\"a\"");
        assert_eq!(JsonBytes::of(&(Nested(3), "b")).unwrap().as_bytes()[..], *b"[[0,1,2],\"b\"]");
        JsonBytes::of(&std::collections::BTreeMap::from([((1, 2), 3)])).unwrap_err();
        assert_eq!(JsonBytes::of(&true).unwrap().as_bytes()[..], *b"true");
    }
}
