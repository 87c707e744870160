//! The reference: the port's rules, written as plainly as possible. Nothing survives the process; reads take time in
//! proportion to the whole log.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use madrigal_core::{Fault, Host, LogEpoch, LogName, Position, RecordedEvent, StreamName, StreamVersion, tasks};
use tokio::sync::watch;

use crate::envelope;
use crate::limits;
use crate::port::{
    AppendError, Appended, EventStore, LogRead, ReadError, StreamAppend, StreamRead, StreamSlice, WaitError,
};

/// An event store in memory.
#[derive(Debug)]
pub struct MemoryEventStore {
    log: LogName,
    epoch: LogEpoch,
    host: Host,
    events: Mutex<Vec<RecordedEvent>>,
    end: watch::Sender<Position>,
}

impl MemoryEventStore {
    /// An empty store.
    pub fn new(log: LogName, host: &Host) -> Self {
        let end = watch::Sender::new(Position::START);
        Self { log, epoch: LogEpoch::new(host), host: host.clone(), events: Mutex::default(), end }
    }

    fn events(&self) -> MutexGuard<'_, Vec<RecordedEvent>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn version_of(events: &[RecordedEvent], stream: &StreamName) -> StreamVersion {
    events.iter().rev().find(|event| event.stream == *stream).map_or(StreamVersion::NONE, RecordedEvent::version)
}

/// The stored events that have ids of `append`, in the append's order.
fn known<'a>(events: &'a [RecordedEvent], append: &StreamAppend) -> Vec<&'a RecordedEvent> {
    let stored = |id| events.iter().find(|event| event.stream == append.stream && event.event_id == id);
    append.events.iter().filter_map(|event| stored(event.event_id)).collect()
}

/// The result of an append that is there already, if it is there as a whole.
pub(crate) fn repeated(append: &StreamAppend, stored: &[&RecordedEvent]) -> Result<Appended, AppendError> {
    let reused = |at: usize| AppendError::EventIdReused {
        stream: append.stream.clone(),
        event_id: stored.get(at).map_or(append.events[0].event_id, |event| event.event_id),
    };
    if stored.len() != append.events.len() {
        return Err(reused(0));
    }
    for (at, (stored_event, new)) in stored.iter().zip(&append.events).enumerate() {
        let in_order = at == 0 || stored_event.version() == stored[at - 1].version().plus(1);
        if !in_order || stored_event.stream != append.stream || !envelope::same_content(stored_event, new) {
            return Err(reused(at));
        }
    }
    let last = stored.last().ok_or_else(|| AppendError::Malformed { stream: append.stream.clone() })?;
    Ok(Appended { version: last.version(), position: last.position, repeated: true })
}

#[async_trait]
impl EventStore for MemoryEventStore {
    fn log(&self) -> &LogName {
        &self.log
    }

    fn epoch(&self) -> LogEpoch {
        self.epoch
    }

    fn end(&self) -> Position {
        *self.end.borrow()
    }

    async fn append_many(&self, appends: Vec<StreamAppend>) -> Result<Vec<Appended>, AppendError> {
        limits::check(&appends)?;
        let mut events = self.events();
        if appends.iter().any(|append| !known(&events, append).is_empty()) {
            return appends.iter().map(|append| repeated_or_reused(&events, append, &appends)).collect();
        }
        for append in &appends {
            let actual = version_of(&events, &append.stream);
            if !append.expected.is_met_by(actual) {
                let StreamAppend { stream, expected, .. } = append.clone();
                return Err(AppendError::WrongVersion { stream, expected, actual });
            }
        }
        let now = self.host.now();
        let mut results = Vec::with_capacity(appends.len());
        for append in appends {
            let mut version = version_of(&events, &append.stream);
            for event in append.events {
                version = version.plus(1);
                let position = Position(events.len() as u64 + 1);
                events.push(envelope::recorded(&append.stream, event, version, position, now));
            }
            results.push(Appended { version, position: Position(events.len() as u64), repeated: false });
        }
        self.end.send_replace(Position(events.len() as u64));
        Ok(results)
    }

    async fn read_stream(&self, stream: &StreamName, read: StreamRead) -> Result<StreamSlice, Fault> {
        let events = self.events();
        let limit = read.limit.clamp(1, limits::MAX_READ);
        let wanted = events.iter().filter(|event| event.stream == *stream && event.version() > read.after);
        Ok(StreamSlice { events: wanted.take(limit).cloned().collect(), version: version_of(&events, stream) })
    }

    async fn read_log(&self, after: Position, limit: usize) -> Result<LogRead, ReadError> {
        let events = self.events();
        let end = Position(events.len() as u64);
        if after > end {
            return Err(ReadError::BeyondEnd { reader: after, end });
        }
        let read = events.iter().skip(after.0 as usize).take(limit.clamp(1, limits::MAX_READ));
        let read: Vec<RecordedEvent> = read.cloned().collect();
        let scanned_through = read.last().map_or(after, |event| event.position);
        Ok(LogRead { events: read, scanned_through, end })
    }

    async fn wait_beyond(&self, position: Position, limit: Duration) -> Result<Position, WaitError> {
        let mut end = self.end.subscribe();
        let _ = tasks::within(limit, end.wait_for(|end| *end > position)).await;
        let end = self.end();
        if end > position { Ok(end) } else { Err(WaitError::TimedOut { end }) }
    }
}

/// In a call of which something is known, everything must be: the error names an event that is known.
fn repeated_or_reused(
    events: &[RecordedEvent],
    append: &StreamAppend,
    call: &[StreamAppend],
) -> Result<Appended, AppendError> {
    let stored = known(events, append);
    let name = |append: &StreamAppend, event: &RecordedEvent| AppendError::EventIdReused {
        stream: append.stream.clone(),
        event_id: event.event_id,
    };
    if stored.is_empty() {
        let found = call.iter().find_map(|append| Some(name(append, known(events, append).first()?)));
        return Err(found.unwrap_or_else(|| AppendError::Malformed { stream: append.stream.clone() }));
    }
    repeated(append, &stored)
}
