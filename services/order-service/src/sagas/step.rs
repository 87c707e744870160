//! What the steps of both sagas share: reading what is there, and saying that it cannot be read.

use madrigal_contracts::catalog::Undone;
use madrigal_core::{Fault, NewEvent};
use madrigal_saga::{StepContext, StepOutcome, UndoOutcome};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::events::OrderEvent;

/// A step's output as JSON; contents that cannot be JSON are shown as such.
pub fn output<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or_else(|error| json!({ "unreadable": error.to_string() }))
}

/// The saga's input.
///
/// # Errors
/// The reason in words, if this program cannot read it.
pub fn input<T: DeserializeOwned>(step: &StepContext) -> Result<T, String> {
    step.input().map_err(|error| format!("the saga's input cannot be read: {error}"))
}

/// What an earlier step left.
///
/// # Errors
/// The reason in words, if there is none or this program cannot read it.
pub fn output_of<T: DeserializeOwned>(step: &StepContext, name: &str) -> Result<T, String> {
    let value = step.outputs.get(name).ok_or_else(|| format!("step {name} has no output"))?;
    T::deserialize(value).map_err(|error| format!("the output of step {name} cannot be read: {error}"))
}

/// A failure that a person must look at.
pub fn unreadable(detail: impl Into<String>) -> StepOutcome {
    StepOutcome::Failed { reason: json!({ "code": "unreadable", "detail": detail.into() }) }
}

/// What a local step appends; its ids are the same in every attempt.
///
/// # Errors
/// The reason in words, if an event cannot be written.
pub fn new_events(step: &StepContext, events: &[OrderEvent]) -> Result<Vec<NewEvent>, String> {
    let encode = |(event, number): (&OrderEvent, u32)| event.encode(step.event_id(number), &step.call);
    events.iter().zip(0..).map(encode).collect::<Result<_, _>>().map_err(|error| error.to_string())
}

/// The outcome of an undo that a participant answered.
pub fn undone(answer: Result<Undone, Fault>) -> UndoOutcome {
    match answer {
        Ok(undone) if undone.nothing_to_undo => UndoOutcome::NothingToUndo,
        Ok(undone) => UndoOutcome::Done { position: Some(undone.position) },
        Err(fault) => UndoOutcome::of_fault(&fault),
    }
}
