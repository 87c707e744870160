//! The public routes.

mod bodies;
mod conflicts;
mod positions;
mod prefer;
mod refusals;
mod sessions;
mod users;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use utoipa::OpenApi;

use crate::state::ServiceState;

/// The routes under `/v1`, without the layers of the edge.
pub(crate) fn router(state: Arc<ServiceState>) -> Router {
    Router::new()
        .route("/v1/users", post(users::register).get(users::list))
        .route("/v1/users/{id}", get(users::show).patch(users::change).delete(users::erase))
        .route("/v1/users/{id}/password", post(users::change_password))
        .route("/v1/users/{id}/profile", get(users::profile))
        .route("/v1/users/{id}/events", get(users::events))
        .route("/v1/users/{id}/conflicts", get(conflicts::list))
        .route("/v1/users/{id}/conflicts/{conflictId}/choose", post(conflicts::choose))
        .route("/v1/sessions", post(sessions::log_in))
        .with_state(state)
}

/// The description of the public routes.
pub(crate) fn openapi() -> utoipa::openapi::OpenApi {
    #[derive(OpenApi)]
    #[openapi(
        paths(
            users::register,
            users::list,
            users::show,
            users::change,
            users::erase,
            users::change_password,
            users::profile,
            users::events,
            conflicts::list,
            conflicts::choose,
            sessions::log_in
        ),
        tags((name = "users", description = "Who buys: registering, logging in, profiles"))
    )]
    struct Description;
    Description::openapi()
}
