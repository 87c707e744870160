//! `/sagas`: those in flight, stillest first; `/sagas/{id}`: one with its attempts and verbs.

use axum::Router;
use axum::routing::get;

use super::Console;
use super::visit::{Visit, either};

pub(crate) mod list;
pub(crate) mod one;
mod score;
pub(crate) mod shapes;
mod verbs;

pub(super) fn router() -> Router<Console> {
    Router::new()
        .route("/sagas", get(async |visit: Visit| either(list::show(&visit).await)))
        .route("/sagas/{id}", get(one::show))
        .route("/sagas/{id}/{verb}", get(verbs::ask).post(verbs::act))
}
