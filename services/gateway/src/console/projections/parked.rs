//! Parked keys: what waits, why, and trying again or leaving out.

use std::collections::BTreeMap;

use axum::extract::Path;
use axum::response::Response;
use madrigal_core::Timestamp;
use maud::{Markup, html};
use serde_json::{Value, json};

use super::super::confirm::Act;
use super::super::frame::see_other;
use super::super::marks::empty;
use super::super::pages::PROJECTIONS;
use super::super::refusal;
use super::super::visit::{Leaf, Paged, Visit, either};
use super::super::words::{number, segment, span};
use crate::inside::{Refused, Told};

/// The most parked events that are shown.
const SHOWN: usize = 100;

pub(super) fn panel(item: &Value, parked: &Result<Told, Refused>, now: Timestamp) -> Markup {
    let name = super::list::name(item);
    html! {
        section.panel #parked aria-labelledby="h-parked" {
            header { h2 #h-parked { "Parked keys" } small { "what could not be applied, and what waits behind it" } }
            @match parked {
                Ok(told) => {
                    @let events = told.body["items"].as_array().or(told.body.as_array()).map(Vec::as_slice).unwrap_or_default();
                    @if events.is_empty() { (empty("None. Every event could be applied.")) } @else { (table(name, events, now)) }
                }
                Err(refused) => div.pad { (refusal::told(refused, "What is parked cannot be shown.")) },
            }
        }
    }
}

/// The key that an event holds: `lane` where the event names its lane.
fn key(event: &Value) -> &str {
    event["lane"].as_str().or(event["key"].as_str()).unwrap_or_default()
}

fn table(name: &str, events: &[Value], now: Timestamp) -> Markup {
    html! {
        table.data.fold {
            thead { tr {
                th scope="col" { "Key" } th scope="col" { "Event" } th scope="col" { "Why" } th.num scope="col" { "Tries" }
                th.num scope="col" { "Parked for" } th scope="col" { "What you can do" }
            } }
            tbody {
                @for event in events.iter().take(SHOWN) {
                    @let first = event["firstAt"].as_str().and_then(|text| text.parse::<Timestamp>().ok());
                    @let tries = event["attempts"].as_i64().unwrap_or(0);
                    tr {
                        th scope="row" { code { (key(event)) } @if let Some(generation) = event["generation"].as_i64() { small { "generation " (generation) } } }
                        td data-l="Event" { (event["kind"].as_str().unwrap_or_default()) small { "position " (number(event["position"].as_i64().unwrap_or(0))) } }
                        td data-l="Why" { (event["cause"].as_str().unwrap_or_default()) }
                        td.num data-l="Tries" { @if tries == 0 { "waits" } @else { (number(tries)) } }
                        td.num data-l="Parked for" { @if let Some(first) = first { (span(now.since(first))) } }
                        td data-l="You can" {
                            @if let Some(why) = event["skipped"].as_str() { "left out: " (why) }
                            @else if tries > 0 {
                                div.row {
                                    (act_of(name, "retry", key(event)).link("small"))
                                    (act_of(name, "skip", key(event)).link("small severe"))
                                }
                            } @else { span.dim { "waits behind another" } }
                        }
                    }
                }
            }
        }
        @if events.len() > SHOWN { p.empty { "The first " (SHOWN) " of " (number(i64::try_from(events.len()).unwrap_or(0))) " are shown." } }
    }
}

fn act_of(name: &str, verb: &str, key: &str) -> Act {
    let skip = verb == "skip";
    Act {
        verb: if skip { "Leave out" } else { "Try again" }.to_owned(),
        title: if skip {
            format!("Leave out the first event parked under {key}?")
        } else {
            format!("Try {key} again?")
        },
        effects: if skip {
            vec![
                format!("{name} will never contain this event, unless it is rebuilt after the cause is mended."),
                "What waits behind it is tried. The reason stays listed.".to_owned(),
            ]
        } else {
            vec![format!("Everything parked under this key of {name} is tried again, in its order. Safe to repeat.")]
        },
        action: format!("/projections/{}/parked/{verb}", segment(name)),
        fields: BTreeMap::from([("key", key.to_owned())]),
        reason: true,
        evidence: false,
        typed: skip.then(|| name.to_owned()),
    }
}

pub(super) async fn ask(visit: Visit, Path((name, verb)): Path<(String, String)>) -> Response {
    let key = visit.query.get("key").to_owned();
    either(asked(&visit, &name, &verb, &key, None))
}

#[expect(clippy::result_large_err, reason = "an answer is what every handler returns")]
fn asked(visit: &Visit, name: &str, verb: &str, key: &str, said: Option<&Markup>) -> Paged {
    visit.require_operator()?;
    let back = format!("/projections/{}#parked", segment(name));
    if !matches!(verb, "retry" | "skip") || key.is_empty() {
        return Ok(see_other(&back));
    }
    let main = act_of(name, verb, key).page(visit, said, &html! {}, &back);
    let status = if said.is_some() { http::StatusCode::UNPROCESSABLE_ENTITY } else { http::StatusCode::OK };
    Ok(visit.page_as(status, Leaf { title: "Confirm", current: PROJECTIONS, live: None }, &main))
}

pub(super) async fn act(visit: Visit, Path((name, verb)): Path<(String, String)>) -> Response {
    either(acted(&visit, &name, &verb).await)
}

async fn acted(visit: &Visit, name: &str, verb: &str) -> Paged {
    visit.require_operator()?;
    let key = visit.form.get("key").to_owned();
    let act = act_of(name, verb, &key);
    if !act.is_typed(visit) {
        return asked(visit, name, verb, &key, Some(&super::verbs::not_typed()));
    }
    let path = format!("/v1/projections/{}/parked/{}", segment(name), segment(verb));
    match visit.post(path, &json!({ "key": key, "reason": visit.form.get("reason") })).send().await {
        Ok(_) => Ok(see_other(&format!("/projections/{}?said=parked-{}", segment(name), segment(verb)))),
        Err(refused) => asked(visit, name, verb, &key, Some(&refusal::told(&refused, "Nothing was done."))),
    }
}
