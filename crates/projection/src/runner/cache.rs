//! The bounded cache of hot rows.

use std::collections::HashMap;
use std::mem;

use madrigal_core::{Position, StreamVersion};

/// A row as the runner holds it; `row: None` says that the store has none.
#[derive(Debug, Clone)]
pub(super) struct Slot<R> {
    pub(super) row: Option<R>,
    pub(super) version: StreamVersion,
    pub(super) position: Position,
}

impl<R> Slot<R> {
    pub(super) const fn absent() -> Self {
        Self { row: None, version: StreamVersion::NONE, position: Position::START }
    }
}

/// Rows by key in two generations: when the young one is full the old one is dropped. At most `capacity` rows; what was
/// used since the last turn stays. One owner, so it needs neither locks nor lists of use.
#[derive(Debug)]
pub(super) struct RowCache<R> {
    young: HashMap<String, Slot<R>>,
    old: HashMap<String, Slot<R>>,
    half: usize,
}

impl<R> RowCache<R> {
    pub(super) fn new(capacity: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), half: capacity / 2 }
    }

    /// Takes a row out; whoever takes it puts it back or drops the whole cache.
    pub(super) fn take(&mut self, key: &str) -> Option<Slot<R>> {
        self.young.remove(key).or_else(|| self.old.remove(key))
    }

    pub(super) fn put(&mut self, key: String, slot: Slot<R>) {
        if self.half == 0 {
            return;
        }
        if self.young.len() >= self.half {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(key, slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_bounded_and_keeps_what_is_used() {
        let mut cache = RowCache::new(10);
        for key in 0..100 {
            if let Some(hot) = cache.take("hot") {
                cache.put("hot".to_owned(), hot);
            } else {
                assert_eq!(key, 0, "the hot row was dropped");
                cache.put("hot".to_owned(), Slot { row: Some(7), ..Slot::absent() });
            }
            cache.put(key.to_string(), Slot { row: Some(key), ..Slot::absent() });
            assert!(cache.young.len() + cache.old.len() <= 10);
        }
        assert!(cache.take("3").is_none());
    }
}
