//! `/consistency`: whether every copy says what its owner says; `/consistency/rows/{id}`: a row that does not, both sides of
//! it, and its repair.

use axum::Router;
use axum::extract::Path;
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;
use madrigal_core::Timestamp;
use maud::{Markup, html};
use serde_json::Value;

use super::Console;
use super::confirm;
use super::heard::Heard;
use super::live::{Asker, Change};
use super::marks::{Tone, headline, message};
use super::pages::CONSISTENCY;
use super::standing::LONGEST_REPORT;
use super::visit::{Leaf, Paged, Visit, either};
use super::words::{day_and_clock, short_id};
use names::PairName;
use report::{Divergence, Report};

mod books;
mod many;
pub(crate) mod names;
pub(crate) mod pairs;
mod record;
pub(crate) mod report;
mod rows;
#[cfg(test)]
mod tests;
mod verbs;

const LEAF: Leaf<'static> = Leaf { title: "Consistency", current: CONSISTENCY, live: Some("page=consistency") };
/// What the page is about.
const MEANING: &str = "Each copy is compared with its owner at a known position, so lag never looks like a difference and a \
                       difference is never excused as lag.";
/// What cannot be known without the monitor.
const LOST: &str = "Whether copies say what their owners say cannot be told; nothing is claimed.";

pub(super) fn router() -> Router<Console> {
    Router::new()
        .route("/consistency", get(async |visit: Visit| either(show(&visit).await)))
        .route("/consistency/check", get(verbs::ask_check).post(verbs::act_check))
        .route("/consistency/repair", get(many::ask).post(many::act))
        .route("/consistency/rows/{id}", get(one))
        .route("/consistency/rows/{id}/repair", get(verbs::ask_repair).post(verbs::act_repair))
}

async fn show(visit: &Visit) -> Paged {
    visit.require_operator()?;
    let asker = Asker::of(visit);
    let standing = visit.console.standing.read(&visit.console, &asker).await;
    let said = verbs::done(visit.query.get("said")).or_else(|| many::done(visit));
    let main = html! {
        @match standing.as_deref().map(|standing| &standing.report) {
            Some(Heard::Said(report)) => {
                (headline(&pairs::answer(report), &html! { (MEANING) }, Some(&day_and_clock(report.at.unwrap_or(asker.now)))))
                @if let Some(said) = said { (said) }
                (content(report, asker.now))
                (record::panel(&record::read(&asker).await))
            }
            Some(silence) => (silent(silence, asker.now)),
            None => (silent(&Heard::Silent(super::standing::slow()), asker.now)),
        }
        (confirm::dialog(visit))
    };
    Ok(visit.page(LEAF, &main))
}

/// What has changed.
pub(crate) async fn change(console: &Console, asker: &Asker) -> Change {
    let mut change = Change::default();
    let standing = console.standing.read(console, asker).await;
    if let Some(report) = standing.as_deref().and_then(|standing| standing.report.said()) {
        change.text("headline", pairs::answer(report));
        change.text("asof", day_and_clock(report.at.unwrap_or(asker.now)));
        for (id, element) in panels(report, asker.now) {
            change.html(id, element);
        }
        change.html("record", record::panel(&record::read(asker).await));
    }
    change
}

fn panels(report: &Report, now: Timestamp) -> [(&'static str, Markup); 4] {
    [
        ("verdicts", pairs::figures(report)),
        ("pairs", pairs::table(report, now)),
        ("divergent", rows::divergent(report)),
        ("unverified", rows::unverified(report, now)),
    ]
}

/// The open problem in full stands above the list of all pairs.
fn content(report: &Report, now: Timestamp) -> Markup {
    html! { @for (_, panel) in panels(report, now) { (panel) } }
}

fn silent(silence: &Heard<Report>, now: Timestamp) -> Markup {
    let answer = match silence {
        Heard::Absent => "Nobody compares the copies of this shop",
        _ => "The verdicts cannot be shown",
    };
    html! {
        (headline(answer, &html! { (MEANING) }, Some(&day_and_clock(now))))
        (silence.instead("The monitor", LOST))
    }
}

/// The row that is known by this id; where the monitor does not say, a page's content that says so.
async fn find(visit: &Visit, id: &str) -> Result<Option<Divergence>, Markup> {
    Ok(all_rows(visit).await?.into_iter().find(|row| row.id == id))
}

/// All rows that are known to differ.
async fn all_rows(visit: &Visit) -> Result<Vec<Divergence>, Markup> {
    let asker = Asker::of(visit);
    let heard = Heard::of(asker.get("/v1/consistency/divergences").at_most(LONGEST_REPORT).send().await, |told| {
        divergences(&told.body)
    });
    match heard {
        Heard::Said(rows) => Ok(rows),
        Heard::Absent => Err(silent(&Heard::Absent, asker.now)),
        Heard::Silent(refused) => Err(silent(&Heard::Silent(refused), asker.now)),
    }
}

fn divergences(body: &Value) -> Vec<Divergence> {
    let items = body["items"].as_array().or(body.as_array()).map(Vec::as_slice).unwrap_or_default();
    items.iter().map(|row| Divergence::of(row, "")).collect()
}

/// `GET /consistency/rows/{id}`.
async fn one(visit: Visit, Path(id): Path<String>) -> Response {
    either(one_shown(&visit, &id).await)
}

async fn one_shown(visit: &Visit, id: &str) -> Paged {
    visit.require_operator()?;
    let leaf = Leaf { title: "A row that differs", live: None, ..LEAF };
    let row = match find(visit, id).await {
        Ok(Some(row)) => row,
        Ok(None) => return Ok(missing(visit)),
        Err(instead) => return Ok(visit.page(leaf, &instead)),
    };
    let (name, of_book) = (PairName::of(&row.pair), books::is_book(&row.pair));
    let main = html! {
        p.crumbs { a href="/consistency" { "Consistency" } " / " (name.text()) }
        header {
            div {
                @if of_book {
                    h1 { "Entry " (short_id(&row.key)) " does not balance" }
                    p { (name.sets()) ", key " code { (row.key) } }
                } @else {
                    h1 { "Row " (short_id(&row.key)) " differs" }
                    p { (rows::issue(&row.issue)) " " (name.sets()) ", key " code { (row.key) } }
                }
            }
            @if let Some(found) = row.found { p.small.dim { "Found " time.nowrap datetime=(found.to_string()) { (day_and_clock(found)) } " UTC" } }
        }
        @if of_book { section.panel aria-label="What the services say" { (books::in_full(&row)) } } @else {
            section.panel aria-label="Owner and copy" { (rows::in_full(&row, "one")) }
        }
        (confirm::dialog(visit))
    };
    Ok(visit.page(leaf, &main))
}

/// The row is not, or no longer, among those that differ.
fn missing(visit: &Visit) -> Response {
    let main = html! {
        header { div { h1 { "No row that differs is known by this id" } p { "It may have been repaired, or both sides agree again." } } }
        (message(Tone::Calm, "unk", &html! { p { a href="/consistency" { "All pairs and the rows that differ" } } }))
    };
    visit.page_as(StatusCode::NOT_FOUND, Leaf { title: "No such row", live: None, ..LEAF }, &main)
}
