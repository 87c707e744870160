//! The states of sagas and steps as the pages say them.

use maud::Markup;
use serde_json::Value;

use super::super::marks::{Tone, mark};

/// Sagas that have not ended, those that need somebody first.
pub(crate) const OPEN: [&str; 5] = ["stuck", "parked", "paused", "compensating", "running"];
/// Sagas that have.
pub(crate) const ENDED: [&str; 4] = ["completed", "compensated", "compensatedByHand", "abandoned"];

/// A saga's state.
pub(crate) fn state(state: &str) -> Markup {
    let (tone, glyph, word) = look(state);
    mark(tone, glyph, word)
}

/// Tone, glyph and word of a saga's state.
pub(crate) fn look(state: &str) -> (Tone, &'static str, &str) {
    match state {
        "stuck" => (Tone::Bad, "stuck", "stuck"),
        "parked" => (Tone::Bad, "park", "parked"),
        "paused" => (Tone::Wait, "pause", "paused"),
        "compensating" => (Tone::Calm, "undo", "compensating"),
        "running" => (Tone::Calm, "run", "running"),
        "completed" => (Tone::Ok, "done", "completed"),
        "compensated" => (Tone::Calm, "undo", "compensated"),
        "compensatedByHand" => (Tone::Calm, "undo", "compensated by hand"),
        "abandoned" => (Tone::Bad, "no", "abandoned"),
        other => (Tone::Calm, "unk", other),
    }
}

/// A step's state.
pub(super) fn step_state(state: &str) -> Markup {
    let (tone, glyph, word) = match state {
        "done" => (Tone::Ok, "done", "done"),
        "skipped" => (Tone::Calm, "no", "skipped"),
        "running" => (Tone::Calm, "run", "running"),
        "unknown" => (Tone::Wait, "unk", "unknown"),
        "failed" => (Tone::Wait, "fail", "failed, tried again"),
        "rejected" => (Tone::Bad, "no", "rejected"),
        "undoing" => (Tone::Calm, "undo", "being undone"),
        "undoFailed" => (Tone::Wait, "fail", "undo failed, tried again"),
        "stuck" => (Tone::Bad, "stuck", "undo stuck"),
        "undone" => (Tone::Calm, "undo", "undone"),
        "waiting" => (Tone::Calm, "clock", "waits"),
        other => (Tone::Calm, "unk", other),
    };
    mark(tone, glyph, word)
}

/// How an attempt ended.
pub(super) fn outcome(outcome: Option<&str>) -> (Tone, &'static str, &str) {
    match outcome {
        Some("done") => (Tone::Ok, "done", "Ok"),
        Some("given") => (Tone::Calm, "no", "Given by hand"),
        Some("rejected") => (Tone::Calm, "no", "Rejected"),
        Some("failed") => (Tone::Bad, "fail", "Failed"),
        Some("unknown") => (Tone::Wait, "unk", "Unknown"),
        Some("nothingToUndo") => (Tone::Ok, "done", "Nothing to undo"),
        Some("byHand") => (Tone::Calm, "done", "Undone by hand"),
        Some(other) => (Tone::Calm, "unk", other),
        None => (Tone::Calm, "run", "Under way"),
    }
}

/// The service that a step speaks to, by its name.
pub(super) fn voice_of(step: &str) -> &'static str {
    if step.contains("payment") || step.contains("refund") || step.contains("charge") {
        "payment"
    } else if step.contains("reserv") || step.contains("inventory") || step.contains("stock") {
        "catalog"
    } else if step.starts_with("send-") || step.contains("mail") {
        "notification"
    } else {
        "order"
    }
}

/// A reason or a detail in one line: texts as they are, `{"code","detail"}` as a sentence, the rest as JSON.
pub(crate) fn said(detail: &Value) -> String {
    match detail {
        Value::Null => String::new(),
        Value::String(text) => match serde_json::from_str::<Value>(text) {
            Ok(inner @ Value::Object(_)) => said(&inner),
            _ => text.clone(),
        },
        Value::Object(fields) => {
            let text = |name: &str| fields.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
            match (text("code"), text("detail")) {
                (Some(code), Some(detail)) => format!("{code}: {detail}"),
                (Some(one), None) | (None, Some(one)) => one.to_owned(),
                (None, None) => detail.to_string(),
            }
        }
        other => other.to_string(),
    }
}
