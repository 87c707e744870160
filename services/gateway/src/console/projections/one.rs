//! One projection: why it stalls, what is parked, and the generation that is being built beside the one that serves.

use axum::extract::Path;
use axum::response::Response;
use madrigal_core::Timestamp;
use maud::{Markup, html};
use serde_json::Value;

use super::super::confirm;
use super::super::live::{Asker, Change, Changed};
use super::super::marks::{Tone, mark, message, short, voice};
use super::super::pages::PROJECTIONS;
use super::super::refusal;
use super::super::visit::{Leaf, Paged, Visit, either};
use super::super::words::{day_and_clock, number, rate, seconds, segment, told_moment};
use super::list::{behind, percent, read, state};
use super::{parked, verbs};
use crate::inside::{Refused, Told};

/// What is known about one projection.
#[derive(Debug)]
pub(super) struct Known {
    /// Its item of the list.
    pub(super) item: Value,
    /// What holds it up; asked for where it does not simply serve.
    why: Option<Value>,
    /// What is parked.
    pub(super) parked: Result<Told, Refused>,
}

/// Reads one projection; `None` where there is none of this name.
pub(super) async fn known(asker: &Asker, name: &str) -> Result<Option<Known>, Refused> {
    let items = read(asker).await?;
    let Some(item) = items.into_iter().find(|item| super::list::name(item) == name) else { return Ok(None) };
    let path = format!("/v1/projections/{}", segment(name));
    let why = async {
        let told = asker.get(format!("{path}/why-stalled")).send().await.ok()?;
        Some(told.body).filter(|why| why["cause"].as_str().is_some_and(|cause| cause != "nothing"))
    };
    let (parked, why) = futures::join!(asker.get(format!("{path}/parked")).send(), why);
    Ok(Some(Known { item, why, parked }))
}

pub(super) async fn show(visit: Visit, Path(name): Path<String>) -> Response {
    either(shown(&visit, &name, None).await)
}

