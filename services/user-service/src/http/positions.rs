//! Positions of users' changes: answered after a write, checked before a read.

use axum::response::Response;
use madrigal_core::PositionToken;
use madrigal_http::position_header;
use madrigal_http::problem::{self, Answered};

use crate::state::ServiceState;

/// The answer to a write, with a position that its change is not behind. A write that is done is answered even where the
/// position cannot be read: then without.
pub(super) async fn reaching(state: &ServiceState, mut response: Response) -> Response {
    match state.position().await {
        Ok(position) => {
            let (name, value) = position_header(&position);
            response.headers_mut().insert(name, value);
        }
        Err(fault) => tracing::warn!(cause = %fault.chain(), "a change of a user is answered without its position"),
    }
    response
}

/// Refuses a position that the log of changes does not have. What it has was seen already: the tables are read themselves.
///
/// # Errors
/// 412 `other-epoch` where the position is of another history of the log, or beyond its end.
pub(super) async fn must_have(state: &ServiceState, seen: &PositionToken) -> Answered<()> {
    let position = state.position().await?;
    for (log, epoch, end) in position.components() {
        if seen.component(log).is_some_and(|(known, at)| known != epoch || at > end) {
            return Err(problem::other_epoch());
        }
    }
    Ok(())
}
