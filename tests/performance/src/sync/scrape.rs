//! Histograms in Prometheus' text, and what came between two looks at them.
//!
//! # Source
//! The text format 0.0.4 of <https://prometheus.io/docs/instrumenting/exposition_formats/>; quantiles by linear interpolation within
//! a bucket, as `histogram_quantile` has it.

use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};

/// A histogram of durations in seconds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Histogram {
    /// By upper bound, in their order: how many were at most so long. The last bound is infinite.
    at_most: Vec<(f64, u64)>,
    sum: f64,
}

/// Histograms by the value of a label.
pub type Histograms = BTreeMap<String, Histogram>;

/// The histograms `name` in a text, by the value of `label`; of those that differ in other labels only, the sum.
///
/// # Errors
/// Where a line of the histogram is not understood.
pub fn histograms(text: &str, name: &str, label: &str) -> anyhow::Result<Histograms> {
    let mut found: BTreeMap<String, BTreeMap<Bound, u64>> = BTreeMap::new();
    let mut sums: BTreeMap<String, f64> = BTreeMap::new();
    let lines = text.lines().filter_map(|line| line.strip_prefix(name).map(|rest| (line, rest)));
    for (line, rest) in lines {
        let (bucket, labels) = if let Some(rest) = rest.strip_prefix("_bucket{") {
            (true, rest)
        } else if let Some(rest) = rest.strip_prefix("_sum{") {
            (false, rest)
        } else {
            continue;
        };
        let (labels, value) = read_labels(labels).with_context(|| format!("not understood: {line}"))?;
        let of = |wanted: &str| labels.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
        let key = of(label).with_context(|| format!("no {label} in {line}"))?;
        if bucket {
            let bound = of("le").with_context(|| format!("no bound in {line}"))?;
            let bound: f64 = bound.parse().with_context(|| format!("no bound in {line}"))?;
            let count: u64 = value.parse().with_context(|| format!("no count in {line}"))?;
            *found.entry(key).or_default().entry(Bound(bound)).or_default() += count;
        } else {
            *sums.entry(key).or_default() += value.parse::<f64>().with_context(|| format!("no sum in {line}"))?;
        }
    }
    let whole = |(key, buckets): (String, BTreeMap<Bound, u64>)| {
        let sum = sums.get(&key).copied().unwrap_or(0.0);
        (key, Histogram { at_most: buckets.into_iter().map(|(bound, count)| (bound.0, count)).collect(), sum })
    };
    Ok(found.into_iter().map(whole).collect())
}

/// What came between two looks.
///
/// # Errors
/// Where a histogram has fewer samples than before: the process was another one.
pub fn difference(before: &Histograms, after: &Histograms) -> anyhow::Result<Histograms> {
    if let Some(gone) = before.keys().find(|key| !after.contains_key(*key)) {
        bail!("{gone} is not measured any more");
    }
    let mut came = Histograms::new();
    for (key, after) in after {
        let came_of = before.get(key).map_or_else(|| Ok(after.clone()), |before| after.since(before));
        came.insert(key.clone(), came_of.with_context(|| format!("of {key}"))?);
    }
    Ok(came)
}

impl Histogram {
    /// How many samples.
    pub fn count(&self) -> u64 {
        self.at_most.last().map_or(0, |(_, count)| *count)
    }

    /// Their average, in seconds; none of no samples.
    pub fn average(&self) -> Option<f64> {
        (self.count() > 0).then(|| self.sum / self.count() as f64)
    }

    /// Seconds that this share of the samples did not exceed, by interpolation within a bucket; none of no samples, and where it is
    /// beyond the last bound.
    pub fn quantile(&self, quantile: f64) -> Option<f64> {
        let rank = quantile * self.count() as f64;
        let (mut lower, mut below) = (0.0, 0);
        for (bound, at_most) in self.at_most.iter().filter(|(bound, _)| bound.is_finite()) {
            if *at_most > 0 && *at_most as f64 >= rank {
                let share = (rank - below as f64) / (*at_most - below).max(1) as f64;
                return Some(lower + (bound - lower) * share);
            }
            (lower, below) = (*bound, *at_most);
        }
        None
    }

    /// The upper bound of the bucket in which that is: never less than the truth.
    pub fn bound(&self, quantile: f64) -> Option<f64> {
        let rank = quantile * self.count() as f64;
        let holds = |(bound, at_most): &&(f64, u64)| bound.is_finite() && *at_most > 0 && *at_most as f64 >= rank;
        self.at_most.iter().find(holds).map(|(bound, _)| *bound)
    }

    /// The buckets that hold samples: `[upper bound in seconds, samples]`, the last without a bound.
    pub fn buckets(&self) -> Value {
        let mut below = 0;
        let mut buckets = Vec::new();
        for (bound, at_most) in &self.at_most {
            if *at_most > below {
                buckets.push(json!([bound.is_finite().then_some(bound), at_most - below]));
            }
            below = *at_most;
        }
        Value::Array(buckets)
    }

    fn since(&self, before: &Self) -> anyhow::Result<Self> {
        let bounds = |of: &Self| of.at_most.iter().map(|(bound, _)| bound.to_bits()).collect::<Vec<_>>();
        ensure!(bounds(self) == bounds(before), "it has other buckets than before");
        let mut at_most = Vec::with_capacity(self.at_most.len());
        for ((bound, after), (_, before)) in self.at_most.iter().zip(&before.at_most) {
            at_most.push((*bound, after.checked_sub(*before).context("it has fewer samples than before")?));
        }
        Ok(Self { at_most, sum: self.sum - before.sum })
    }
}

