//! `/v1/users`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::{ETAG, LOCATION};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use madrigal_core::{PersonId, Position};
use madrigal_http::headers::MADRIGAL_LAG;
use madrigal_http::openapi::Refusals;
use madrigal_http::page::page_limit;
use madrigal_http::{
    Answered, Body, Caller, Context, Cursor, FieldError, IfMatch, MaybeCaller, MergePatch, Page, Path, Query,
    SeenPosition, body, etag, problem,
};
use serde_json::Value;

use super::bodies::{
    ChangedUser, CheckedFields, NewPassword, NewUser, UserPatch, WhichPage, WhichUsers, checked_fields,
    checked_profile, checked_profile_patch,
};
use super::positions::{must_have, reaching};
use super::prefer::{MERGE, PREFERENCE_APPLIED, PreferMerge};
use super::refusals::no_such;
use crate::commands::{self, ChangeError, ChangePasswordError, ChangeUser, Changed, EraseError, RegisterUser};
use crate::models::{User, UserEvent};
use crate::projections::{self, UserProfile};
use crate::queries;
use crate::repositories::users;
use crate::state::ServiceState;

/// Page size where the request does not say, and the largest.
const PAGE: (u32, u32) = (50, 200);
/// No user has a longer name.
const MAX_NAME_CHARS: usize = 100;

/// Registers a user. Open to everybody; `createdAt` to operators' imports only.
#[utoipa::path(
    post, path = "/v1/users", tag = "users", operation_id = "registerUser",
    request_body = NewUser,
    responses(
        (status = 201, description = "Registered", body = User,
            headers(("Location" = String), ("ETag" = String, description = "The user's version"),
                ("Madrigal-Position" = String))),
        Refusals,
    )
)]
pub(super) async fn register(
    State(state): State<Arc<ServiceState>>,
    caller: MaybeCaller,
    Context(context): Context,
    Body(new, _): Body<NewUser>,
) -> Answered<Response> {
    if new.created_at.is_some() && caller.0.is_none_or(|caller| caller.require_operator_or_service().is_err()) {
        return Err(problem::forbidden("Only operators who import users say when these registered."));
    }
    let mut wrong = Vec::new();
    if new.created_at.is_some_and(|at| at > state.host.now()) {
        wrong.push(FieldError { pointer: "/createdAt".into(), detail: "lies in the future".into() });
    }
    let fields = checked_fields(Some(&new.email), Some(&new.username), &mut wrong);
    let profile = checked_profile(new.profile, &mut wrong);
    let (CheckedFields { email: Some(email), username: Some(username) }, Some(profile), true) =
        (fields, profile, wrong.is_empty())
    else {
        return Err(problem::invalid_body(wrong));
    };
    let command = RegisterUser { email, username, password: new.password, profile, imported_from: new.created_at };
    let user = commands::register(&state, command, context).await?;
    let headers = [(LOCATION, format!("/v1/users/{}", user.id)), (ETAG, format!("\"{}\"", user.version))];
    Ok(reaching(&state, (StatusCode::CREATED, headers, Json(user)).into_response()).await)
}

/// Lists users in the order of their ids, or finds one by name. For operators and services.
#[utoipa::path(
    get, path = "/v1/users", tag = "users", operation_id = "listUsers",
    params(WhichUsers),
    responses((status = 200, description = "A page of users", body = Page<User>), Refusals)
)]
pub(super) async fn list(
    State(state): State<Arc<ServiceState>>,
    caller: Caller,
    Query(which): Query<WhichUsers>,
) -> Answered<Json<Page<User>>> {
    caller.require_operator_or_service()?;
    let limit = page_limit(which.limit, PAGE.0, PAGE.1)?;
    let after = Cursor::<PersonId>::key(which.cursor.as_deref())?.unwrap_or(PersonId(0));
    let name = which.username;
    if name.as_ref().is_some_and(|name| name.chars().count() > MAX_NAME_CHARS) {
        let detail = format!("at most {MAX_NAME_CHARS} characters");
        return Err(problem::invalid_query(vec![FieldError { pointer: "/username".to_owned(), detail }]));
    }
    let found = state
        .users
        .read("list-users", move |connection| users::list(connection, name.as_deref(), after, limit + 1))
        .await?;
    Ok(Json(Page::of(found, limit, |last| last.id)))
}

