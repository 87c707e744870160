//! Checks of all pairs: what one says, and what many came to.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use madrigal_core::{Timestamp, tasks};
use serde_json::{Value, json};

use crate::orders::settle;
use crate::orders::wire::{self, Connection};
use crate::sync::settle::checked;

/// How long a check may take, or copies until nothing is unverified any more.
const LIMIT: Duration = Duration::from_secs(1_800);
/// How often a check that is under way is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A check of all pairs.
#[derive(Debug, Clone)]
pub(super) struct Check {
    pairs: Vec<PairSeen>,
    deep: bool,
    pub(super) took: Duration,
}

/// A pair in a check.
#[derive(Debug, Clone)]
struct PairSeen {
    name: String,
    rows: u64,
    divergent: u64,
    unverified: u64,
    /// How old its verdict was when the report was put together.
    age: Duration,
    trouble: Option<String>,
}

impl PairSeen {
    fn read(pair: &Value, told_at: Timestamp) -> anyhow::Result<Self> {
        let number = |name: &str| pair[name].as_u64().with_context(|| format!("a pair without {name}"));
        let through: Timestamp = pair["verifiedThrough"].as_str().unwrap_or_default().parse()?;
        Ok(Self {
            name: pair["name"].as_str().context("a pair without a name")?.to_owned(),
            rows: number("totalEntities")?,
            divergent: number("inconsistentEntities")?,
            unverified: number("unverifiedEntities")?,
            age: told_at.since(through),
            trouble: pair["trouble"].as_str().map(str::to_owned),
        })
    }

    /// In percent; nothing of a pair that could not be checked to its end.
    fn verified(&self) -> f64 {
        match (&self.trouble, self.rows) {
            (Some(_), _) => 0.0,
            (None, 0) => 100.0,
            (None, rows) => 100.0 * (rows - self.unverified.min(rows)) as f64 / rows as f64,
        }
    }
}

impl Check {
    pub(super) fn is_consistent(&self) -> bool {
        self.pairs.iter().all(|pair| pair.divergent == 0 && pair.unverified == 0 && pair.trouble.is_none())
    }

    fn diverges(&self) -> bool {
        self.pairs.iter().any(|pair| pair.divergent > 0)
    }

    pub(super) fn in_words(&self) -> String {
        let wrong = |pair: &&PairSeen| pair.divergent > 0 || pair.unverified > 0 || pair.trouble.is_some();
        let told = self.pairs.iter().filter(wrong).map(|pair| {
            let trouble = pair.trouble.as_deref().map(|why| format!(", {why}")).unwrap_or_default();
            format!(
                "{}: {} diverge, {} unverified of {}{trouble}",
                pair.name, pair.divergent, pair.unverified, pair.rows
            )
        });
        let told: Vec<String> = told.collect();
        let rows: u64 = self.pairs.iter().map(|pair| pair.rows).sum();
        let verdict = if told.is_empty() { "all consistent".to_owned() } else { told.join("; ") };
        format!("{} pairs, {rows} rows in {:.1} s: {verdict}", self.pairs.len(), self.took.as_secs_f64())
    }

    pub(super) fn json(&self) -> Value {
        let pairs: Vec<Value> = self
            .pairs
            .iter()
            .map(|pair| {
                json!({ "pair": pair.name, "rows": pair.rows, "divergent": pair.divergent,
                    "unverified": pair.unverified, "trouble": pair.trouble })
            })
            .collect();
        json!({ "seconds": self.took.as_secs_f64(), "deep": self.deep, "pairs": pairs })
    }
}

/// Checks all pairs.
pub(super) async fn check(connection: &mut Connection, operator: &str, deep: bool) -> anyhow::Result<Check> {
    let began = tasks::instant();
    let report = checked(connection, operator, deep, LIMIT, LOOK_EVERY).await?;
    let told_at: Timestamp = report["timestamp"].as_str().unwrap_or_default().parse()?;
    let pairs = report["checks"].as_array().context("a report without checks")?;
    anyhow::ensure!(!pairs.is_empty(), "the monitor compares nothing");
    let pairs = pairs.iter().map(|pair| PairSeen::read(pair, told_at)).collect::<anyhow::Result<_>>()?;
    Ok(Check { pairs, deep, took: began.elapsed() })
}

/// Checks until nothing is unverified, in bounded time.
pub(super) async fn at_rest(connection: &mut Connection, operator: &str, deep: bool) -> anyhow::Result<Check> {
    let began = tasks::instant();
    loop {
        let checked = check(connection, operator, deep).await?;
        if checked.is_consistent() || checked.diverges() || began.elapsed() > LIMIT {
            return Ok(checked);
        }
        tasks::sleep(LOOK_EVERY).await;
    }
}

/// How many rows were repaired so far, by whomever.
pub(super) async fn repairs(connection: &mut Connection, operator: &str) -> anyhow::Result<usize> {
    let record = settle::json(connection, &wire::request("GET", "/v1/consistency/repairs", operator, &[], "")).await?;
    Ok(record["items"].as_array().context("a record without items")?.len())
}

/// What all checks came to, by pair.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pairs: BTreeMap<String, OfPair>,
    deep: usize,
    checks: usize,
    time: Duration,
    longest: Duration,
}

#[derive(Debug, Clone, Default)]
struct OfPair {
    checks: usize,
    rows: u64,
    divergent: u64,
    most_unverified: u64,
    least_verified: f64,
    /// In checks by versions, and in those by content.
    oldest: [Duration; 2],
    troubles: Vec<String>,
}

