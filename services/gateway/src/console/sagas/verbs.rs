//! What an operator can do about a saga, each verb with its consequence; a customer may call off an order of their own.

use std::collections::BTreeMap;

use axum::extract::Path;
use axum::response::Response;
use maud::{Markup, html};
use serde_json::{Value, json};

use super::super::confirm::{Act, unavailable};
use super::super::frame::see_other;
use super::super::marks::{Tone, message};
use super::super::pages::SAGAS;
use super::super::refusal;
use super::super::visit::{Leaf, Paged, Visit, either};
use super::super::words::{segment, short_id};
use super::one::steps;
use super::shapes::ENDED;

/// The verbs: the API's name, the button, what it does, what is said when it is done.
const VERBS: [(&str, &str, &str, &str); 7] = [
    (
        "retry",
        "Retry now",
        "Tries the step under way at once, with the same key. Safe to repeat.",
        "Told to try again at once. Recorded in the audit trail.",
    ),
    ("resume", "Resume", "Lets it go on where it was held.", "Resumed. Recorded in the audit trail."),
    ("pause", "Pause", "Stops the next try. What it holds stays held.", "Paused. Recorded in the audit trail."),
    (
        "compensate",
        "Take back",
        "Undoes what was done so far, in reverse order. Ends as compensated.",
        "Told to take back what was done. Recorded in the audit trail.",
    ),
    (
        "skip",
        "Skip with output",
        "Takes a step for done, with an output that you give. Later steps rely on it.",
        "Skipped. Recorded in the audit trail.",
    ),
    (
        "mark-undone",
        "Mark undone by hand",
        "You undid the step outside of the shop and can show it. Ends as compensated by hand.",
        "Marked as undone. Recorded in the audit trail.",
    ),
    (
        "abandon",
        "Abandon",
        "Gives up. Whatever it holds stays as it is, and nobody will take it back.",
        "Abandoned. Recorded in the audit trail.",
    ),
];

/// What is said after a verb.
pub(super) fn done(verb: &str) -> Option<&'static str> {
    VERBS.iter().find(|(name, ..)| *name == verb).map(|(.., done)| *done)
}

/// Whether a verb is possible, as far as the story tells; the engine decides. The text says why not.
fn possible(verb: &str, saga: &Value) -> Result<(), &'static str> {
    let is = |state: &str| saga["state"] == state;
    let undoing = !saga["cause"].is_null();
    match verb {
        "retry" if is("paused") => Err("it is paused; resume it first."),
        "pause" if is("paused") => Err("it is paused already."),
        "resume" if !is("paused") => Err("it is not paused."),
        "compensate" if !saga["committedAt"].is_null() => Err("its pivot is done, so it only goes forward."),
        "compensate" if undoing => Err("it is already undoing."),
        "skip" if undoing => Err("only a forward step can be skipped, and it is undoing."),
        "skip" if skippable(saga).is_empty() => Err("every step is done."),
        "mark-undone" if !undoing => Err("nothing is being undone."),
        "mark-undone" if undoable(saga).is_empty() => Err("nothing is left to undo."),
        _ => Ok(()),
    }
}

fn names(saga: &Value, fits: impl Fn(&str) -> bool) -> Vec<&str> {
    let fitting = steps(saga).iter().filter(|step| step["state"].as_str().is_some_and(&fits));
    fitting.filter_map(|step| step["name"].as_str()).collect()
}

fn skippable(saga: &Value) -> Vec<&str> {
    names(saga, |state| matches!(state, "waiting" | "running" | "unknown" | "failed"))
}

fn undoable(saga: &Value) -> Vec<&str> {
    names(saga, |state| matches!(state, "done" | "unknown" | "undoing" | "undoFailed" | "stuck"))
}

/// The verbs with their consequences.
pub(super) fn list(saga: &Value, operator: bool) -> Markup {
    if saga["state"].as_str().is_some_and(|state| ENDED.contains(&state)) {
        return html! { p.dim { "It has ended: nothing is left to decide." } };
    }
    let offered = VERBS.iter().filter(|(verb, ..)| operator || *verb == "compensate");
    html! {
        div.verbs {
            @for (verb, name, effect, _) in offered {
                @match possible(verb, saga) {
                    Ok(()) => {
                        @let act = act_of(verb, saga);
                        @let class = if *verb == "abandon" { "severe" } else { "" };
                        @if matches!(*verb, "skip" | "mark-undone") { (act.page_link(class)) } @else { (act.link(class)) }
                        small { (effect) }
                    }
                    Err(why) => (unavailable(name, why)),
                }
            }
        }
    }
}

