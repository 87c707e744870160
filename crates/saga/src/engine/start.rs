//! What starts a saga, and what comes of it.

use madrigal_core::{CallContext, Fault, Fingerprint, PersonId};
use serde_json::Value;

use crate::id::SagaId;

/// A request to start a saga.
#[derive(Debug, Clone)]
pub struct StartSaga<'a> {
    /// The saga's id, derived from the request.
    pub id: SagaId,
    /// The definition's name; the highest version that the engine knows is used.
    pub definition: &'a str,
    /// What the actions need. Kept in the log: personal data must be sealed in it.
    pub input: Value,
    /// The fingerprint of the request: a repeated start must have the same.
    pub fingerprint: Fingerprint,
    /// On whose behalf.
    pub owner: Option<PersonId>,
    /// Correlation, caller and trace; the deadline is not used.
    pub call: CallContext,
}

/// A saga that is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Started {
    /// The saga.
    pub id: SagaId,
    /// Whether an earlier request with the same id and fingerprint started it.
    pub already: bool,
}

/// Why a saga was not started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The id belongs to a request with another fingerprint.
    #[error("this key belongs to another request")]
    OtherRequest,
    /// The engine is stopping and admits no new sagas. Nothing was written.
    #[error("the service is stopping; try again elsewhere or later")]
    Draining,
    /// The store broke, the definition is not known or too many sagas are under way; the fault says whether the start may have
    /// had its effect. Repeating it with the same id is always safe.
    #[error(transparent)]
    Fault(#[from] Fault),
}