/// Name and value of each label.
type Labels = Vec<(String, String)>;

/// The labels behind an opened brace, and the value behind the closed one.
fn read_labels(text: &str) -> Option<(Labels, &str)> {
    let (mut labels, mut rest) = (Labels::new(), text);
    while !rest.starts_with('}') {
        let (name, behind) = rest.split_once("=\"")?;
        let mut value = String::new();
        let mut signs = behind.char_indices();
        let end = loop {
            match signs.next()? {
                (at, '"') => break at,
                (_, '\\') => match signs.next()?.1 {
                    'n' => value.push('\n'),
                    sign => value.push(sign),
                },
                (_, sign) => value.push(sign),
            }
        };
        labels.push((name.to_owned(), value));
        let behind = &behind[end + 1..];
        rest = behind.strip_prefix(',').unwrap_or(behind);
    }
    // Behind the value may stand a time.
    Some((labels, rest[1..].split_whitespace().next()?))
}

/// An upper bound, in order.
#[derive(Debug, Clone, Copy)]
struct Bound(f64);

impl Ord for Bound {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Bound {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Bound {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Bound {}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = r#"# HELP data_sync_latency_seconds From the change at the source to its copy at the target.
# TYPE data_sync_latency_seconds histogram
data_sync_latency_seconds_bucket{source="c",target="users.index",entity_type="users",le="0.01"} 10
data_sync_latency_seconds_bucket{source="c",target="users.index",entity_type="users",le="0.1"} 10
data_sync_latency_seconds_bucket{source="c",target="users.index",entity_type="users",le="+Inf"} 10
data_sync_latency_seconds_sum{source="c",target="users.index",entity_type="users"} 0.05
data_sync_latency_seconds_count{source="c",target="users.index",entity_type="users"} 10
data_sync_latency_seconds_other_bucket{target="users.index",le="0.01"} 99
other_seconds_bucket{target="users.index",le="0.01"} 99
"#;

    /// 100 more rows: 50 within 10 ms, 49 within 100 ms, one beyond; and a copy that is new, under two kinds of rows.
    const AFTER: &str = r#"data_sync_latency_seconds_bucket{source="c",target="users.index",entity_type="users",le="0.01"} 60
data_sync_latency_seconds_bucket{source="c",target="users.index",entity_type="users",le="0.1"} 109
data_sync_latency_seconds_bucket{source="c",target="users.index",entity_type="users",le="+Inf"} 110
data_sync_latency_seconds_sum{source="c",target="users.index",entity_type="users"} 5.05
data_sync_latency_seconds_bucket{target="new \"copy\"",entity_type="users",le="0.01"} 1
data_sync_latency_seconds_bucket{target="new \"copy\"",entity_type="users",le="+Inf"} 1
data_sync_latency_seconds_bucket{target="new \"copy\"",entity_type="events",le="0.01"} 0
data_sync_latency_seconds_bucket{target="new \"copy\"",entity_type="events",le="+Inf"} 2
"#;

    fn read(text: &str) -> Histograms {
        histograms(text, "data_sync_latency_seconds", "target").unwrap()
    }

    #[test]
    fn only_what_came_between_two_looks_counts() {
        let came = difference(&read(BEFORE), &read(AFTER)).unwrap();
        let index = &came["users.index"];
        assert_eq!(index.count(), 100);
        assert_eq!(index.buckets(), json!([[0.01, 50], [0.1, 49], [null, 1]]));
        assert!((index.average().unwrap() - 0.05).abs() < 1e-9);
        assert_eq!(came["new \"copy\""].buckets(), json!([[0.01, 1], [null, 2]]));
    }

    #[test]
    fn quantiles_are_interpolated_within_their_bucket() {
        let came = difference(&read(BEFORE), &read(AFTER)).unwrap();
        let index = &came["users.index"];
        let near = |quantile, wanted: f64| {
            let got = index.quantile(quantile).unwrap();
            assert!((got - wanted).abs() < 1e-9, "{quantile}: {got}, wanted {wanted}");
        };
        near(0.25, 0.005);
        near(0.5, 0.01);
        // The 24.5th of the 49 between 10 and 100 ms.
        near(0.745, 0.055);
        near(0.99, 0.1);
        assert_eq!((index.bound(0.5), index.bound(0.6), index.bound(0.99)), (Some(0.01), Some(0.1), Some(0.1)));
        assert_eq!((index.quantile(0.999), index.bound(0.999)), (None, None));
    }

    #[test]
    fn no_samples_have_no_quantile() {
        let none = difference(&read(BEFORE), &read(BEFORE)).unwrap();
        let index = &none["users.index"];
        assert_eq!((index.count(), index.quantile(0.5), index.bound(0.5), index.average()), (0, None, None, None));
    }

    #[test]
    fn another_process_is_noticed() {
        assert!(difference(&read(AFTER), &read(BEFORE)).is_err());
        let fewer = BEFORE.replace(" 10\n", " 9\n");
        assert!(difference(&read(BEFORE), &read(&fewer)).is_err());
    }

    #[test]
    fn what_is_not_measured_is_not_there() {
        assert!(read("# nothing\nother_seconds_bucket{target=\"a\",le=\"1\"} 1\n").is_empty());
    }
}
