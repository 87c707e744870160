//! `/streams`: the events of every service, newest first; one stream; one correlation across all; one event. Operators only.

use axum::Router;
use axum::extract::Path;
use axum::response::Response;
use axum::routing::get;
use maud::{Markup, html};
use serde_json::Value;

use super::Console;
use super::marks::{Tone, empty, message, voice};
use super::pages::STREAMS;
use super::refusal;
use super::visit::{Leaf, Paged, Visit, either};
use super::words::{number, plural, segment, short_id, told_moment};

mod correlated;
mod event;

/// The services that have a log.
const SERVICES: [&str; 4] = ["order-service", "catalog-service", "payment-service", "notification-service"];
/// How many events a page shows.
const PAGE: u64 = 50;

pub(super) fn router() -> Router<Console> {
    Router::new()
        .route("/streams", get(async |visit: Visit| either(list(&visit).await)))
        .route("/streams/{service}/{position}", get(one))
}

async fn one(visit: Visit, Path((service, position)): Path<(String, String)>) -> Response {
    either(event::show(&visit, &service, &position).await)
}

fn leaf(title: &str) -> Leaf<'_> {
    Leaf { title, current: STREAMS, live: None }
}

/// The service that is asked for, if it has a log.
fn service_of(asked: &str) -> Option<&'static str> {
    SERVICES.into_iter().find(|service| *service == asked)
}

/// Where the log to look into, or the place in it, is not understood.
fn not_understood(visit: &Visit, wrong: &[(&str, String)]) -> Response {
    let main = html! {
        (refusal::not_understood("These events cannot be read", wrong))
        (form(SERVICES[0], "", ""))
    };
    visit.page_as(http::StatusCode::BAD_REQUEST, leaf("Event streams"), &main)
}

fn no_log() -> (&'static str, String) {
    ("service", format!("has no log; these have: {}", SERVICES.join(", ")))
}

