//! Chance from a seed.

use std::time::Duration;

use madrigal_core::Host;

/// Draws numbers; the same seed and part give the same numbers.
#[derive(Debug, Clone)]
pub struct Draw(Host);

impl Draw {
    /// Chance for one part of a run, as in `plan` or `customer 7`, so that parts do not take numbers from each other.
    pub fn new(seed: u64, part: &str) -> Self {
        // FNV-1a: spreads names, nothing more is asked of it.
        let spread = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        Self(Host::seeded(part.bytes().fold(seed ^ 0xcbf2_9ce4_8422_2325, spread)))
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&self, bound: usize) -> usize {
        usize::try_from(self.0.random_u64() % bound as u64).unwrap_or(0)
    }

    /// True so many times in a hundred.
    pub fn percent(&self, chance: usize) -> bool {
        self.below(100) < chance
    }

    /// A time between two bounds whose every order of magnitude is as likely as the next.
    pub fn pause(&self, least_millis: u64, most_millis: u64) -> Duration {
        let share = self.below(1 << 20) as f64 / f64::from(1 << 20);
        let (least, most) = (least_millis.max(1) as f64, most_millis.max(1) as f64);
        Duration::from_secs_f64(least * (most / least).powf(share) / 1_000.0)
    }

    /// One of several, which are not none.
    pub fn one_of<'a, T>(&self, several: &'a [T]) -> &'a T {
        &several[self.below(several.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_and_part_draw_the_same_and_parts_differ() {
        let numbers = |draw: &Draw| (0..20).map(|_| draw.below(1_000)).collect::<Vec<_>>();
        let one = numbers(&Draw::new(7, "plan"));
        assert_eq!(one, numbers(&Draw::new(7, "plan")));
        assert_ne!(one, numbers(&Draw::new(7, "customer 1")));
        assert_ne!(one, numbers(&Draw::new(8, "plan")));
    }

    #[test]
    fn pauses_stay_within_their_bounds() {
        let draw = Draw::new(1, "pauses");
        let pauses: Vec<Duration> = (0..1_000).map(|_| draw.pause(5, 3_000)).collect();
        assert!(pauses.iter().all(|pause| (5..=3_000).contains(&pause.as_millis())));
        assert!(pauses.iter().any(|pause| pause.as_millis() < 20) && pauses.iter().any(|pause| pause.as_secs() >= 1));
    }
}
