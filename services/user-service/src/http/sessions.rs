//! `/v1/sessions`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;
use madrigal_http::openapi::Refusals;
use madrigal_http::{Answered, Body, Context};

use super::bodies::{LogIn, SessionAnswer};
use crate::commands;
use crate::state::ServiceState;

/// Logs in: a bearer token for the user with this e-mail address or name.
#[utoipa::path(
    post, path = "/v1/sessions", tag = "users", operation_id = "logIn",
    request_body = LogIn,
    responses((status = 201, description = "Logged in", body = SessionAnswer), Refusals)
)]
pub(super) async fn log_in(
    State(state): State<Arc<ServiceState>>,
    Context(context): Context,
    Body(LogIn { login, password }, _): Body<LogIn>,
) -> Answered<impl IntoResponse> {
    let session = commands::log_in(&state, &login, password, context).await?;
    let answer = SessionAnswer { token: session.token, expires_at: session.expires_at, user_id: session.user_id };
    Ok((StatusCode::CREATED, [(CACHE_CONTROL, "no-store")], Json(answer)))
}