async fn list(visit: &Visit) -> Paged {
    visit.require_operator()?;
    if !visit.query.get("correlation").is_empty() {
        return correlated::show(visit).await;
    }
    let stream = visit.query.get("stream");
    let service = match visit.query.get("service") {
        "" if !stream.is_empty() => Some(service_for(stream)),
        "" => Some(SERVICES[0]),
        asked => service_of(asked),
    };
    let before = match visit.query.get("before") {
        "" => Ok(None),
        asked => asked.parse::<u64>().map(Some),
    };
    let (service, before) = match (service, before) {
        (Some(service), Ok(before)) => (service, before),
        (service, before) => {
            let place = before.err().map(|_| ("before", "is no position: a number from 0".to_owned()));
            let wrong: Vec<_> = service.is_none().then(no_log).into_iter().chain(place).collect();
            return Ok(not_understood(visit, &wrong));
        }
    };
    let found = match newest(visit, service, stream, before).await {
        Ok(found) => found,
        Err(refused) => {
            let main = html! {
                (refusal::content("These events cannot be read", &refused, "Nothing was done."))
                (form(service, stream, ""))
            };
            return Ok(visit.page_as(refused.status, leaf("Event streams"), &main));
        }
    };
    let main = html! {
        header {
            div {
                h1 { "Events of " (super::marks::short(service)) }
                p { "Newest first, as they are kept for ever. Personal fields are sealed. Press / to go to an id." }
            }
            p.small.dim { "The log ends at " (number(signed(found.end))) ", epoch " code title=(found.epoch) { (short_id(&found.epoch)) } }
        }
        (form(service, stream, ""))
        section.panel aria-labelledby="h-events" {
            header {
                h2 #h-events { @if stream.is_empty() { "The log" } @else { "Stream " code { (stream) } } }
                small { (plural(signed(found.items.len() as u64), "event", "events")) " shown" }
            }
            @if found.items.is_empty() {
                (empty(if stream.is_empty() { "The log has no events here." } else { "There is no such stream in this log, or nothing in it here. Look in another service’s." }))
            } @else { (table(&found.items, service)) }
            footer { (pager(service, stream, before, &found)) }
        }
    };
    Ok(visit.page(leaf("Event streams"), &main))
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A page of events, newest first.
struct Found {
    items: Vec<Value>,
    end: u64,
    epoch: String,
    /// What the page begins after; nothing is older at 0.
    from: u64,
    /// The last number that there is: of the log, or of the stream.
    last: u64,
}

/// The last page before a position (of a stream: a version), or the last of all.
async fn newest(
    visit: &Visit,
    service: &str,
    stream: &str,
    before: Option<u64>,
) -> Result<Found, crate::inside::Refused> {
    let of_stream = if stream.is_empty() { String::new() } else { format!("&stream={}", segment(stream)) };
    let path = |after: u64, limit: u64| format!("/v1/logs/{service}/events?after={after}&limit={limit}{of_stream}");
    let last_of = |body: &Value| match stream.is_empty() {
        true => body["end"].as_u64().unwrap_or(0),
        false => body["streamVersion"].as_u64().unwrap_or(0),
    };
    let mut last = 0;
    let until = match before {
        Some(before) => before.saturating_sub(1),
        None => {
            last = last_of(&visit.get(path(0, 1)).send().await?.body);
            last
        }
    };
    let from = until.saturating_sub(PAGE);
    let told = visit.get(path(from, (until - from).max(1))).send().await?;
    last = last.max(last_of(&told.body));
    let mut items = told.body["items"].as_array().cloned().unwrap_or_default();
    let number =
        |event: &Value| if stream.is_empty() { &event["position"] } else { &event["metadata"]["version"] }.as_u64();
    items.retain(|event| number(event).is_some_and(|number| number <= until));
    items.reverse();
    let epoch = told.body["epoch"].as_str().unwrap_or_default().to_owned();
    Ok(Found { items, end: told.body["end"].as_u64().unwrap_or(0), epoch, from, last })
}

fn form(service: &str, stream: &str, correlation: &str) -> Markup {
    html! {
        form.filters method="get" action="/streams" {
            label.field { "Service"
                select name="service" {
                    @for name in SERVICES { option value=(name) selected[name == service] { (super::marks::short(name)) } }
                }
            }
            label.field { "Stream" input name="stream" maxlength="128" size="24" placeholder="order-019a…" value=(stream); }
            label.field { "Before" input name="before" inputmode="numeric" pattern="[0-9]*" maxlength="19" size="8" placeholder="position"; }
            button.btn type="submit" { "Show" }
        }
        form.filters method="get" action="/streams" {
            label.field { "Correlation, across all services"
                input name="correlation" maxlength="128" size="32" value=(correlation);
            }
            button.btn type="submit" { "Find" }
        }
    }
}

fn pager(service: &str, stream: &str, before: Option<u64>, found: &Found) -> Markup {
    let to = |before: u64| {
        let stream = if stream.is_empty() { String::new() } else { format!("&stream={}", segment(stream)) };
        format!("/streams?service={service}{stream}&before={before}")
    };
    html! {
        @if before.is_some() { a.btn.small href=(to(found.last + 1)) { "Newest" } " " }
        @if let Some(before) = before.filter(|before| *before <= found.last) {
            a.btn.small href=(to((before + PAGE).min(found.last + 1))) { "Newer" } " "
        }
        @if found.from > 0 { a.btn.small rel="next" href=(to(found.from + 1)) { "Older" } }
    }
}

/// Events as rows; each leads to itself, its stream and its correlation.
fn table(events: &[Value], service: &str) -> Markup {
    html! {
        div.scroll { table.data.fold.tidy {
            thead { tr {
                th.num scope="col" { "Position" }
                th scope="col" { "Event" }
                th scope="col" { "Stream" }
                th scope="col" { "When, UTC" }
                th scope="col" { "By" }
                th scope="col" { "Correlation" }
            } }
            tbody { @for event in events { (row(event, service)) } }
        } }
    }
}

fn row(event: &Value, of: &str) -> Markup {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let position = event["position"].as_u64().unwrap_or(0);
    let stream = stream_of(event);
    let correlation = text(&event["metadata"]["correlationId"]);
    html! {
        tr {
            td.num data-l="Position" { a href={ "/streams/" (of) "/" (position) } { (number(signed(position))) } }
            th scope="row" { (voice(of)) " " (text(&event["eventType"])) }
            td data-l="Stream" {
                a href={ "/streams?service=" (of) "&stream=" (segment(&stream)) } title=(stream) { code { (short_stream(&stream)) } }
                small { "version " (event["metadata"]["version"].as_u64().unwrap_or(0)) }
            }
            td data-l="When" { (told_moment(&text(&event["metadata"]["timestamp"]))) }
            td data-l="By" { (text(&event["metadata"]["userId"])) }
            td data-l="Correlation" {
                @if !correlation.is_empty() {
                    a href={ "/streams?correlation=" (segment(&correlation)) } title=(correlation) { code { (short_id(&correlation)) } }
                }
            }
        }
    }
}

/// `aggregateType` is the stream's category with its first letter raised.
fn stream_of(event: &Value) -> String {
    let category = event["aggregateType"].as_str().unwrap_or_default().to_ascii_lowercase();
    format!("{category}-{}", event["aggregateId"].as_str().unwrap_or_default())
}

/// Which service's log a stream is in, by its category.
fn service_for(stream: &str) -> &'static str {
    match stream.split('-').next().unwrap_or_default() {
        "product" | "stock" | "reservation" => "catalog-service",
        "payment" => "payment-service",
        "mail" => "notification-service",
        _ => "order-service",
    }
}

/// `order-019a202c…4c1e`.
fn short_stream(stream: &str) -> String {
    match stream.split_once('-') {
        Some((category, id)) => format!("{category}-{}", short_id(id)),
        None => stream.to_owned(),
    }
}

fn nothing_read(service: &str, refused: &crate::inside::Refused) -> Markup {
    message(Tone::Wait, "clock", &html! { p { b { (service) } " was not read: " (refused.detail()) } })
}
