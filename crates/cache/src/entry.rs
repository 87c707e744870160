//! What a fetcher returns, what a reader gets, and how long it may be kept.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use madrigal_core::{RowVersion, Timestamp};

/// What a fetcher found at the owner.
#[derive(Debug, Clone)]
pub struct Loaded<V> {
    /// The value, or nothing where there is none.
    pub value: Option<V>,
    /// How new it is. Read it before the value, where the two are not read together: too old a version costs a load, too new
    /// a one would be a lie.
    pub version: Option<RowVersion>,
    /// By what else it may be invalidated; at most 16.
    pub tags: Vec<Arc<str>>,
}

impl<V> Loaded<V> {
    /// A value of which nothing else is known: only an invalidation while it was loaded is held against it.
    pub const fn value(value: V) -> Self {
        Self { value: Some(value), version: None, tags: Vec::new() }
    }

    /// A value of this version.
    pub const fn versioned(version: RowVersion, value: V) -> Self {
        Self { value: Some(value), version: Some(version), tags: Vec::new() }
    }

    /// What there may be, at this version.
    pub const fn found(version: Option<RowVersion>, value: Option<V>) -> Self {
        Self { value, version, tags: Vec::new() }
    }

    /// Nothing is there.
    pub const fn absent() -> Self {
        Self { value: None, version: None, tags: Vec::new() }
    }

    /// The same with one tag more.
    #[must_use]
    pub fn tagged(mut self, tag: impl Into<Arc<str>>) -> Self {
        self.tags.push(tag.into());
        self
    }
}

/// How long an entry may be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ttl {
    /// Without asking the owner. Up to a tenth of it is taken off at random, so that what was loaded together does not
    /// expire together.
    pub fresh: Duration,
    /// After that, only where the owner fails or takes long.
    pub stale: Duration,
    /// That there is nothing. Never served on failure.
    pub absent: Duration,
}

impl Ttl {
    /// The longest time that *nothing there* is believed unless stated otherwise.
    const ABSENT: Duration = Duration::from_secs(5);

    /// Fresh for this long; on failure for as long again; that there is nothing for 5 s at most.
    pub fn of(fresh: Duration) -> Self {
        Self { fresh, stale: fresh, absent: fresh.min(Self::ABSENT) }
    }

    /// The same, served so much longer on failure; zero never.
    #[must_use]
    pub const fn stale(self, stale: Duration) -> Self {
        Self { stale, ..self }
    }

    /// The same, believing for so long that there is nothing; zero never.
    #[must_use]
    pub const fn absent(self, absent: Duration) -> Self {
        Self { absent, ..self }
    }
}

impl From<Duration> for Ttl {
    fn from(fresh: Duration) -> Self {
        Self::of(fresh)
    }
}

/// Where an answer came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The first level, fresh.
    First,
    /// The second level, fresh.
    Second,
    /// The owner, just now.
    Owner,
    /// A level, expired: the owner failed or took long.
    Stale,
}

/// An answer.
pub struct Cached<V> {
    /// The value, or nothing where there is none.
    pub value: Option<Arc<V>>,
    /// How new it is, where the fetcher said so.
    pub version: Option<RowVersion>,
    /// Where it came from.
    pub from: Source,
    /// Whether the fetcher's answer was older than an invalidation, and so was not kept: whoever asks it again may see more.
    pub behind: bool,
}

impl<V> Clone for Cached<V> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), version: self.version, from: self.from, behind: self.behind }
    }
}

impl<V> fmt::Debug for Cached<V> {
    /// Without the value: what is cached may be personal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached")
            .field("present", &self.value.is_some())
            .field("version", &self.version)
            .field("from", &self.from)
            .field("behind", &self.behind)
            .finish()
    }
}

impl<V> Cached<V> {
    /// That there is nothing, for good.
    pub(crate) const fn deleted() -> Self {
        Self { value: None, version: None, from: Source::First, behind: false }
    }

    /// Whether it is as new as somebody needs it.
    pub(crate) fn meets(&self, need: Option<RowVersion>) -> bool {
        need.is_none_or(|need| self.version.is_some_and(|version| version >= need))
    }
}

/// An entry of the first level.
pub(crate) struct Entry<V> {
    /// Told apart from others of the same key.
    pub(crate) id: u64,
    pub(crate) version: Option<RowVersion>,
    pub(crate) value: Option<Arc<V>>,
    pub(crate) tags: Box<[Arc<str>]>,
    /// The cache's age when its load began: out of date where that has grown.
    pub(crate) age: u64,
    pub(crate) loaded_at: Timestamp,
    pub(crate) fresh_micros: u64,
    pub(crate) keep_micros: u64,
    /// The owner is not asked again before, after it failed; microseconds.
    pub(crate) retry_at: AtomicI64,
    pub(crate) weight: u32,
}

/// How an entry stands now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Fresh,
    Stale,
    Over,
}

impl<V> Entry<V> {
    pub(crate) fn standing(&self, now: Timestamp, age: &AtomicU64) -> Standing {
        // A clock that was set back makes this a huge number: such an entry is over.
        let elapsed = now.as_micros().wrapping_sub(self.loaded_at.as_micros()).cast_unsigned();
        if elapsed < self.fresh_micros && self.age == age.load(Ordering::Acquire) {
            Standing::Fresh
        } else if elapsed < self.keep_micros {
            Standing::Stale
        } else {
            Standing::Over
        }
    }

    /// The owner failed: it is left alone until then.
    pub(crate) fn rest_until(&self, at: Timestamp) {
        self.retry_at.store(at.as_micros(), Ordering::Relaxed);
    }

    pub(crate) fn is_resting(&self, now: Timestamp) -> bool {
        now.as_micros() < self.retry_at.load(Ordering::Relaxed)
    }

    pub(crate) fn answer(&self, from: Source) -> Cached<V> {
        Cached { value: self.value.clone(), version: self.version, from, behind: false }
    }
}
