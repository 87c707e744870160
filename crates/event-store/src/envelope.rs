//! An event as the payload of a journal's record; the form is for ever (`docs/journal-format.md`).
//!
//! One byte with the form's number, the version in its stream (8 bytes, little endian, at a fixed place because it is
//! known last), the rest of the envelope in postcard, and the data as it was given. Position and time are the record's.

use std::sync::Arc;

use madrigal_core::{
    CorrelationId, EventId, EventType, JsonBytes, Metadata, NewEvent, Position, RecordedEvent, StreamName,
    StreamVersion, Timestamp,
};
use madrigal_journal::Record;
use serde::{Deserialize, Serialize};

/// The form that is written.
const FORM: u8 = 1;
/// Where the version is in the payload.
pub(crate) const VERSION_AT: usize = 1;
const HEADER_BYTES: usize = 9;

/// The envelope without version, position, time and data. New fields need a new form: postcard has no field names.
#[derive(Debug, Serialize, Deserialize)]
struct Form1<'a> {
    event_id: EventId,
    #[serde(borrow)]
    stream: &'a str,
    event_type: &'a str,
    schema_version: u16,
    causation_id: Option<EventId>,
    correlation_id: Option<&'a str>,
    user_id: Option<&'a str>,
    traceparent: Option<&'a str>,
}

/// Why a payload is not an event.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// Written by a newer version of this program, or not by it at all.
    #[error("the record at {position} has form {form}, this program knows up to {FORM}")]
    Form {
        /// The record.
        position: Position,
        /// Its form.
        form: u8,
    },
    /// The form is known and the bytes do not have it.
    #[error("the record at {position} is not an event: {what}")]
    Content {
        /// The record.
        position: Position,
        /// The part that is wrong.
        what: &'static str,
    },
}

/// Appends the payload of `event` to `buffer`, with version 0.
pub(crate) fn encode(buffer: &mut Vec<u8>, stream: &StreamName, event: &NewEvent) {
    buffer.push(FORM);
    buffer.extend_from_slice(&[0; 8]);
    let form = Form1 {
        event_id: event.event_id,
        stream: stream.as_str(),
        event_type: event.event_type.as_str(),
        schema_version: event.schema_version,
        causation_id: event.causation_id,
        correlation_id: event.correlation_id.as_ref().map(CorrelationId::as_str),
        user_id: event.user_id.as_deref(),
        traceparent: event.traceparent.as_deref(),
    };
    // Into memory, and every field has a form in postcard: there is nothing that could fail.
    let written = postcard::to_extend(&form, Tail(buffer));
    debug_assert!(written.is_ok());
    buffer.extend_from_slice(event.event_data.as_bytes());
}

/// Lets postcard extend a borrowed buffer.
struct Tail<'a>(&'a mut Vec<u8>);

impl Extend<u8> for Tail<'_> {
    fn extend<I: IntoIterator<Item = u8>>(&mut self, bytes: I) {
        self.0.extend(bytes);
    }
}

/// What an index needs of a payload, without copying.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key<'a> {
    pub(crate) stream: &'a str,
    pub(crate) event_id: EventId,
    pub(crate) version: StreamVersion,
}

/// The part of a payload that indexes need.
pub(crate) fn key(position: Position, payload: &[u8]) -> Result<Key<'_>, EnvelopeError> {
    let (version, form, _) = open(position, payload)?;
    Ok(Key { stream: form.stream, event_id: form.event_id, version })
}

/// The event of a record.
pub(crate) fn decode(record: &Record) -> Result<RecordedEvent, EnvelopeError> {
    let position = record.position;
    let wrong = |what| EnvelopeError::Content { position, what };
    let (version, form, data_at) = open(position, &record.payload)?;
    let metadata = Metadata {
        timestamp: record.time,
        version,
        causation_id: form.causation_id,
        correlation_id: match form.correlation_id {
            Some(text) => Some(CorrelationId::parse(text).ok_or_else(|| wrong("correlation"))?),
            None => None,
        },
        user_id: form.user_id.map(Arc::from),
        traceparent: form.traceparent.map(Arc::from),
    };
    Ok(RecordedEvent {
        event_id: form.event_id,
        stream: form.stream.parse().map_err(|_| wrong("stream"))?,
        event_type: EventType::parse(form.event_type).ok_or_else(|| wrong("event type"))?,
        schema_version: form.schema_version,
        event_data: JsonBytes::trusted(record.payload.slice(data_at..)),
        metadata,
        position,
    })
}

