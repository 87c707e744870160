//! How a cache uses its second level: values as bytes, a limit of time, and what it could not be told yet.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use madrigal_core::{Fault, tasks};

use crate::change::{Change, Which};
use crate::measure::Measured;
use crate::pattern::Pattern;
use crate::second::{SecondLevel, Seen, Stored};

/// The most changes that wait to be told; with more the whole level is left out until they are.
const WAITING: usize = 10_000;

/// A second level with the form of the values.
pub(crate) struct Shared<V> {
    pub(crate) level: Arc<dyn SecondLevel>,
    pub(crate) encode: fn(&V) -> Result<Bytes, Fault>,
    pub(crate) decode: fn(&[u8]) -> Result<V, Fault>,
    limit: Duration,
    untold: Mutex<Untold>,
    waiting: AtomicUsize,
}

/// Changes that the level was not told of, or not certainly: what it says about them is not believed.
#[derive(Default)]
struct Untold {
    next: u64,
    changes: BTreeMap<u64, (Owned, Change)>,
}

#[derive(Clone)]
enum Owned {
    Key(Arc<str>),
    Tag(Arc<str>),
    Pattern(Pattern),
}

impl Owned {
    fn of(which: Which<'_>) -> Self {
        match which {
            Which::Key(key) => Self::Key(key.into()),
            Which::Tag(tag) => Self::Tag(tag.into()),
            Which::Pattern(pattern) => Self::Pattern(pattern.clone()),
        }
    }

    fn which(&self) -> Which<'_> {
        match self {
            Self::Key(key) => Which::Key(key),
            Self::Tag(tag) => Which::Tag(tag),
            Self::Pattern(pattern) => Which::Pattern(pattern),
        }
    }
}

impl<V> Shared<V> {
    pub(crate) fn new(
        level: Arc<dyn SecondLevel>,
        encode: fn(&V) -> Result<Bytes, Fault>,
        decode: fn(&[u8]) -> Result<V, Fault>,
        limit: Duration,
    ) -> Self {
        Self { level, encode, decode, limit, untold: Mutex::default(), waiting: AtomicUsize::new(0) }
    }

    /// What is kept under a key; `None` where that is not to be believed now, or the level failed.
    pub(crate) async fn get(&self, key: &str, measured: &Measured) -> Option<Seen> {
        if self.is_untold(key) {
            return None;
        }
        let seen = match tasks::within(self.limit, self.level.get(key)).await {
            Some(Ok(seen)) => seen,
            Some(Err(fault)) => {
                measured.second_failure.one();
                tracing::debug!(error = %fault.chain(), "the second level of a cache was not read");
                return None;
            }
            None => {
                measured.second_failure.one();
                return None;
            }
        };
        Some(seen)
    }

    pub(crate) async fn put(&self, key: &str, number: u64, stored: Stored, measured: &Measured) {
        if self.is_untold(key) {
            return;
        }
        if !matches!(tasks::within(self.limit, self.level.put(key, number, stored)).await, Some(Ok(_))) {
            measured.second_failure.one();
        }
    }

    /// Notes a change that is to be told; until it is, the level is not believed about it.
    pub(crate) fn note(&self, which: Which<'_>, change: Change) -> u64 {
        let mut untold = self.untold.lock().unwrap_or_else(PoisonError::into_inner);
        let ticket = untold.next;
        untold.next += 1;
        if untold.changes.len() >= WAITING {
            untold.changes.clear();
            untold.changes.insert(ticket, (Owned::Pattern(Pattern::new("*")), Change::Unknown));
        } else {
            untold.changes.insert(ticket, (Owned::of(which), change));
        }
        self.waiting.store(untold.changes.len(), Ordering::Release);
        ticket
    }

    /// Tells the level of a change that was noted.
    pub(crate) async fn tell(&self, ticket: u64, measured: &Measured) -> Result<(), Fault> {
        let noted = {
            let untold = self.untold.lock().unwrap_or_else(PoisonError::into_inner);
            untold.changes.get(&ticket).cloned()
        };
        // Somebody else told it, or it became part of a wider one, which is told in its turn.
        let Some((which, change)) = noted else { return Ok(()) };
        let told = tasks::within(self.limit, self.level.invalidate(which.which(), change)).await;
        let told = told.unwrap_or_else(|| {
            Err(Fault::unknown("cache", "invalidate", "the second level took too long; it will be told again"))
        });
        if let Err(fault) = told {
            measured.second_failure.one();
            return Err(fault);
        }
        let mut untold = self.untold.lock().unwrap_or_else(PoisonError::into_inner);
        untold.changes.remove(&ticket);
        self.waiting.store(untold.changes.len(), Ordering::Release);
        Ok(())
    }

    /// The changes that wait, oldest first.
    pub(crate) fn waiting(&self) -> Vec<u64> {
        self.untold.lock().unwrap_or_else(PoisonError::into_inner).changes.keys().copied().collect()
    }

    /// Whether the level may not know yet of a change to this key. It is asked before the level is: a change that is noted
    /// after that finds the load under way.
    fn is_untold(&self, key: &str) -> bool {
        if self.waiting.load(Ordering::Acquire) == 0 {
            return false;
        }
        let untold = self.untold.lock().unwrap_or_else(PoisonError::into_inner);
        untold.changes.values().any(|(owned, _)| match owned {
            Owned::Key(known) => **known == *key,
            // Which tags the value has that lies there is not known before it is read, and too late then.
            Owned::Tag(_) => true,
            Owned::Pattern(pattern) => pattern.matches(key),
        })
    }
}
