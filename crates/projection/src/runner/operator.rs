//! The operator's handle: what the verbs are called, and that a change is finished though nobody waits for it any more.

use std::sync::Arc;

use async_trait::async_trait;
use madrigal_core::{Fault, tasks};

use super::managed::{Active, Managed};
use super::verbs::help;
use crate::generations::Generations;
use crate::managed::{
    Accepted, Comparison, ManagedProjection, OperateError, ParkedIn, PreviousStatus, ProjectionLag, ProjectionStatus,
    ServingState, WhyStalled,
};
use crate::parking::{LaneReport, ParkedFilter, checked_reason};
use crate::projection::Projection;

/// All generations of one projection, for operators.
pub(super) struct Operator<P: Projection>(pub(super) Arc<Managed<P>>);

impl<P: Projection> Operator<P> {
    /// Finishes what was begun although its caller went away: a change that the store has and this process does not know
    /// of would let what serves go on beyond what the store says.
    async fn finished<T, F>(&self, change: impl FnOnce(Arc<Managed<P>>) -> F + Send) -> Result<T, OperateError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, OperateError>> + Send + 'static,
    {
        let changing = tasks::spawn("projection-verb", change(Arc::clone(&self.0)));
        changing.await.unwrap_or_else(|error| Err(Fault::unknown("projection", "operate", error).into()))
    }
}

#[async_trait]
impl<P: Projection> ManagedProjection for Operator<P> {
    fn name(&self) -> &str {
        self.0.name()
    }

    async fn status(&self) -> Result<ProjectionStatus, Fault> {
        let managed = &self.0;
        let Active { serving, candidate, generations } = managed.active().await?;
        let lag = serving.lag().await?;
        let stalled = serving.progress.borrow().status.trouble().is_some();
        let state = match lag.parked_lanes {
            _ if stalled => ServingState::Stalled,
            0 => ServingState::Serving,
            _ => ServingState::Parked,
        };
        let end = managed.parts.log.end();
        Ok(ProjectionStatus {
            name: managed.name().to_owned(),
            service: managed.parts.options.service.to_owned(),
            version: generations.serving.version,
            generation: generations.serving.number,
            state,
            lag: ProjectionLag { events: lag.events, seconds: lag.seconds, stalled_since: lag.stalled_since },
            parked_keys: lag.parked_lanes,
            candidate: candidate.and_then(|candidate| candidate.shown(&generations, end)),
            previous: generations
                .previous
                .as_ref()
                .map(|previous| PreviousStatus { generation: previous.number, since: previous.since }),
        })
    }

    async fn rebuild(&self) -> Result<ProjectionStatus, OperateError> {
        let changed = self.finished(|managed| async move {
            let (version, now) = (managed.parts.projection.version(), managed.parts.host.now());
            managed.change(|generations| generations.begun(version, false, now)).await
        });
        changed.await?;
        Ok(self.status().await?)
    }

    async fn compare(&self) -> Result<Comparison, OperateError> {
        self.0.compared().await
    }

    async fn switch(&self, accept: Option<Accepted>) -> Result<ProjectionStatus, OperateError> {
        let reason = accept.map(|accepted| checked_reason(&accepted.reason)).transpose()?;
        let accepted = reason.is_some();
        let changed = self.finished(move |managed| async move {
            managed.change_over(|generations| generations.switched(accepted, managed.parts.host.now())).await
        });
        changed.await?;
        if let Some(reason) = reason {
            tracing::warn!(view = self.name(), reason, "differences were accepted");
        }
        Ok(self.status().await?)
    }

    async fn discard(&self) -> Result<ProjectionStatus, OperateError> {
        self.finished(|managed| async move { managed.change(Generations::discarded).await }).await?;
        Ok(self.status().await?)
    }

    async fn confirm(&self) -> Result<ProjectionStatus, OperateError> {
        self.finished(|managed| async move { managed.change(Generations::confirmed).await }).await?;
        Ok(self.status().await?)
    }

    async fn parked(&self, filter: ParkedFilter) -> Result<Vec<ParkedIn>, Fault> {
        let managed = &self.0;
        let Active { serving, candidate, .. } = managed.active().await?;
        let mut all = Vec::new();
        for engine in [Some(serving), candidate].into_iter().flatten() {
            if engine.unreadable.get().is_some() {
                continue;
            }
            engine.prepared().await?;
            let generation = engine.view.generation();
            let parked = managed.parts.views.parked(&engine.view, filter.clone()).await?;
            all.extend(parked.into_iter().map(|event| ParkedIn { generation, event }));
        }
        all.sort_by_key(|parked| (parked.event.position, parked.generation));
        all.truncate(filter.bounded_limit());
        Ok(all)
    }

    async fn retry(&self, key: &str) -> Result<LaneReport, OperateError> {
        let key = key.to_owned();
        self.finished(|managed| async move { managed.settle(&key, None).await }).await
    }

    async fn skip(&self, key: &str, reason: &str) -> Result<LaneReport, OperateError> {
        let reason = checked_reason(reason)?;
        tracing::warn!(view = self.name(), key, reason, "a parked event is skipped");
        let key = key.to_owned();
        self.finished(|managed| async move { managed.settle(&key, Some(reason)).await }).await
    }

    async fn why_stalled(&self) -> Result<WhyStalled, Fault> {
        let managed = &self.0;
        let Active { serving, candidate, generations } = managed.active().await?;
        let why = |cause: &str, detail: Option<String>, since, help: Option<String>| WhyStalled {
            name: managed.name().to_owned(),
            cause: cause.to_owned(),
            detail,
            since,
            help,
        };
        let (status, word, lanes) = {
            let progress = serving.progress.borrow();
            (progress.status.clone(), progress.word, progress.lanes.len())
        };
        if let Some((detail, since)) = status.trouble() {
            let help = help(word, generations.candidate.is_some());
            return Ok(why(word, Some(detail.to_owned()), Some(since), Some(help.to_owned())));
        }
        if lanes > 0 {
            let first = managed
                .parts
                .views
                .parked(&serving.view, ParkedFilter { waiting_only: true, limit: 1, ..ParkedFilter::default() });
            let first = first.await?.into_iter().next();
            let detail =
                first.as_ref().map(|first| format!("{lanes} keys; the first is {}: {}", first.lane, first.cause));
            return Ok(why(
                "parked-keys",
                detail,
                first.map(|first| first.first_at),
                Some(help("parked-keys", false).to_owned()),
            ));
        }
        let candidate_status = candidate.map(|candidate| candidate.progress.borrow().clone());
        if let Some(progress) = candidate_status
            && let Some((detail, since)) = progress.status.trouble()
        {
            let detail = format!("the candidate: {detail}");
            return Ok(why("candidate", Some(detail), Some(since), Some(help(progress.word, true).to_owned())));
        }
        Ok(why("nothing", None, None, None))
    }
}
