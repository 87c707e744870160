//! `/orders/{id}`: the story of one order across all services, as `GET /v1/orders/{orderId}/story` tells it.

use axum::Router;
use axum::extract::Path;
use axum::response::Response;
use axum::routing::get;
use maud::{Markup, html};

use super::Console;
use super::live::{Asker, Change, Changed};
use super::marks::{Tone, message};
use super::pages::STORY;
use super::refusal;
use super::visit::{Leaf, Paged, Visit, either};
use super::words::{day_and_clock, id, segment, short_id, told_moment};
use crate::story::OrderStory;

mod happened;
mod score;
mod stores;

pub(super) fn router() -> Router<Console> {
    Router::new().route("/orders/{id}", get(show))
}

async fn show(visit: Visit, Path(order): Path<String>) -> Response {
    either(shown(&visit, &order).await)
}

async fn shown(visit: &Visit, order: &str) -> Paged {
    let operator = visit.require_login()?.is_operator();
    let leaf = Leaf { title: "Order story", current: STORY, live: None };
    let told = match visit.get(path_of(order)).send().await {
        Ok(told) => told,
        Err(refused) => {
            let main = refusal::content("This order’s story cannot be told", &refused, "Nothing was done.");
            return Ok(visit.page_as(refused.status, leaf, &main));
        }
    };
    let Some(story) = read(told.body) else {
        return Ok(visit.page_as(http::StatusCode::BAD_GATEWAY, leaf, &unreadable()));
    };
    let title = format!("Order {}", short_id(&story.order_id));
    let main = html! {
        p.crumbs { a href="/orders" { "Orders" } " / " (id(&story.order_id)) }
        header {
            div { h1 #headline data-live="headline" { (headline(&story)) } p { (meaning(&story)) } }
            p.small.dim { "As of " time.nowrap data-live="asof" { (day_and_clock(visit.now())) } " UTC" }
        }
        (content(&story, operator))
    };
    let live = format!("page=story&id={}", segment(&story.order_id));
    Ok(visit.page(Leaf { title: &title, live: moves(&story).then_some(live.as_str()), ..leaf }, &main))
}

/// What has changed.
pub(crate) async fn change(asker: &Asker, order: &str) -> Changed {
    let told = asker.get(path_of(order)).send().await?;
    let mut change = Change::default();
    if let Some(story) = read(told.body) {
        change.text("headline", headline(&story));
        change.text("asof", day_and_clock(asker.now));
        change.html("story", content(&story, asker.operator));
    }
    Ok(change)
}

fn path_of(order: &str) -> String {
    format!("/v1/orders/{}/story", segment(order))
}

fn read(body: serde_json::Value) -> Option<OrderStory> {
    let story = serde_json::from_value(body);
    story.inspect_err(|error| tracing::error!(%error, "a story that this gateway told cannot be read by it")).ok()
}

fn unreadable() -> Markup {
    html! {
        header { div { h1 { "This order’s story cannot be shown" } } }
        (message(Tone::Bad, "fail", &html! { p { "The answer has a form that this page does not know. Nothing was done." } }))
    }
}

/// Whether something may still happen to it.
fn moves(story: &OrderStory) -> bool {
    let over = |saga: &Option<serde_json::Value>| saga.as_ref().is_none_or(|saga| ended(saga["state"].as_str()));
    let at_rest = matches!(status(story), None | Some("delivered" | "cancelled"));
    !at_rest || !over(&story.saga) || !over(&story.cancellation) || !story.missing.is_empty()
}

fn ended(state: Option<&str>) -> bool {
    state.is_some_and(|state| super::sagas::shapes::ENDED.contains(&state))
}

fn status(story: &OrderStory) -> Option<&str> {
    story.order.as_ref()?["currentStatus"].as_str()
}

/// One sentence that answers: what became of it?
fn headline(story: &OrderStory) -> String {
    let which = format!("Order {}", short_id(&story.order_id));
    let money = match story.payment.as_ref().map(|payment| payment.state.as_str()) {
        Some("paid") => " and paid",
        Some("refunded") => " and its money given back",
        _ => "",
    };
    match status(story) {
        Some("pending") => format!("{which} is being placed"),
        Some("draft") => format!("{which} is a draft"),
        Some(status) => format!("{which} is {status}{money}"),
        None if story.saga.is_some() => format!("{which} never came to be"),
        None => format!("{which}: only a part of its story is here"),
    }
}

fn meaning(story: &OrderStory) -> Markup {
    let order = story.order.as_ref();
    let created = order.and_then(|order| order["createdAt"].as_str());
    let began = created.or_else(|| story.saga.as_ref()?["startedAt"].as_str());
    let reason = story.saga.as_ref().and_then(|saga| saga["reason"].as_str());
    html! {
        @if let Some(at) = began { "Began " (told_moment(at)) " UTC" }
        @if let Some(user) = order.and_then(|order| order["userId"].as_i64()) { ", by customer " (user) }
        "."
        @if order.is_none() { @if let Some(reason) = reason { " Why it did not: " (reason) "." } }
    }
}

/// Everything that changes while it moves.
fn content(story: &OrderStory, operator: bool) -> Markup {
    html! {
        div.stack #story {
            @if !story.missing.is_empty() {
                (message(Tone::Wait, "clock", &html! {
                    p { b { "This is only a part of the story." } }
                    ul.dots { @for missing in &story.missing { li { b { (missing.part) } ": " (missing.detail) } } }
                }))
            }
            (stores::figures(story))
            section.panel aria-labelledby="h-score" {
                header {
                    h2 #h-score { "What happened" }
                    div.legend { span { "Grey bars on the axis are rests: time in which nothing happened, drawn short" } }
                }
                (score::draw(&story.timeline))
                (happened::table(story, operator))
                footer { p.small { (ids(story, operator)) } }
            }
            div.cols {
                (stores::table(story))
                (stores::basket(story))
            }
        }
    }
}

fn ids(story: &OrderStory, operator: bool) -> Markup {
    html! {
        "Order " code { (story.order_id) }
        @if let Some(saga) = story.saga.as_ref().and_then(|saga| saga["sagaId"].as_str()) {
            " · saga " a href={ "/sagas/" (segment(saga)) } { (id(saga)) }
        }
        @if let Some(saga) = story.cancellation.as_ref().and_then(|saga| saga["sagaId"].as_str()) {
            " · cancelled by saga " a href={ "/sagas/" (segment(saga)) } { (id(saga)) }
        }
        @if let Some(correlation) = &story.correlation_id {
            " · correlation "
            @if operator { a href={ "/streams?correlation=" (segment(correlation)) } { code { (correlation) } } }
            @else { code { (correlation) } }
        }
        @if let Some(trace) = &story.trace_id { " · trace " code { (trace) } }
    }
}
