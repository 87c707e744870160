//! The search index as operators see it: a projection with generations, named `product-search`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use madrigal_core::{Fault, Position};
use madrigal_projection::{
    Accepted, CandidateState, CandidateStatus, Compared, Comparison, Difference, LaneReport, ManagedProjection,
    OperateError, ParkedFilter, ParkedIn, PreviousStatus, ProjectionLag, ProjectionStatus, Refusal, ServingState,
    Verdict, WhyStalled,
};
use madrigal_tantivy::Snapshot;
use serde_json::Value;

use super::index::{Followed, ProductIndex};
use crate::search::fields::INDEX_VERSION;

/// The projection's name.
pub const NAME: &str = "product-search";
/// Keys read at once while comparing.
const KEYS_AT_ONCE: usize = 5_000;
/// Keys that are looked at again where they differ: they may have changed while they were compared.
const SUSPECTS: usize = 10_000;
/// How often they are looked at again.
const ROUNDS: u32 = 3;
/// How long to wait for both generations to reach the log's end.
const CATCH_UP: Duration = Duration::from_secs(10);

/// The search index, managed. Events are never parked: what cannot be read is held up in the view.
pub struct ProductSearchProjection {
    index: ProductIndex,
    service: &'static str,
    comparing: AtomicBool,
}

impl ProductSearchProjection {
    /// Manages this index for this service.
    pub const fn new(index: ProductIndex, service: &'static str) -> Self {
        Self { index, service, comparing: AtomicBool::new(false) }
    }

    fn end(&self) -> Position {
        self.index.parts.store.end()
    }

    fn candidate(&self) -> Result<Arc<Followed>, Refusal> {
        self.index.candidate().ok_or(Refusal::NoCandidate)
    }

    /// Waits until both have seen everything up to the log's end of now.
    async fn caught_up(&self, candidate: &Followed) -> Result<Position, Refusal> {
        let end = self.end();
        let mut reached = candidate.reached.subscribe();
        let candidate_has = madrigal_core::tasks::within(CATCH_UP, reached.wait_for(|reached| *reached >= end));
        if !matches!(candidate_has.await, Some(Ok(_))) {
            return Err(Refusal::Behind { events: end.0.saturating_sub(candidate.reached().0) });
        }
        if !self.index.wait_beyond(end, CATCH_UP).await {
            return Err(Refusal::Behind { events: end.0.saturating_sub(self.index.reflects().0) });
        }
        Ok(end)
    }

    async fn compared(&self, candidate: &Followed) -> Result<Comparison, OperateError> {
        let mut position = self.caught_up(candidate).await?;
        let serving = self.index.serving().ok_or(Refusal::NotCompared)?;
        let mut pair = (serving.index.snapshot(), candidate.index.snapshot());
        let Differing { rows, mut differing, mut keys } = differing(&pair).await?;
        // A product that changed while both were read is in one of them as it was and in the other as it is. What still
        // differs after both have seen everything of before is different.
        for _ in 0..ROUNDS {
            if keys.is_empty() || differing > SUSPECTS as u64 {
                break;
            }
            position = self.caught_up(candidate).await?;
            pair = (serving.index.snapshot(), candidate.index.snapshot());
            let mut still = Vec::new();
            for key in keys {
                if pair.0.digest(&key).await? != pair.1.digest(&key).await? {
                    still.push(key);
                }
            }
            keys = still;
            differing = keys.len() as u64;
        }
        let mut differences = Vec::new();
        for key in keys.into_iter().take(Comparison::SHOWN) {
            let (serving, candidate) = (shown(&pair.0, &key).await?, shown(&pair.1, &key).await?);
            differences.push(Difference { key, serving, candidate });
        }
        let verdict = if differing == 0 { Verdict::Equal } else { Verdict::Different };
        Ok(Comparison { compared: Compared { verdict, position, rows, differing }, differences })
    }
}

struct Differing {
    rows: u64,
    differing: u64,
    /// The first ones.
    keys: Vec<String>,
}

