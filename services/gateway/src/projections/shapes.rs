//! The answers as the description shows them. What is written are the types of `madrigal_projection`, which know nothing of
//! descriptions; a test reads one as the other.
#![expect(dead_code, reason = "describes what others write; never built")]

use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

/// All projections, as far as the services answer.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct ProjectionList {
    /// In the order of their names.
    items: Vec<ProjectionShape>,
    /// Services that did not answer.
    missing: Vec<MissingShape>,
}

/// A service that did not answer.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct MissingShape {
    /// Which.
    service: String,
    /// In words.
    detail: String,
}

/// How a projection fares.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = Projection)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ProjectionShape {
    /// Its name, unique in the shop.
    #[schema(example = "order-view")]
    name: String,
    /// The service that keeps it.
    service: String,
    /// The version of the code that folded what serves.
    version: u32,
    /// The generation that serves.
    generation: u32,
    /// `serving`, `parked` (but for some keys), `stalled`.
    state: String,
    /// How far what serves is behind its log.
    lag: LagShape,
    /// How many keys of what serves hold parked events.
    parked_keys: u64,
    /// What is being built beside it.
    candidate: Option<CandidateShape>,
    /// What served before, until it is confirmed that it may go.
    previous: Option<PreviousShape>,
}

/// How far a projection is behind its log.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ProjectionLag)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct LagShape {
    /// Events between what was applied and the log's end.
    events: u64,
    /// The age of the oldest event not applied yet; 0 where nothing is missing.
    seconds: f64,
    /// Since when it stands still, if it does.
    #[schema(format = DateTime)]
    stalled_since: Option<String>,
}

/// What is being built beside what serves.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ProjectionCandidate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CandidateShape {
    /// Its generation.
    generation: u32,
    /// The version of the code that folds it.
    version: u32,
    /// `building` or `caught-up`.
    state: String,
    /// Applied up to here.
    position: u64,
    /// The log's end.
    end: u64,
    /// 0 where it has caught up.
    events_per_second: f64,
    /// At that rate.
    seconds_left: Option<f64>,
    /// When it was begun.
    #[schema(format = DateTime)]
    started_at: String,
    /// How many of its keys hold parked events.
    parked_keys: u64,
    /// What holds it up, if something does.
    trouble: Option<String>,
    /// The latest comparison that still counts.
    compared: Option<ComparedShape>,
}

/// The outcome of a comparison in short.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ProjectionCompared)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ComparedShape {
    /// `equal` or `different`.
    verdict: String,
    /// Both were compared as of this position.
    position: u64,
    /// Keys that either has.
    rows: u64,
    /// Rows that differ, all counted.
    differing: u64,
}

/// What served before.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ProjectionPrevious)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct PreviousShape {
    /// Its generation.
    generation: u32,
    /// Since when it no longer serves.
    #[schema(format = DateTime)]
    since: String,
}

/// The outcome of a comparison.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ProjectionComparison)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ComparisonShape {
    /// `equal` or `different`.
    verdict: String,
    /// Both were compared as of this position.
    position: u64,
    /// Keys that either has.
    rows: u64,
    /// Rows that differ, all counted.
    differing: u64,
    /// The first of them, at most 20.
    differences: Vec<DifferenceShape>,
}

/// A row that differs; null is no row.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ProjectionDifference)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct DifferenceShape {
    /// The row's key.
    key: String,
    /// As it is served.
    serving: Option<Value>,
    /// As the candidate has it.
    candidate: Option<Value>,
}

/// Parked events, in the order of their log.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ParkedEvents)]
pub(super) struct ParkedShape {
    /// The events.
    items: Vec<ParkedEventShape>,
    /// The cursor of the next page.
    next: Option<String>,
}

/// A parked event.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ParkedEvent)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ParkedEventShape {
    /// In which generation.
    generation: u32,
    /// What it holds: `key/…` or `stream/…`.
    lane: String,
    /// Its place in its log.
    position: u64,
    /// The event's id.
    id: String,
    /// The event's type.
    kind: String,
    /// The event, where it cannot be read again.
    payload: Option<String>,
    /// What broke, or that it stands behind another.
    cause: String,
    /// How often it was tried.
    attempts: u32,
    /// When it was parked.
    #[schema(format = DateTime)]
    first_at: String,
    /// When it was last tried.
    #[schema(format = DateTime)]
    last_at: String,
    /// Who skipped it and why, if somebody did: it no longer holds its lane.
    skipped: Option<String>,
}

/// What a retry or a skip did.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ParkedReport)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct LaneShape {
    /// How many parked events were applied.
    applied: u64,
    /// How many still wait.
    waiting: u64,
    /// What the first waiting one met.
    cause: Option<String>,
}

/// What holds a projection up.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = WhyStalled)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct WhyShape {
    /// The projection.
    name: String,
    /// In one word; `nothing` where nothing does.
    cause: String,
    /// In a sentence.
    detail: Option<String>,
    /// Since when.
    #[schema(format = DateTime)]
    since: Option<String>,
    /// What to do.
    help: Option<String>,
}

#[cfg(test)]
mod tests {
    use madrigal_core::{Position, Timestamp};
    use madrigal_projection::{
        CandidateState, CandidateStatus, Compared, Comparison, Difference, LaneReport, ParkedEvent, ParkedIn,
        PreviousStatus, ProjectionLag, ProjectionStatus, ServingState, Verdict, WhyStalled,
    };
    use serde::Serialize;
    use serde::de::DeserializeOwned;

    use super::*;

    fn reads_as<S: DeserializeOwned>(written: impl Serialize) {
        serde_json::from_value::<S>(serde_json::to_value(written).unwrap()).unwrap();
    }

    #[test]
    fn what_is_written_has_the_described_shape() {
        let at = Timestamp::from_micros(7);
        let compared = Compared { verdict: Verdict::Equal, position: Position(1), rows: 2, differing: 0 };
        let candidate = CandidateStatus {
            generation: 2,
            version: 1,
            state: CandidateState::Building,
            position: Position(3),
            end: Position(4),
            events_per_second: 0.5,
            seconds_left: None,
            started_at: at,
            parked_keys: 0,
            trouble: Some("odd".to_owned()),
            compared: Some(compared.clone()),
        };
        reads_as::<ProjectionShape>(ProjectionStatus {
            name: "order-view".to_owned(),
            service: "order-service".to_owned(),
            version: 1,
            generation: 1,
            state: ServingState::Serving,
            lag: ProjectionLag { events: 0, seconds: 0.0, stalled_since: Some(at) },
            parked_keys: 0,
            candidate: Some(candidate),
            previous: Some(PreviousStatus { generation: 1, since: at }),
        });
        let difference = Difference { key: "a".to_owned(), serving: None, candidate: Some(Value::Null) };
        reads_as::<ComparisonShape>(Comparison { compared, differences: vec![difference] });
        let event = ParkedEvent {
            lane: "key/a".to_owned(),
            position: Position(1),
            id: "1".to_owned(),
            kind: "Odd".to_owned(),
            payload: None,
            cause: "odd".to_owned(),
            attempts: 1,
            first_at: at,
            last_at: at,
            skipped: Some("anna: odd".to_owned()),
        };
        reads_as::<ParkedEventShape>(ParkedIn { generation: 1, event });
        reads_as::<LaneShape>(LaneReport { applied: 1, waiting: 0, cause: None });
        let (name, cause) = ("a".to_owned(), "nothing".to_owned());
        reads_as::<WhyShape>(WhyStalled { name, cause, detail: None, since: None, help: None });
    }
}
