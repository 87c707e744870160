//! What every service with projections answers to operators: the same calls everywhere.
//!
//! The gateway asks all of them and sends each verb to the owner.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use madrigal_core::{CallContext, Fault, Position};
use madrigal_http::calls::{Answer, Call, Calls};
use madrigal_projection::{
    Accepted, Comparison, DynManaged, LaneReport, OperateError, ParkedFilter, ParkedIn, ProjectionStatus, Refusal,
    WhyStalled,
};
use serde::{Deserialize, Serialize};

/// Asks for all projections of a service.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListProjections {}

impl Call for ListProjections {
    /// In the order of their names.
    type Answer = Vec<ProjectionStatus>;
    const NAME: &'static str = "projections.list";
}

/// Does something with one projection.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OperateProjection {
    /// The projection.
    pub name: String,
    /// What is done.
    pub verb: ProjectionVerb,
}

/// What can be done with a projection; see [`madrigal_projection::ManagedProjection`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum ProjectionVerb {
    /// Shows it.
    Show,
    /// Begins a candidate.
    Rebuild,
    /// Compares the candidate with what serves.
    Compare,
    /// Lets the candidate serve.
    Switch {
        /// Why differences are accepted, if they are.
        accept: Option<String>,
    },
    /// Drops the candidate.
    Discard,
    /// Drops the previous generation.
    Confirm,
    /// Lists what is parked.
    Parked {
        /// After this position.
        after: Position,
        /// At most so many.
        limit: usize,
    },
    /// Tries what is parked under a key again.
    Retry {
        /// The key.
        key: String,
    },
    /// Leaves out the first event that is parked under a key.
    Skip {
        /// The key.
        key: String,
        /// Who, and why.
        reason: String,
    },
    /// Says what holds it up.
    WhyStalled,
}

/// What became of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Operated {
    /// Done; the projection after it.
    Done(Box<ProjectionStatus>),
    /// Compared.
    Compared(Comparison),
    /// What is parked.
    Parked(Vec<ParkedIn>),
    /// What a retry or a skip did.
    Lane(LaneReport),
    /// What holds it up.
    Why(WhyStalled),
    /// The projection's state does not allow it.
    Refused(Refusal),
    /// This service has no such projection.
    Unknown,
}

impl Call for OperateProjection {
    type Answer = Operated;
    const NAME: &'static str = "projections.operate";
    /// A comparison reads all rows of both generations.
    const LIMIT: Duration = Duration::from_secs(600);
}

/// The calls of a service, with those about its projections.
pub fn answering(calls: Calls, projections: Vec<DynManaged>) -> Calls {
    let kept = Arc::new(Kept { projections });
    calls.on::<ListProjections>(Arc::clone(&kept)).on::<OperateProjection>(kept)
}

struct Kept {
    projections: Vec<DynManaged>,
}

#[async_trait]
impl Answer<ListProjections> for Kept {
    async fn answer(&self, _: CallContext, _: ListProjections) -> Result<Vec<ProjectionStatus>, Fault> {
        let mut all = Vec::with_capacity(self.projections.len());
        for projection in &self.projections {
            all.push(projection.status().await?);
        }
        all.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(all)
    }
}

#[async_trait]
impl Answer<OperateProjection> for Kept {
    async fn answer(&self, _: CallContext, call: OperateProjection) -> Result<Operated, Fault> {
        let Some(projection) = self.projections.iter().find(|projection| projection.name() == call.name) else {
            return Ok(Operated::Unknown);
        };
        match operate(projection, call.verb).await {
            Ok(operated) => Ok(operated),
            Err(OperateError::Refused(refusal)) => Ok(Operated::Refused(refusal)),
            Err(OperateError::Fault(fault)) => Err(fault),
        }
    }
}

async fn operate(projection: &DynManaged, verb: ProjectionVerb) -> Result<Operated, OperateError> {
    let done = |status| Operated::Done(Box::new(status));
    Ok(match verb {
        ProjectionVerb::Show => done(projection.status().await?),
        ProjectionVerb::Rebuild => done(projection.rebuild().await?),
        ProjectionVerb::Compare => Operated::Compared(projection.compare().await?),
        ProjectionVerb::Switch { accept } => done(projection.switch(accept.map(|reason| Accepted { reason })).await?),
        ProjectionVerb::Discard => done(projection.discard().await?),
        ProjectionVerb::Confirm => done(projection.confirm().await?),
        ProjectionVerb::Parked { after, limit } => {
            Operated::Parked(projection.parked(ParkedFilter { after, limit, ..ParkedFilter::default() }).await?)
        }
        ProjectionVerb::Retry { key } => Operated::Lane(projection.retry(&key).await?),
        ProjectionVerb::Skip { key, reason } => Operated::Lane(projection.skip(&key, &reason).await?),
        ProjectionVerb::WhyStalled => Operated::Why(projection.why_stalled().await?),
    })
}