/// Shows a user: to herself, to operators and to services.
#[utoipa::path(
    get, path = "/v1/users/{id}", tag = "users", operation_id = "getUser",
    params(("id" = i64, Path, description = "The user")),
    responses((status = 200, description = "The user", body = User, headers(("ETag" = String))), Refusals)
)]
pub(super) async fn show(
    State(state): State<Arc<ServiceState>>,
    caller: Caller,
    Path(id): Path<PersonId>,
) -> Answered<impl IntoResponse> {
    caller.may_act_for(id)?;
    let user = state.users.read("find-user", move |connection| users::find(connection, id)).await?;
    let user = user.ok_or_else(|| no_such(&caller))?;
    Ok(([(ETAG, etag(user.version))], Json(user)))
}

/// Changes a user by a JSON merge patch, based on the version in `If-Match`. Where the user changed since, the change is
/// refused (412), or with `Prefer: resolution=merge` merged from that version field by field: of a profile's fields the later
/// change stands and the other one is recorded; an e-mail address or a user name that both changed is a conflict (409).
#[utoipa::path(
    patch, path = "/v1/users/{id}", tag = "users", operation_id = "changeUser",
    params(
        ("id" = i64, Path, description = "The user"),
        ("If-Match" = String, Header, description = "The ETag of the version that the change is based on"),
        ("Prefer" = Option<String>, Header, description = "resolution=merge: merge where the user changed since"),
    ),
    request_body(content = UserPatch, content_type = "application/merge-patch+json"),
    responses(
        (status = 200, description = "The user as it is now", body = ChangedUser,
            headers(("ETag" = String), ("Preference-Applied" = Option<String>), ("Madrigal-Position" = String))),
        Refusals,
    )
)]
pub(super) async fn change(
    State(state): State<Arc<ServiceState>>,
    caller: Caller,
    Path(id): Path<PersonId>,
    IfMatch(expected): IfMatch,
    PreferMerge(merge): PreferMerge,
    Context(context): Context,
    MergePatch(members, _): MergePatch,
) -> Answered<Response> {
    caller.may_act_for(id)?;
    let nulls = members.iter().filter(|(_, value)| value.is_null());
    let mut wrong: Vec<FieldError> =
        nulls.map(|(name, _)| FieldError { pointer: format!("/{name}"), detail: "cannot be removed".into() }).collect();
    if !wrong.is_empty() {
        return Err(problem::invalid_body(wrong));
    }
    let patch: UserPatch = body::checked(&Value::Object(members)).map_err(problem::invalid_body)?;
    let fields = checked_fields(patch.email.as_deref(), patch.username.as_deref(), &mut wrong);
    let profile = checked_profile_patch(patch.profile, &mut wrong);
    if !wrong.is_empty() {
        return Err(problem::invalid_body(wrong));
    }
    let command = ChangeUser { id, expected, email: fields.email, username: fields.username, profile, merge };
    let Changed { user, losers } = match commands::change(&state, command, context).await {
        Ok(changed) => changed,
        Err(ChangeError::Unknown) => return Err(no_such(&caller)),
        Err(error) => return Err(error.into()),
    };
    let version = etag(user.version);
    let mut response = Json(ChangedUser { user, losers: merge.then_some(losers) }).into_response();
    response.headers_mut().insert(ETAG, version);
    if merge {
        response.headers_mut().insert(PREFERENCE_APPLIED, MERGE);
    }
    Ok(reaching(&state, response).await)
}

