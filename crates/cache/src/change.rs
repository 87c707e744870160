//! What an invalidation says.

use madrigal_core::RowVersion;

use crate::pattern::Pattern;

/// What is known of a change at the owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Something changed: whatever was read before is out of date.
    Unknown,
    /// The owner is at this version now: older values are out of date, whenever they are read.
    To(RowVersion),
    /// It is gone for good: keys do not return, so nothing of this key is ever right again.
    Deleted,
}

/// Which entries an invalidation is about.
#[derive(Debug, Clone, Copy)]
pub enum Which<'a> {
    /// That of this key.
    Key(&'a str),
    /// Those with this tag.
    Tag(&'a str),
    /// Those whose keys match.
    Pattern(&'a Pattern),
}

impl<'a> From<&'a str> for Which<'a> {
    fn from(key: &'a str) -> Self {
        Self::Key(key)
    }
}

impl<'a> From<&'a Pattern> for Which<'a> {
    fn from(pattern: &'a Pattern) -> Self {
        Self::Pattern(pattern)
    }
}