/// The keys whose documents differ, both indexes read side by side in the order of their keys.
async fn differing((one, other): &(Snapshot, Snapshot)) -> Result<Differing, Fault> {
    let mut found = Differing { rows: 0, differing: 0, keys: Vec::new() };
    let mut after: Option<String> = None;
    loop {
        let mut ones = one.digests(after.clone(), KEYS_AT_ONCE).await?;
        let mut others = other.digests(after.clone(), KEYS_AT_ONCE).await?;
        // Up to where both were read.
        let full = |keys: &[(String, u64)]| keys.len() == KEYS_AT_ONCE;
        let ends = [&ones, &others].into_iter().filter(|keys| full(keys)).filter_map(|keys| keys.last());
        let end = ends.map(|(key, _)| key.clone()).min();
        if let Some(end) = &end {
            ones.retain(|(key, _)| key <= end);
            others.retain(|(key, _)| key <= end);
        }
        let mut both: BTreeMap<String, (Option<u64>, Option<u64>)> = BTreeMap::new();
        for (key, digest) in ones {
            both.entry(key).or_default().0 = Some(digest);
        }
        for (key, digest) in others {
            both.entry(key).or_default().1 = Some(digest);
        }
        found.rows += both.len() as u64;
        for (key, (one, other)) in both {
            if one != other {
                found.differing += 1;
                if found.keys.len() < SUSPECTS {
                    found.keys.push(key);
                }
            }
        }
        match end {
            Some(end) => after = Some(end),
            None => return Ok(found),
        }
    }
}

async fn shown(snapshot: &Snapshot, key: &str) -> Result<Option<Value>, Fault> {
    let Some(digest) = snapshot.digest(key).await? else { return Ok(None) };
    let mut shown = serde_json::Map::new();
    for (field, values) in snapshot.shown(key).await?.unwrap_or_default() {
        shown.insert(field.to_owned(), values.into());
    }
    shown.insert("digest".to_owned(), format!("{digest:016x}").into());
    Ok(Some(Value::Object(shown)))
}

#[async_trait]
impl ManagedProjection for ProductSearchProjection {
    fn name(&self) -> &str {
        NAME
    }

    async fn status(&self) -> Result<ProjectionStatus, Fault> {
        let registry = self.index.parts.generations.registry();
        let (serving, end) = (self.index.serving(), self.end());
        let trouble = serving.as_ref().and_then(|serving| serving.trouble());
        let events = end.0.saturating_sub(self.index.reflects().0);
        let candidate = registry.candidate.as_ref().zip(self.index.candidate()).map(|(begun, candidate)| {
            let position = candidate.reached();
            let missing = end.0.saturating_sub(position.0);
            let (since, from) = candidate.taken_up;
            let pace = (position.0.saturating_sub(from.0)) as f64 / since.elapsed().as_secs_f64().max(0.001);
            let (events_per_second, seconds_left) = match missing {
                0 => (0.0, None),
                _ => (pace, (pace > 0.0).then(|| missing as f64 / pace)),
            };
            CandidateStatus {
                generation: begun.generation.number,
                version: begun.generation.version,
                state: if missing == 0 { CandidateState::CaughtUp } else { CandidateState::Building },
                position,
                end,
                events_per_second,
                seconds_left,
                started_at: begun.started_at,
                parked_keys: 0,
                trouble: candidate.trouble().map(|(cause, _)| cause),
                compared: begun.compared.clone(),
            }
        });
        Ok(ProjectionStatus {
            name: NAME.to_owned(),
            service: self.service.to_owned(),
            version: serving.as_ref().map_or(INDEX_VERSION, |serving| serving.generation.version),
            generation: serving.as_ref().map_or(0, |serving| serving.generation.number),
            state: if trouble.is_some() || serving.is_none() { ServingState::Stalled } else { ServingState::Serving },
            lag: ProjectionLag {
                events,
                seconds: self.lag_seconds(events).await?,
                stalled_since: trouble.map(|(_, since)| since),
            },
            parked_keys: 0,
            candidate,
            previous: registry
                .previous
                .map(|previous| PreviousStatus { generation: previous.generation.number, since: previous.since }),
        })
    }

    async fn rebuild(&self) -> Result<ProjectionStatus, OperateError> {
        {
            let _verb = self.index.parts.verb.lock().await;
            if let Some(candidate) = self.index.parts.generations.registry().candidate {
                return Err(Refusal::CandidateExists { generation: candidate.generation.number }.into());
            }
            self.index.begin_candidate().await?;
        }
        Ok(self.status().await?)
    }

    async fn compare(&self) -> Result<Comparison, OperateError> {
        if self.comparing.swap(true, Ordering::AcqRel) {
            return Err(Refusal::Busy.into());
        }
        let _comparing = Comparing(&self.comparing);
        let candidate = self.candidate()?;
        let comparison = self.compared(&candidate).await?;
        let _verb = self.index.parts.verb.lock().await;
        let (generation, compared) = (candidate.generation, comparison.compared.clone());
        self.index
            .parts
            .generations
            .change(|registry| {
                if let Some(candidate) = registry.candidate.as_mut().filter(|known| known.generation == generation) {
                    candidate.compared = Some(compared);
                }
            })
            .await?;
        Ok(comparison)
    }

