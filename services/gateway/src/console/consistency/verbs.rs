//! Checking a pair again, and repairing a row: a dry run is shown before anything is asked, and nothing is done without a
//! reason.

use std::collections::BTreeMap;

use axum::extract::Path;
use axum::response::Response;
use http::StatusCode;
use maud::{Markup, html};
use serde_json::{Value, json};

use super::super::confirm::{Act, unavailable};
use super::super::diff;
use super::super::frame::see_other;
use super::super::marks::{Tone, mark, message};
use super::super::pages::CONSISTENCY;
use super::super::refusal;
use super::super::visit::{Leaf, Paged, Visit, either};
use super::super::words::{number, plural, segment, short_id};
use super::names::PairName;
use super::report::Divergence;
use super::{books, find, missing, rows};

const LEAF: Leaf<'static> = Leaf { title: "Confirm", current: CONSISTENCY, live: None };

/// What became of a repair: the API's word, the tone, what is said.
const OUTCOMES: [(&str, Tone, &str); 6] = [
    (
        "repaired",
        Tone::Ok,
        "Repaired: the copy says what its owner says. It was looked at afterwards. Recorded in the audit trail.",
    ),
    ("healed", Tone::Ok, "Nothing had to be done: when the row was looked at again, both sides agreed."),
    (
        "unverified",
        Tone::Wait,
        "It can’t be said now whether the row differs: the copy is behind, or the row changes all the time. Try again later.",
    ),
    (
        "contended",
        Tone::Wait,
        "Not repaired: somebody else wrote the row each time between the look and the write. Try again.",
    ),
    (
        "still-divergent",
        Tone::Bad,
        "The owner’s row was written and the copy says otherwise still: whatever writes this copy is wrong.",
    ),
    ("refused", Tone::Bad, "Not repaired: the copy does not allow it."),
];

/// What is said after a verb.
pub(super) fn done(said: &str) -> Option<Markup> {
    if said == "checked" {
        return Some(notice(Tone::Ok, "Checked again. What was found stands below."));
    }
    if said == "checking" {
        return Some(notice(Tone::Calm, "The check has begun. What it finds appears below as soon as it is done."));
    }
    OUTCOMES.iter().find(|(word, ..)| *word == said).map(|(_, tone, text)| notice(*tone, text))
}

fn notice(tone: Tone, text: &str) -> Markup {
    let sign = match tone {
        Tone::Ok => "done",
        Tone::Bad => "fail",
        Tone::Wait | Tone::Calm => "clock",
    };
    html! { div role="status" tabindex="-1" data-arrive { (message(tone, sign, &html! { p { (text) } })) } }
}

/// Checking a pair again.
pub(super) fn check(pair: &str) -> Act {
    Act {
        verb: "Check again".to_owned(),
        title: format!("Check {} again?", PairName::of(pair).text()),
        effects: if books::is_book(pair) { books::check_effects() } else { check_effects() },
        action: "/consistency/check".to_owned(),
        fields: BTreeMap::from([("pair", pair.to_owned())]),
        reason: false,
        evidence: false,
        typed: None,
    }
}

fn check_effects() -> Vec<String> {
    vec![
        "Every row of the pair is compared by its content, at a known position of its owner. Nothing is changed."
            .to_owned(),
        "It costs reading both sides once; a pair with many rows may take some seconds.".to_owned(),
    ]
}

/// The repair of a row, before its dry run.
fn repair(row: &Divergence, effects: Vec<String>) -> Act {
    Act {
        verb: "Repair this row".to_owned(),
        title: format!("Repair row {} of {}?", short_id(&row.key), PairName::of(&row.pair).text()),
        effects,
        action: format!("/consistency/rows/{}/repair", segment(&row.id)),
        fields: BTreeMap::new(),
        reason: true,
        evidence: false,
        typed: None,
    }
}

/// The way to a row's repair.
pub(super) fn repair_link(row: &Divergence) -> Markup {
    let act = Act { verb: "Repair (dry run first)".to_owned(), ..repair(row, Vec::new()) };
    act.page_link_about("primary", &row.key)
}

/// The same in a list.
pub(super) fn repair_link_small(row: &Divergence) -> Markup {
    let act = Act { verb: "Repair".to_owned(), ..repair(row, Vec::new()) };
    act.page_link_about("small", &row.key)
}

