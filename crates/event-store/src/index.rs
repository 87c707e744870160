//! Which events a stream has, and where an event id is: everything since the index was last written, in memory.

use std::collections::HashMap;

use madrigal_core::{EventId, Position, StreamName, StreamVersion};

/// The events of one stream that a table knows.
#[derive(Debug, Default)]
struct Entry {
    /// The stream's version before the first event here.
    base: u64,
    /// The positions of versions `base + 1`, `base + 2`, ….
    positions: Vec<u64>,
}

/// Streams and event ids of a range of the log.
#[derive(Debug, Default)]
pub(crate) struct Table {
    streams: HashMap<StreamName, Entry>,
    ids: HashMap<(StreamName, EventId), u64>,
}

impl Table {
    /// The stream's version, with events that are accepted and not yet durable.
    pub(crate) fn head(&self, stream: &StreamName) -> Option<StreamVersion> {
        self.streams.get(stream).map(|entry| StreamVersion(entry.base + entry.positions.len() as u64))
    }

    /// Where the event with this id is in the stream.
    pub(crate) fn find(&self, stream: &StreamName, id: EventId) -> Option<Position> {
        self.ids.get(&(stream.clone(), id)).map(|position| Position(*position))
    }

    /// Notes the next event of a stream.
    pub(crate) fn add(&mut self, stream: &StreamName, id: EventId, version: StreamVersion, position: Position) {
        let entry = self.streams.entry(stream.clone()).or_default();
        if entry.positions.is_empty() {
            entry.base = version.0 - 1;
        }
        entry.positions.push(position.0);
        self.ids.insert((stream.clone(), id), position.0);
    }

    /// The positions of at most `limit` versions after `after`, none beyond `end`; and the version at `end`.
    pub(crate) fn positions(
        &self,
        stream: &StreamName,
        after: StreamVersion,
        limit: usize,
        end: Position,
    ) -> (Vec<Position>, StreamVersion) {
        let Some(entry) = self.streams.get(stream) else { return (Vec::new(), StreamVersion::NONE) };
        let durable = entry.positions.partition_point(|position| *position <= end.0);
        let skip = after.0.saturating_sub(entry.base).min(durable as u64) as usize;
        let wanted = &entry.positions[skip..durable];
        let positions = wanted.iter().take(limit).map(|position| Position(*position)).collect();
        (positions, StreamVersion(entry.base + durable as u64))
    }
}
