//! Clock and randomness: everything about the machine that a simulation must be able to own.

use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use uuid::Uuid;

use crate::time::Timestamp;

/// Tells the time of day.
pub trait Clock: Send + Sync + 'static {
    /// Now. Not monotonic: a host's clock may be set back.
    fn now(&self) -> Timestamp;
}

/// Fills buffers with random bytes.
pub trait Randomness: Send + Sync + 'static {
    /// Fills `buffer`; of cryptographic quality outside tests.
    fn fill(&self, buffer: &mut [u8]);
}

/// The clock and the randomness that a component runs on; cheap to clone.
#[derive(Clone)]
pub struct Host {
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
    ids: Arc<Mutex<LastId>>,
}

#[derive(Default)]
struct LastId {
    millis: u64,
    counter: u16,
}

impl Host {
    /// A host of the given parts.
    pub fn new(clock: Arc<dyn Clock>, randomness: Arc<dyn Randomness>) -> Self {
        Self { clock, randomness, ids: Arc::default() }
    }

    /// The operating system's clock and randomness.
    pub fn system() -> Self {
        Self::new(Arc::new(SystemClock), Arc::new(SystemRandomness))
    }

    /// A host for tests: the same seed gives the same ids; time is the system's.
    pub fn seeded(seed: u64) -> Self {
        Self::new(Arc::new(SystemClock), Arc::new(SeededRandomness(Mutex::new(seed))))
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Fills `buffer` with random bytes.
    pub fn fill(&self, buffer: &mut [u8]) {
        self.randomness.fill(buffer);
    }

    /// A uniformly random number.
    pub fn random_u64(&self) -> u64 {
        let mut bytes = [0u8; 8];
        self.randomness.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// A new version 7 UUID: ids made later by the same host sort later.
    ///
    /// # Source
    /// RFC 9562, 5.7 and 6.2 method 1 (a 12-bit counter inside the millisecond).
    pub fn uuid_v7(&self) -> Uuid {
        let now_millis = self.now().as_millis();
        let (millis, counter) = {
            let mut last = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
            if now_millis > last.millis {
                last.millis = now_millis;
                last.counter = 0;
            } else if last.counter < 0x0fff {
                last.counter += 1;
            } else {
                // More than 4,096 ids in one millisecond: borrow from the next one.
                last.millis += 1;
                last.counter = 0;
            }
            (last.millis, last.counter)
        };
        let mut tail = [0u8; 8];
        self.randomness.fill(&mut tail);
        let mut bytes = [0u8; 16];
        bytes[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
        bytes[6..8].copy_from_slice(&(0x7000 | counter).to_be_bytes());
        bytes[8..].copy_from_slice(&tail);
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        Uuid::from_bytes(bytes)
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").finish_non_exhaustive()
    }
}

/// The operating system's clock.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
    fn now(&self) -> Timestamp {
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
    }
}

/// The operating system's source of randomness.
#[derive(Debug, Clone, Copy)]
pub struct SystemRandomness;

impl Randomness for SystemRandomness {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the system for randomness")]
    #[expect(clippy::expect_used, reason = "a system without randomness must not hand out keys or ids")]
    fn fill(&self, buffer: &mut [u8]) {
        getrandom::fill(buffer).expect("the operating system provides randomness");
    }
}

/// Reproducible randomness for tests; never for keys.
///
/// # Source
/// SplitMix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
#[derive(Debug)]
pub struct SeededRandomness(Mutex<u64>);

impl SeededRandomness {
    /// The sequence that belongs to `seed`.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(seed))
    }
}

impl Randomness for SeededRandomness {
    fn fill(&self, buffer: &mut [u8]) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for chunk in buffer.chunks_mut(8) {
            *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = *state;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^= mixed >> 31;
            chunk.copy_from_slice(&mixed.to_le_bytes()[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_one_host_sort_in_the_order_of_their_making() {
        let host = Host::system();
        let ids: Vec<Uuid> = (0..10_000).map(|_| host.uuid_v7()).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(ids[0].get_version_num(), 7);
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        let (mut left, mut right) = ([0u8; 21], [0u8; 21]);
        SeededRandomness::new(7).fill(&mut left);
        SeededRandomness::new(7).fill(&mut right);
        assert_eq!(left, right);
    }
}
