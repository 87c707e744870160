//! Whether the writer waits for the appenders of the group before, so that one sync serves all of them again.
//!
//! The appenders of a group wake up when it is durable, and often append again at once. A writer that took the first of
//! them alone would let the others wait for that sync and for the next one: two halves take turns, each with a sync of
//! its own. A single appender comes back sooner than a thread falls asleep and is woken. Where they do not come back,
//! waiting is a loss; so it is tried, left alone where it did not pay, and tried again now and then.

use std::time::Duration;

/// How long the writer waits for the others of a group: about as long as a quick device takes for a sync.
pub(crate) const FOR_OTHERS: Duration = Duration::from_micros(100);
/// How long the writer looks for the batch of a single appender before it sleeps: about what a sleep and a wake cost.
pub(crate) const FOR_ONE: Duration = Duration::from_micros(40);

const MOST: u8 = 8;
const AGAIN_AFTER: u8 = 64;

/// What waiting was worth so far.
#[derive(Debug)]
pub(crate) struct Patience {
    credit: u8,
    left_alone: u8,
}

impl Default for Patience {
    fn default() -> Self {
        Self { credit: MOST / 2, left_alone: 0 }
    }
}

impl Patience {
    /// Whether to wait this time.
    pub(crate) fn waits(&mut self) -> bool {
        if self.credit > 0 {
            return true;
        }
        self.left_alone = (self.left_alone + 1) % AGAIN_AFTER;
        self.left_alone == 0
    }

    /// Learns whether those who were waited for came.
    pub(crate) fn learn(&mut self, came: bool) {
        // Twice as quick to give up as to go on: in doubt a group is written at once.
        self.credit = if came { (self.credit + 1).min(MOST) } else { self.credit.saturating_sub(2) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_that_does_not_pay_is_left_alone_and_tried_again_now_and_then() {
        let mut patience = Patience::default();
        let mut waited = 0;
        for _ in 0..1_000 {
            if patience.waits() {
                waited += 1;
                patience.learn(false);
            }
        }
        assert!((10..=20).contains(&waited), "{waited} of 1,000");
        while !patience.waits() {}
        patience.learn(true);
        assert!(patience.waits(), "it pays again");
    }

    #[test]
    fn waiting_that_pays_goes_on_over_a_miss() {
        let mut patience = Patience::default();
        for n in 0..1_000 {
            assert!(patience.waits());
            patience.learn(n % 10 != 0);
        }
    }
}