fn open(position: Position, payload: &[u8]) -> Result<(StreamVersion, Form1<'_>, usize), EnvelopeError> {
    let Some((header, rest)) = payload.split_at_checked(HEADER_BYTES) else {
        return Err(EnvelopeError::Content { position, what: "header" });
    };
    if header[0] != FORM {
        return Err(EnvelopeError::Form { position, form: header[0] });
    }
    let mut version = [0; 8];
    version.copy_from_slice(&header[VERSION_AT..]);
    let (form, data) =
        postcard::take_from_bytes(rest).map_err(|_| EnvelopeError::Content { position, what: "envelope" })?;
    Ok((StreamVersion(u64::from_le_bytes(version)), form, payload.len() - data.len()))
}

/// The event that `new` becomes.
pub(crate) fn recorded(
    stream: &StreamName,
    new: NewEvent,
    version: StreamVersion,
    position: Position,
    timestamp: Timestamp,
) -> RecordedEvent {
    RecordedEvent {
        event_id: new.event_id,
        stream: stream.clone(),
        event_type: new.event_type,
        schema_version: new.schema_version,
        event_data: new.event_data,
        metadata: Metadata {
            timestamp,
            version,
            causation_id: new.causation_id,
            correlation_id: new.correlation_id,
            user_id: new.user_id,
            traceparent: new.traceparent,
        },
        position,
    }
}

/// Whether a stored event is the one that is appended again.
pub(crate) fn same_content(stored: &RecordedEvent, new: &NewEvent) -> bool {
    stored.event_id == new.event_id
        && stored.event_type == new.event_type
        && stored.schema_version == new.schema_version
        && stored.event_data == new.event_data
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use madrigal_core::{CallContext, Host};

    use super::*;

    fn sample() -> (StreamName, NewEvent) {
        let host = Host::seeded(3);
        let mut context = CallContext::new(&host).caused_by(EventId::derived("cause"));
        context.correlation_id = CorrelationId::parse("request-1").unwrap();
        context.user_id = Some("42".into());
        let event_type = EventType::parse("OrderCreated").unwrap();
        let data = JsonBytes::of(&serde_json::json!({"total": 1999})).unwrap();
        let event = NewEvent::new(EventId::derived("event"), event_type, 2, data, &context);
        (StreamName::new("order", 7).unwrap(), event)
    }

    #[test]
    fn an_event_comes_back_as_it_was_given() {
        let (stream, event) = sample();
        let mut payload = Vec::new();
        encode(&mut payload, &stream, &event);
        payload[VERSION_AT..HEADER_BYTES].copy_from_slice(&5u64.to_le_bytes());
        let time = Timestamp::from_micros(12);
        let record = Record { position: Position(9), time, payload: payload.into() };
        let expected = recorded(&stream, event, StreamVersion(5), Position(9), time);
        assert_eq!(decode(&record).unwrap(), expected);
    }

    #[test]
    fn the_bytes_of_form_1_are_for_ever() {
        let (stream, event) = sample();
        let mut payload = Vec::new();
        encode(&mut payload, &stream, &event);
        let hex: String = payload.iter().map(|byte| format!("{byte:02x}")).collect();
        let golden = concat!(
            "010000000000000000",
            "10b8e1f80bd70a80788c7855a451731b74076f726465722d370c4f72646572437265617465640201",
            "106a7ef1ed9f1582f59ab7bfaf50f5b51f0109726571756573742d310102343200",
            "7b22746f74616c223a313939397d",
        );
        assert_eq!(hex, golden);
    }

    #[test]
    fn a_payload_of_another_form_is_refused() {
        let record = |bytes: &[u8]| Record {
            position: Position(1),
            time: Timestamp::default(),
            payload: Bytes::copy_from_slice(bytes),
        };
        assert!(matches!(decode(&record(&[2; 40])), Err(EnvelopeError::Form { form: 2, .. })));
        assert!(matches!(decode(&record(&[1; 40])), Err(EnvelopeError::Content { .. })));
        assert!(matches!(decode(&record(&[])), Err(EnvelopeError::Content { .. })));
    }
}