fn act_of(verb: &str, saga: &Value) -> Act {
    let id = saga["sagaId"].as_str().unwrap_or_default();
    let (_, name, effect, _) = VERBS.iter().find(|(known, ..)| *known == verb).copied().unwrap_or(VERBS[0]);
    let severe = verb == "abandon";
    let last: String = id.chars().skip(id.chars().count().saturating_sub(4)).collect();
    Act {
        verb: name.to_owned(),
        title: format!("{name}: saga {}?", short_id(id)),
        effects: vec![
            effect.to_owned(),
            "It is recorded in the audit trail with your name and your reason.".to_owned(),
        ],
        action: format!("/sagas/{}/{verb}", segment(id)),
        fields: BTreeMap::new(),
        reason: true,
        evidence: verb == "mark-undone",
        typed: severe.then_some(last),
    }
}

/// `GET /sagas/{id}/{verb}`: the page that asks.
pub(super) async fn ask(visit: Visit, Path((saga, verb)): Path<(String, String)>) -> Response {
    either(asked(&visit, &saga, &verb, None).await)
}

/// `POST /sagas/{id}/{verb}`.
pub(super) async fn act(visit: Visit, Path((saga, verb)): Path<(String, String)>) -> Response {
    either(acted(&visit, &saga, &verb).await)
}

async fn asked(visit: &Visit, saga: &str, verb: &str, said: Option<&Markup>) -> Paged {
    visit.require_login()?;
    let back = format!("/sagas/{}", segment(saga));
    let leaf = Leaf { title: "Confirm", current: SAGAS, live: None };
    let told = visit.get(format!("/v1/sagas/{}", segment(saga))).send().await;
    let told = match told {
        Ok(told) if done(verb).is_some() => told,
        Ok(_) => return Ok(see_other(&back)),
        Err(refused) => {
            let main = refusal::content("This saga cannot be shown", &refused, "Nothing was done.");
            return Ok(visit.page_as(refused.status, leaf, &main));
        }
    };
    let act = act_of(verb, &told.body);
    let main = act.page(visit, said, &own_fields(visit, verb, &told.body), &back);
    let status = if said.is_some() { http::StatusCode::UNPROCESSABLE_ENTITY } else { http::StatusCode::OK };
    Ok(visit.page_as(status, leaf, &main))
}

/// The fields that only this verb has.
fn own_fields(visit: &Visit, verb: &str, saga: &Value) -> Markup {
    let choice = match verb {
        "skip" => skippable(saga),
        "mark-undone" => undoable(saga),
        _ => return html! {},
    };
    let sent = visit.form.get("output");
    html! {
        label.field { "Step"
            select name="step" { @for name in choice { option value=(name) selected[visit.form.get("step") == name] { (name) } } }
        }
        @if verb == "skip" {
            label.field { "Output, a JSON object as the step would have left it"
                textarea name="output" required maxlength="4000" spellcheck="false" { @if sent.is_empty() { "{}" } @else { (sent) } }
            }
        }
    }
}

async fn acted(visit: &Visit, saga: &str, verb: &str) -> Paged {
    visit.require_login()?;
    let mut body = json!({ "reason": visit.form.get("reason") });
    let wrong = |text: &str| message(Tone::Bad, "fail", &html! { p { b { "Nothing was done." } " " (text) } });
    if verb == "abandon" {
        let last: String = saga.chars().skip(saga.chars().count().saturating_sub(4)).collect();
        if visit.form.get("typed") != last {
            return asked(visit, saga, verb, Some(&wrong("What was typed is not the end of the saga’s id."))).await;
        }
    }
    if matches!(verb, "skip" | "mark-undone") {
        body["step"] = visit.form.get("step").into();
    }
    if verb == "mark-undone" {
        body["evidence"] = visit.form.get("evidence").into();
    }
    if verb == "skip" {
        match serde_json::from_str::<Value>(visit.form.get("output")) {
            Ok(output @ Value::Object(_)) => body["output"] = output,
            _ => return asked(visit, saga, verb, Some(&wrong("The output is not a JSON object."))).await,
        }
    }
    let path = format!("/v1/sagas/{}/{}", segment(saga), segment(verb));
    match visit.post(path, &body).send().await {
        Ok(_) => Ok(see_other(&format!("/sagas/{}?said={}", segment(saga), segment(verb)))),
        Err(refused) => asked(visit, saga, verb, Some(&refusal::told(&refused, "Nothing was done."))).await,
    }
}