impl Seen {
    pub(super) fn take(&mut self, check: Check) {
        self.checks += 1;
        self.deep += usize::from(check.deep);
        self.time += check.took;
        self.longest = self.longest.max(check.took);
        for pair in check.pairs {
            let verified = pair.verified();
            let of = self.pairs.entry(pair.name).or_insert(OfPair { least_verified: 100.0, ..OfPair::default() });
            of.checks += 1;
            of.rows = pair.rows;
            of.divergent += pair.divergent;
            of.most_unverified = of.most_unverified.max(pair.unverified);
            of.least_verified = of.least_verified.min(verified);
            let oldest = &mut of.oldest[usize::from(check.deep)];
            *oldest = (*oldest).max(pair.age);
            of.troubles.extend(pair.trouble);
        }
    }

    pub(super) fn divergent(&self) -> u64 {
        self.pairs.values().map(|pair| pair.divergent).sum()
    }

    pub(super) fn least_share(&self) -> f64 {
        self.pairs.values().map(|pair| pair.least_verified).fold(100.0, f64::min)
    }

    /// The oldest `verifiedThrough` of a pair when its report was put together, in checks by content or by versions.
    pub(super) fn oldest(&self, deep: bool) -> Duration {
        self.pairs.values().map(|pair| pair.oldest[usize::from(deep)]).max().unwrap_or_default()
    }

    /// Pairs of which a row was called divergent, or that could not be checked.
    pub(super) fn false_alarms(&self) -> Vec<String> {
        let alarm = |(name, pair): (&String, &OfPair)| {
            (pair.divergent > 0)
                .then(|| format!("a false alarm: {} rows of {name} were called divergent", pair.divergent))
        };
        self.pairs.iter().filter_map(alarm).collect()
    }

    pub(super) fn table(&self) -> Vec<String> {
        let mean = self.time.as_secs_f64() / self.checks.max(1) as f64;
        let mut lines = vec![
            format!(
                "checks      {}, {} of them by content; {mean:.2} s on average, at most {:.2} s",
                self.checks,
                self.deep,
                self.longest.as_secs_f64()
            ),
            format!(
                "{:<20} {:>9} {:>10} {:>16} {:>12} {:>10} {:>10}",
                "pair", "rows", "divergent", "most unverified", "verified %", "oldest s", "by content"
            ),
        ];
        lines.extend(self.pairs.iter().map(|(name, pair)| {
            format!(
                "{name:<20} {:>9} {:>10} {:>16} {:>12.2} {:>10.2} {:>10.2}",
                pair.rows,
                pair.divergent,
                pair.most_unverified,
                pair.least_verified,
                pair.oldest[0].as_secs_f64(),
                pair.oldest[1].as_secs_f64()
            )
        }));
        lines.extend(self.pairs.iter().filter_map(|(name, pair)| {
            let first = pair.troubles.first()?;
            Some(format!("trouble     {name}, {} times: {first}", pair.troubles.len()))
        }));
        lines
    }

    pub(super) fn json(&self) -> Value {
        let pairs: Vec<Value> = self
            .pairs
            .iter()
            .map(|(name, pair)| {
                json!({
                    "pair": name, "checks": pair.checks, "rows": pair.rows, "divergent": pair.divergent,
                    "mostUnverified": pair.most_unverified, "leastVerifiedPercent": pair.least_verified,
                    "oldestVerifiedThroughSeconds": pair.oldest[0].as_secs_f64(),
                    "oldestByContentSeconds": pair.oldest[1].as_secs_f64(), "troubles": pair.troubles.len(),
                })
            })
            .collect();
        json!({
            "checks": self.checks, "byContent": self.deep, "seconds": self.time.as_secs_f64(),
            "longestSeconds": self.longest.as_secs_f64(), "pairs": pairs,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(unverified: u64, divergent: u64, trouble: Option<&str>) -> Check {
        let told_at: Timestamp = "2026-01-01T00:00:04Z".parse().unwrap();
        let pair = json!({
            "name": "orders.view", "totalEntities": 200, "inconsistentEntities": divergent,
            "unverifiedEntities": unverified, "verifiedThrough": "2026-01-01T00:00:01Z", "trouble": trouble,
        });
        let pairs = vec![PairSeen::read(&pair, told_at).unwrap()];
        Check { pairs, deep: false, took: Duration::from_secs(1) }
    }

    #[test]
    fn the_worst_of_all_checks_counts() {
        let mut seen = Seen::default();
        for unverified in [0, 20, 2] {
            seen.take(check(unverified, 0, None));
        }
        assert!((seen.least_share() - 90.0).abs() < 1e-9);
        assert_eq!((seen.oldest(false), seen.divergent()), (Duration::from_secs(3), 0));
        assert_eq!(seen.oldest(true), Duration::ZERO);
        assert!(seen.false_alarms().is_empty());
    }

    #[test]
    fn a_row_that_is_called_divergent_is_a_false_alarm_and_trouble_verifies_nothing() {
        let mut seen = Seen::default();
        seen.take(check(0, 1, None));
        assert!(seen.false_alarms()[0].contains("orders.view"));
        seen.take(check(0, 0, Some("nobody answers")));
        assert!(seen.least_share() < 1e-9);
        assert!(!check(0, 0, Some("nobody answers")).is_consistent() && check(0, 0, None).is_consistent());
    }
}
