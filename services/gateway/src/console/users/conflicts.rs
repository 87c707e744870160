//! What merges did not take: both values side by side, and the choice between them, now or later.

use std::collections::BTreeMap;

use axum::extract::Path;
use axum::response::Response;
use http::StatusCode;
use http::header::IF_MATCH;
use madrigal_core::Timestamp;
use maud::{Markup, html};
use serde_json::{Value, json};

use super::super::confirm::{self, Act};
use super::super::frame::see_other;
use super::super::marks::{Tone, empty, mark, term};
use super::super::refusal;
use super::super::visit::{Paged, Visit, either};
use super::super::words::{plural, segment, span, told_moment};
use super::{LEAF, not_there, nothing_to_choose, value_text};
use crate::inside::Refused;

/// The most that are read of those that wait, and of all.
const MOST: usize = 200;

/// What a user's merges did not take: those that nobody chose about, and of all others as many as are told at once.
pub(super) async fn read(visit: &Visit, user: &str) -> Result<Value, Refused> {
    // Those that wait are asked for apart: among all they may stand behind many that somebody chose about.
    let ask = |which: &str| visit.get(format!("{user}/conflicts?{which}limit={MOST}")).send();
    let (waiting, all) = futures::join!(ask("open=true&"), ask(""));
    let (waiting, all) = (waiting?.body, all?.body);
    let settled = items(&all).iter().filter(|item| !is_open(item));
    let both: Vec<&Value> = items(&waiting).iter().filter(|item| is_open(item)).chain(settled).collect();
    Ok(json!({ "items": both, "moreOpen": waiting["next"].is_string(), "more": all["next"].is_string() }))
}

/// The values of a page; see the list's limit.
fn items(body: &Value) -> &[Value] {
    body["items"].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn is_open(item: &Value) -> bool {
    item["settled"].is_null()
}

/// How many nobody chose about, and whether there are more.
pub(super) fn open(body: &Value) -> (i64, bool) {
    let open = items(body).iter().filter(|item| is_open(item)).count();
    (i64::try_from(open).unwrap_or(i64::MAX), body["moreOpen"] == true)
}

/// All of them, those that nobody chose about first.
pub(super) fn panel(id: &str, user: &Value, body: &Value, now: Timestamp) -> Markup {
    let (open, settled): (Vec<&Value>, Vec<&Value>) = items(body).iter().partition(|item| is_open(item));
    let version = user["version"].as_u64().unwrap_or(0);
    html! {
        section.panel #conflicts aria-labelledby="h-conflicts" {
            header {
                h2 #h-conflicts { (term("loser", "What merges did not take", "Two changes from one base were merged field by field. Where both changed a field, a rule took one value; the other, the loser, is kept here until a person chooses.")) }
                small { (plural(count(&open), "waits for a choice", "wait for a choice")) }
            }
            @if open.is_empty() && settled.is_empty() { (empty("Nothing. No change of this user ever met another from the same version, or the rules lost nothing.")) }
            @else if open.is_empty() { (empty("Somebody chose about each of them.")) }
            @else { (table(id, version, &open, now)) }
            @if !settled.is_empty() {
                details.pad {
                    summary { (plural(count(&settled), "was chosen about", "were chosen about")) }
                    (table(id, version, &settled, now))
                }
            }
            @if body["moreOpen"] == true || body["more"] == true {
                footer { "There are more than are shown: " code { "GET /v1/users/" (id) "/conflicts" } " has all of them." }
            }
        }
    }
}

fn count(items: &[&Value]) -> i64 {
    i64::try_from(items.len()).unwrap_or(i64::MAX)
}

fn table(id: &str, version: u64, conflicts: &[&Value], now: Timestamp) -> Markup {
    html! {
        table.data.fold {
            thead { tr {
                th scope="col" { "Field" } th scope="col" { "Not taken" } th scope="col" { "Stands instead" } th scope="col" { "Merged" }
                th scope="col" { span.visually-hidden { "Choice" } }
            } }
            tbody { @for item in conflicts {
                tr {
                    th scope="row" { code { (field(item)) } small { "rule: " (item["rule"].as_str().unwrap_or_default()) } }
                    td data-l="Not taken" { (value(&item["loser"])) (origin(&item["loserOrigin"])) }
                    td data-l="Stands" { (value(&item["standing"])) (origin(&item["standingOrigin"])) }
                    td data-l="Merged" { (ago(item["recordedAt"].as_str().unwrap_or_default(), now)) @if let Some(base) = item.get("base") { small { "before both: " (value(base)) } } }
                    td.num data-l="" {
                        @if is_open(item) {
                            div.row {
                                (choosing(id, version, item, "loser").link_about("small", field(item)))
                                (choosing(id, version, item, "standing").link_about("small", field(item)))
                            }
                        } @else { (chosen(&item["settled"])) }
                    }
                }
            } }
        }
    }
}

fn field(item: &Value) -> &str {
    let field = item["field"].as_str().unwrap_or_default();
    field.trim_start_matches("/profile").trim_start_matches('/')
}

/// A value as text; one that is not there was removed.
fn value(value: &Value) -> Markup {
    html! { @if value.is_null() { span.dim { "removed" } } @else { (value_text(value)) } }
}

