//! Messages: CloudEvents 1.0 in JSON.

use madrigal_core::{JsonBytes, Position, StreamVersion, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A message of a topic; its JSON is a CloudEvents 1.0 event.
///
/// Beside the standard's attributes it has `partitionkey` (what must stay in order), `sequence` (the position in the
/// owner's log, as a text because CloudEvents' integers have 32 bits), and where they are known `subjectversion`,
/// `correlationid`, `causationid` and `traceparent`.
///
/// # Source
/// CloudEvents 1.0.2, JSON format; extensions *Partitioning*, *Sequence* and *Distributed Tracing*.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The id: the owner's event id. The same message has the same id whenever and however it comes.
    pub id: String,
    /// Who says it, as in `/order-service`.
    pub source: String,
    /// What happened, as in `OrderConfirmed`.
    pub kind: String,
    /// What it happened to, as in `order-0198…`.
    pub subject: Option<String>,
    /// The version that this gave the subject: what copies of it compare. `None` from a source that does not tell it.
    pub version: Option<StreamVersion>,
    /// When the owner recorded it.
    pub time: Timestamp,
    /// The data.
    pub data: JsonBytes,
    /// What must stay in order.
    pub key: String,
    /// The position in the owner's log.
    pub position: Position,
    /// The request that set it in motion.
    pub correlation_id: Option<String>,
    /// The message that caused it.
    pub causation_id: Option<String>,
    /// W3C trace context.
    pub traceparent: Option<String>,
}

/// The type of a message that stands for an event its owner could not map: nobody can handle it, so it parks its key.
pub const UNMAPPABLE: &str = "madrigal.unmappable";

/// A JSON that is not a message.
#[derive(Debug, thiserror::Error)]
#[error("not a CloudEvents 1.0 message: {0}")]
pub struct MessageError(String);

impl Message {
    /// The data decoded.
    ///
    /// # Errors
    /// If it does not have the form of `T`.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        self.data.decode()
    }

    /// The message as CloudEvents JSON.
    ///
    /// # Errors
    /// If its data is not JSON.
    pub fn to_json(&self) -> Result<Box<RawValue>, serde_json::Error> {
        let data: &RawValue = serde_json::from_slice(self.data.as_bytes())?;
        let sequence = self.position.to_string();
        let version = self.version.map(|version| version.to_string());
        serde_json::value::to_raw_value(&Outward {
            specversion: "1.0",
            id: &self.id,
            source: &self.source,
            kind: &self.kind,
            subject: self.subject.as_deref(),
            time: self.time,
            datacontenttype: JSON,
            partitionkey: &self.key,
            sequence: &sequence,
            subjectversion: version.as_deref(),
            correlationid: self.correlation_id.as_deref(),
            causationid: self.causation_id.as_deref(),
            traceparent: self.traceparent.as_deref(),
            data,
        })
    }

    /// The message that this JSON is. Unknown extensions are passed over.
    ///
    /// # Errors
    /// [`MessageError`], with what is wrong.
    pub fn from_json(json: &str) -> Result<Self, MessageError> {
        let wire: Inward = serde_json::from_str(json).map_err(|error| MessageError(error.to_string()))?;
        if wire.specversion != "1.0" {
            return Err(MessageError(format!("its version is {:?}", wire.specversion)));
        }
        let position = wire.sequence.parse().map(Position).map_err(|_| MessageError("no sequence".to_owned()))?;
        let version = wire.subjectversion.map(|text| text.parse().map(StreamVersion)).transpose();
        let version = version.map_err(|_| MessageError("its version of the subject is no number".to_owned()))?;
        Ok(Self {
            id: wire.id,
            source: wire.source,
            kind: wire.kind,
            subject: wire.subject,
            version,
            time: wire.time,
            data: JsonBytes::trusted(String::from(Box::<str>::from(wire.data)).into()),
            key: wire.partitionkey,
            position,
            correlation_id: wire.correlationid,
            causation_id: wire.causationid,
            traceparent: wire.traceparent,
        })
    }
}

const JSON: &str = "application/json";

#[derive(Serialize)]
struct Outward<'a> {
    specversion: &'static str,
    id: &'a str,
    source: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    time: Timestamp,
    datacontenttype: &'static str,
    partitionkey: &'a str,
    sequence: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subjectversion: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlationid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    causationid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<&'a str>,
    data: &'a RawValue,
}

#[derive(Deserialize)]
struct Inward {
    specversion: String,
    id: String,
    source: String,
    #[serde(rename = "type")]
    kind: String,
    subject: Option<String>,
    time: Timestamp,
    partitionkey: String,
    sequence: String,
    subjectversion: Option<String>,
    correlationid: Option<String>,
    causationid: Option<String>,
    traceparent: Option<String>,
    data: Box<RawValue>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = r#"{"specversion":"1.0","id":"e-1","source":"/order-service","type":"order.confirmed","subject":"order-7","time":"2026-11-22T10:15:00.5Z","datacontenttype":"application/json","partitionkey":"7","sequence":"9007199254740993","subjectversion":"3","correlationid":"c-1","data":{"total":[1.50, "Žluť"]}}"#;

    #[test]
    fn a_message_is_a_cloud_event_and_its_data_stays_as_it_was_written() {
        let message = Message::from_json(JSON).unwrap();
        assert_eq!(message.position, Position(9_007_199_254_740_993), "larger than a double tells apart");
        assert_eq!(message.version, Some(StreamVersion(3)));
        assert_eq!(message.data.as_bytes().as_ref(), r#"{"total":[1.50, "Žluť"]}"#.as_bytes());
        assert_eq!(message.to_json().unwrap().get(), JSON);
    }

    #[test]
    fn other_versions_and_messages_without_their_place_are_refused() {
        for (from, to) in [
            ("1.0\"", "0.3\""),
            ("sequence", "number"),
            ("\"9007199254740993\"", "\"x\""),
            ("\"3\"", "\"v3\""),
            ("\"data\"", "\"dat\""),
        ] {
            assert!(Message::from_json(&JSON.replacen(from, to, 1)).is_err(), "{from}");
        }
    }
}