    async fn switch(&self, accept: Option<Accepted>) -> Result<ProjectionStatus, OperateError> {
        {
            let _verb = self.index.parts.verb.lock().await;
            let candidate = self.candidate()?;
            let missing = self.end().0.saturating_sub(candidate.reached().0);
            let compared = self.index.parts.generations.registry().candidate.and_then(|candidate| candidate.compared);
            let compared =
                compared.ok_or(if missing > 0 { Refusal::Behind { events: missing } } else { Refusal::NotCompared })?;
            match accept {
                Some(Accepted { reason }) => tracing::info!(reason, "differences of the search index are accepted"),
                None if compared.verdict == Verdict::Different => {
                    return Err(Refusal::Different { differing: compared.differing }.into());
                }
                None => {}
            }
            if !self.index.take_over().await? {
                return Err(Refusal::Behind { events: self.end().0.saturating_sub(candidate.reached().0) }.into());
            }
        }
        Ok(self.status().await?)
    }

    async fn discard(&self) -> Result<ProjectionStatus, OperateError> {
        {
            let _verb = self.index.parts.verb.lock().await;
            let candidate = self.candidate()?;
            if !self.index.serves() {
                let what = "nothing else is whole: the candidate is what will serve".to_owned();
                return Err(Refusal::Unsupported { what }.into());
            }
            self.index.parts.generations.change(|registry| registry.candidate = None).await?;
            self.index.drop_followed(candidate.generation, false).await?;
        }
        Ok(self.status().await?)
    }

    async fn confirm(&self) -> Result<ProjectionStatus, OperateError> {
        {
            let _verb = self.index.parts.verb.lock().await;
            let previous = self.index.parts.generations.registry().previous.ok_or(Refusal::NoPrevious)?;
            self.index.parts.generations.change(|registry| registry.previous = None).await?;
            self.index.parts.generations.remove(previous.generation).await?;
        }
        Ok(self.status().await?)
    }

    async fn parked(&self, _: ParkedFilter) -> Result<Vec<ParkedIn>, Fault> {
        Ok(Vec::new())
    }

    async fn retry(&self, key: &str) -> Result<LaneReport, OperateError> {
        Err(Refusal::NothingParked { key: key.to_owned() }.into())
    }

    async fn skip(&self, key: &str, _: &str) -> Result<LaneReport, OperateError> {
        Err(Refusal::NothingParked { key: key.to_owned() }.into())
    }

    async fn why_stalled(&self) -> Result<WhyStalled, Fault> {
        let serving = self.index.serving();
        let why = |cause: &str, detail: Option<String>, since, help: Option<&str>| WhyStalled {
            name: NAME.to_owned(),
            cause: cause.to_owned(),
            detail,
            since,
            help: help.map(ToOwned::to_owned),
        };
        let Some(serving) = serving else {
            let position = self.index.candidate().map_or(Position::START, |candidate| candidate.reached());
            let detail = format!("the first index is being built: {position} of {} events", self.end());
            return Ok(why("candidate", Some(detail), None, Some("wait; searches are answered once it has caught up")));
        };
        Ok(match serving.trouble() {
            Some((cause, since)) => why("retrying", Some(cause), Some(since), Some("it is tried again twice a second")),
            None => why("nothing", None, None, None),
        })
    }
}

impl ProductSearchProjection {
    /// The age of the oldest event that cannot be searched for yet.
    async fn lag_seconds(&self, events: u64) -> Result<f64, Fault> {
        if events == 0 {
            return Ok(0.0);
        }
        let parts = &self.index.parts;
        match parts.store.read_log(self.index.reflects(), 1).await {
            Ok(read) => {
                let oldest = read.events.first().map(|event| event.metadata.timestamp);
                Ok(oldest.map_or(0.0, |oldest| parts.host.now().since(oldest).as_secs_f64()))
            }
            Err(madrigal_event_store::ReadError::Fault(fault)) => Err(fault),
            Err(_) => Ok(0.0),
        }
    }
}

struct Comparing<'a>(&'a AtomicBool);

impl Drop for Comparing<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl std::fmt::Debug for ProductSearchProjection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProductSearchProjection").field("index", &self.index).finish_non_exhaustive()
    }
}
