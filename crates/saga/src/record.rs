//! The records of a saga's stream. `FORMAT.md` describes them; each has schema version 1.

use std::sync::{Arc, LazyLock};

use madrigal_core::{CallContext, EventId, EventType, JsonBytes, NewEvent, PersonId, RecordedEvent, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::state::{CompensationCause, EndState};

/// The version of every record's form.
pub(crate) const SCHEMA_VERSION: u16 = 1;

/// What can be asked of an operator's verb's record: its name, as in the HTTP interface.
pub(crate) type VerbName = Arc<str>;

macro_rules! records {
    ($($(#[$doc:meta])* $name:ident = $text:literal { $($(#[$meta:meta])* $field:ident: $kind:ty,)* })*) => {
        $(
            #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
            #[serde(rename_all = "camelCase")]
            pub(crate) struct $name {
                $($(#[$meta])* pub(crate) $field: $kind,)*
            }
        )*

        /// One record, decoded.
        #[derive(Debug, Clone, PartialEq)]
        pub(crate) enum Record {
            $($name($name),)*
        }

        $(
            impl From<$name> for Record {
                fn from(record: $name) -> Self {
                    Self::$name(record)
                }
            }
        )*

        impl Record {
            /// Every record type's name, for `FORMAT.md`'s test and for filters.
            pub(crate) const TYPES: &'static [&'static str] = &[$($text,)*];

            fn parts(&self) -> (&'static EventType, Result<JsonBytes, serde_json::Error>) {
                match self {
                    $(Self::$name(record) => {
                        static TYPE: LazyLock<EventType> = LazyLock::new(|| event_type($text));
                        (&TYPE, JsonBytes::of(record))
                    })*
                }
            }

            fn parse(event: &RecordedEvent) -> Result<Self, UnreadableRecord> {
                let broken = |source| UnreadableRecord::Form { event_type: event.event_type.to_string(), source };
                match event.event_type.as_str() {
                    $($text => event.decode().map(Self::$name).map_err(broken),)*
                    other => Err(UnreadableRecord::Type { event_type: other.to_owned() }),
                }
            }
        }
    };
}

records! {
    SagaStarted = "SagaStarted" {
        epoch: u32,
        runner: Arc<str>,
        definition: Arc<str>,
        definition_version: u32,
        hash: Arc<str>,
        fingerprint: Arc<str>,
        owner: Option<PersonId>,
        /// Past it, a saga before its pivot compensates.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        deadline: Option<Timestamp>,
        /// There is no pivot and nothing to undo: the start is the commitment.
        #[serde(default, skip_serializing_if = "is_false")]
        commits: bool,
        input: Arc<Value>,
    }
    StepIntended = "SagaStepIntended" {
        epoch: u32,
        step: Arc<str>,
        attempt: u32,
    }
    StepDone = "SagaStepDone" {
        epoch: u32,
        step: Arc<str>,
        attempt: u32,
        output: Arc<Value>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        position: Option<String>,
        /// From here on the saga only goes forward.
        #[serde(default, skip_serializing_if = "is_false")]
        commits: bool,
        /// An operator gave the output; the step did not run.
        #[serde(default, skip_serializing_if = "is_false")]
        given: bool,
    }
    StepRejected = "SagaStepRejected" {
        epoch: u32,
        step: Arc<str>,
        attempt: u32,
        reason: Value,
    }
    StepFailed = "SagaStepFailed" {
        epoch: u32,
        step: Arc<str>,
        attempt: u32,
        reason: Value,
    }
    StepUnknown = "SagaStepUnknown" {
        epoch: u32,
        step: Arc<str>,
        attempt: u32,
        detail: String,
    }
    CompensationStarted = "SagaCompensationStarted" {
        epoch: u32,
        cause: CompensationCause,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<Arc<str>>,
        reason: Value,
    }
    UndoIntended = "SagaUndoIntended" {
        epoch: u32,
        step: Arc<str>,
        attempt: u32,
    }
    UndoDone = "SagaUndoDone" {
        epoch: u32,
        step: Arc<str>,
        attempt: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        position: Option<String>,
        #[serde(default, skip_serializing_if = "is_false")]
        nothing_to_undo: bool,
        /// A person undid it; the evidence is in the operator's record before this one.
        #[serde(default, skip_serializing_if = "is_false")]
        by_hand: bool,
    }
    UndoFailed = "SagaUndoFailed" {
        epoch: u32,
        step: Arc<str>,
        attempt: u32,
        detail: Value,
        /// The attempts are used up: the saga is stuck until an undo succeeds.
        #[serde(default, skip_serializing_if = "is_false")]
        stuck: bool,
    }
    EpochClaimed = "SagaEpochClaimed" {
        epoch: u32,
        runner: Arc<str>,
    }
    SagaPaused = "SagaPaused" {
        epoch: u32,
        reason: String,
    }
    SagaResumed = "SagaResumed" {
        epoch: u32,
    }
    OperatorActed = "SagaOperatorActed" {
        epoch: u32,
        verb: VerbName,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<Arc<str>>,
        who: String,
        why: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        evidence: Option<String>,
    }
    SagaEnded = "SagaEnded" {
        epoch: u32,
        state: EndState,
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

#[expect(clippy::expect_used, reason = "the names are constants, checked by every test that writes a record")]
fn event_type(name: &str) -> EventType {
    EventType::parse(name).expect("a valid event type")
}

/// Why a record of a saga cannot be understood: the saga is set aside.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnreadableRecord {
    #[error("record {event_type} does not have its form")]
    Form {
        event_type: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("record type {event_type} is not known")]
    Type { event_type: String },
    #[error("record {event_type} has schema version {version}, this binary reads {SCHEMA_VERSION}")]
    Schema { event_type: String, version: u16 },
    #[error("the stream does not begin with SagaStarted")]
    Headless,
}

impl Record {
    /// The record as an event to append.
    pub(crate) fn to_event(&self, event_id: EventId, context: &CallContext) -> Result<NewEvent, serde_json::Error> {
        let (event_type, data) = self.parts();
        Ok(NewEvent::new(event_id, event_type.clone(), SCHEMA_VERSION, data?, context))
    }

    /// The record in an event of a saga's stream.
    pub(crate) fn read(event: &RecordedEvent) -> Result<Self, UnreadableRecord> {
        if event.schema_version != SCHEMA_VERSION && Self::TYPES.contains(&event.event_type.as_str()) {
            let event_type = event.event_type.to_string();
            return Err(UnreadableRecord::Schema { event_type, version: event.schema_version });
        }
        Self::parse(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_is_described_and_nothing_else() {
        let page = include_str!("../FORMAT.md");
        let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
        let described: Vec<&str> = rows.filter_map(|row| row.split('`').next()).collect();
        assert_eq!(described, Record::TYPES);
    }
}
