//! How long calls took, to the microsecond and three digits.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

/// The longest latency that is told apart: two minutes.
const LONGEST_MICROS: u64 = 120_000_000;

/// Latencies of calls. Of bounded size, however many there are.
#[derive(Debug, Clone)]
pub struct Latencies(Histogram<u64>);

impl Latencies {
    /// None yet.
    ///
    /// # Errors
    /// None in practice: the bounds are constants.
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self(Histogram::new_with_max(LONGEST_MICROS, 3)?))
    }

    /// Adds a call's.
    pub fn record(&mut self, took: Duration) {
        self.0.saturating_record(u64::try_from(took.as_micros()).unwrap_or(LONGEST_MICROS));
    }

    /// Adds those of `other`.
    ///
    /// # Errors
    /// None in practice: all have the same bounds.
    pub fn add(&mut self, other: &Self) -> anyhow::Result<()> {
        Ok(self.0.add(&other.0)?)
    }

    /// How many.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// Microseconds that this share of the calls did not exceed; 0 where there was no call.
    pub fn micros(&self, quantile: f64) -> u64 {
        if self.0.is_empty() { 0 } else { self.0.value_at_quantile(quantile) }
    }

    /// Milliseconds that this share of the calls did not exceed.
    pub fn millis(&self, quantile: f64) -> f64 {
        self.micros(quantile) as f64 / 1e3
    }

    /// The quantiles that reports name, in microseconds.
    pub fn json(&self) -> Value {
        json!({
            "calls": self.count(), "p50Micros": self.micros(0.5), "p90Micros": self.micros(0.9),
            "p99Micros": self.micros(0.99), "p999Micros": self.micros(0.999), "maxMicros": self.micros(1.0),
        })
    }
}
