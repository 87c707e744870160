//! The port of the second level: a store of bytes that several processes may share.

use async_trait::async_trait;
use bytes::Bytes;
use madrigal_core::{Fault, RowVersion, Timestamp};
use serde::{Deserialize, Serialize};

use crate::change::{Change, Which};

/// A store behind the first level.
///
/// It keeps the same rule as the first level ([`crate::marks`]), for everybody who shares it: implementations MUST
///
/// * number invalidations in one order, and take a value only where no invalidation of its key, of one of its tags or of a
///   pattern that its key matches speaks against it: one with a version against older versions, one without against values
///   whose [`Seen::number`] is lower; one that deletes against all;
/// * never replace a value by one of an older version;
/// * do each call as a whole: a `put` is wholly before or after an `invalidate`;
/// * remember an invalidation for at least as long as a load may take (ten times [`crate::CacheOptions::hard`] is ample); what is
///   forgotten MUST NOT let anything in;
/// * find keys by prefix and by tag from an index, never by looking at all of them;
/// * keep values no longer than [`Stored::keep_until`], and be bounded otherwise: dropping values is always allowed.
///
/// It need not be durable.
#[async_trait]
pub trait SecondLevel: Send + Sync + 'static {
    /// What is kept under a key, and the number of the last invalidation.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke: the cache goes on without it.
    ///
    /// # Cancellation
    /// Safe: reads only.
    async fn get(&self, key: &str) -> Result<Seen, Fault>;

    /// Keeps a value, whose load began when `number` was the last invalidation; whether it was taken.
    ///
    /// # Errors
    /// As [`SecondLevel::get`].
    ///
    /// # Cancellation
    /// It may be kept or not.
    async fn put(&self, key: &str, number: u64, stored: Stored) -> Result<bool, Fault>;

    /// Drops what a change makes out of date and remembers the change.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke: the cache tries again ([`crate::Cache::settle`]).
    ///
    /// # Cancellation
    /// It may have happened in part: repeat it.
    async fn invalidate(&self, which: Which<'_>, change: Change) -> Result<(), Fault>;

    /// At most `limit` keys with this prefix, in order, those after `after`.
    ///
    /// # Errors
    /// As [`SecondLevel::get`].
    ///
    /// # Cancellation
    /// Safe: reads only.
    async fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>, Fault>;
}

/// What a second level knows of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The number of the last invalidation, of any key.
    pub number: u64,
    /// What is kept.
    pub stored: Option<Stored>,
}

/// An entry as a second level keeps it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// The owner's version.
    pub version: Option<RowVersion>,
    /// The value's bytes, or nothing where there is none.
    pub value: Option<Bytes>,
    /// By what else it is invalidated.
    pub tags: Vec<String>,
    /// When it was loaded.
    pub loaded_at: Timestamp,
    /// Until when it is served without asking the owner.
    pub fresh_until: Timestamp,
    /// Until when it is kept.
    pub keep_until: Timestamp,
}

impl std::fmt::Debug for Stored {
    /// Without the value: what is cached may be personal.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stored")
            .field("version", &self.version)
            .field("bytes", &self.value.as_ref().map(Bytes::len))
            .field("fresh_until", &self.fresh_until)
            .field("keep_until", &self.keep_until)
            .finish_non_exhaustive()
    }
}
