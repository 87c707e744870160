//! The rule of the cache: which values are let in after what was invalidated.
//!
//! Every invalidation gets a number from one counter and leaves a mark. A load notes the counter when it begins; its result
//! is let in only if no mark for its key, its tags or a matching pattern speaks against it: a mark with a version against
//! older versions, one without against loads that began before it. Marks are kept in bounded tables; what is pushed out
//! raises a limit below which loads are not trusted at all, so that forgetting never lets anything in.

use std::collections::VecDeque;
use std::sync::Arc;

use lru::LruCache;
use madrigal_core::RowVersion;

use crate::change::{Change, Which};
use crate::pattern::Pattern;

/// The most invalidations by pattern that are remembered.
const PATTERNS: usize = 64;

/// The invalidations that are remembered.
#[derive(Debug)]
pub struct Marks {
    /// The number of the last invalidation.
    counter: u64,
    /// Loads that began before this number are not trusted: marks of theirs may be forgotten.
    trusted_from: u64,
    last_tag: u64,
    kept: usize,
    keys: LruCache<Arc<str>, Mark>,
    tags: LruCache<Arc<str>, Mark>,
    patterns: VecDeque<(Pattern, Mark)>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Mark {
    /// The last invalidation.
    last: u64,
    /// The last one without a version.
    unknown: u64,
    floor: Option<RowVersion>,
    deleted: bool,
}

impl Mark {
    fn with(self, number: u64, change: Change) -> Self {
        let mut mark = Self { last: number, ..self };
        match change {
            Change::Unknown => mark.unknown = number,
            Change::To(version) => mark.floor = mark.floor.max(Some(version)),
            Change::Deleted => mark.deleted = true,
        }
        mark
    }

    fn admits(&self, version: Option<RowVersion>, began: u64) -> bool {
        let by_version = match (self.floor, version) {
            (Some(floor), Some(version)) => version >= floor,
            (Some(_), None) => self.last <= began,
            (None, _) => true,
        };
        by_version && self.unknown <= began && !self.deleted
    }
}

impl Marks {
    /// None yet; of keys and of tags at most `kept` each will be remembered (at least one).
    pub fn new(kept: usize) -> Self {
        // Bounded by hand: a bounded one would take its room at once.
        let (keys, tags) = (LruCache::unbounded(), LruCache::unbounded());
        let patterns = VecDeque::new();
        Self { counter: 0, trusted_from: 0, last_tag: 0, kept: kept.max(1), keys, tags, patterns }
    }

    /// The counter: what a load that begins now notes.
    pub const fn now(&self) -> u64 {
        self.counter
    }

    /// Leaves a mark.
    pub fn invalidate(&mut self, which: Which<'_>, change: Change) {
        self.counter += 1;
        let number = self.counter;
        let pushed_out = match which {
            Which::Key(key) => put(&mut self.keys, key, number, change, self.kept),
            Which::Tag(tag) => {
                self.last_tag = number;
                put(&mut self.tags, tag, number, change, self.kept)
            }
            Which::Pattern(pattern) => {
                self.patterns.push_back((pattern.clone(), Mark::default().with(number, change)));
                if self.patterns.len() > PATTERNS { self.patterns.pop_front().map(|(_, mark)| mark) } else { None }
            }
        };
        if let Some(mark) = pushed_out {
            self.trusted_from = self.trusted_from.max(mark.last);
        }
    }

    /// Whether a value of this key, tags and version may be kept, whose load noted `began`.
    pub fn admits<'a>(
        &self,
        key: &str,
        tags: impl IntoIterator<Item = &'a str>,
        version: Option<RowVersion>,
        began: u64,
    ) -> bool {
        let key_admits = self.keys.peek(key).is_none_or(|mark| mark.admits(version, began));
        let tag_admits = |tag: &str| self.tags.peek(tag).is_none_or(|mark| mark.admits(version, began));
        let mut patterns = self.patterns.iter();
        began >= self.trusted_from
            && key_admits
            && tags.into_iter().all(tag_admits)
            && patterns.all(|(pattern, mark)| mark.admits(version, began) || !pattern.matches(key))
    }

