//! The overview's panels.

use std::collections::BTreeMap;

use maud::{Markup, html};
use serde_json::Value;

use super::super::Console;
use super::super::marks::{Tone, empty, glyph, joined, mark, voice};
use super::super::projections::list::{behind, name, state as projection_state};
use super::super::sagas::shapes::{OPEN, state as saga_state};
use super::super::words::{clock, id, number, plural, rate, segment, span, told_clock};
use super::reading::{LOGS, Reading};

/// The most rows of the panel about projections.
const PROJECTIONS: usize = 8;
/// The most problems that are listed.
const PROBLEMS: usize = 8;

/// How a service is.
struct Standing<'a> {
    worst: &'a str,
    checks: Vec<(&'a str, &'a str, &'a str)>,
}

/// `/health` tells by kind of check, then by service; people ask by service.
fn by_service(health: Option<&Value>) -> BTreeMap<&str, Standing<'_>> {
    let mut services: BTreeMap<&str, Standing<'_>> = BTreeMap::new();
    let checks = health.and_then(|health| health["checks"].as_object());
    for (kind, check) in checks.into_iter().flatten() {
        for (service, own) in check["services"].as_object().into_iter().flatten() {
            let status = own["status"].as_str().unwrap_or("unknown");
            let standing = services.entry(service).or_insert_with(|| Standing { worst: "healthy", checks: Vec::new() });
            if rank(status) > rank(standing.worst) {
                standing.worst = status;
            }
            standing.checks.push((kind, status, own["detail"].as_str().unwrap_or_default()));
        }
    }
    services
}

fn rank(status: &str) -> u8 {
    match status {
        "healthy" => 0,
        "degraded" => 1,
        _ => 2,
    }
}

/// The sentence that answers the page's question, and what it means.
pub(super) fn sentences(reading: &Reading) -> (String, String) {
    let services = by_service(reading.health.as_ref());
    let count =
        |status: u8| i64::try_from(services.values().filter(|one| rank(one.worst) == status).count()).unwrap_or(0);
    let all = number(i64::try_from(services.len()).unwrap_or(0));
    match (count(2), count(1)) {
        _ if services.is_empty() => (
            "No service says how it is".to_owned(),
            "Their state cannot be read at the moment; the page tries again by itself.".to_owned(),
        ),
        (0, 0) => (
            format!("All {all} services run"),
            "Search, place an order, and see what became of it in every store.".to_owned(),
        ),
        (0, slow) => (
            format!("All {all} services run, {} with difficulty", number(slow)),
            "What is wrong stands below. Orders go on where every part that they need answers.".to_owned(),
        ),
        (down, _) => (
            format!("{} of {all} does not work", plural(down, "service", "services")),
            "What is wrong stands below. Orders are accepted only if every part that they need answers.".to_owned(),
        ),
    }
}

/// What runs, and its checks.
pub(super) fn services(console: &Console, reading: &Reading) -> Markup {
    let told = by_service(reading.health.as_ref());
    let places: BTreeMap<_, _> = console.services.iter().map(|place| (place.service, place.place.as_str())).collect();
    let mut all: Vec<&str> = places.keys().copied().chain(told.keys().copied()).collect();
    all.sort_unstable();
    all.dedup();
    html! {
        section.panel #services aria-labelledby="h-services" {
            header { h2 #h-services { "What runs" } small { a href="/health" { "All checks as JSON" } } }
            table.data.tidy.fold {
                thead { tr {
                    th scope="col" { "Service" } th scope="col" { "State" } th scope="col" { "Runs" } th scope="col" { "Its checks" }
                } }
                tbody {
                    @for service in all {
                        tr {
                            th scope="row" { (voice(service)) }
                            td data-l="State" { (standing(told.get(service))) }
                            td data-l="Runs" { (places.get(service).copied().unwrap_or("in this process")) }
                            td data-l="Its checks" { (checks(told.get(service))) }
                        }
                    }
                }
            }
        }
    }
}

fn standing(standing: Option<&Standing<'_>>) -> Markup {
    match standing.map(|one| rank(one.worst)) {
        None => mark(Tone::Calm, "unk", "no word"),
        Some(0) => mark(Tone::Ok, "done", "running"),
        Some(1) => mark(Tone::Wait, "clock", "degraded"),
        Some(_) => mark(Tone::Bad, "fail", "failing"),
    }
}

