//! The public routes: mails listed, shown and exported.

pub mod shapes;

use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, ETAG, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, StatusCode};
use madrigal_contracts::notification::MailContent;
use madrigal_core::{Opened, PersonId};
use madrigal_http::headers::MADRIGAL_LAG;
use madrigal_http::openapi::Refusals;
use madrigal_http::page::page_limit;
use madrigal_http::{Answered, Caller, Cursor, Page, Path, Problem, Query, SeenPosition, etag, problem};
use madrigal_projection::NotYet;
use utoipa::OpenApi;

use self::shapes::{ListedMail, MailsQuery, ShownMail};
use crate::domain::MailKey;
use crate::domain::eml;
use crate::queries::{MailFilter, Mails};
use crate::store::StoredMail;

const DEFAULT_PAGE: u32 = 50;
const MAX_PAGE: u32 = 200;
/// How long a read waits for the position that it names.
const POSITION_WAIT: Duration = Duration::from_secs(2);

/// The routes; the edge's layers come from outside.
pub fn router(mails: Mails) -> Router {
    Router::new().route("/v1/mails", get(list)).route("/v1/mails/{key}", get(one)).with_state(mails)
}

/// The routes' documentation.
#[derive(Debug, OpenApi)]
#[openapi(paths(list, show, export), tags((name = "mails", description = "Mails as they were sent.")))]
pub struct MailsApi;

/// Lists mails, newest orders first; a customer sees only their own.
#[utoipa::path(get, path = "/v1/mails", operation_id = "list_mails", tag = "mails", params(MailsQuery),
    responses((status = 200, body = Page<ListedMail>), Refusals))]
async fn list(
    State(mails): State<Mails>,
    caller: Caller,
    SeenPosition(seen): SeenPosition,
    Query(query): Query<MailsQuery>,
) -> Answered<Response> {
    let limit = page_limit(query.limit, DEFAULT_PAGE, MAX_PAGE)?;
    let after: Option<String> = Cursor::key(query.cursor.as_deref())?;
    let person = reach(&caller)?;
    if let Some(token) = &seen {
        mails.wait_for(token, POSITION_WAIT).await.map_err(not_yet)?;
    }
    let rows = mails.list(MailFilter { person, order_id: query.order_id }, after, limit + 1).await?;
    let page = Page::of(rows, limit, |last| last.key.clone()).map(ListedMail::from);
    let mut response = Json(page).into_response();
    if seen.is_none() {
        response.headers_mut().insert(MADRIGAL_LAG, HeaderValue::from(mails.lag_events().await?));
    }
    Ok(response)
}

/// Shows a mail, or exports it where the key ends in `.eml`: a router has no names for endings.
async fn one(state: State<Mails>, caller: Caller, Path(key): Path<String>) -> Answered<Response> {
    match key.strip_suffix(".eml") {
        Some(key) => export(state, caller, Path(key.to_owned())).await,
        None => show(state, caller, Path(key)).await,
    }
}

/// Shows a mail with its content.
#[utoipa::path(get, path = "/v1/mails/{key}", operation_id = "get_mail", tag = "mails",
    params(("key" = String, Path, description = "`{orderId}.{kind}`")),
    responses((status = 200, body = ShownMail), Refusals))]
async fn show(State(mails): State<Mails>, caller: Caller, Path(key): Path<String>) -> Answered<Response> {
    let (key, mail) = visible(&mails, &caller, &key).await?;
    let content = mails.content(&mail).await?.value();
    let tag = etag(mail.version);
    let mut response = Json(ShownMail::new(&key, mail, content)).into_response();
    response.headers_mut().insert(ETAG, tag);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Exports a mail as a file that mail programs open.
#[utoipa::path(get, path = "/v1/mails/{key}.eml", tag = "mails",
    params(("key" = String, Path, description = "`{orderId}.{kind}`")),
    responses((status = 200, content_type = "message/rfc822", body = String),
        (status = 410, description = "The recipient was erased, and the content with them.", content_type = "application/problem+json"),
        Refusals))]
async fn export(State(mails): State<Mails>, caller: Caller, Path(key): Path<String>) -> Answered<Response> {
    let (key, mail) = visible(&mails, &caller, &key).await?;
    let content: MailContent = match mails.content(&mail).await? {
        Opened::Value(content) => content,
        Opened::Erased => return Err(person_erased()),
    };
    let file = eml::render(&key, mail.requested_at, &content).map_err(not_exportable)?;
    let name = format!("attachment; filename=\"{key}.eml\"");
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(file.media_type)),
        // A key has letters, digits, hyphens, underscores and a dot.
        (CONTENT_DISPOSITION, HeaderValue::try_from(name).unwrap_or_else(|_| HeaderValue::from_static("attachment"))),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    Ok((headers, file.bytes).into_response())
}

/// Whose mails the caller may see: `None` is everybody's.
fn reach(caller: &Caller) -> Answered<Option<PersonId>> {
    if caller.is_operator() || caller.is_service() {
        return Ok(None);
    }
    let own = caller.user_id().ok_or_else(|| problem::forbidden("Mails belong to customers and operators."))?;
    Ok(Some(own))
}

/// The mail, where it exists and the caller may see it. Who may not cannot tell the difference.
async fn visible(mails: &Mails, caller: &Caller, key: &str) -> Answered<(MailKey, StoredMail)> {
    let reach = reach(caller)?;
    let missing = || problem::not_found("such mail");
    let key: MailKey = key.parse().map_err(|_| missing())?;
    let mail = mails.stored(&key).await?.ok_or_else(missing)?;
    if reach.is_some_and(|own| own != mail.requested.person) {
        return Err(missing());
    }
    Ok((key, mail))
}

fn not_yet(reason: NotYet) -> Problem {
    match reason {
        NotYet::Behind { lag, .. } => problem::not_yet_visible(lag.events),
        NotYet::OtherEpoch { .. } | NotYet::BeyondEnd { .. } => problem::other_epoch(),
    }
}

fn person_erased() -> Problem {
    Problem::new(StatusCode::GONE, "person-erased", "The person was erased")
        .detail("The recipient's personal data was erased, and this mail's content with it.")
}

fn not_exportable(reason: eml::EmlError) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "mail-not-exportable", "The mail cannot be a file")
        .detail(format!("This mail cannot be written as a mail file: {reason}."))
}
