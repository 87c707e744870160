//! `/projections`: how far every view is behind its log; `/projections/{name}`: what holds one up, its parked keys, and its
//! next generation.

use axum::Router;
use axum::routing::get;

use super::Console;
use super::visit::{Visit, either};

mod compared;
pub(crate) mod list;
pub(crate) mod one;
mod parked;
mod verbs;

pub(super) fn router() -> Router<Console> {
    Router::new()
        .route("/projections", get(async |visit: Visit| either(list::show(&visit).await)))
        .route("/projections/{name}", get(one::show))
        .route("/projections/{name}/parked/{verb}", get(parked::ask).post(parked::act))
        .route("/projections/{name}/{verb}", get(verbs::ask).post(verbs::act))
}
