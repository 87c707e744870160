//! One saga: its steps, what each attempt did, and what a person can do.

use axum::extract::Path;
use axum::response::Response;
use madrigal_core::Timestamp;
use maud::{Markup, html};
use serde_json::Value;

use super::super::confirm;
use super::super::live::{Asker, Change, Changed};
use super::super::marks::{Tone, empty, mark, message, shape, term, voice};
use super::super::pages::SAGAS;
use super::super::refusal;
use super::super::visit::{Leaf, Paged, Visit, either};
use super::super::words::{clock_millis, day_and_clock, id, segment, span, told_clock, told_moment};
use super::shapes::{ENDED, look, outcome, said, state, step_state, voice_of};
use super::{score, verbs};

pub(super) async fn show(visit: Visit, Path(saga): Path<String>) -> Response {
    either(shown(&visit, &saga).await)
}

async fn shown(visit: &Visit, saga: &str) -> Paged {
    let operator = visit.require_login()?.is_operator();
    let leaf = Leaf { title: "Saga", current: SAGAS, live: None };
    let told = match visit.get(format!("/v1/sagas/{}", segment(saga))).send().await {
        Ok(told) => told,
        Err(refused) => {
            let main = refusal::content("This saga cannot be shown", &refused, "Nothing was done.");
            return Ok(visit.page_as(refused.status, leaf, &main));
        }
    };
    let now = visit.now();
    let main = html! {
        p.crumbs { a href="/sagas" { "Sagas" } " / " (id(saga)) }
        header {
            div { h1 #headline data-live="headline" { (headline(&told.body)) } p { (facts(&told.body)) } }
            p.small.dim { "As of " time.nowrap data-live="asof" { (day_and_clock(now)) } " UTC" }
        }
        @if let Some(done) = verbs::done(visit.query.get("said")) { (confirm::done(done)) }
        (content(&told.body, operator, now))
        (confirm::dialog(visit))
    };
    let live = format!("page=saga&id={}", segment(saga));
    Ok(visit.page(Leaf { live: Some(&live), ..leaf }, &main))
}

/// What has changed.
pub(crate) async fn change(asker: &Asker, saga: &str) -> Changed {
    let told = asker.get(format!("/v1/sagas/{}", segment(saga))).send().await?;
    let mut change = Change::default();
    change.text("headline", headline(&told.body));
    change.text("asof", day_and_clock(asker.now));
    change.html("saga", content(&told.body, asker.operator, asker.now));
    Ok(change)
}

fn headline(saga: &Value) -> String {
    let (_, _, word) = look(saga["state"].as_str().unwrap_or_default());
    let mut letters = word.chars();
    let word: String = letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect();
    let stuck = steps(saga).iter().find(|step| step["state"] == "stuck").and_then(|step| step["name"].as_str());
    match stuck {
        Some(step) => format!("{word}: {step} can’t be undone"),
        None => format!("{word}: {}", saga["definition"].as_str().unwrap_or("saga")),
    }
}

fn facts(saga: &Value) -> Markup {
    html! {
        (saga["definition"].as_str().unwrap_or_default()) " v" (saga["definitionVersion"].as_i64().unwrap_or(0))
        @if let Some(owner) = saga["owner"].as_i64() { ", customer " (owner) }
        ", started " (told_moment(saga["startedAt"].as_str().unwrap_or_default()))
    }
}

pub(super) fn steps(saga: &Value) -> &[Value] {
    saga["steps"].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Everything that changes while it moves.
fn content(saga: &Value, operator: bool, now: Timestamp) -> Markup {
    let saga_state = saga["state"].as_str().unwrap_or_default();
    let saga_id = saga["sagaId"].as_str().unwrap_or_default();
    html! {
        div.stack #saga {
            section.panel aria-labelledby="h-state" {
                header { h2 #h-state { (state(saga_state)) " " (id(saga_id)) } small { (still(saga, now)) } }
                div.pad {
                    (holds(saga))
                    (graph(saga))
                }
                (score::draw(saga))
                div.pad {
                    div.cols.even {
                        section aria-labelledby="h-verbs" { h3 #h-verbs { "What you can do" } (verbs::list(saga, operator)) }
                        section aria-labelledby="h-audit" { h3 #h-audit { "Audit trail" } (audit(saga)) }
                    }
                }
            }
            section.panel aria-labelledby="h-tries" {
                header { h2 #h-tries { "Attempts" } small { "latest first" } }
                (attempts(saga))
            }
        }
    }
}

fn still(saga: &Value, now: Timestamp) -> String {
    let at = saga["lastProgressAt"].as_str().and_then(|text| text.parse::<Timestamp>().ok());
    let Some(at) = at else { return String::new() };
    let ended = saga["state"].as_str().is_some_and(|state| ENDED.contains(&state));
    if ended {
        let began = saga["startedAt"].as_str().and_then(|text| text.parse().ok()).unwrap_or(at);
        return format!("ended {} UTC, after {}", day_and_clock(at), span(at.since(began)));
    }
    format!("no progress for {}", span(now.since(at)))
}

/// What is held or lost right now, then why.
fn holds(saga: &Value) -> Markup {
    let saga_state = saga["state"].as_str().unwrap_or_default();
    let open = !ENDED.contains(&saga_state);
    let done = |step: &&Value| {
        let kept = matches!(step["state"].as_str(), Some("done" | "undoing" | "undoFailed" | "stuck" | "unknown"));
        step["kind"] == "compensatable" && kept
    };
    let held: Vec<_> = steps(saga).iter().filter(done).filter_map(|step| step["name"].as_str()).collect();
    let reason = said(&saga["reason"]);
    let (tone, sign) =
        if matches!(saga_state, "stuck" | "parked") { (Tone::Bad, "stuck") } else { (Tone::Wait, "clock") };
    html! {
        @if open && !held.is_empty() && saga["committedAt"].is_null() {
            (message(tone, sign, &html! {
                p { b { "What this holds right now: " } "what " (held.join(" and ")) " did is done and not taken back." }
                @if !reason.is_empty() { p { "Why: " (reason) "." } }
            }))
        } @else if !reason.is_empty() {
            p { span.dim { "Why: " } (reason) }
        }
    }
}

fn graph(saga: &Value) -> Markup {
    html! {
        ol.steps {
            @for (at, step) in steps(saga).iter().enumerate() {
                @let name = step["name"].as_str().unwrap_or_default();
                @let step_is = step["state"].as_str().unwrap_or_default();
                li class={ "v-" (voice_of(name)) @if step_is == "waiting" { " later" } } {
                    span.kind { (kind(at, step["kind"].as_str().unwrap_or("unknown kind"))) }
                    b { span.voice { (shape(&format!("note v-{}", voice_of(name)), &format!("n-{}", voice_of(name)))) (name) } }
                    (step_state(step_is))
                    small.dim { (tries(step)) }
                }
            }
        }
    }
}

fn kind(at: usize, kind: &str) -> Markup {
    let sentence = match kind {
        "compensatable" => "It can be undone, and is, if a later step before the pivot is refused.",
        "pivot" => "The point of no return: once it is done, the saga only goes forward.",
        "retriable" => "It is tried until it is done; it cannot be refused.",
        _ => "This binary does not know the definition.",
    };
    term(&format!("kind-{at}"), kind, sentence)
}

fn tries(step: &Value) -> String {
    let count = |name: &str| step[name].as_array().map_or(0, Vec::len);
    match (count("attempts"), count("undo")) {
        (0, 0) => "never reached".to_owned(),
        (1, 0) => "1 try".to_owned(),
        (tries, 0) => format!("{tries} tries"),
        (tries, undos) => format!("{tries} forward, {undos} back"),
    }
}

fn audit(saga: &Value) -> Markup {
    let acts = saga["operator"].as_array().map(Vec::as_slice).unwrap_or_default();
    if acts.is_empty() {
        return empty("Nobody has done anything by hand. Every verb is kept here with a name and a reason.");
    }
    html! {
        table.data.compact.fold {
            thead { tr { th scope="col" { "When" } th scope="col" { "Who" } th scope="col" { "What and why" } } }
            tbody {
                @for act in acts.iter().rev() {
                    tr {
                        th scope="row" { (told_clock(act["at"].as_str().unwrap_or_default())) }
                        td data-l="Who" { (act["who"].as_str().unwrap_or_default()) }
                        td data-l="What" {
                            b { (act["verb"].as_str().unwrap_or_default()) } " " (act["step"].as_str().unwrap_or_default())
                            small { "“" (act["why"].as_str().unwrap_or_default()) "”"
                                @if let Some(evidence) = act["evidence"].as_str() { " Known by: " (evidence) } }
                        }
                    }
                }
            }
        }
        p.small.dim { "The trail can’t be edited." }
    }
}

/// An attempt, flattened out of its step.
pub(super) struct Try<'a> {
    pub(super) step: &'a str,
    pub(super) undo: bool,
    pub(super) number: usize,
    pub(super) started: Timestamp,
    pub(super) ended: Option<Timestamp>,
    pub(super) outcome: Option<&'a str>,
    detail: &'a Value,
}

/// All attempts in the order of their start.
pub(super) fn all_tries(saga: &Value) -> Vec<Try<'_>> {
    let mut tries = Vec::new();
    for step in steps(saga) {
        for (undo, name) in [(false, "attempts"), (true, "undo")] {
            let attempts = step[name].as_array().map(Vec::as_slice).unwrap_or_default();
            for (at, attempt) in attempts.iter().enumerate() {
                let moment = |name: &str| attempt[name].as_str().and_then(|text| text.parse().ok());
                let Some(started) = moment("startedAt") else { continue };
                tries.push(Try {
                    step: step["name"].as_str().unwrap_or_default(),
                    undo,
                    number: at + 1,
                    started,
                    ended: moment("endedAt"),
                    outcome: attempt["outcome"].as_str(),
                    detail: &attempt["detail"],
                });
            }
        }
    }
    tries.sort_by_key(|attempt| attempt.started);
    tries
}

fn attempts(saga: &Value) -> Markup {
    let tries = all_tries(saga);
    if tries.is_empty() {
        return empty("No step has been tried yet.");
    }
    html! {
        table.data.fold.story {
            thead { tr {
                th.wide-only scope="col" { "When, UTC" } th scope="col" { "Service" } th scope="col" { "What" }
                th scope="col" { "Outcome" } th scope="col" { "Detail" }
            } }
            tbody {
                @for attempt in tries.iter().rev() {
                    @let (tone, sign, word) = outcome(attempt.outcome);
                    tr {
                        td.when data-l="When" { (clock_millis(attempt.started)) }
                        th scope="row" { (voice(voice_of(attempt.step))) }
                        td data-l="What" { @if attempt.undo { "undo " } (attempt.step) ", try " (attempt.number) }
                        td data-l="Outcome" { (mark(tone, sign, &worded(attempt, word))) }
                        td data-l="Detail" { (short_detail(attempt.detail)) }
                    }
                }
            }
        }
    }
}

fn worded(attempt: &Try<'_>, word: &str) -> String {
    match attempt.ended {
        Some(ended) => format!("{word} in {}", span(ended.since(attempt.started))),
        None => word.to_owned(),
    }
}

/// A detail in one line; a long one folded.
fn short_detail(detail: &Value) -> Markup {
    let text = said(detail);
    if text.chars().count() <= 160 {
        return html! { (text) };
    }
    html! { details { summary { "What it left" } pre { (serde_json::to_string_pretty(detail).unwrap_or(text)) } } }
}