/// `GET /consistency/check?pair=…`.
pub(super) async fn ask_check(visit: Visit) -> Response {
    let pair = visit.query.get("pair").to_owned();
    either(asked_check(&visit, &pair, None))
}

#[expect(clippy::result_large_err, reason = "an answer is what every handler returns")]
fn asked_check(visit: &Visit, pair: &str, said: Option<&Markup>) -> Paged {
    visit.require_operator()?;
    if pair.is_empty() {
        return Ok(see_other("/consistency"));
    }
    let main = check(pair).page(visit, said, &html! {}, "/consistency");
    Ok(visit.page_as(status(said), LEAF, &main))
}

/// `POST /consistency/check`.
pub(super) async fn act_check(visit: Visit) -> Response {
    either(checked(&visit).await)
}

async fn checked(visit: &Visit) -> Paged {
    visit.require_operator()?;
    let pair = visit.form.get("pair").to_owned();
    let body = json!({ "pair": pair, "deep": true });
    match visit.post("/v1/consistency/checks", &body).send().await {
        Ok(told) => {
            visit.console.standing.forget();
            let said = if told.status == StatusCode::ACCEPTED { "checking" } else { "checked" };
            Ok(see_other(&format!("/consistency?said={said}")))
        }
        Err(refused) => asked_check(visit, &pair, Some(&refusal::told(&refused, "Nothing was checked."))),
    }
}

/// `GET /consistency/rows/{id}/repair`: what it would do, then the question.
pub(super) async fn ask_repair(visit: Visit, Path(id): Path<String>) -> Response {
    either(asked_repair(&visit, &id, None).await)
}

async fn asked_repair(visit: &Visit, id: &str, said: Option<&Markup>) -> Paged {
    visit.require_operator()?;
    let back = format!("/consistency/rows/{}", segment(id));
    let row = match find(visit, id).await {
        Ok(Some(row)) => row,
        Ok(None) => return Ok(missing(visit)),
        Err(instead) => return Ok(visit.page(LEAF, &instead)),
    };
    if books::is_book(&row.pair) {
        return Ok(books::not_repaired(visit, &row.pair, Some(&row)));
    }
    let main = match visit.post(repair_path(id), &json!({ "apply": false })).send().await {
        Ok(told) => planned(visit, &row, &told.body, said, &back),
        Err(refused) => html! {
            header { div { h1 { "This row can’t be repaired now" } p { "Nothing has been done." } } }
            (refusal::told(&refused, "The dry run did not work. Nothing was done."))
            p { a.btn href=(back) { "Back to the row" } }
        },
    };
    Ok(visit.page_as(status(said), LEAF, &main))
}

/// The dry run's answer, and the question where there is something to do.
fn planned(visit: &Visit, row: &Divergence, plan: &Value, said: Option<&Markup>, back: &str) -> Markup {
    let entry = entry(plan);
    // The row as the dry run saw it is newer than the one that was reported.
    let fresh = Divergence { id: row.id.clone(), ..Divergence::of(&entry["divergence"], &row.pair) };
    let row = if entry["divergence"].is_object() { &fresh } else { row };
    let (outcome, why) = outcome(entry);
    if !matches!(outcome, "wouldRepair" | "would-repair" | "") {
        return html! {
            header { div { h1 { "There is nothing to repair" } p { "A dry run was made. Nothing was changed." } } }
            (told_outcome(outcome, why))
            p { a.btn href="/consistency" { "Back to consistency" } }
        };
    }
    let act = repair(row, effects(row));
    html! {
        (act.page(visit, said, &dry_run(row), back))
    }
}

/// What a repair does to a row, as a sentence.
pub(super) fn what_changes(row: &Divergence) -> String {
    let name = PairName::of(&row.pair);
    let copy = name.copy.words;
    let differing = i64::try_from(diff::differing(&row.owner.fields, &row.copy.fields)).unwrap_or(0);
    match row.issue.as_str() {
        "missing" => format!("The owner’s row is written to {copy}, where there is none."),
        "extra" => format!("The row is taken out of {copy}: its owner has none."),
        _ if differing == 0 => format!("The row in {copy} gets its owner’s version."),
        _ => {
            format!("{} what the owner says in {copy}.", plural(differing, "field becomes", "fields become"))
        }
    }
}