/// Erases a person, for ever: the row goes, and everything personal in events, orders and mails becomes unreadable. For
/// the person and for operators.
#[utoipa::path(
    delete, path = "/v1/users/{id}", tag = "users", operation_id = "eraseUser",
    params(
        ("id" = i64, Path, description = "The user"),
        ("If-Match" = String, Header, description = "The ETag of the version that was read"),
    ),
    responses((status = 204, description = "Erased", headers(("Madrigal-Position" = String))), Refusals)
)]
pub(super) async fn erase(
    State(state): State<Arc<ServiceState>>,
    caller: Caller,
    Path(id): Path<PersonId>,
    IfMatch(expected): IfMatch,
    Context(context): Context,
) -> Answered<Response> {
    caller.may_act_for(id)?;
    if caller.is_service() {
        caller.require_operator()?;
    }
    match commands::erase(&state, id, expected, context).await {
        Ok(()) => Ok(reaching(&state, StatusCode::NO_CONTENT.into_response()).await),
        Err(EraseError::Unknown) => Err(no_such(&caller)),
        Err(error) => Err(error.into()),
    }
}

/// Gives a user another password. Whoever changes it knows the current one, operators too.
#[utoipa::path(
    post, path = "/v1/users/{id}/password", tag = "users", operation_id = "changePassword",
    params(("id" = i64, Path, description = "The user")),
    request_body = NewPassword,
    responses(
        (status = 204, description = "Changed",
            headers(("ETag" = String, description = "The user's version"), ("Madrigal-Position" = String))),
        Refusals,
    )
)]
pub(super) async fn change_password(
    State(state): State<Arc<ServiceState>>,
    caller: Caller,
    Path(id): Path<PersonId>,
    Context(context): Context,
    Body(NewPassword { current, new }, _): Body<NewPassword>,
) -> Answered<Response> {
    caller.may_act_for(id)?;
    if caller.is_service() {
        caller.require_operator()?;
    }
    let version = match commands::change_password(&state, id, current, new, context).await {
        Ok(version) => version,
        Err(ChangePasswordError::Unknown) => return Err(no_such(&caller)),
        Err(error) => return Err(error.into()),
    };
    Ok(reaching(&state, (StatusCode::NO_CONTENT, [(ETAG, etag(version))]).into_response()).await)
}

/// Shows the read model of a user: names, avatar, how many events, when the last. A view over the tables, never behind them:
/// a position is looked at and not waited for.
#[utoipa::path(
    get, path = "/v1/users/{id}/profile", tag = "users", operation_id = "getUserProfile",
    params(("id" = i64, Path, description = "The user")),
    responses((status = 200, description = "The profile", body = UserProfile), Refusals)
)]
pub(super) async fn profile(
    State(state): State<Arc<ServiceState>>,
    caller: Caller,
    Path(id): Path<PersonId>,
    SeenPosition(seen): SeenPosition,
) -> Answered<Response> {
    caller.may_act_for(id)?;
    if let Some(seen) = &seen {
        must_have(&state, seen).await?;
    }
    let found = state.users.read("find-profile", move |connection| projections::user_profile(connection, id)).await?;
    let mut response = found.map(Json).ok_or_else(|| no_such(&caller))?.into_response();
    if seen.is_none() {
        response.headers_mut().insert(MADRIGAL_LAG, HeaderValue::from(0));
    }
    Ok(response)
}

/// Lists what happened to a user, oldest first, personal fields readable.
#[utoipa::path(
    get, path = "/v1/users/{id}/events", tag = "users", operation_id = "listUserEvents",
    params(("id" = i64, Path, description = "The user"), WhichPage),
    responses((status = 200, description = "A page of events", body = Page<UserEvent>), Refusals)
)]
pub(super) async fn events(
    State(state): State<Arc<ServiceState>>,
    caller: Caller,
    Path(id): Path<PersonId>,
    Query(which): Query<WhichPage>,
) -> Answered<Json<Page<UserEvent>>> {
    caller.may_act_for(id)?;
    let limit = page_limit(which.limit, PAGE.0, PAGE.1)?;
    let after = Cursor::<Position>::key(which.cursor.as_deref())?.unwrap_or(Position::START);
    let found = queries::events_of(&state, id, after, limit + 1).await?;
    let found = found.ok_or_else(|| no_such(&caller))?;
    Ok(Json(Page::of(found, limit, |last| last.position)))
}
