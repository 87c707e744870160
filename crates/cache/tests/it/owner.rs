//! An owner whose rows count up, and a clock that stands still until it is moved.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use madrigal_cache::{Cache, Change, Loaded};
use madrigal_core::host::SeededRandomness;
use madrigal_core::{Clock, Fault, Host, RowVersion, Timestamp};

/// A clock that is moved by hand.
#[derive(Clone, Default)]
pub(crate) struct HandClock(Arc<AtomicI64>);

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_800_000_000_000_000 + self.0.load(Ordering::SeqCst))
    }
}

impl HandClock {
    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_micros()).unwrap(), Ordering::SeqCst);
    }

    pub(crate) fn set_back(&self, by: Duration) {
        self.0.fetch_sub(i64::try_from(by.as_micros()).unwrap(), Ordering::SeqCst);
    }
}

/// A host with such a clock.
pub(crate) fn host(seed: u64) -> (Host, HandClock) {
    let clock = HandClock::default();
    (Host::new(Arc::new(clock.clone()), Arc::new(SeededRandomness::new(seed))), clock)
}

pub(crate) fn version(count: u64) -> RowVersion {
    RowVersion::new(1, count).unwrap()
}

pub(crate) fn to(count: u64) -> Change {
    Change::To(version(count))
}

/// One row: its value is its version.
#[derive(Clone, Default)]
pub(crate) struct Owner {
    row: Arc<AtomicU64>,
    asked: Arc<AtomicU64>,
}

impl Owner {
    pub(crate) fn read(&self) -> u64 {
        self.row.load(Ordering::SeqCst)
    }

    /// Commits a change; the new version.
    pub(crate) fn commit(&self) -> u64 {
        self.row.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }

    /// The row, with its version.
    pub(crate) fn fetch(&self) -> Loaded<u64> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let row = self.read();
        Loaded::versioned(version(row), row)
    }

    /// What the cache answers for `row`.
    pub(crate) async fn ask(&self, cache: &Cache<u64>, ttl: Duration) -> Option<u64> {
        let owner = self.clone();
        let found = cache.get("row", move || async move { Ok(owner.fetch()) }, ttl).await.unwrap();
        found.value.as_deref().copied()
    }
}

pub(crate) fn broken() -> Fault {
    Fault::not_applied("owner", "read", "it is broken")
}
