//! What the steps of both sagas share: reading what is there, and saying that it cannot be read.

use madrigal_saga::{StepContext, StepOutcome};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

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