fn effects(row: &Divergence) -> Vec<String> {
    vec![
        what_changes(row),
        "It is written only if the copy still is what was seen; if somebody wrote it since, nothing is done."
            .to_owned(),
        "The owner stays as it is. The row is checked right after.".to_owned(),
        "Who repaired it, when and why is kept in the record below the pairs; what the rows said is not.".to_owned(),
    ]
}

/// What is said where the reason is missing.
pub(super) fn no_reason() -> Markup {
    let text = " Say why: the reason is kept in the audit trail.";
    message(Tone::Bad, "fail", &html! { p { b { "Nothing was done." } (text) } })
}

fn dry_run(row: &Divergence) -> Markup {
    let side = |side: &super::report::Side| side.version.clone().unwrap_or_else(|| "none".to_owned());
    let after = match row.issue.as_str() {
        "extra" => "no row".to_owned(),
        _ => side(&row.owner),
    };
    html! {
        h2 { "What the repair would do" }
        table.data.fold {
            thead { tr { th scope="col" { "Row" } th scope="col" { "Found" } th scope="col" { "Fields that change" } th scope="col" { "Version in the copy" } } }
            tbody { tr {
                th scope="row" { code { (short_id(&row.key)) } }
                td data-l="Found" { (rows::issue(&row.issue)) }
                td data-l="Fields" { (number(i64::try_from(diff::differing(&row.owner.fields, &row.copy.fields)).unwrap_or(0))) }
                td data-l="Version" { (side(&row.copy)) " → " (after) }
            } }
        }
        p.small.dim { "This was a dry run: nothing has been changed." }
    }
}

/// `POST /consistency/rows/{id}/repair`.
pub(super) async fn act_repair(visit: Visit, Path(id): Path<String>) -> Response {
    either(repaired(&visit, &id).await)
}

async fn repaired(visit: &Visit, id: &str) -> Paged {
    visit.require_operator()?;
    let reason = visit.form.get("reason");
    if reason.is_empty() {
        return asked_repair(visit, id, Some(&no_reason())).await;
    }
    if let Ok(Some(row)) = find(visit, id).await
        && books::is_book(&row.pair)
    {
        return Ok(books::not_repaired(visit, &row.pair, Some(&row)));
    }
    match visit.post(repair_path(id), &json!({ "apply": true, "reason": reason })).send().await {
        Ok(told) => {
            visit.console.standing.forget();
            let (outcome, why) = outcome(entry(&told.body));
            match why {
                // Only the answer itself has the copy's own words.
                Some(_) => {
                    let main = html! {
                        header { div { h1 { "The row was not repaired" } } }
                        (told_outcome(outcome, why))
                        p { a.btn href="/consistency" { "Back to consistency" } }
                    };
                    Ok(visit.page_as(StatusCode::CONFLICT, LEAF, &main))
                }
                None => Ok(see_other(&format!("/consistency?said={}", segment(kebab(outcome))))),
            }
        }
        Err(refused) => asked_repair(visit, id, Some(&refusal::told(&refused, "Nothing was done."))).await,
    }
}

pub(super) fn repair_path(id: &str) -> String {
    format!("/v1/consistency/divergences/{}/repair", segment(id))
}

pub(super) fn status(said: Option<&Markup>) -> StatusCode {
    if said.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK }
}

/// The record of the one row, in a list of one or alone.
fn entry(answer: &Value) -> &Value {
    if answer["items"][0].is_object() { &answer["items"][0] } else { answer }
}

/// The outcome's word, and why where the copy refused.
pub(super) fn outcome(entry: &Value) -> (&str, Option<&str>) {
    let outcome = &entry["outcome"];
    let word = outcome.as_str().or(outcome["outcome"].as_str()).unwrap_or_default();
    (word, outcome["why"].as_str().or(entry["why"].as_str()))
}

fn told_outcome(outcome: &str, why: Option<&str>) -> Markup {
    let known = OUTCOMES.iter().find(|(word, ..)| *word == kebab(outcome));
    html! {
        @match known {
            Some((_, tone, text)) => (notice(*tone, text)),
            None => p { (mark(Tone::Calm, "unk", outcome)) },
        }
        @if let Some(why) = why { (unavailable("Repair this row", why)) }
    }
}

fn kebab(outcome: &str) -> &str {
    match outcome {
        "stillDivergent" => "still-divergent",
        other => other,
    }
}
