//! The events of one correlation in every service's log.

use futures::future::join_all;
use maud::{Markup, html};
use serde_json::Value;

use super::super::marks::empty;
use super::super::visit::{Paged, Visit};
use super::super::words::{number, plural, segment};
use super::{SERVICES, form, leaf, nothing_read, row, signed};
use crate::inside::{Refused, Told};

/// The most events of one service that are shown.
const MOST: usize = 200;

pub(super) async fn show(visit: &Visit) -> Paged {
    let correlation = visit.query.get("correlation");
    let asks = SERVICES.map(|service| async move {
        let path = format!("/v1/logs/{service}/events?correlation={}&limit={MOST}", segment(correlation));
        (service, visit.get(path).send().await)
    });
    let told = join_all(asks).await;
    let mut events: Vec<(&str, &Value)> = Vec::new();
    for (service, answer) in &told {
        if let Ok(answer) = answer {
            events.extend(answer.body["items"].as_array().into_iter().flatten().map(|event| (*service, event)));
        }
    }
    events.sort_by(|(_, one), (_, other)| time(one).cmp(time(other)));
    let main = html! {
        header {
            div {
                h1 { (plural(signed(events.len() as u64), "event", "events")) " of one correlation" }
                p { code { (correlation) } ", in the order of time across all services. " (bound(&told)) }
            }
        }
        @for (service, answer) in &told { @if let Err(refused) = answer { (nothing_read(service, refused)) } }
        (form(SERVICES[0], "", correlation))
        section.panel aria-labelledby="h-events" {
            header { h2 #h-events { "What it set in motion" } small { "at most " (number(signed(MOST as u64))) " of each service" } }
            @if events.is_empty() {
                (empty("No event among those that were looked at has this correlation. Older ones are found through their stream."))
            } @else {
                div.scroll { table.data.fold.tidy {
                    thead { tr {
                        th.num scope="col" { "Position" }
                        th scope="col" { "Event" }
                        th scope="col" { "Stream" }
                        th scope="col" { "When, UTC" }
                        th scope="col" { "By" }
                        th scope="col" { "Correlation" }
                    } }
                    tbody { @for (service, event) in &events { (row(event, service)) } }
                } }
            }
        }
    };
    Ok(visit.page(leaf("Correlation"), &main))
}

fn time(event: &Value) -> &str {
    event["metadata"]["timestamp"].as_str().unwrap_or_default()
}

/// There is no index by correlation: says what was looked at.
fn bound(told: &[(&str, Result<Told, Refused>)]) -> Markup {
    let partly = told.iter().filter_map(|(service, answer)| {
        let from = answer.as_ref().ok()?.body["lookedFrom"].as_u64()?;
        (from > 0).then(|| format!("{service} from position {}", number(signed(from + 1))))
    });
    let partly: Vec<_> = partly.collect();
    let silent = told.iter().any(|(_, answer)| answer.is_err());
    html! {
        @if silent { "Not every log could be looked at. " }
        @if !partly.is_empty() { "The last 100,000 events of each log were looked at: " (partly.join(", ")) "." }
        @else if !silent { "All of every log was looked at." }
    }
}
