//! The brief's report.

use madrigal_consistency::{Detail, Divergence, Issue, Row, Verdict};
use madrigal_core::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::sampling::Sampled;
use super::state::{PairState, divergence_id};

/// Rows that are named for each pair in a report; `GET /v1/consistency/divergences` names all that are known.
const NAMED: usize = 100;

/// What the monitor says of all copies.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// When it was put together.
    #[schema(value_type = String, format = DateTime)]
    pub timestamp: Timestamp,
    /// `consistent`, `inconsistent` or `unverified`.
    pub overall_status: &'static str,
    /// One for each pair.
    pub checks: Vec<PairCheck>,
    /// Over all pairs.
    pub metrics: ReportMetrics,
}

/// Over all pairs.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReportMetrics {
    /// Rows that were looked at, or should have been.
    pub total_entities: u64,
    /// Rows that diverge.
    pub inconsistent_entities: u64,
    /// Rows that could not be verified: all of a pair that could not be compared, at least one.
    pub unverified_entities: u64,
}

/// One pair.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PairCheck {
    /// Its name.
    pub name: &'static str,
    /// `consistent`, `divergent` or `unverified`.
    pub verdict: &'static str,
    /// Rows that were looked at, or should have been.
    pub total_entities: u64,
    /// Rows that diverge.
    pub inconsistent_entities: u64,
    /// Rows that could not be verified: all of a pair that could not be compared, at least one.
    pub unverified_entities: u64,
    /// By how many positions the copy is behind, where that kept rows from being verified.
    pub behind_by: Option<u64>,
    /// Since when every look has found it behind.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub behind_since: Option<Timestamp>,
    /// Since when it could not be checked to its end, or its copy was found behind, every time; or when it was last checked,
    /// where it should have been checked again since.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub unverified_since: Option<Timestamp>,
    /// Every row that the owner had then was verified, but for those that are counted as unverified since they moved
    /// whenever they were looked at. Stays where it is while the copy is behind, or cannot be checked to the end.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub verified_through: Option<Timestamp>,
    /// When the last sweep ended.
    #[schema(value_type = String, format = DateTime)]
    pub checked_at: Timestamp,
    /// `versions` or `content`.
    pub sweep: &'static str,
    /// When the last content sweep ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub content_checked_at: Option<Timestamp>,
    /// What kept it from being checked to its end.
    pub trouble: Option<String>,
    /// Changes that were looked at just after they were applied, since the start; not of books.
    pub sampled: Option<Sampled>,
    /// Rows that diverge, at most 100.
    pub inconsistencies: Vec<Inconsistency>,
    /// How long a page took on average, in milliseconds.
    pub millis_a_page: Option<f64>,
    /// What the sweep took: pages and rows that were read, how long it worked and rested, the least share of its time that
    /// it was to work.
    #[schema(value_type = Object)]
    pub cost: madrigal_consistency::Cost,
}

/// A row that diverges.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Inconsistency {
    /// By which it is repaired.
    pub id: String,
    /// The pair.
    pub pair: &'static str,
    /// The row.
    pub key: String,
    /// `missing`, `extra`, `stale` or `different`.
    #[schema(value_type = String)]
    pub issue: Issue,
    /// When it was first found.
    #[schema(value_type = String, format = DateTime)]
    pub found_at: Timestamp,
    /// The owner's row.
    #[schema(value_type = Option<Object>)]
    pub owner: Option<Row>,
    /// The copy's row.
    #[schema(value_type = Option<Object>)]
    pub copy: Option<Row>,
}

impl Report {
    /// The report of these pairs, and of what was `sampled` of each.
    pub fn of(states: &[PairState], sampled: impl Fn(&str) -> Option<Sampled>, timestamp: Timestamp) -> Self {
        let sum = |of: fn(&PairState) -> u64| states.iter().map(of).sum();
        let metrics = ReportMetrics {
            total_entities: sum(|state| state.report.total()),
            inconsistent_entities: sum(|state| state.report.divergent),
            unverified_entities: sum(|state| state.report.unverified),
        };
        let is = |verdict: Verdict| states.iter().any(|state| state.verdict() == verdict);
        let overall_status = if is(Verdict::Divergent) {
            "inconsistent"
        } else if is(Verdict::Unverified) || states.is_empty() {
            "unverified"
        } else {
            "consistent"
        };
        Self {
            timestamp,
            overall_status,
            checks: states.iter().map(|state| PairCheck::of(state, sampled(state.declared.name))).collect(),
            metrics,
        }
    }
}

impl PairCheck {
    fn of(state: &PairState, sampled: Option<Sampled>) -> Self {
        let report = &state.report;
        Self {
            name: state.declared.name,
            verdict: match report.verdict() {
                Verdict::Consistent => "consistent",
                Verdict::Divergent => "divergent",
                Verdict::Unverified => "unverified",
            },
            total_entities: report.total(),
            inconsistent_entities: report.divergent,
            unverified_entities: report.unverified,
            behind_by: report.behind.and_then(|behind| behind.by),
            behind_since: report.behind.map(|behind| behind.since),
            unverified_since: state.unverified_since,
            verified_through: state.verified_through,
            checked_at: report.ended_at,
            sweep: match report.detail {
                Detail::Versions => "versions",
                Detail::Content => "content",
            },
            content_checked_at: state.content_at,
            trouble: report.trouble.clone(),
            sampled,
            inconsistencies: inconsistencies(state).take(NAMED).collect(),
            millis_a_page: report.cost.millis_a_page(),
            cost: report.cost,
        }
    }
}

/// Rows of a pair that diverge, as they are told.
pub fn inconsistencies(state: &PairState) -> impl Iterator<Item = Inconsistency> + '_ {
    let name = state.declared.name;
    state.report.divergences.iter().map(move |row| {
        let Divergence { key, issue, owner, copy } = row.clone();
        let found_at = state.found_at.get(&key).copied().unwrap_or(state.report.ended_at);
        Inconsistency { id: divergence_id(name, &key), pair: name, key, issue, found_at, owner, copy }
    })
}
