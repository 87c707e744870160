//! The identity of one saga, derived from the request that starts it.

use std::fmt;
use std::str::FromStr;

use madrigal_core::{EventId, StreamName, StreamVersion};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_128;

/// The category of the streams that hold sagas.
pub const SAGA_CATEGORY: &str = "saga";

/// The bytes of a UUID's time in milliseconds, where its version is 7.
const MILLIS: usize = 6;

/// One saga: a hash of who asked, for what, under which key, so that a repeated request finds the same saga.
///
/// Where the key is a UUID of version 7, the saga's id begins with its time: sagas that begin together then lie together,
/// in views and on disk, and are listed in the order of their keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SagaId(Uuid);

impl SagaId {
    /// The saga of this caller, this operation and this idempotency key. The parts are separated by their lengths, so
    /// ("ab", "c") and ("a", "bc") are different sagas.
    ///
    /// # Source
    /// RFC 9562, 5.8 (version 8): 122 bits of SHA-256. A billion sagas collide with a probability of about 10⁻¹⁹. With the
    /// time of the key (5.7) in front 74 bits of the hash are left for those whose keys name the same millisecond: of a
    /// thousand, two collide with a probability below 10⁻¹⁶.
    pub fn derive(caller: &str, operation: &str, key: &str) -> Self {
        let name = format!("saga {}:{caller} {}:{operation} {}:{key}", caller.len(), operation.len(), key.len());
        let mut bytes = EventId::derived(&name).as_uuid().into_bytes();
        if let Some(time) = Uuid::try_parse(key).ok().filter(|key| key.get_version_num() == 7) {
            bytes[..MILLIS].copy_from_slice(&time.as_bytes()[..MILLIS]);
        }
        Self(Uuid::from_bytes(bytes))
    }

    /// The saga with this UUID.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The id as a UUID.
    pub const fn as_uuid(self) -> Uuid {
        self.0
    }

    /// The stream that holds the saga's records: `saga-{id}`.
    pub fn stream(self) -> StreamName {
        let mut text = [0u8; uuid::fmt::Hyphenated::LENGTH];
        #[expect(clippy::expect_used, reason = "`saga-` and a UUID are always a valid name")]
        StreamName::new(SAGA_CATEGORY, &*self.0.hyphenated().encode_lower(&mut text)).expect("a valid name")
    }

    /// The saga that this stream holds; `None` if it is a stream of something else.
    pub fn of_stream(stream: &StreamName) -> Option<Self> {
        (stream.category() == SAGA_CATEGORY).then(|| stream.id().parse().ok()).flatten()
    }

    /// The id of the record that this runner's epoch writes at this version: an append that is repeated repeats its ids.
    ///
    /// # Source
    /// XXH3-128 as a version 8 UUID. Ids must differ within a stream only, and saga ids are hashes already, so a
    /// cryptographic hash would buy nothing for its ten-fold cost.
    pub(crate) fn record_id(self, epoch: u32, version: StreamVersion) -> EventId {
        let mut name = [0u8; 28];
        name[..16].copy_from_slice(self.0.as_bytes());
        name[16..20].copy_from_slice(&epoch.to_be_bytes());
        name[20..].copy_from_slice(&version.0.to_be_bytes());
        EventId::from_uuid(uuid::Builder::from_custom_bytes(xxh3_128(&name).to_be_bytes()).into_uuid())
    }
}

impl fmt::Display for SagaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for SagaId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_request_has_the_same_saga_and_another_has_another() {
        let id = SagaId::derive("42", "place-order", "key");
        assert_eq!(id, SagaId::derive("42", "place-order", "key"));
        assert_ne!(id, SagaId::derive("42", "place-orderk", "ey"));
        assert_ne!(id, SagaId::derive("43", "place-order", "key"));
        assert_eq!(SagaId::of_stream(&id.stream()), Some(id));
        assert_eq!(SagaId::of_stream(&StreamName::new("order", id).unwrap()), None);
    }

    #[test]
    fn sagas_follow_the_time_of_keys_that_have_one() {
        let (early, late) = ("01890a5d-ac96-774b-bcce-b302099a8057", "01890a5d-ac97-774b-bcce-b302099a8057");
        let of = |caller: &str, key: &str| SagaId::derive(caller, "place-order", key);
        let id = of("42", early);
        assert_eq!(id, of("42", early));
        assert_eq!(id.as_uuid().as_bytes()[..6], early.parse::<Uuid>().unwrap().as_bytes()[..6]);
        assert_eq!(id.as_uuid().get_version_num(), 8);
        for caller in 0..100 {
            assert!(of(&caller.to_string(), early) < of(&(99 - caller).to_string(), late));
        }
        // Who asked, and all of the key, still tell sagas apart.
        assert_ne!(id, of("43", early));
        assert_ne!(id, of("42", "01890a5d-ac96-774b-bcce-b302099a8058"));
        // A key of another version has no time to go by.
        let other = "01890a5d-ac96-474b-bcce-b302099a8057";
        assert_ne!(of("42", other).as_uuid().as_bytes()[..6], other.parse::<Uuid>().unwrap().as_bytes()[..6]);
    }

    #[test]
    fn records_of_other_epochs_and_versions_have_other_ids() {
        let id = SagaId::derive("42", "place-order", "key");
        let first = id.record_id(1, StreamVersion(1));
        assert_eq!(first, id.record_id(1, StreamVersion(1)));
        assert_ne!(first, id.record_id(2, StreamVersion(1)));
        assert_ne!(first, id.record_id(1, StreamVersion(2)));
    }
}
