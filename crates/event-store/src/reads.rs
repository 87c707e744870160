//! Reads that are made of several, and are the same over every store.

use std::collections::BTreeSet;

use madrigal_core::{Fault, Position, PositionToken, RecordedEvent, StreamName, StreamVersion};

use crate::port::{EventStore, StreamRead};

/// Every event of a stream behind a version, in order; none where there is no such stream. All of them are in memory: not for
/// streams that grow for ever.
///
/// # Errors
/// A [`Fault`] if the store broke.
///
/// # Cancellation
/// Safe: reads only.
pub async fn whole_stream(
    store: &dyn EventStore,
    stream: &StreamName,
    mut after: StreamVersion,
) -> Result<Vec<RecordedEvent>, Fault> {
    let mut events = Vec::new();
    loop {
        let slice = store.read_stream(stream, StreamRead::after(after)).await?;
        let more = slice.has_more();
        after = slice.events.last().map_or(after, RecordedEvent::version);
        events.extend(slice.events);
        if !more {
            return Ok(events);
        }
    }
}

/// The ids of the streams of a category that the last `limit` events of the log changed at most, and the end of the log when it
/// was looked at. Behind `after` only; without it, or with one of another history, none: but how far the log is.
///
/// # Errors
/// A [`Fault`] if the store broke.
///
/// # Cancellation
/// Safe: reads only.
pub async fn changed_streams(
    store: &dyn EventStore,
    category: &str,
    after: Option<&PositionToken>,
    limit: usize,
) -> Result<(BTreeSet<String>, PositionToken), Fault> {
    let end = store.end();
    let through = store.token(end);
    let known = after.and_then(|after| after.component(store.log())).filter(|(epoch, _)| *epoch == store.epoch());
    let from = known.map_or(end, |(_, at)| at.max(Position(end.0.saturating_sub(limit as u64))));
    if from >= end {
        return Ok((BTreeSet::new(), through));
    }
    let read = store.read_log(from, limit).await;
    let read = read.map_err(|error| error.into_fault("event-store", "read-changed-streams"))?;
    let events = read.events.iter().filter(|event| event.stream.category() == category);
    Ok((events.map(|event| event.stream.id().to_owned()).collect(), through))
}
