//! Writing: pending records, with a local step's events, in one append that is fenced by the stream's version.

use std::time::Duration;

use madrigal_core::{ExpectedVersion, Fault, FaultOutcome, FaultRetry, NewEvent, StreamVersion, tasks};
use madrigal_event_store::{AppendError, StreamAppend, until_readable};

use super::{Exit, Runner, appends_in_order};
use crate::definition::StepKind;
use crate::engine::{backoff, live};
use crate::record::{CompensationStarted, Record, SagaPaused};
use crate::state::{CompensationCause, Folded};

/// Appends that may break in a row before the saga leaves it to the next recovery.
const MAX_FAULTS: u32 = 6;
/// Decisions of one local step that may meet a moved stream in a row, before it backs off.
const MAX_CONFLICTS: u32 = 16;

/// What a local step wants appended, and the state to return to if it cannot be.
pub(super) struct Local {
    pub(super) step: usize,
    pub(super) appends: Vec<StreamAppend>,
    pub(super) before: Folded,
    pub(super) pending_before: usize,
}

enum Trouble {
    /// A stream of the local step moved on.
    Conflict,
    /// The local step's events can never be appended.
    Impossible(String),
    Exit(Exit),
}

impl Runner {
    /// Makes everything pending durable. False if a local step has to be decided again: then it is as if it had not been decided.
    pub(super) async fn flush(&mut self) -> Result<bool, Exit> {
        self.urgent = false;
        self.hold_until = None;
        if self.pending.is_empty() {
            self.reply_all();
            return Ok(true);
        }
        match self.append().await {
            Ok(position) => {
                self.state.version = self.state.version.plus(self.pending.len() as u64);
                self.pending.clear();
                if let Some(local) = self.local.take() {
                    self.steps[local.step].conflicts = 0;
                }
                if self.state.committed && self.state.committed_at.is_none() {
                    self.state.committed_at = Some(position);
                }
                self.publish();
                self.reply_all();
                Ok(true)
            }
            Err(Trouble::Conflict) => {
                self.decide_again();
                Ok(false)
            }
            Err(Trouble::Impossible(why)) => {
                self.give_up_local(&why);
                Ok(false)
            }
            Err(Trouble::Exit(exit)) => Err(exit),
        }
    }

    async fn append(&mut self) -> Result<madrigal_core::Position, Trouble> {
        let mut unknown = false;
        let mut faults = 0;
        loop {
            let own = self.own_append().map_err(Trouble::Exit)?;
            let local = match &self.local {
                Some(local) => local.appends.clone(),
                None => Vec::with_capacity(1),
            };
            let error = match self.shared.store.append_many(appends_in_order(local, own)).await {
                Ok(results) => {
                    let last = results.last().map(|last| last.position);
                    return last.ok_or_else(|| {
                        Trouble::Exit(Exit::Broken(Fault::unknown("saga", "append", "the store answered nothing")))
                    });
                }
                Err(error) => error,
            };
            // After an unknown outcome nothing but the stream itself says what is there.
            let lost = self.state.version != StreamVersion::NONE;
            let reread = || Trouble::Exit(Exit::Reread { lost });
            match error {
                AppendError::WrongVersion { stream, .. } | AppendError::EventIdReused { stream, .. }
                    if unknown || stream == self.stream =>
                {
                    return Err(reread());
                }
                AppendError::WrongVersion { stream, actual, .. } => {
                    until_readable(&*self.shared.store, &stream, actual).await;
                    return Err(Trouble::Conflict);
                }
                AppendError::Fault(fault) => {
                    unknown |= fault.outcome == FaultOutcome::Unknown;
                    faults += 1;
                    // A full disk is waited out, however long, by what is under way; who starts a saga is told at once.
                    let no_room = fault.cause.is_storage() && fault.outcome == FaultOutcome::NotApplied;
                    let gives_up = if no_room { !lost && !unknown } else { faults > MAX_FAULTS };
                    if gives_up || fault.retry == FaultRetry::Never {
                        let outcome = if unknown { FaultOutcome::Unknown } else { FaultOutcome::NotApplied };
                        return Err(Trouble::Exit(Exit::Broken(fault.with_outcome(outcome))));
                    }
                    let wait = match fault.retry {
                        FaultRetry::After(wait) => wait.min(Duration::from_secs(10)),
                        FaultRetry::Now | FaultRetry::Never => Duration::ZERO,
                    };
                    let (first, cap) = (Duration::from_millis(20), Duration::from_secs(2));
                    tasks::sleep(wait + backoff(&self.shared.host, first, cap, faults)).await;
                }
                refused if self.local.is_some() && !unknown => {
                    return Err(Trouble::Impossible(refused.to_string()));
                }
                refused if self.state.version == StreamVersion::NONE => {
                    return Err(Trouble::Exit(Exit::Broken(Fault::permanent("saga", "start", refused))));
                }
                refused => return Err(Trouble::Exit(Exit::Park(format!("its record was refused: {refused}").into()))),
            }
        }
    }

    fn own_append(&self) -> Result<StreamAppend, Exit> {
        let expected = match self.state.version {
            StreamVersion::NONE => ExpectedVersion::NoStream,
            version => ExpectedVersion::Exact(version),
        };
        let mut events: Vec<NewEvent> = Vec::with_capacity(self.pending.len());
        for (offset, record) in self.pending.iter().enumerate() {
            let id = self.live.id.record_id(self.state.epoch, self.state.version.plus(offset as u64 + 1));
            let event = record.to_event(id, &self.call);
            events.push(event.map_err(|error| Exit::Broken(Fault::permanent("saga", "write a record", error)))?);
        }
        Ok(StreamAppend { stream: self.stream.clone(), expected, events })
    }

    /// Back to the state before the local step was decided.
    fn take_back_local(&mut self) -> Option<usize> {
        let local = self.local.take()?;
        let version = self.state.version;
        self.state = local.before;
        self.state.version = version;
        self.pending.truncate(local.pending_before);
        for launch in self.launches.drain(..) {
            self.steps[launch.step].attempt -= 1;
        }
        self.urgent = true;
        Some(local.step)
    }

    fn decide_again(&mut self) {
        let Some(step) = self.take_back_local() else { return };
        self.steps[step].attempt -= 1;
        self.steps[step].conflicts += 1;
        if self.steps[step].conflicts >= MAX_CONFLICTS {
            self.steps[step].conflicts = 0;
            self.steps[step].attempt += 1;
            self.take_unknown(step, "the streams of this step kept moving".to_owned(), None);
        }
    }

    /// The store will never take what a local step decided, so it has certainly no effect.
    fn give_up_local(&mut self, why: &str) {
        let Some(step) = self.take_back_local() else { return };
        let epoch = self.state.epoch;
        let (name, kind) = {
            let step = &self.known.definition.graph()[step];
            (std::sync::Arc::clone(&step.name), step.kind)
        };
        if kind == StepKind::Retriable {
            self.push(SagaPaused { epoch, reason: format!("step {name}: {why}") });
        } else {
            let reason = live::reason("refusedByTheStore", why);
            self.push(Record::CompensationStarted(CompensationStarted {
                epoch,
                cause: CompensationCause::Failed,
                step: Some(name),
                reason,
            }));
        }
    }

    fn reply_all(&mut self) {
        for (reply, answer) in self.replies.drain(..) {
            let _ = reply.send(answer);
        }
    }
}
