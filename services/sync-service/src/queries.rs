//! What operators ask: connectors, how far copies are, what is parked.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use madrigal_contracts::copies::CopyRow;
use madrigal_contracts::parked::ParkedDocument;
use madrigal_core::{Fault, Host, Timestamp, tasks};
use madrigal_projection::{LaneReport, ParkedEvent, ParkedFilter, ParkingError, Status};

use crate::capture::{Capture, Progress};
use crate::connectors::{ConnectorDefinition, ConnectorStore, Known, Misfit, RegisterError, running};
use crate::copies::Copies;
use crate::processors::facts::Facts;
use crate::transformers::Transformers;

/// How long a copy's keeper is waited for when operators ask how far the copies are.
const KEEPER_TIME: Duration = Duration::from_millis(1_500);

/// Answers operators. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Queries {
    store: ConnectorStore,
    transformers: Arc<Transformers>,
    captures: Vec<Capture>,
    facts: Vec<Facts>,
    copies: Copies,
    host: Host,
}

/// A connector, and how it fares.
#[derive(Debug)]
pub(crate) struct Faring {
    /// What is kept of it.
    pub(crate) known: Known,
    /// What keeps it from being run.
    pub(crate) misfits: Vec<Misfit>,
    /// How its capture fares, where it runs.
    pub(crate) progress: Option<Progress>,
}

/// How far a copy is, or a topic that is followed.
#[derive(Debug)]
pub(crate) struct CopyLag {
    /// The copy; `None` for a topic that goes to none.
    pub(crate) copy: Option<&'static str>,
    /// The connector or topic that it follows.
    pub(crate) source: String,
    /// What its source does.
    pub(crate) status: Status,
    /// How far it is; or why its keeper does not say so.
    pub(crate) reached: Result<Reached, String>,
    /// Where its source ends.
    pub(crate) end: u64,
    /// How many keys are parked.
    pub(crate) parked_keys: usize,
    /// Rows told, while the copy is told every row.
    pub(crate) snapshot_rows: Option<u64>,
}

/// How far a copy has come.
#[derive(Debug)]
pub(crate) struct Reached {
    /// Positions that it lacks.
    pub(crate) behind: u64,
    /// For how long it has lacked something; 0 where nothing is missing.
    pub(crate) seconds: f64,
    /// Up to where it has everything.
    pub(crate) applied_through: u64,
}

impl Queries {
    pub(crate) const fn new(
        store: ConnectorStore,
        transformers: Arc<Transformers>,
        captures: Vec<Capture>,
        facts: Vec<Facts>,
        copies: Copies,
        host: Host,
    ) -> Self {
        Self { store, transformers, captures, facts, copies, host }
    }

    /// All connectors, by name, and how each fares.
    pub(crate) async fn connectors(&self) -> Result<Vec<Faring>, Fault> {
        let known = self.store.list().await?;
        let mut troubles = running::troubles(&known, &self.transformers);
        let faring = |known: Known| {
            let capture = self.captures.iter().find(|capture| capture.connector().name == known.name);
            let misfits = troubles.remove(&known.name).unwrap_or_default();
            Faring { progress: capture.map(Capture::progress), misfits, known }
        };
        Ok(known.into_iter().map(faring).collect())
    }

    /// What happens to rows on their way.
    pub(crate) fn transformers(&self) -> &Transformers {
        &self.transformers
    }

    /// Takes a connector out; false where there is none of this name.
    pub(crate) async fn remove(&self, name: &str) -> Result<bool, Fault> {
        self.store.remove(name).await
    }

    /// Takes a connector in; true where it is new.
    pub(crate) async fn register(&self, definition: &ConnectorDefinition) -> Result<(bool, Timestamp), RegisterError> {
        let now = self.host.now();
        Ok((self.store.register(definition, now).await?, now))
    }

