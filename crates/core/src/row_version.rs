//! Versions of rows, as copies compare them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::StreamVersion;

/// The version of one row at its owner: the epoch of the owner's store, then the owner's own count.
///
/// A restore raises the epoch, so that what is written after it is newer than what any copy has seen. Both fit into 63
/// bits together ([`RowVersion::packed`]), because engines keep one signed number: at most 32,767 epochs, and 2^48 - 1
/// changes of one row in each. Positions in logs are not versions: they change scale when a store moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(into = "u64", try_from = "u64")]
pub struct RowVersion(u64);

/// A number that is no version of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a version of a row: at most 32767 epochs, and 2^48 - 1 changes in each")]
pub struct RowVersionError;

impl RowVersion {
    const COUNT_BITS: u32 = 48;

    /// The highest epoch.
    pub const MAX_EPOCH: u16 = i16::MAX as u16;

    /// The highest count.
    pub const MAX_COUNT: u64 = (1 << Self::COUNT_BITS) - 1;

    /// The epoch of every owner: there is no other one until there are restores.
    pub const FIRST_EPOCH: u16 = 1;

    /// The last version in the first epoch: newer than whatever an owner says of a row in it, as a tombstone should be of which
    /// nobody knows the version.
    pub const LAST_OF_FIRST_EPOCH: Self = Self(((Self::FIRST_EPOCH as u64) << Self::COUNT_BITS) | Self::MAX_COUNT);

    /// The version of a row that a stream of this version tells, in the first epoch; `None` above [`RowVersion::MAX_COUNT`].
    pub fn of_stream(stream: StreamVersion) -> Option<Self> {
        Self::new(Self::FIRST_EPOCH, stream.0).ok()
    }

    /// The version `count` in `epoch`.
    ///
    /// # Errors
    /// [`RowVersionError`] above [`RowVersion::MAX_EPOCH`] or [`RowVersion::MAX_COUNT`].
    pub const fn new(epoch: u16, count: u64) -> Result<Self, RowVersionError> {
        if epoch > Self::MAX_EPOCH || count > Self::MAX_COUNT {
            return Err(RowVersionError);
        }
        Ok(Self((epoch as u64) << Self::COUNT_BITS | count))
    }

    /// The owner's epoch.
    pub const fn epoch(self) -> u16 {
        (self.0 >> Self::COUNT_BITS) as u16
    }

    /// The owner's count: of an aggregate its stream's version.
    pub const fn count(self) -> u64 {
        self.0 & Self::MAX_COUNT
    }

    /// Both as one number below 2^63, in the same order: what engines compare.
    pub const fn packed(self) -> u64 {
        self.0
    }
}

impl From<RowVersion> for u64 {
    fn from(version: RowVersion) -> Self {
        version.0
    }
}

impl TryFrom<u64> for RowVersion {
    type Error = RowVersionError;

    fn try_from(packed: u64) -> Result<Self, Self::Error> {
        if packed >> 63 == 0 { Ok(Self(packed)) } else { Err(RowVersionError) }
    }
}

impl fmt::Display for RowVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch(), self.count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_epoch_is_newer_than_any_count_and_packing_keeps_the_order() {
        let old = RowVersion::new(1, RowVersion::MAX_COUNT).unwrap();
        let restored = RowVersion::new(2, 1).unwrap();
        assert!(restored > old && restored.packed() > old.packed());
        assert_eq!(RowVersion::try_from(old.packed()), Ok(old));
        assert_eq!((old.epoch(), old.count()), (1, RowVersion::MAX_COUNT));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(RowVersion::new(RowVersion::MAX_EPOCH + 1, 0), Err(RowVersionError));
        assert_eq!(RowVersion::new(1, RowVersion::MAX_COUNT + 1), Err(RowVersionError));
        assert_eq!(RowVersion::try_from(1 << 63), Err(RowVersionError));
        assert!(serde_json::from_str::<RowVersion>("9223372036854775808").is_err());
    }
}
