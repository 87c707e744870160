//! The fold of a saga's records into its row in a list. Needs no definition.

use std::sync::Arc;

use madrigal_core::RecordedEvent;
use serde_json::Value;

use super::SagaSummary;
use crate::id::SagaId;
use crate::record::Record;
use crate::state::SagaState;

/// The row after one more event of the saga's stream. A record that cannot be read leaves the row as it was, shown as parked:
/// a list must not be blocked by one saga.
pub fn apply(row: Option<SagaSummary>, event: &RecordedEvent) -> Option<SagaSummary> {
    let saga_id = SagaId::of_stream(&event.stream)?;
    let record = match Record::read(event) {
        Ok(record) => record,
        Err(error) => {
            return row.map(|row| SagaSummary {
                state: if row.state.is_ended() { row.state } else { SagaState::Parked },
                reason: Some(error.to_string()),
                last_progress_at: event.metadata.timestamp,
                ..row
            });
        }
    };
    if let Record::SagaStarted(started) = &record {
        return Some(SagaSummary {
            saga_id,
            definition: Arc::clone(&started.definition),
            definition_hash: Arc::clone(&started.hash),
            state: SagaState::Running,
            owner: started.owner,
            started_at: event.metadata.timestamp,
            last_progress_at: event.metadata.timestamp,
            current_steps: Vec::new(),
            reason: None,
            paused_from: None,
        });
    }
    let mut row = row?;
    row.last_progress_at = event.metadata.timestamp;
    evolve(&mut row, &record);
    Some(row)
}

fn evolve(row: &mut SagaSummary, record: &Record) {
    match record {
        Record::StepIntended(intended) => enter(row, &intended.step),
        Record::StepDone(done) => leave(row, &done.step),
        Record::StepRejected(rejected) => row.reason = Some(text(&rejected.reason)),
        Record::StepFailed(failed) => row.reason = Some(text(&failed.reason)),
        Record::StepUnknown(unknown) => row.reason = Some(unknown.detail.clone()),
        Record::CompensationStarted(begun) => {
            row.current_steps.clear();
            row.state = SagaState::Compensating;
            row.paused_from = None;
            row.reason = Some(text(&begun.reason));
        }
        Record::UndoIntended(intended) => enter(row, &intended.step),
        Record::UndoDone(done) => {
            leave(row, &done.step);
            match row.state {
                SagaState::Stuck => row.state = SagaState::Compensating,
                SagaState::Paused => row.paused_from = Some(SagaState::Compensating),
                _ => {}
            }
        }
        Record::UndoFailed(failed) => {
            row.reason = Some(text(&failed.detail));
            match (failed.stuck, row.state) {
                (true, SagaState::Paused) => row.paused_from = Some(SagaState::Stuck),
                (true, _) => row.state = SagaState::Stuck,
                (false, _) => {}
            }
        }
        Record::SagaPaused(paused) => {
            row.paused_from = Some(row.state);
            row.state = SagaState::Paused;
            row.reason = Some(paused.reason.clone());
        }
        Record::SagaResumed(_) => row.state = row.paused_from.take().unwrap_or(SagaState::Running),
        Record::SagaEnded(ended) => {
            row.state = ended.state.into();
            row.current_steps.clear();
        }
        Record::SagaStarted(_) | Record::EpochClaimed(_) | Record::OperatorActed(_) => {}
    }
}

fn enter(row: &mut SagaSummary, step: &Arc<str>) {
    if !row.current_steps.contains(step) {
        row.current_steps.push(Arc::clone(step));
    }
}

fn leave(row: &mut SagaSummary, step: &Arc<str>) {
    row.current_steps.retain(|current| current != step);
}

fn text(reason: &Value) -> String {
    let mut text = reason.as_str().map_or_else(|| reason.to_string(), str::to_owned);
    if let Some((end, _)) = text.char_indices().nth(500) {
        text.truncate(end);
    }
    text
}
