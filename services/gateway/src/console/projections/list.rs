//! All projections, those behind first.

use madrigal_core::Timestamp;
use maud::{Markup, html};
use serde_json::Value;

use super::super::live::{Asker, Change, Changed};
use super::super::marks::{Tone, empty, headline, mark, term, voice};
use super::super::pages::PROJECTIONS;
use super::super::refusal;
use super::super::visit::{Leaf, Paged, Visit};
use super::super::words::{day_and_clock, number, plural, seconds, segment, span};
use crate::inside::Refused;

pub(super) async fn show(visit: &Visit) -> Paged {
    visit.require_operator()?;
    let leaf = Leaf { title: "Projections", current: PROJECTIONS, live: Some("page=projections") };
    Ok(match read(&Asker::of(visit)).await {
        Ok(items) => {
            let now = visit.now();
            let (answer, meaning) = sentences(&items);
            let main = html! {
                (headline(&answer, &html! {
                    "A " (term("projection", "projection", "A view that is folded from a service’s events, and can be folded again from the beginning."))
                    " that is behind is late, never wrong. " span data-live="meaning" { (meaning) }
                }, Some(&day_and_clock(now))))
                (table(&items, now))
            };
            visit.page(leaf, &main)
        }
        Err(refused) => {
            let main = refusal::content("Projections cannot be shown", &refused, "Nothing was done.");
            visit.page_as(refused.status, Leaf { live: None, ..leaf }, &main)
        }
    })
}

/// All projections as the API tells them, those with trouble first.
pub(crate) async fn read(asker: &Asker) -> Result<Vec<Value>, Refused> {
    let mut told = asker.get("/v1/projections").send().await?;
    let mut items = match told.body["items"].take() {
        Value::Array(items) => items,
        _ => Vec::new(),
    };
    items.sort_by_key(|item| {
        let trouble = match item["state"].as_str() {
            Some("stalled") => 0,
            Some("parked") => 1,
            _ => 2,
        };
        (trouble, std::cmp::Reverse(item["lag"]["events"].as_u64().unwrap_or(0)), name(item).to_owned())
    });
    Ok(items)
}

/// What has changed.
pub(crate) async fn change(asker: &Asker) -> Changed {
    let items = read(asker).await?;
    let (answer, meaning) = sentences(&items);
    let mut change = Change::default();
    change.text("headline", answer);
    change.text("meaning", meaning);
    change.text("asof", day_and_clock(asker.now));
    change.html("projections", table(&items, asker.now));
    Ok(change)
}

pub(crate) fn name(item: &Value) -> &str {
    item["name"].as_str().unwrap_or_default()
}

fn sentences(items: &[Value]) -> (String, String) {
    let of = |state: &str| items.iter().filter(|item| item["state"] == state).count();
    let (stalled, parked) = (of("stalled"), of("parked"));
    let answer = match (stalled, parked) {
        (0, 0) => "Every projection follows its log".to_owned(),
        (0, _) => {
            format!("{} with parked keys", plural(i64::try_from(parked).unwrap_or(0), "projection", "projections"))
        }
        (_, _) => {
            format!("{} stalled", plural(i64::try_from(stalled).unwrap_or(0), "projection is", "projections are"))
        }
    };
    let furthest = items.iter().max_by_key(|item| item["lag"]["events"].as_u64().unwrap_or(0));
    let meaning = match furthest.filter(|item| item["lag"]["events"].as_u64().unwrap_or(0) > 0) {
        Some(item) => format!("Furthest behind: {}, {}.", name(item), behind(item)),
        None => "None is behind now.".to_owned(),
    };
    (answer, meaning)
}

/// How far behind, in words.
pub(crate) fn behind(item: &Value) -> String {
    let events = item["lag"]["events"].as_i64().unwrap_or(0);
    if events == 0 {
        return "not behind".to_owned();
    }
    let age = item["lag"]["seconds"].as_f64().unwrap_or(0.0);
    format!("{} behind, {}", seconds(age), plural(events, "event", "events"))
}

/// A projection's state.
pub(crate) fn state(item: &Value) -> Markup {
    match item["state"].as_str().unwrap_or_default() {
        "serving" => mark(Tone::Ok, "done", "follows its log"),
        "stalled" => mark(Tone::Bad, "stuck", "stalled"),
        "parked" => mark(Tone::Wait, "park", "some keys parked"),
        other => mark(Tone::Calm, "unk", other),
    }
}

fn table(items: &[Value], now: Timestamp) -> Markup {
    html! {
        section.panel #projections aria-labelledby="h-projections" {
            header { h2 #h-projections { "Projections" } small { (number(i64::try_from(items.len()).unwrap_or(0))) ", those with trouble first" } }
            @if items.is_empty() { (empty("No service of this shop keeps a projection that can be managed.")) } @else {
                table.data.fold {
                    thead { tr {
                        th scope="col" { "Projection" } th scope="col" { "State" } th.num scope="col" { "Behind" }
                        th.num scope="col" { "Parked keys" } th scope="col" { "Generation" } th scope="col" { "Being built" }
                    } }
                    tbody { @for item in items { (row(item, now)) } }
                }
            }
        }
    }
}

fn row(item: &Value, now: Timestamp) -> Markup {
    let since = item["lag"]["stalledSince"].as_str().and_then(|text| text.parse::<Timestamp>().ok());
    let parked = item["parkedKeys"].as_i64().unwrap_or(0);
    html! {
        tr {
            th scope="row" {
                a href={ "/projections/" (segment(name(item))) } { (name(item)) }
                small { (voice(item["service"].as_str().unwrap_or_default())) }
            }
            td data-l="State" { (state(item)) @if let Some(since) = since { small { "for " (span(now.since(since))) } } }
            td.num data-l="Behind" { (behind(item)) }
            td.num data-l="Parked keys" {
                @if parked > 0 { a href={ "/projections/" (segment(name(item))) "#parked" } { (number(parked)) } } @else { "none" }
            }
            td data-l="Generation" { (number(item["generation"].as_i64().unwrap_or(0))) small { "version " (item["version"].as_i64().unwrap_or(0)) } }
            td data-l="Being built" { (candidate_in_short(&item["candidate"])) }
        }
    }
}

/// A candidate in one line.
fn candidate_in_short(candidate: &Value) -> Markup {
    if candidate.is_null() {
        return html! { span.dim { "nothing" } };
    }
    html! {
        "generation " (number(candidate["generation"].as_i64().unwrap_or(0))) ", "
        @if candidate["state"] == "caught-up" { "caught up" } @else { (percent(candidate)) }
        @if let Some(verdict) = candidate["compared"]["verdict"].as_str() { small { "compared: " (verdict) } }
    }
}

/// How much of the log a candidate has applied.
pub(super) fn percent(candidate: &Value) -> String {
    let (position, end) = (candidate["position"].as_u64().unwrap_or(0), candidate["end"].as_u64().unwrap_or(0));
    let share = u128::from(position) * 100 / u128::from(end.max(1));
    format!("{} %", share.min(100))
}