fn origin(origin: &Value) -> Markup {
    let by = origin["by"].as_str();
    html! {
        small {
            @match by { Some(by) => { (who(by)) ", " } None => {} }
            (told_moment(origin["at"].as_str().unwrap_or_default()))
        }
    }
}

fn who(by: &str) -> String {
    match by.strip_prefix("operator:") {
        Some(name) => format!("operator {name}"),
        None if by.bytes().all(|byte| byte.is_ascii_digit()) => format!("user {by}"),
        None => by.to_owned(),
    }
}

fn ago(at: &str, now: Timestamp) -> Markup {
    match at.parse::<Timestamp>() {
        Ok(then) => html! { (span(now.since(then))) " ago" },
        Err(_) => html! { (at) },
    }
}

fn chosen(settled: &Value) -> Markup {
    let word = if settled["choice"] == "loser" { "chosen after all" } else { "left as it stands" };
    html! {
        (mark(Tone::Ok, "done", word))
        small { @if let Some(by) = settled["by"].as_str() { (who(by)) ", " } (told_moment(settled["at"].as_str().unwrap_or_default())) }
    }
}

/// One of the two choices. The version that is shown goes along, so that nobody chooses over a change that they did not see.
fn choosing(id: &str, version: u64, item: &Value, choice: &str) -> Act {
    let number = item["conflictId"].as_i64().unwrap_or(0);
    let text = |side: &str| if item[side].is_null() { "nothing (removed)".to_owned() } else { value_text(&item[side]) };
    let (verb, title, effect) = if choice == "loser" {
        let effect = format!("{} becomes: {}. It says now: {}.", field(item), text("loser"), text("standing"));
        ("Take it after all", format!("Take the other value of {}?", field(item)), effect)
    } else {
        let effect = format!("{} stays: {}. Not taken for good: {}.", field(item), text("standing"), text("loser"));
        ("Leave as it is", format!("Leave {} as it is?", field(item)), effect)
    };
    Act {
        verb: verb.to_owned(),
        title,
        effects: vec![
            effect,
            "The choice is recorded with your name, and this is no longer listed as open.".to_owned(),
            "Every copy of this user is told, as after any change.".to_owned(),
        ],
        action: format!("/users/{}/conflicts/{number}/{choice}", segment(id)),
        fields: BTreeMap::from([("version", version.to_string())]),
        reason: false,
        evidence: false,
        typed: None,
    }
}

/// What is said after a choice.
pub(super) fn done(visit: &Visit) -> Option<Markup> {
    match visit.query.get("said") {
        "loser" => Some(confirm::done("Taken after all. The field says it now, and every copy is told.")),
        "standing" => Some(confirm::done("Left as it is. Nobody is asked about it again.")),
        _ => None,
    }
}

/// `GET /users/{id}/conflicts/{conflict}/{choice}`: the question.
pub(super) async fn ask(visit: Visit, Path(place): Path<(String, String, String)>) -> Response {
    either(asked(&visit, &place, None).await)
}

async fn asked(visit: &Visit, (id, number, choice): &(String, String, String), said: Option<&Markup>) -> Paged {
    visit.require_login()?;
    let back = format!("/users/{}", segment(id));
    if !matches!(choice.as_str(), "loser" | "standing") {
        return Ok(see_other(&back));
    }
    let path = format!("/v1/users/{}", segment(id));
    let (user, lost) = futures::join!(visit.get(path.as_str()).send(), read(visit, &path));
    let (user, lost) = match (user, lost) {
        (Ok(user), Ok(lost)) => (user.body, lost),
        (Err(refused), _) | (_, Err(refused)) => return Ok(not_there(visit, &refused)),
    };
    let number = number.parse::<i64>().unwrap_or(0);
    let item = items(&lost).iter().find(|item| is_open(item) && item["conflictId"] == number);
    let Some(item) = item else {
        return Ok(visit.page_as(StatusCode::NOT_FOUND, LEAF, &nothing_to_choose()));
    };
    let main = choosing(id, user["version"].as_u64().unwrap_or(0), item, choice).page(visit, said, &html! {}, &back);
    let status = if said.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Ok(visit.page_as(status, LEAF, &main))
}

async fn chosen_by(visit: &Visit, place: &(String, String, String)) -> Paged {
    visit.require_login()?;
    let (id, number, choice) = place;
    let path = format!("/v1/users/{}/conflicts/{}/choose", segment(id), segment(number));
    let version = visit.form.get("version").parse::<u64>().unwrap_or(0);
    let asking = visit.post(path, &json!({ "choice": choice })).header(IF_MATCH, &format!("\"{version}\""));
    match asking.send().await {
        Ok(_) => Ok(see_other(&format!("/users/{}?said={choice}#conflicts", segment(id)))),
        Err(refused) => asked(visit, place, Some(&told(&refused))).await,
    }
}

fn told(refused: &Refused) -> Markup {
    let what = match refused.code() {
        "version-mismatch" => {
            "Nothing was done: the user was changed meanwhile. The question below says what it would do now."
        }
        _ => "Nothing was done.",
    };
    refusal::told(refused, what)
}

/// `POST /users/{id}/conflicts/{conflict}/{choice}`.
pub(super) async fn act(visit: Visit, Path(place): Path<(String, String, String)>) -> Response {
    either(chosen_by(&visit, &place).await)
}
