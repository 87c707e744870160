//! The lanes that are held by parked events.

use std::collections::HashSet;

use madrigal_core::RecordedEvent;

/// The lane of a view's key.
pub(super) fn key_lane(key: &str) -> String {
    format!("key/{key}")
}

/// The lane of a stream whose events' keys cannot be told.
pub(super) fn stream_lane(event: &RecordedEvent) -> String {
    format!("stream/{}", event.stream)
}

/// Held lanes, split so that asking for a key or a stream makes no text. As many as [`super::RunnerOptions`] says.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    keys: HashSet<String>,
    streams: HashSet<String>,
}

impl Lanes {
    pub(super) fn of(lanes: Vec<String>) -> Self {
        let mut held = Self::default();
        for lane in lanes {
            held.hold(&lane);
        }
        held
    }

    /// Holds a lane; whether it was free.
    pub(super) fn hold(&mut self, lane: &str) -> bool {
        match lane.split_once('/') {
            Some(("key", key)) => self.keys.insert(key.to_owned()),
            _ => self.streams.insert(lane.strip_prefix("stream/").unwrap_or(lane).to_owned()),
        }
    }

    pub(super) fn free(&mut self, lane: &str) -> bool {
        match lane.split_once('/') {
            Some(("key", key)) => self.keys.remove(key),
            _ => self.streams.remove(lane.strip_prefix("stream/").unwrap_or(lane)),
        }
    }

    pub(super) fn holds(&self, lane: &str) -> bool {
        match lane.split_once('/') {
            Some(("key", key)) => self.hold_key(key),
            _ => self.streams.contains(lane.strip_prefix("stream/").unwrap_or(lane)),
        }
    }

    pub(super) fn hold_key(&self, key: &str) -> bool {
        !self.keys.is_empty() && self.keys.contains(key)
    }

    pub(super) fn hold_stream(&self, event: &RecordedEvent) -> bool {
        !self.streams.is_empty() && self.streams.contains(event.stream.as_str())
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len() + self.streams.len()
    }

    /// All of them as texts, for readers.
    pub(super) fn all(&self) -> HashSet<String> {
        let keys = self.keys.iter().map(|key| key_lane(key));
        keys.chain(self.streams.iter().map(|stream| format!("stream/{stream}"))).collect()
    }
}
