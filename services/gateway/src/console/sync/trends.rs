//! What the page remembers of each copy's lag: a sample per poll while an operator watches, 15 minutes of them at most.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use super::lag::Lag;

/// 15 minutes of samples, one every two seconds.
const MOST: usize = 450;
/// More copies than that are not remembered.
const MOST_COPIES: usize = 64;
/// How many samples tell whether a lag grows: a minute of them, before and after.
const LATELY: usize = 30;
/// Changes of less than so many seconds are no trend.
const STEADY_SECONDS: f32 = 0.25;

/// Seconds behind, by the name of the copy or of the topic.
#[derive(Debug, Default)]
pub(crate) struct Trends(Mutex<BTreeMap<String, VecDeque<f32>>>);

/// Where a lag goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Course {
    /// It is not, or hardly, another than a minute ago.
    Steady,
    /// The copy falls behind.
    Growing,
    /// The copy catches up.
    Shrinking,
}

impl Trends {
    /// Takes a sample of each copy that says how far it is.
    #[expect(clippy::cast_possible_truncation, reason = "a length on the screen")]
    pub(super) fn add(&self, lags: &[Lag]) {
        let mut trends = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What is no longer told has no place on the page either.
        trends.retain(|name, _| lags.iter().any(|lag| lag.name() == name));
        for lag in lags.iter().take(MOST_COPIES) {
            let Some(seconds) = lag.seconds() else { continue };
            let samples = trends.entry(lag.name().to_owned()).or_default();
            if samples.len() == MOST {
                samples.pop_front();
            }
            samples.push_back(seconds as f32);
        }
    }

    /// The samples of a copy, the oldest first.
    pub(super) fn of(&self, name: &str) -> Vec<f32> {
        let trends = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        trends.get(name).map(|samples| samples.iter().copied().collect()).unwrap_or_default()
    }
}

/// Where the lag goes, by what it was lately.
pub(super) fn course(samples: &[f32]) -> Course {
    let Some(now) = samples.last() else { return Course::Steady };
    let before = samples[samples.len().saturating_sub(LATELY)];
    match now - before {
        less if less < -STEADY_SECONDS => Course::Shrinking,
        more if more > STEADY_SECONDS => Course::Growing,
        _ => Course::Steady,
    }
}

/// The most that it was.
pub(super) fn most(samples: &[f32]) -> f64 {
    f64::from(samples.iter().copied().fold(0.0, f32::max))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::lag;
    use super::*;

    fn lags(told: &[(&str, f64)]) -> Vec<Lag> {
        let item =
            |(copy, seconds): &(&str, f64)| json!({"copy": copy, "source": "users", "behind": 1, "seconds": seconds});
        lag::of(&json!({"items": told.iter().map(item).collect::<Vec<_>>()}))
    }

    #[test]
    fn fifteen_minutes_of_each_copy_are_kept_and_of_no_other() {
        let trends = Trends::default();
        for second in 0..1_000 {
            trends.add(&lags(&[("users.index", f64::from(second)), ("users.activity", 0.0)]));
        }
        assert_eq!((trends.of("users.index").len(), trends.of("users.index").first()), (MOST, Some(&550.0)));
        trends.add(&lags(&[("users.index", 1.0)]));
        assert!(trends.of("users.activity").is_empty());
        assert!((most(&trends.of("users.index")) - 999.0).abs() < 0.01);
    }

    #[test]
    fn a_course_is_told_by_the_last_minute() {
        let line = |from: f32, step: f32| -> Vec<f32> { (0..60_u8).map(|at| from + step * f32::from(at)).collect() };
        assert_eq!(course(&[]), Course::Steady);
        assert_eq!(course(&line(0.0, 0.001)), Course::Steady);
        assert_eq!(course(&line(0.0, 2.0)), Course::Growing);
        assert_eq!(course(&line(200.0, -2.0)), Course::Shrinking);
    }
}
