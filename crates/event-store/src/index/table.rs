//! A range of the log in memory.

use std::collections::HashMap;

use madrigal_core::{EventId, Position, StreamName, StreamVersion};

use super::run::Entry;
use super::{id_key, stream_key};

/// The events of one stream that a table knows.
#[derive(Debug, Default)]
struct Events {
    /// The stream's version before the first event here.
    base: u64,
    /// The positions of versions `base + 1`, `base + 2`, ….
    positions: Vec<u64>,
    ids: Vec<EventId>,
}

/// Streams and event ids of neighbouring positions.
#[derive(Debug, Default)]
pub(crate) struct Table {
    streams: HashMap<StreamName, Events>,
    ids: HashMap<(u64, EventId), u64>,
    first: u64,
    last: u64,
}

impl Table {
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    /// The first and the last position.
    pub(crate) fn range(&self) -> (u64, u64) {
        (self.first, self.last)
    }

    pub(crate) fn head(&self, stream: &StreamName) -> Option<StreamVersion> {
        self.streams.get(stream).map(|events| StreamVersion(events.base + events.positions.len() as u64))
    }

    pub(crate) fn base(&self, stream: &StreamName) -> Option<StreamVersion> {
        self.streams.get(stream).map(|events| StreamVersion(events.base))
    }

    pub(crate) fn find(&self, stream_key: u64, id: EventId) -> Option<Position> {
        self.ids.get(&(stream_key, id)).map(|position| Position(*position))
    }

    pub(crate) fn add(&mut self, stream: &StreamName, id: EventId, version: StreamVersion, position: Position) {
        if self.ids.is_empty() {
            self.first = position.0;
        }
        self.last = position.0;
        if !self.streams.contains_key(stream) {
            let events = Events { base: version.0 - 1, ..Events::default() };
            self.streams.insert(stream.clone(), events);
        }
        if let Some(events) = self.streams.get_mut(stream) {
            events.positions.push(position.0);
            events.ids.push(id);
        }
        self.ids.insert((stream_key(stream.as_str()), id), position.0);
    }

    /// Adds at most `limit` positions of versions after `after`, none beyond `end`; the version at `end`.
    pub(crate) fn collect(
        &self,
        stream: &StreamName,
        after: StreamVersion,
        limit: usize,
        end: Position,
        into: &mut Vec<Position>,
    ) -> Option<StreamVersion> {
        let events = self.streams.get(stream)?;
        let durable = events.positions.partition_point(|position| *position <= end.0);
        let skip = after.0.saturating_sub(events.base).min(durable as u64) as usize;
        into.extend(events.positions[skip..durable].iter().take(limit).map(|position| Position(*position)));
        Some(StreamVersion(events.base + durable as u64))
    }

    /// The entries of a run's two files, sorted.
    pub(crate) fn entries(&self) -> (Vec<Entry>, Vec<Entry>) {
        let (mut streams, mut ids) = (Vec::with_capacity(self.len()), Vec::with_capacity(self.len()));
        for (stream, events) in &self.streams {
            let key = stream_key(stream.as_str());
            for ((version, position), id) in (events.base + 1..).zip(&events.positions).zip(&events.ids) {
                streams.push(Entry { key, version, position: *position });
                ids.push(Entry { key: id_key(stream.as_str(), *id), version, position: *position });
            }
        }
        streams.sort_unstable();
        ids.sort_unstable();
        (streams, ids)
    }
}
