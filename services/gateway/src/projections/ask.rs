//! Which service has which projection, and asking it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use futures::future::join_all;
use http::StatusCode;
use madrigal_contracts::projections::{ListProjections, OperateProjection, Operated, ProjectionVerb};
use madrigal_core::CallContext;
use madrigal_http::problem::{self, Answered};
use madrigal_http::{Neighbour, Problem};
use madrigal_projection::{ProjectionStatus, Refusal};
use serde::Serialize;
use serde_json::json;

/// A service that did not answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Missing {
    service: &'static str,
    detail: &'static str,
}

/// The services that have projections.
pub(super) struct Keepers {
    services: Vec<Neighbour>,
    /// Which of them has a projection of this name, as it was last seen: as many entries as there are projections.
    owners: Mutex<HashMap<String, usize>>,
}

impl Keepers {
    pub(super) fn new(services: Vec<Neighbour>) -> Self {
        Self { services, owners: Mutex::default() }
    }

    /// All projections by name, and the services that did not answer.
    pub(super) async fn list(&self, context: &CallContext) -> (Vec<ProjectionStatus>, Vec<Missing>) {
        let asked = self.services.iter().map(|service| service.call(context, ListProjections {}));
        let (mut items, mut missing, mut owners) = (Vec::new(), Vec::new(), HashMap::new());
        for (index, answer) in join_all(asked).await.into_iter().enumerate() {
            let service = self.services[index].service();
            match answer {
                Ok(found) => {
                    owners.extend(found.iter().map(|projection| (projection.name.clone(), index)));
                    items.extend(found);
                }
                Err(fault) => {
                    tracing::warn!(service, cause = %fault.chain(), "projections are listed without this service");
                    missing.push(Missing { service, detail: "It does not answer now. Try again later." });
                }
            }
        }
        items.sort_by(|one, other| one.name.cmp(&other.name));
        self.owners.lock().unwrap_or_else(PoisonError::into_inner).extend(owners);
        (items, missing)
    }

    /// Asks the service that has the projection.
    pub(super) async fn operate(
        &self,
        context: &CallContext,
        name: String,
        verb: ProjectionVerb,
    ) -> Answered<Operated> {
        let index = match self.owner(&name) {
            Some(index) => index,
            None => {
                let (_, missing) = self.list(context).await;
                match self.owner(&name) {
                    Some(index) => index,
                    None if missing.is_empty() => return Err(problem::not_found("such projection")),
                    // It may be one of a service that does not answer.
                    None => return Err(unanswered(&missing)),
                }
            }
        };
        match self.services[index].call(context, OperateProjection { name, verb }).await {
            Ok(Operated::Refused(refusal)) => Err(refused(&refusal)),
            Ok(Operated::Unknown) => Err(problem::not_found("such projection")),
            Ok(operated) => Ok(operated),
            Err(fault) => Err(problem::from_fault(&fault)),
        }
    }

    fn owner(&self, name: &str) -> Option<usize> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied()
    }
}

fn unanswered(missing: &[Missing]) -> Problem {
    let services: Vec<&str> = missing.iter().map(|missing| missing.service).collect();
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "temporarily-unavailable", "Not available at the moment")
        .detail(format!("It may be a projection of {}, which does not answer now.", services.join(" or ")))
        .retry_after(std::time::Duration::from_secs(1))
        .with("outcome", json!("not-applied"))
}

/// The problem that says why a verb did nothing.
fn refused(refusal: &Refusal) -> Problem {
    let (status, title) = match refusal {
        Refusal::NoCandidate => (StatusCode::CONFLICT, "There is no candidate"),
        Refusal::CandidateExists { .. } => (StatusCode::CONFLICT, "A candidate is being built already"),
        Refusal::NoPrevious => (StatusCode::CONFLICT, "There is no previous generation"),
        Refusal::Behind { .. } => (StatusCode::CONFLICT, "The candidate has not caught up"),
        Refusal::Parked { .. } => (StatusCode::CONFLICT, "Keys of the candidate are parked"),
        Refusal::NotCompared => (StatusCode::CONFLICT, "The candidate was not compared"),
        Refusal::Different { .. } => (StatusCode::CONFLICT, "The candidate differs"),
        Refusal::Busy => (StatusCode::CONFLICT, "A comparison runs already"),
        Refusal::NothingParked { .. } => (StatusCode::CONFLICT, "Nothing is parked under this key"),
        Refusal::NoReason => (StatusCode::UNPROCESSABLE_ENTITY, "A reason is required"),
        Refusal::Unsupported { .. } => (StatusCode::CONFLICT, "This projection does not know this verb"),
        Refusal::Stalled { .. } => (StatusCode::CONFLICT, "The projection stands still"),
    };
    let problem = Problem::new(status, refusal.code(), title).detail(refusal.to_string());
    match refusal {
        Refusal::Behind { events } => problem.with("events", json!(events)),
        Refusal::Parked { keys } => problem.with("parkedKeys", json!(keys)),
        Refusal::Different { differing } => problem.with("differing", json!(differing)),
        _ => problem,
    }
}