/// The page, with what a comparison found where one was just made.
pub(super) async fn shown(visit: &Visit, name: &str, said: Option<&Markup>) -> Paged {
    visit.require_operator()?;
    let leaf = Leaf { title: name, current: PROJECTIONS, live: None };
    let known = match known(&Asker::of(visit), name).await {
        Ok(Some(known)) => known,
        Ok(None) => return Ok(missing(visit, name)),
        Err(refused) => {
            let main = refusal::content("This projection cannot be shown", &refused, "Nothing was done.");
            return Ok(visit.page_as(refused.status, leaf, &main));
        }
    };
    let main = html! {
        p.crumbs { a href="/projections" { "Projections" } " / " (name) }
        header {
            div {
                h1 data-live="headline" { (headline(&known.item)) }
                p { "Kept by " (short(known.item["service"].as_str().unwrap_or_default())) ". Reads are served by one generation at a time." }
            }
            p.small.dim { "As of " time.nowrap data-live="asof" { (day_and_clock(visit.now())) } " UTC" }
        }
        @if let Some(done) = verbs::done(visit.query.get("said")) { (confirm::done(done)) }
        @if let Some(said) = said { div.stack #compared tabindex="-1" data-arrive { (said) } }
        (content(&known, visit.now()))
        (confirm::dialog(visit))
    };
    let live = format!("page=projection&id={}", segment(name));
    Ok(visit.page(Leaf { live: Some(&live), ..leaf }, &main))
}

fn missing(visit: &Visit, name: &str) -> Response {
    let main = html! {
        header { div { h1 { "No projection is called that" } p { code { (name) } } } }
        p { a href="/projections" { "All projections" } }
    };
    visit.page_as(
        http::StatusCode::NOT_FOUND,
        Leaf { title: "No such projection", current: PROJECTIONS, live: None },
        &main,
    )
}

/// What has changed.
pub(crate) async fn change(asker: &Asker, name: &str) -> Changed {
    let mut change = Change::default();
    if let Some(known) = known(asker, name).await? {
        change.text("headline", headline(&known.item));
        change.text("asof", day_and_clock(asker.now));
        change.html("projection", content(&known, asker.now));
    }
    Ok(change)
}

fn headline(item: &Value) -> String {
    let name = super::list::name(item);
    match item["state"].as_str().unwrap_or_default() {
        "stalled" => format!("{name} is stalled"),
        "parked" => format!("{name} follows its log, but for some keys"),
        _ => format!("{name} follows its log"),
    }
}

fn content(known: &Known, now: Timestamp) -> Markup {
    let item = &known.item;
    html! {
        div.stack #projection {
            @if let Some(why) = &known.why { (why_stalled(why)) }
            div.cols.even {
                section.panel aria-labelledby="h-serving" {
                    header { h2 #h-serving { "What serves" } (state(item)) }
                    div.pad {
                        dl.kv {
                            dt { "Service" } dd { (voice(item["service"].as_str().unwrap_or_default())) }
                            dt { "Generation" } dd { (number(item["generation"].as_i64().unwrap_or(0))) ", version " (item["version"].as_i64().unwrap_or(0)) }
                            dt { "Lag" } dd { (behind(item)) }
                            dt { "Parked keys" } dd { @match item["parkedKeys"].as_i64().unwrap_or(0) { 0 => "none", keys => (number(keys)) } }
                        }
                        @if !item["previous"].is_null() { (previous(&item["previous"])) }
                    }
                }
                section.panel aria-labelledby="h-candidate" {
                    header { h2 #h-candidate { "Being built beside it" } }
                    div.pad { (candidate(&item["candidate"])) }
                }
            }
            section.panel aria-labelledby="h-verbs" {
                header { h2 #h-verbs { "What you can do" } }
                div.pad { (verbs::list(item)) }
            }
            (parked::panel(item, &known.parked, now))
        }
    }
}

fn why_stalled(why: &Value) -> Markup {
    let text = |field: &str| why[field].as_str().filter(|text| !text.is_empty());
    message(
        Tone::Wait,
        "clock",
        &html! {
            p {
                b { (text("detail").unwrap_or("It is held up.")) }
                @if let Some(since) = text("since") { " Since " (told_moment(since)) " UTC." }
            }
            @if let Some(help) = text("help") { p { (help) } }
            p.tiny { "Cause: " code { (text("cause").unwrap_or_default()) } }
        },
    )
}

fn previous(previous: &Value) -> Markup {
    html! {
        p.small.dim {
            "Generation " (number(previous["generation"].as_i64().unwrap_or(0))) " served until "
            (told_moment(previous["since"].as_str().unwrap_or_default())) " UTC and is kept until you confirm the switch."
        }
    }
}

fn candidate(candidate: &Value) -> Markup {
    if candidate.is_null() {
        return html! { p.dim { "Nothing. Rebuilding folds the whole log again into a new generation, while this one serves." } };
    }
    let caught_up = candidate["state"] == "caught-up";
    html! {
        dl.kv {
            dt { "Generation" } dd { (number(candidate["generation"].as_i64().unwrap_or(0))) ", version " (candidate["version"].as_i64().unwrap_or(0)) }
            dt { "State" } dd { @if caught_up { (mark(Tone::Ok, "done", "caught up")) } @else { (mark(Tone::Calm, "run", "building")) } }
            dt { "Applied" } dd {
                (number(candidate["position"].as_i64().unwrap_or(0))) " of " (number(candidate["end"].as_i64().unwrap_or(0))) " positions, " (percent(candidate))
            }
            @if !caught_up {
                dt { "Speed" } dd { (rate(candidate["eventsPerSecond"].as_f64().unwrap_or(0.0))) " events/s" }
                dt { "Clear in about" } dd { @match candidate["secondsLeft"].as_f64() { Some(left) => (seconds(left)), None => "not known yet" } }
            }
            dt { "Begun" } dd { (told_moment(candidate["startedAt"].as_str().unwrap_or_default())) " UTC" }
            dt { "Parked keys" } dd { @match candidate["parkedKeys"].as_i64().unwrap_or(0) { 0 => "none", keys => (number(keys)) } }
            dt { "Compared" } dd { (compared(&candidate["compared"])) }
        }
        @if let Some(trouble) = candidate["trouble"].as_str() { (message(Tone::Wait, "clock", &html! { p { (trouble) } })) }
    }
}

/// A comparison in short, with its position: without one nothing is claimed.
fn compared(compared: &Value) -> Markup {
    let count = |field: &str| number(compared[field].as_i64().unwrap_or(0));
    match compared["verdict"].as_str() {
        None => html! { "not yet" },
        Some("equal") => {
            html! { (mark(Tone::Ok, "ok", "equal")) small { (count("rows")) " rows, as of position " (count("position")) } }
        }
        Some(other) => html! {
            (mark(Tone::Bad, "bad", other))
            small { (count("differing")) " of " (count("rows")) " rows, as of position " (count("position")) }
        },
    }
}
