//! What a topic promises: which events it tells, and how.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use madrigal_core::{JsonBytes, RecordedEvent};
use madrigal_projection::Upcaster;
use serde::Serialize;

use crate::message::{Message, UNMAPPABLE};

/// What a topic tells of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The message's type.
    pub kind: String,
    /// What must stay in order, as in the aggregate's id.
    pub key: String,
    /// The data.
    pub data: JsonBytes,
}

impl Outgoing {
    /// A message of this type about the event's own aggregate.
    ///
    /// # Errors
    /// If `data` cannot be JSON.
    pub fn about<T: Serialize>(event: &RecordedEvent, kind: &str, data: &T) -> Result<Self, MapError> {
        Ok(Self { kind: kind.to_owned(), key: event.stream.id().to_owned(), data: JsonBytes::of(data)? })
    }
}

/// Why an event that the filter admits cannot be told.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct MapError(Box<dyn StdError + Send + Sync>);

impl MapError {
    /// For this reason.
    pub fn new(why: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self(why.into())
    }
}

impl From<serde_json::Error> for MapError {
    fn from(error: serde_json::Error) -> Self {
        Self(Box::new(error))
    }
}

type Map = dyn Fn(&RecordedEvent) -> Result<Option<Outgoing>, MapError> + Send + Sync;

/// A topic: its name, who says it, a declared filter of event types, and a pure mapping. What is not in the filter never
/// leaves, whatever the mapping does. Cheap to clone.
#[derive(Clone)]
pub struct TopicContract {
    name: &'static str,
    source: &'static str,
    event_types: &'static [&'static str],
    map: Arc<Map>,
    upcaster: Option<Upcaster>,
    /// The newest form of the events' data that `map` understands; none where it looks for itself.
    newest: Option<u16>,
}

impl TopicContract {
    /// A topic `name` of `source` (as in `/order-service`) that tells events of these types as `map` puts them; `None`
    /// from `map` leaves an event out.
    pub fn new<M>(name: &'static str, source: &'static str, event_types: &'static [&'static str], map: M) -> Self
    where
        M: Fn(&RecordedEvent) -> Result<Option<Outgoing>, MapError> + Send + Sync + 'static,
    {
        Self { name, source, event_types, map: Arc::new(map), upcaster: None, newest: None }
    }

    /// With an upcaster, which brings events to their current form before they are mapped.
    #[must_use]
    pub fn upcasting(mut self, upcaster: Upcaster) -> Self {
        self.upcaster = Some(upcaster);
        self
    }

    /// For a mapping that hands the data on as it is: an event whose data has a newer form than this schema version becomes
    /// [`UNMAPPABLE`], so that no listener takes it for what it knows.
    #[must_use]
    pub const fn up_to(mut self, schema_version: u16) -> Self {
        self.newest = Some(schema_version);
        self
    }

    /// The topic's name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The types of the events that it tells.
    pub const fn event_types(&self) -> &'static [&'static str] {
        self.event_types
    }

    /// The message of an event, if it has one. An event that cannot be mapped becomes a message of type
    /// [`UNMAPPABLE`]: its listeners park the key, nobody passes it over.
    pub fn message(&self, event: &RecordedEvent) -> Option<Message> {
        if !self.event_types.contains(&event.event_type.as_str()) {
            return None;
        }
        let mapped = match &self.upcaster {
            None => self.mapped(event),
            Some(upcast) => upcast(event.clone()).map_err(MapError).and_then(|current| self.mapped(&current)),
        };
        let outgoing = match mapped {
            Ok(outgoing) => outgoing?,
            Err(error) => unmappable(event, &error),
        };
        Some(Message {
            id: event.event_id.to_string(),
            source: self.source.to_owned(),
            kind: outgoing.kind,
            subject: Some(event.stream.to_string()),
            version: Some(event.version()),
            time: event.metadata.timestamp,
            data: outgoing.data,
            key: outgoing.key,
            position: event.position,
            correlation_id: event.metadata.correlation_id.as_ref().map(ToString::to_string),
            causation_id: event.metadata.causation_id.map(|id| id.to_string()),
            traceparent: event.metadata.traceparent.as_deref().map(ToOwned::to_owned),
        })
    }

    fn mapped(&self, event: &RecordedEvent) -> Result<Option<Outgoing>, MapError> {
        match self.newest.filter(|newest| event.schema_version > *newest) {
            Some(newest) => {
                let found = event.schema_version;
                Err(MapError::new(format!("its schema version is {found}, this program knows up to {newest}")))
            }
            None => (self.map)(event),
        }
    }
}

impl fmt::Debug for TopicContract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TopicContract").field("name", &self.name).field("event_types", &self.event_types).finish()
    }
}

fn unmappable(event: &RecordedEvent, error: &MapError) -> Outgoing {
    let why = serde_json::json!({"eventType": event.event_type, "schemaVersion": event.schema_version, "cause": error.to_string()});
    Outgoing {
        kind: UNMAPPABLE.to_owned(),
        key: event.stream.id().to_owned(),
        data: JsonBytes::trusted(why.to_string().into()),
    }
}