    /// How far every copy and every topic is. All keepers are asked at the same time, each for at most [`KEEPER_TIME`].
    pub(crate) async fn lag(&self) -> Vec<CopyLag> {
        let copies =
            self.captures.iter().flat_map(|capture| capture.copies().into_iter().map(move |copy| (capture, copy)));
        let mut lags = join_all(copies.map(|(capture, copy)| self.lag_of(capture, copy))).await;
        for facts in &self.facts {
            let control = facts.control();
            let lag = control.lag();
            let through = control.applied_through().map_or(0, |at| at.position.0);
            lags.push(CopyLag {
                copy: None,
                source: control.group().topic().to_owned(),
                status: control.status(),
                reached: Ok(Reached { behind: lag.events, seconds: lag.seconds, applied_through: through }),
                end: through + lag.events,
                parked_keys: lag.parked_lanes,
                snapshot_rows: None,
            });
        }
        lags
    }

    async fn lag_of(&self, capture: &Capture, copy: &'static str) -> CopyLag {
        // Before the keeper is asked: what comes meanwhile is not what it lacks.
        let (progress, now) = (capture.progress(), self.host.now());
        let asked = tasks::within(KEEPER_TIME, self.copies.applied_through(copy)).await;
        let reached = match asked {
            Some(Ok(places)) => {
                let place = places.into_iter().find(|place| place.log == *capture.log());
                let applied_through = place.map_or(0, |place| place.position.0);
                let behind = progress.end.0.saturating_sub(applied_through);
                let since = progress.caught_up_at.filter(|_| behind > 0);
                let seconds = since.map_or(0.0, |since| now.since(since).as_secs_f64());
                Ok(Reached { behind, seconds, applied_through })
            }
            Some(Err(fault)) => Err(fault.chain()),
            None => {
                let keeper = self.copies.find(copy).map_or("its keeper", |(_, keeper)| keeper.service());
                Err(format!("{keeper} did not say within {} s how far it is", KEEPER_TIME.as_secs_f32()))
            }
        };
        CopyLag {
            copy: Some(copy),
            source: capture.connector().name.clone(),
            status: progress.status,
            reached,
            end: progress.end.0,
            parked_keys: capture.parked_keys(copy).len(),
            snapshot_rows: progress.snapshot_rows,
        }
    }

    /// What is parked, the oldest first, at most `limit`.
    pub(crate) async fn parked(&self, limit: usize) -> Result<Vec<ParkedDocument>, Fault> {
        let filter = || ParkedFilter { limit, ..ParkedFilter::default() };
        let mut all = Vec::new();
        for capture in &self.captures {
            let parked = capture.parked(filter()).await?;
            all.extend(parked.into_iter().map(|event| ParkedDocument::new(event.lane.clone(), event)));
        }
        for facts in &self.facts {
            let control = facts.control();
            let id = |event: &ParkedEvent| format!("{}:{}", control.group().topic(), event.lane);
            let parked = control.parked(filter()).await?;
            all.extend(parked.into_iter().map(|event| ParkedDocument::new(id(&event), event)));
        }
        all.sort_by_key(|parked| parked.first_at);
        all.truncate(limit);
        Ok(all)
    }

    /// Retries a parked key; with a reason its first change is left out.
    pub(crate) async fn settle(&self, id: &str, skip: Option<&str>) -> Result<LaneReport, ParkingError> {
        let unknown = || ParkingError::UnknownLane(id.to_owned());
        let (topic, lane) = id.split_once(':').ok_or_else(unknown)?;
        if let Some(facts) = self.facts.iter().find(|facts| facts.control().group().topic() == topic) {
            let control = facts.control();
            return match skip {
                None => control.retry(lane).await,
                Some(reason) => control.skip(lane, reason).await,
            };
        }
        for capture in &self.captures {
            let settled = match skip {
                None => capture.retry(id).await,
                Some(reason) => capture.skip(id, reason).await,
            };
            match settled {
                Err(ParkingError::UnknownLane(_)) => {}
                settled => return settled,
            }
        }
        Err(unknown())
    }

    /// A row of a copy; `None` for a copy that is not known, `Some(None)` where the copy never had it.
    pub(crate) async fn row(&self, copy: &str, key: &str) -> Result<Option<Option<CopyRow>>, Fault> {
        match self.copies.find(copy) {
            Some((copy, _)) => self.copies.row(copy, key).await.map(Some),
            None => Ok(None),
        }
    }
}
