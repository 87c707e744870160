//! How much of its time a check may work: less while the machine is busy.

use std::time::Duration;

/// Up to this part of the processors' time in use, in percent, the whole share is worked.
///
/// # Source
/// A sweep by itself uses one processor at most; with two of them a quarter of the time of both, so that it never slows
/// itself down.
const QUIET: u32 = 50;
/// From this part on the floor.
const BUSY: u32 = 90;
/// The longest rest at once: a check goes on even if a page took very long.
const LONGEST_REST: Duration = Duration::from_secs(5);

/// How much of its time a check may work.
///
/// The signal is how much of the processors' time is in use, by whomever: what a busy shop lacks first, whichever of its
/// services, engines or neighbours uses it, and what a sweep would take from it. (The time that a page took would tell of
/// the page's own rows first, and nothing between two pages.)
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// The share of its time while the machine is quiet, in percent, 1 to 100.
    pub share: u32,
    /// The share that is left while the machine is busy, in percent, 1 to 100: so that every check ends.
    pub floor: u32,
    /// Says how much of the processors' time was in use lately, in percent; `None` takes the machine as quiet.
    pub busy: Option<fn() -> u32>,
}

impl Pace {
    /// All of the time.
    pub const FULL: Self = Self::sharing(100);

    /// Always this share, in percent.
    pub const fn sharing(share: u32) -> Self {
        Self { share, floor: share, busy: None }
    }

    /// The same, and less while the machine is busy, down to `floor` percent.
    #[must_use]
    pub const fn slowing(self, floor: u32, busy: fn() -> u32) -> Self {
        Self { floor, busy: Some(busy), ..self }
    }

    /// The share that may be worked now, in percent, 1 to 100: from the whole one where half of the processors' time is
    /// free, in a line down to the floor where a tenth is.
    pub fn share_now(&self) -> u32 {
        let share = self.share.clamp(1, 100);
        let floor = self.floor.clamp(1, share);
        let over = self.busy.map_or(0, |busy| busy()).clamp(QUIET, BUSY) - QUIET;
        share - (share - floor) * over / (BUSY - QUIET)
    }

    /// How long to rest after working for `worked` at a share.
    pub fn rest(worked: Duration, share: u32) -> Duration {
        let share = share.clamp(1, 100);
        (worked * (100 - share) / share).min(LONGEST_REST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busier_the_machine_the_less_is_worked_and_never_less_than_the_floor() {
        let at = |busy: fn() -> u32| Pace::sharing(25).slowing(5, busy).share_now();
        assert_eq!([at(|| 0), at(|| 50), at(|| 70), at(|| 90), at(|| 1_000)], [25, 25, 15, 5, 5]);
        assert_eq!(Pace::sharing(25).share_now(), 25, "nobody says");
        assert_eq!(Pace::sharing(0).slowing(0, || 100).share_now(), 1, "it always goes on");
        assert_eq!(Pace::sharing(10).slowing(50, || 100).share_now(), 10, "a floor is no more than the share");
    }

    #[test]
    fn a_rest_is_the_other_share_of_the_time_and_ends() {
        let worked = Duration::from_millis(20);
        assert_eq!(Pace::rest(worked, 100), Duration::ZERO);
        assert_eq!(Pace::rest(worked, 25), Duration::from_millis(60));
        assert_eq!(Pace::rest(Duration::from_secs(60), 1), LONGEST_REST);
    }
}
