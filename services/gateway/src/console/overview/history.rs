//! What the overview remembers for its trends: a sample per poll while an operator watches, 15 minutes of them at most.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use madrigal_core::Timestamp;

/// 15 minutes of samples, one every two seconds.
const MOST: usize = 450;

/// What was counted at one moment. All counters only rise while a process runs.
#[derive(Debug, Clone, Default)]
pub(super) struct Sample {
    pub(super) at: Timestamp,
    /// By service: the last position of its log.
    pub(super) ends: BTreeMap<&'static str, u64>,
    /// Orders answered with 201 or 202, and of those how many within so many seconds (the upper bound and the count).
    pub(super) orders: u64,
    pub(super) within: Vec<(f64, u64)>,
    /// Seconds by which the furthest view is behind.
    pub(super) lag: f64,
}

/// The samples.
#[derive(Debug, Default)]
pub(crate) struct History(Mutex<VecDeque<Sample>>);

/// Rates between samples, oldest first.
#[derive(Debug, Default)]
pub(super) struct Rates {
    pub(super) voices: BTreeMap<&'static str, Vec<f64>>,
    pub(super) orders: Vec<f64>,
    pub(super) lag: Vec<f64>,
}

impl History {
    pub(super) fn add(&self, sample: Sample) {
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A counter that fell is another process's: what was before says nothing about it.
        let fell = samples.back().is_some_and(|last| {
            last.orders > sample.orders
                || last.ends.iter().any(|(service, end)| sample.ends.get(service).is_some_and(|now| now < end))
        });
        if fell {
            samples.clear();
        }
        if samples.len() == MOST {
            samples.pop_front();
        }
        samples.push_back(sample);
    }

    /// The last known end of a service's log; 0 where none is known.
    pub(super) fn end(&self, service: &str) -> u64 {
        let samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        samples.back().and_then(|sample| sample.ends.get(service)).copied().unwrap_or(0)
    }

    /// When the first sample was taken that is still kept.
    pub(super) fn since(&self) -> Option<Timestamp> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).front().map(|sample| sample.at)
    }

    pub(super) fn rates(&self) -> Rates {
        let samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rates = Rates::default();
        for (before, after) in samples.iter().zip(samples.iter().skip(1)) {
            let seconds = after.at.since(before.at).as_secs_f64().max(0.001);
            for (service, end) in &after.ends {
                let grown = end.saturating_sub(before.ends.get(service).copied().unwrap_or(*end));
                rates.voices.entry(*service).or_default().push(per(grown, seconds));
            }
            rates.orders.push(per(after.orders.saturating_sub(before.orders), seconds));
            rates.lag.push(after.lag);
        }
        rates
    }

    /// Upper bounds of the median and of 99 in 100 of the orders answered since the first sample, and how many those are.
    pub(super) fn answered(&self) -> Option<(Duration, Duration, i64)> {
        let samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (first, last) = (samples.front()?, samples.back()?);
        let count = last.orders.saturating_sub(first.orders);
        let grown = |bound: f64, count: u64| {
            let before = first.within.iter().find(|(known, _)| (known - bound).abs() < f64::EPSILON);
            count.saturating_sub(before.map_or(0, |(_, count)| *count))
        };
        let at = |hundredths: u64| {
            let mut bounds = last.within.iter().map(|(bound, count)| (*bound, grown(*bound, *count)));
            bounds.find(|(_, within)| within * 100 >= count * hundredths).map(|(bound, _)| bound)
        };
        if count == 0 {
            return None;
        }
        let duration = |bound: Option<f64>| Duration::try_from_secs_f64(bound?).ok();
        Some((duration(at(50))?, duration(at(99))?, i64::try_from(count).unwrap_or(i64::MAX)))
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate on the screen")]
fn per(count: u64, seconds: f64) -> f64 {
    count as f64 / seconds
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(seconds: i64, end: u64, orders: u64) -> Sample {
        let at = Timestamp::from_micros(seconds * 1_000_000);
        let within = vec![(0.01, orders / 2), (0.1, orders), (1.0, orders)];
        Sample { at, ends: BTreeMap::from([("order-service", end)]), orders, within, lag: 0.5 }
    }

    #[test]
    fn rates_are_what_grew_between_two_samples() {
        let history = History::default();
        history.add(sample(0, 100, 10));
        history.add(sample(2, 110, 14));
        history.add(sample(4, 110, 20));
        let rates = history.rates();
        assert_eq!((rates.voices["order-service"].clone(), rates.orders), (vec![5.0, 0.0], vec![2.0, 3.0]));
        assert_eq!(history.answered(), Some((Duration::from_millis(10), Duration::from_millis(100), 10)));
    }

    #[test]
    fn a_restarted_process_starts_over_and_fifteen_minutes_are_kept() {
        let history = History::default();
        history.add(sample(0, 100, 10));
        history.add(sample(2, 3, 0));
        assert!(history.rates().orders.is_empty());
        for second in 0..1_000 {
            history.add(sample(4 + 2 * second, 3, 0));
        }
        assert_eq!(history.rates().orders.len(), MOST - 1);
    }
}
