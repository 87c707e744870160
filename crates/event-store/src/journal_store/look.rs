//! What memory and the runs know of a call before it is accepted: the streams' versions, and event ids that are there.

use madrigal_core::{EventId, Fault, Position, StreamVersion};

use super::broken;
use crate::index::{Index, IndexError, id_key, stream_key};
use crate::port::StreamAppend;

/// What the runs know of a call.
#[derive(Debug, Default)]
pub(super) struct Older {
    pub(super) covered: u64,
    pub(super) heads: Vec<Option<StreamVersion>>,
    pub(super) known: Vec<Known>,
}

/// An event id that is in its stream already.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    /// Which of the call's appends has it.
    pub(super) append: usize,
    /// Which of the append's events.
    pub(super) event: usize,
    pub(super) event_id: EventId,
    pub(super) position: Position,
}

pub(super) fn heads(index: &Index, appends: &[StreamAppend]) -> Vec<Option<StreamVersion>> {
    appends.iter().map(|append| index.head(&append.stream)).collect()
}

/// Whether memory alone can tell that no run knows anything about a call that the tables do not.
pub(super) fn nothing_older(index: &Index, appends: &[StreamAppend]) -> bool {
    appends.iter().all(|append| {
        let stream = append.stream.as_str();
        if index.head(&append.stream).is_none() {
            return !index.runs.may_have_stream(stream_key(stream));
        }
        let has_id = |event: &madrigal_core::NewEvent| index.runs.may_have_id(id_key(stream, event.event_id));
        index.has_all_of(&append.stream) || !append.events.iter().any(has_id)
    })
}

/// The event ids of a call that the tables know.
pub(super) fn young_ids(index: &Index, appends: &[StreamAppend]) -> Vec<Known> {
    let mut known = Vec::new();
    for (at, append) in appends.iter().enumerate() {
        if index.head(&append.stream).is_none() {
            continue;
        }
        for (number, event) in append.events.iter().enumerate() {
            if let Some(position) = index.find(&append.stream, event.event_id) {
                known.push(Known { append: at, event: number, event_id: event.event_id, position });
            }
        }
    }
    known
}

/// What may go wrong while looking into runs.
pub(super) enum LookError {
    Index(IndexError),
    Fault(Fault),
}

impl From<IndexError> for LookError {
    fn from(error: IndexError) -> Self {
        Self::Index(error)
    }
}

impl LookError {
    pub(super) fn fault(self) -> Fault {
        match self {
            Self::Index(error) => broken(error),
            Self::Fault(fault) => fault,
        }
    }
}
