//! Versions of streams.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How many events a stream has; the first event makes version 1, and 0 is "no stream".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StreamVersion(pub u64);

impl StreamVersion {
    /// No events yet.
    pub const NONE: Self = Self(0);

    /// The version after `count` more events.
    #[must_use]
    pub const fn plus(self, count: u64) -> Self {
        Self(self.0 + count)
    }
}

impl fmt::Display for StreamVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a writer believes about a stream when it appends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpectedVersion {
    /// Anything: no check.
    Any,
    /// The stream must not exist.
    NoStream,
    /// The stream must exist, at whatever version.
    Exists,
    /// The stream must be at exactly this version (0: must not exist).
    Exact(StreamVersion),
}

impl ExpectedVersion {
    /// Whether a stream at `actual` meets the expectation.
    pub fn is_met_by(self, actual: StreamVersion) -> bool {
        match self {
            Self::Any => true,
            Self::NoStream => actual == StreamVersion::NONE,
            Self::Exists => actual > StreamVersion::NONE,
            Self::Exact(version) => actual == version,
        }
    }
}

impl fmt::Display for ExpectedVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any version"),
            Self::NoStream => f.write_str("no stream"),
            Self::Exists => f.write_str("an existing stream"),
            Self::Exact(version) => write!(f, "version {version}"),
        }
    }
}
