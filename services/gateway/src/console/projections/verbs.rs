//! Rebuild, compare, switch, confirm, discard: each with its consequence.

use std::collections::BTreeMap;

use axum::extract::Path;
use axum::response::Response;
use maud::{Markup, html};
use serde_json::{Value, json};

use super::super::confirm::{Act, unavailable};
use super::super::frame::see_other;
use super::super::live::Asker;
use super::super::marks::{Tone, message};
use super::super::pages::PROJECTIONS;
use super::super::refusal;
use super::super::visit::{Leaf, Paged, Visit, either};
use super::super::words::segment;
use super::{compared, one};

/// The verbs: the API's name, the button, what it does, what is said when it is done.
const VERBS: [(&str, &str, &str, &str); 5] = [
    (
        "rebuild",
        "Rebuild",
        "Folds the whole log again into a new generation beside this one. Reads stay served; it costs time and disk.",
        "Rebuilding has begun. Its progress is below.",
    ),
    (
        "compare",
        "Compare",
        "Compares the candidate with what serves, row by row, as of one position. Changes nothing.",
        "",
    ),
    (
        "switch",
        "Switch",
        "Lets the candidate serve. Reads change over at once; the generation before is kept until you confirm.",
        "Switched: the candidate serves now. The generation before is kept until you confirm.",
    ),
    (
        "confirm",
        "Confirm the switch",
        "Drops the generation that served before.",
        "Confirmed: the generation before is dropped.",
    ),
    ("discard", "Discard", "Drops the candidate. What serves stays as it is.", "Discarded: the candidate is dropped."),
];

/// What is said after a verb.
pub(super) fn done(verb: &str) -> Option<&'static str> {
    match verb {
        "parked-retry" => Some("Tried again. What is still parked stands below."),
        "parked-skip" => Some("Left out, with your reason. What is still parked stands below."),
        verb => VERBS.iter().find(|(name, ..)| *name == verb).map(|(.., done)| *done).filter(|done| !done.is_empty()),
    }
}

/// Whether a verb is possible, as far as the status tells; the projection decides. The text says why not.
fn possible(verb: &str, item: &Value) -> Result<(), &'static str> {
    let candidate = &item["candidate"];
    match verb {
        "rebuild" if !candidate.is_null() => Err("one is being built already; discard it first."),
        "compare" | "switch" | "discard" if candidate.is_null() => Err("nothing is being built."),
        "compare" | "switch" if candidate["state"] != "caught-up" => Err("the candidate has not caught up yet."),
        "switch" if candidate["parkedKeys"].as_u64().unwrap_or(0) > 0 => Err("keys of the candidate are parked."),
        "switch" if candidate["compared"].is_null() => Err("it has not been compared yet."),
        "confirm" if item["previous"].is_null() => Err("no former generation is kept."),
        _ => Ok(()),
    }
}

/// The verbs with their consequences.
pub(super) fn list(item: &Value) -> Markup {
    html! {
        div.verbs {
            @for (verb, name, effect, _) in VERBS {
                @match possible(verb, item) {
                    Ok(()) => {
                        @let act = act_of(verb, item);
                        @if verb == "switch" { (act.page_link("")) } @else { (act.link(if act.typed.is_some() { "severe" } else { "" })) }
                        small { (effect) }
                    }
                    Err(why) => (unavailable(name, why)),
                }
            }
        }
    }
}

fn differs(item: &Value) -> bool {
    item["candidate"]["compared"]["verdict"] == "different"
}

fn act_of(verb: &str, item: &Value) -> Act {
    let projection = super::list::name(item);
    let (_, name, effect, _) = VERBS.iter().find(|(known, ..)| *known == verb).copied().unwrap_or(VERBS[0]);
    let mut effects = vec![effect.to_owned()];
    let accepting = verb == "switch" && differs(item);
    if accepting {
        effects.push(
            "The last comparison found differences: switching means that you accept them, with your reason.".to_owned(),
        );
    }
    Act {
        verb: name.to_owned(),
        title: format!("{name}: {projection}?"),
        effects,
        action: format!("/projections/{}/{verb}", segment(projection)),
        fields: if accepting { BTreeMap::from([("accept", "yes".to_owned())]) } else { BTreeMap::new() },
        reason: accepting,
        evidence: false,
        typed: (verb == "discard" || accepting).then(|| projection.to_owned()),
    }
}

/// What was typed is not what was asked for.
pub(super) fn not_typed() -> Markup {
    message(
        Tone::Bad,
        "fail",
        &html! { p { b { "Nothing was done." } " What was typed is not the projection’s name." } },
    )
}

pub(super) async fn ask(visit: Visit, Path((name, verb)): Path<(String, String)>) -> Response {
    either(asked(&visit, &name, &verb, None).await)
}

pub(super) async fn act(visit: Visit, Path((name, verb)): Path<(String, String)>) -> Response {
    either(acted(&visit, &name, &verb).await)
}

async fn asked(visit: &Visit, name: &str, verb: &str, said: Option<&Markup>) -> Paged {
    visit.require_operator()?;
    let back = format!("/projections/{}", segment(name));
    let leaf = Leaf { title: "Confirm", current: PROJECTIONS, live: None };
    if !VERBS.iter().any(|(known, ..)| *known == verb) {
        return Ok(see_other(&back));
    }
    Ok(match one::known(&Asker::of(visit), name).await {
        Ok(Some(known)) => {
            let main = act_of(verb, &known.item).page(visit, said, &html! {}, &back);
            let status = if said.is_some() { http::StatusCode::CONFLICT } else { http::StatusCode::OK };
            visit.page_as(status, leaf, &main)
        }
        Ok(None) => see_other(&back),
        Err(refused) => {
            let main = refusal::content("This projection cannot be shown", &refused, "Nothing was done.");
            visit.page_as(refused.status, leaf, &main)
        }
    })
}

async fn acted(visit: &Visit, name: &str, verb: &str) -> Paged {
    visit.require_operator()?;
    let accepting = visit.form.get("accept") == "yes";
    if (verb == "discard" || (verb == "switch" && accepting)) && visit.form.get("typed") != name {
        return asked(visit, name, verb, Some(&not_typed())).await;
    }
    let body = if verb == "switch" && accepting {
        json!({ "acceptDifferences": true, "reason": visit.form.get("reason") })
    } else {
        json!({})
    };
    let path = format!("/v1/projections/{}/{}", segment(name), segment(verb));
    match visit.post(path, &body).send().await {
        Ok(told) if verb == "compare" => one::shown(visit, name, Some(&compared::content(&told.body))).await,
        Ok(_) => Ok(see_other(&format!("/projections/{}?said={}", segment(name), segment(verb)))),
        Err(refused) => asked(visit, name, verb, Some(&refusal::told(&refused, "Nothing was done."))).await,
    }
}
