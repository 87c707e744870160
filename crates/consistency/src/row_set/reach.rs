//! How far a copy is, beside where its owner was read.

use madrigal_core::PositionToken;
use serde::{Deserialize, Serialize};

/// How far a copy came while it was waited for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reached {
    /// As far as was asked, or further.
    Yes,
    /// Not yet.
    Behind {
        /// So many positions are missing, over all logs.
        by: u64,
    },
    /// It follows another history of a log: positions say nothing.
    OtherEpoch,
}

/// Whether a copy that has applied everything through `applied` has reached `wanted`.
pub fn reach(applied: &PositionToken, wanted: &PositionToken) -> Reached {
    let mut by = 0u64;
    for (log, epoch, position) in wanted.components() {
        match applied.component(log) {
            Some((known, _)) if known != epoch => return Reached::OtherEpoch,
            Some((_, at)) => by = by.saturating_add(position.0.saturating_sub(at.0)),
            None => by = by.saturating_add(position.0),
        }
    }
    if by == 0 { Reached::Yes } else { Reached::Behind { by } }
}
