//! The newest events of a log, in memory: what follows the log reads them there instead of decoding them once more.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use madrigal_core::{Position, RecordedEvent};

/// At most so many bytes, data and what an event takes beside it.
const MAX_BYTES: usize = 4 << 20;
/// What an event takes beside its data: the envelope, with the texts that it shares with nobody.
const EVENT_BYTES: usize = 512;
/// A reader copies so many before it lets appends go on.
const COPIED_AT_ONCE: usize = 64;

/// The events that were accepted last, durable or not, in the order of their positions and without a gap.
///
/// At most as many events as it was told, and [`MAX_BYTES`]: views that follow closely find all of theirs here.
#[derive(Debug)]
pub(crate) struct Tail {
    max_events: usize,
    ring: Mutex<Ring>,
}

#[derive(Debug, Default)]
struct Ring {
    events: VecDeque<RecordedEvent>,
    bytes: usize,
}

impl Tail {
    pub(crate) fn of(max_events: usize) -> Self {
        Self { max_events, ring: Mutex::default() }
    }

    /// Adds accepted events, the oldest first. Whoever calls this does so in the order of positions.
    pub(crate) fn add(&self, events: impl Iterator<Item = RecordedEvent>) {
        let mut ring = self.ring();
        for event in events {
            if ring.events.back().is_some_and(|last| last.position.next() != event.position) {
                *ring = Ring::default();
            }
            ring.bytes += weight(&event);
            ring.events.push_back(event);
            while ring.events.len() > self.max_events || ring.bytes > MAX_BYTES {
                let Some(oldest) = ring.events.pop_front() else { break };
                ring.bytes -= weight(&oldest);
            }
        }
    }

    /// The events after `after` up to `end`, at most `limit`; `None` where the first of them is not kept.
    pub(crate) fn after(&self, after: Position, end: Position, limit: usize) -> Option<Vec<RecordedEvent>> {
        let wanted = usize::try_from(end.0.saturating_sub(after.0)).unwrap_or(usize::MAX).min(limit);
        let mut read = Vec::with_capacity(wanted.min(self.max_events));
        while read.len() < wanted {
            let ring = self.ring();
            let next = Position(after.0 + read.len() as u64 + 1);
            // What comes next may have been pushed out meanwhile: what was read until then is an answer too.
            let Some(from) = ring.at(next) else { break };
            let count = (wanted - read.len()).min(COPIED_AT_ONCE);
            read.extend(ring.events.range(from..).take(count).cloned());
        }
        (wanted == 0 || !read.is_empty()).then_some(read)
    }

    /// The events at these positions, if all of them are kept.
    pub(crate) fn at(&self, positions: &[Position]) -> Option<Vec<RecordedEvent>> {
        let ring = self.ring();
        positions.iter().map(|position| ring.at(*position).map(|at| ring.events[at].clone())).collect()
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ring {
    fn at(&self, position: Position) -> Option<usize> {
        let first = self.events.front()?.position;
        let at = usize::try_from(position.0.checked_sub(first.0)?).ok()?;
        (at < self.events.len()).then_some(at)
    }
}

fn weight(event: &RecordedEvent) -> usize {
    EVENT_BYTES + event.event_data.as_bytes().len()
}

#[cfg(test)]
mod tests {
    use madrigal_core::{CallContext, EventType, Host, JsonBytes, NewEvent, StreamName, StreamVersion, Timestamp};

    use super::*;
    use crate::envelope::recorded;

    const MAX_EVENTS: usize = 300;

    fn event(position: u64, data: &str) -> RecordedEvent {
        let host = Host::seeded(position);
        let kind = EventType::parse("Happened").unwrap();
        let data = JsonBytes::of(data).unwrap();
        let new = NewEvent::fresh(&host, kind, 1, data, &CallContext::new(&host));
        let stream: StreamName = "some-stream".parse().unwrap();
        recorded(&stream, new, StreamVersion(position), Position(position), Timestamp::default())
    }

    fn positions(read: Option<Vec<RecordedEvent>>) -> Option<Vec<u64>> {
        Some(read?.iter().map(|event| event.position.0).collect())
    }

    #[test]
    fn a_reader_gets_what_follows_up_to_the_end_that_it_names() {
        let tail = Tail::of(MAX_EVENTS);
        tail.add((5..=200).map(|position| event(position, "x")));
        assert_eq!(positions(tail.after(Position(4), Position(6), 10)), Some(vec![5, 6]));
        assert_eq!(positions(tail.after(Position(100), Position(200), 99)), Some((101..=199).collect()));
        assert_eq!(positions(tail.after(Position(200), Position(200), 10)), Some(vec![]));
        assert_eq!(tail.after(Position(3), Position(200), 10), None, "the fourth is not kept");
        assert_eq!(tail.after(Position(200), Position(201), 10), None, "it is not there yet");
        assert_eq!(positions(tail.at(&[Position(7), Position(5)])), Some(vec![7, 5]));
        assert_eq!(tail.at(&[Position(7), Position(4)]), None);
    }

    #[test]
    fn events_and_bytes_are_bounded() {
        let tail = Tail::of(MAX_EVENTS);
        tail.add((1..=2 * MAX_EVENTS as u64).map(|position| event(position, "x")));
        assert_eq!(tail.ring().events.len(), MAX_EVENTS);
        let long = "x".repeat(MAX_BYTES / 4);
        let first = 2 * MAX_EVENTS as u64 + 1;
        tail.add((first..first + 20).map(|position| event(position, &long)));
        let ring = tail.ring();
        assert!(ring.bytes <= MAX_BYTES && ring.events.len() == 3, "{} bytes", ring.bytes);
        assert_eq!(ring.bytes, ring.events.iter().map(weight).sum::<usize>());
    }

    #[test]
    fn a_gap_empties_it() {
        let tail = Tail::of(MAX_EVENTS);
        tail.add([event(1, "x"), event(3, "x")].into_iter());
        assert_eq!(tail.after(Position(0), Position(3), 10), None);
        assert_eq!(positions(tail.after(Position(2), Position(3), 10)), Some(vec![3]));
    }
}