fn checks(standing: Option<&Standing<'_>>) -> Markup {
    let Some(standing) = standing else { return html! { "It reports no checks here." } };
    let odd: Vec<_> = standing.checks.iter().filter(|(_, status, _)| rank(status) > 0).collect();
    html! {
        @if odd.is_empty() { (standing.checks.iter().map(|(kind, ..)| spaced(kind)).collect::<Vec<_>>().join(", ")) }
        @for (kind, status, detail) in odd {
            div { b { (spaced(kind)) } ": " @if detail.is_empty() { (status) } @else { (detail) } }
        }
    }
}

/// `eventStore` as people say it: `event store`.
fn spaced(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            text.push(' ');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}

/// One lane per service that keeps a log: events per second, and its furthest view.
pub(super) fn voices(console: &Console, reading: &Reading) -> Markup {
    let rates = console.history.rates();
    let since = console.history.since().map(clock).unwrap_or_default();
    html! {
        section.panel aria-labelledby="h-voices" {
            header {
                h2 #h-voices { "Voices" }
                small { "Each line: events per second in the service’s own log" }
            }
            table.staff.fold {
                caption.visually-hidden { "The services that keep a log: their rate, kept for 15 minutes, and their furthest view" }
                thead { tr {
                    th scope="col" { "Service" }
                    th.track scope="col" {
                        span.visually-hidden { "Since " } span.tiny data-live="since" { (since) } span.tiny { " until now" }
                    }
                    th.num scope="col" { "Now" }
                    th scope="col" { "Furthest copy" }
                } }
                tbody {
                    @for service in LOGS {
                        @let short = super::super::marks::short(service);
                        @let points = rates.voices.get(service).map(Vec::as_slice).unwrap_or_default();
                        tr {
                            th scope="row" { (voice(service)) small data-live={ "e-" (service) } { (end(reading, service)) } }
                            td class={ "track v-" (short) } data-feed={ "r-" (service) } data-points=(joined(points))
                                data-label={ (short) ": events per second" } {}
                            td.num data-l="Now" {
                                b { span data-live={ "r-" (service) } { (rate(points.last().copied().unwrap_or(0.0))) } "/s" }
                                small { "events" }
                            }
                            td data-l="Furthest copy" { (furthest(reading, service)) }
                        }
                    }
                }
            }
        }
    }
}

/// How many events a service's log has.
pub(super) fn end(reading: &Reading, service: &str) -> String {
    match reading.end(service) {
        Some(end) => plural(i64::try_from(end).unwrap_or(i64::MAX), "event", "events"),
        None => "its log cannot be read".to_owned(),
    }
}

fn furthest(reading: &Reading, service: &str) -> Markup {
    let items = reading.projections.as_deref().unwrap_or_default().iter().filter(|item| item["service"] == service);
    let furthest = items.max_by_key(|item| item["lag"]["events"].as_u64().unwrap_or(0));
    html! {
        @match furthest {
            Some(item) => { a href={ "/projections/" (segment(name(item))) } { (name(item)) } small { (behind(item)) } }
            None => span.dim { "none told" },
        }
    }
}

/// The views, those with trouble first.
pub(super) fn projections(reading: &Reading) -> Markup {
    html! {
        section.panel #projections aria-labelledby="h-projections" {
            header { h2 #h-projections { "Do the views follow their logs?" } small { a href="/projections" { "All projections" } } }
            @match &reading.projections {
                None => (empty("The projections cannot be read at the moment.")),
                Some(items) if items.is_empty() => (empty("No service keeps a projection.")),
                Some(items) => table.data.tidy.fold.compact {
                    thead { tr { th scope="col" { "Projection" } th scope="col" { "State" } th.num scope="col" { "Lag" } } }
                    tbody {
                        @for item in items.iter().take(PROJECTIONS) {
                            tr {
                                th scope="row" {
                                    a href={ "/projections/" (segment(name(item))) } { (name(item)) }
                                    small { (voice(item["service"].as_str().unwrap_or_default())) }
                                }
                                td data-l="State" { (projection_state(item)) }
                                td.num data-l="Lag" { (behind(item)) }
                            }
                        }
                    }
                },
            }
        }
    }
}

/// Sagas that have not ended, by state.
pub(super) fn sagas(reading: &Reading) -> Markup {
    html! {
        section.panel #sagas aria-labelledby="h-sagas" {
            header { h2 #h-sagas { "Sagas in flight" } small { a href="/sagas" { "All sagas" } } }
            @match &reading.sagas {
                None => (empty("The sagas cannot be read at the moment.")),
                Some(groups) => table.data.tidy.fold.compact {
                    thead { tr { th scope="col" { "State" } th.num scope="col" { "Now" } th scope="col" { "Oldest without progress" } } }
                    tbody {
                        @for known in OPEN.iter().rev() {
                            @for group in groups.iter().filter(|group| group.state == *known) {
                                tr {
                                    th scope="row" { a href={ "/sagas?state=" (group.state) } { (saga_state(group.state)) } }
                                    td.num data-l="Now" { (group.count()) }
                                    td data-l="No progress for" {
                                        @if let Some(still) = group.stillest(reading.now) { (span(still)) } @else { span.dim { "none" } }
                                    }
                                }
                            }
                        }
                    }
                },
            }
        }
    }
}

