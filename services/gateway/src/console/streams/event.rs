//! One event with everything that is kept of it.

use maud::{Markup, html};
use serde_json::Value;

use super::super::marks::{empty, short, voice};
use super::super::refusal;
use super::super::visit::{Paged, Visit};
use super::super::words::{number, segment, told_moment};
use super::{leaf, no_log, not_understood, service_of, signed, stream_of};

/// The longest data that is shown, in characters.
const MOST_SHOWN: usize = 65_536;

pub(super) async fn show(visit: &Visit, service: &str, position: &str) -> Paged {
    visit.require_operator()?;
    let Some(service) = service_of(service) else { return Ok(not_understood(visit, &[no_log()])) };
    let position = position.parse::<u64>().unwrap_or(0);
    let path = format!("/v1/logs/{service}/events?after={}&limit=1", position.saturating_sub(1));
    let told = match visit.get(path).send().await {
        Ok(told) => told,
        Err(refused) => {
            let main = refusal::content("This event cannot be read", &refused, "Nothing was done.");
            return Ok(visit.page_as(refused.status, leaf("Event"), &main));
        }
    };
    let event = told.body["items"][0].clone();
    if event["position"].as_u64() != Some(position) {
        let main = html! {
            header { div { h1 { "No event stands there" } } }
            (empty(&format!("The log of {} has no event at position {position}.", short(service))))
        };
        return Ok(visit.page_as(http::StatusCode::NOT_FOUND, leaf("No event"), &main));
    }
    let end = told.body["end"].as_u64().unwrap_or(position);
    let kind = event["eventType"].as_str().unwrap_or_default();
    Ok(visit.page(leaf(kind), &content(service, position, end, &event)))
}

fn content(service: &str, position: u64, end: u64, event: &Value) -> Markup {
    let stream = stream_of(event);
    let data = serde_json::to_string_pretty(&event["eventData"]).unwrap_or_default();
    let cut: String = data.chars().take(MOST_SHOWN).collect();
    html! {
        p.crumbs {
            a href="/streams" { "Event streams" } " / "
            a href={ "/streams?service=" (service) "&stream=" (segment(&stream)) } { (stream) }
        }
        header { div {
            h1 { (event["eventType"].as_str().unwrap_or_default()) }
            p { (voice(service)) ", position " (number(signed(position))) ", "
                (told_moment(event["metadata"]["timestamp"].as_str().unwrap_or_default())) " UTC" }
        } }
        div.cols {
            section.panel aria-labelledby="h-data" {
                header { h2 #h-data { "Data" } small { "personal fields are sealed" } }
                div.pad { pre #event-data tabindex="0" { code { (cut) } } }
                @if cut.len() < data.len() { footer { p.small { "The rest is left out; " code { "madrigal events read" } " shows all of it." } } }
            }
            section.panel aria-labelledby="h-meta" {
                header { h2 #h-meta { "What the store says" } }
                div.pad { (metadata(event, &stream)) }
            }
        }
        p {
            @if position > 1 { a.btn.small href={ "/streams/" (service) "/" (position - 1) } { "Before it" } " " }
            @if position < end { a.btn.small href={ "/streams/" (service) "/" (position + 1) } { "After it" } " " }
            a.btn.small href={ "/streams?service=" (service) "&before=" (position + 25) } { "Around it" }
        }
    }
}

fn metadata(event: &Value, stream: &str) -> Markup {
    let said = |name: &str| event["metadata"][name].as_str().filter(|text| !text.is_empty());
    let order = stream.strip_prefix("order-");
    let saga = stream.strip_prefix("saga-");
    html! {
        dl.kv {
            dt { "Event" } dd { code { (event["eventId"].as_str().unwrap_or_default()) } }
            dt { "Stream" } dd { code { (stream) } }
            dt { "Version" } dd { (event["metadata"]["version"].as_u64().unwrap_or(0)) }
            dt { "Form" } dd { "version " (event["schemaVersion"].as_u64().unwrap_or(0)) }
            @if let Some(user) = said("userId") { dt { "By" } dd { (user) } }
            @if let Some(correlation) = said("correlationId") {
                dt { "Correlation" }
                dd { a href={ "/streams?correlation=" (segment(correlation)) } { code { (correlation) } } }
            }
            @if let Some(causation) = said("causationId") { dt { "Caused by" } dd { code { (causation) } } }
            @if let Some(trace) = said("traceparent") { dt { "Trace" } dd { code { (trace) } } }
            @if let Some(order) = order { dt { "Story" } dd { a href={ "/orders/" (segment(order)) } { "the order’s" } } }
            @if let Some(saga) = saga { dt { "Saga" } dd { a href={ "/sagas/" (segment(saga)) } { "its steps" } } }
        }
    }
}