    /// Whether who asks now may wait for a load of this key that noted `began`: nothing was invalidated since that could
    /// concern it.
    pub fn joinable(&self, key: &str, began: u64) -> bool {
        let mut patterns = self.patterns.iter();
        began >= self.trusted_from
            && self.last_tag <= began
            && self.keys.peek(key).is_none_or(|mark| mark.last <= began)
            && patterns.all(|(pattern, mark)| mark.last <= began || !pattern.matches(key))
    }

    /// Whether the key is known to be gone for good.
    pub fn is_deleted(&self, key: &str) -> bool {
        self.keys.peek(key).is_some_and(|mark| mark.deleted)
    }
}

/// Adds to the mark of a name; returns the oldest one where there are too many.
fn put(table: &mut LruCache<Arc<str>, Mark>, name: &str, number: u64, change: Change, kept: usize) -> Option<Mark> {
    if let Some(mark) = table.get_mut(name) {
        *mark = mark.with(number, change);
        return None;
    }
    table.put(name.into(), Mark::default().with(number, change));
    if table.len() > kept { table.pop_lru().map(|(_, mark)| mark) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(count: u64) -> Option<RowVersion> {
        RowVersion::new(1, count).ok()
    }

    fn to(count: u64) -> Change {
        version(count).map_or(Change::Unknown, Change::To)
    }

    #[test]
    fn a_load_that_began_before_an_invalidation_is_refused_and_a_later_one_let_in() {
        let mut marks = Marks::new(10);
        let began = marks.now();
        marks.invalidate(Which::Key("a"), Change::Unknown);
        assert!(!marks.admits("a", [], version(9), began) && !marks.joinable("a", began));
        assert!(marks.admits("b", [], None, began) && marks.joinable("b", began));
        assert!(marks.admits("a", [], None, marks.now()) && marks.joinable("a", marks.now()));
    }

    #[test]
    fn an_older_version_is_refused_whenever_it_was_loaded_and_a_newer_one_let_in() {
        let mut marks = Marks::new(10);
        let began = marks.now();
        marks.invalidate(Which::Key("a"), to(5));
        assert!(!marks.admits("a", [], version(4), marks.now()));
        assert!(marks.admits("a", [], version(5), began));
        // Without a version only the time counts.
        assert!(!marks.admits("a", [], None, began) && marks.admits("a", [], None, marks.now()));
        marks.invalidate(Which::Key("a"), to(3));
        assert!(!marks.admits("a", [], version(4), marks.now()), "a floor never sinks");
    }

    #[test]
    fn what_is_deleted_stays_deleted() {
        let mut marks = Marks::new(10);
        marks.invalidate(Which::Key("a"), Change::Deleted);
        marks.invalidate(Which::Key("a"), to(7));
        assert!(marks.is_deleted("a") && !marks.admits("a", [], version(8), marks.now()));
    }

    #[test]
    fn tags_and_patterns_speak_against_what_they_are_about() {
        let mut marks = Marks::new(10);
        let began = marks.now();
        marks.invalidate(Which::Tag("shoes"), to(5));
        marks.invalidate(Which::Pattern(&Pattern::new("user:*")), Change::Unknown);
        assert!(!marks.admits("p", ["hats", "shoes"], version(4), marks.now()));
        assert!(marks.admits("p", ["shoes"], version(5), began) && marks.admits("p", ["hats"], version(1), began));
        assert!(!marks.admits("user:1", [], version(9), began) && marks.admits("user:1", [], version(9), marks.now()));
        assert!(!marks.joinable("p", began), "whoever loads does not know its tags yet");
    }

    #[test]
    fn forgetting_a_mark_never_lets_anything_in() {
        let mut marks = Marks::new(2);
        let began = marks.now();
        for key in ["a", "b", "c"] {
            marks.invalidate(Which::Key(key), Change::Unknown);
        }
        assert!(!marks.admits("a", [], None, began) && !marks.admits("other", [], None, began));
        assert!(marks.admits("a", [], None, marks.now()));
        let mut marks = Marks::new(2);
        let began = marks.now();
        marks.invalidate(Which::Pattern(&Pattern::new("a*")), Change::Unknown);
        for number in 0..PATTERNS {
            marks.invalidate(Which::Pattern(&Pattern::new(&format!("x{number}"))), Change::Unknown);
        }
        assert!(!marks.admits("ab", [], None, began));
    }
}