/// What needs somebody: failing checks, sagas that stand still, views that do.
pub(super) fn problems(reading: &Reading) -> Markup {
    let mut problems: Vec<Markup> = Vec::new();
    for (service, standing) in by_service(reading.health.as_ref()) {
        for (kind, status, detail) in standing.checks.iter().filter(|(_, status, _)| rank(status) > 0) {
            let tone = if rank(status) > 1 { Tone::Bad } else { Tone::Wait };
            problems.push(problem(
                tone,
                "fail",
                &html! { a href="/health" { (service) ": " (spaced(kind)) " " (status) } },
                detail,
                None,
            ));
        }
    }
    for saga in needing(reading) {
        let saga_id = saga["sagaId"].as_str().unwrap_or_default();
        let state = saga["state"].as_str().unwrap_or_default();
        let (tone, sign) = if state == "paused" { (Tone::Wait, "pause") } else { (Tone::Bad, "stuck") };
        let title = html! { a href={ "/sagas/" (segment(saga_id)) } { "Saga " (id(saga_id)) " is " (state) } };
        problems.push(problem(
            tone,
            sign,
            &title,
            &super::super::sagas::shapes::said(&saga["reason"]),
            saga["lastProgressAt"].as_str(),
        ));
    }
    for item in reading.projections.iter().flatten().filter(|item| item["state"] != "serving") {
        let (tone, sign) = if item["state"] == "stalled" { (Tone::Bad, "clock") } else { (Tone::Wait, "park") };
        let title = html! { a href={ "/projections/" (segment(name(item))) } { (name(item)) ": " (item["state"].as_str().unwrap_or_default()) } };
        let detail = format!(
            "{}; {}",
            behind(item),
            plural(item["parkedKeys"].as_i64().unwrap_or(0), "key parked", "keys parked")
        );
        problems.push(problem(tone, sign, &title, &detail, item["lag"]["stalledSince"].as_str()));
    }
    let count = i64::try_from(problems.len()).unwrap_or(0);
    html! {
        section.panel #problems aria-labelledby="h-problems" {
            header { h2 #h-problems { "Problems" } small { @if count == 0 { "none now" } @else { (number(count)) " open" } } }
            @if problems.is_empty() { (empty("None. Every check is fine, no saga needs a person, every view follows its log.")) }
            @else { ol.plain.feed { @for one in problems.into_iter().take(PROBLEMS) { (one) } } }
        }
    }
}

fn needing(reading: &Reading) -> impl Iterator<Item = &Value> {
    let groups = reading.sagas.iter().flatten();
    groups.filter(|group| matches!(group.state, "stuck" | "parked" | "paused")).flat_map(|group| &group.items)
}

fn problem(tone: Tone, sign: &str, title: &Markup, detail: &str, at: Option<&str>) -> Markup {
    html! {
        li class=(tone.class()) {
            (glyph(sign))
            div { b { (title) } p.small.dim { (detail) } }
            @if let Some(at) = at { (told_clock(at)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reading(status: &str) -> Reading {
        let own = json!({"status": status, "detail": "<b>slow</b>"});
        let health = json!({"checks": {
            "database": {"services": {"user-service": {"status": "healthy", "detail": ""}}},
            "eventStore": {"services": {"order-service": own, "user-service": {"status": "healthy", "detail": ""}}}}});
        Reading { health: Some(health), ..Reading::default() }
    }

    #[test]
    fn the_headline_says_the_worst_and_details_are_text() {
        assert_eq!(sentences(&reading("healthy")).0, "All 2 services run");
        assert_eq!(sentences(&reading("degraded")).0, "All 2 services run, 1 with difficulty");
        assert_eq!(sentences(&reading("unhealthy")).0, "1 service of 2 does not work");
        assert_eq!(sentences(&Reading::default()).0, "No service says how it is");
        let problems = problems(&reading("degraded")).into_string();
        assert!(problems.contains("&lt;b&gt;slow") && problems.contains("1 open"), "{problems}");
        assert!(super::problems(&reading("healthy")).into_string().contains("none now"));
    }
}
