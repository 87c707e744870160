//! The list, stillest first.

use axum::response::Response;
use futures::future::join_all;
use madrigal_core::Timestamp;
use maud::{Markup, html};
use serde_json::Value;

use super::super::live::{Asker, Change, Changed};
use super::super::marks::{empty, glyph, headline, term};
use super::super::pages::SAGAS;
use super::super::refusal;
use super::super::visit::{Leaf, Paged, Visit};
use super::super::words::{day_and_clock, id, number, plural, segment, span};
use super::shapes::{ENDED, OPEN, look, said, state};
use crate::inside::Refused;

/// The most of one state that are read.
const MOST: usize = 200;
/// The most rows that are shown.
const SHOWN: usize = 200;
/// The choices of how long nothing happened, in seconds.
const STILL: [(&str, &str); 4] = [("0", "any time"), ("10", "10 s"), ("60", "1 min"), ("600", "10 min")];

/// What is listed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Filter {
    states: Vec<String>,
    definition: String,
    still_seconds: u32,
}

impl Filter {
    pub(crate) fn of(query: &super::super::forms::Sent) -> Self {
        let known = |state: &str| OPEN.iter().chain(&ENDED).any(|known| *known == state);
        let states = query.iter().filter(|(name, value)| *name == "state" && known(value));
        let mut states: Vec<_> = states.map(|(_, value)| value.to_owned()).collect();
        states.sort();
        states.dedup();
        let definition = query.get("definition");
        let definition: String = definition.chars().take(64).collect();
        Self { states, definition, still_seconds: query.get("still").parse().unwrap_or(0) }
    }

    /// What of a query is not understood, as the field and what is expected of it.
    fn wrong(query: &super::super::forms::Sent) -> Vec<(&'static str, String)> {
        let known = |state: &str| OPEN.iter().chain(&ENDED).any(|known| *known == state);
        let states: Vec<&str> = OPEN.iter().chain(&ENDED).copied().collect();
        let mut wrong = Vec::new();
        if query.iter().any(|(name, value)| name == "state" && !known(value)) {
            wrong.push(("state", format!("is none of {}", states.join(", "))));
        }
        let still = query.get("still");
        if !still.is_empty() && still.parse::<u32>().is_err() {
            wrong.push(("still", "is no number of seconds".to_owned()));
        }
        wrong
    }

    fn wants(&self, state: &str) -> bool {
        if self.states.is_empty() { OPEN.contains(&state) } else { self.states.iter().any(|wanted| wanted == state) }
    }

    /// As the fields of a query, after `page=sagas`.
    fn address(&self) -> String {
        let mut text = format!("page=sagas&definition={}&still={}", segment(&self.definition), self.still_seconds);
        for state in &self.states {
            text.push_str("&state=");
            text.push_str(state);
        }
        text
    }
}

/// The sagas of one state, and whether there are more.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) state: &'static str,
    pub(crate) items: Vec<Value>,
    pub(crate) more: bool,
}

impl Group {
    /// How many, with a plus where there are more than were read.
    pub(crate) fn count(&self) -> String {
        let count = number(i64::try_from(self.items.len()).unwrap_or(i64::MAX));
        if self.more { format!("{count}+") } else { count }
    }

    /// How long the stillest of them has made no progress.
    pub(crate) fn stillest(&self, now: Timestamp) -> Option<std::time::Duration> {
        self.items.iter().map(|saga| now.since(progress(saga))).max()
    }
}

/// Reads the sagas of these states, 200 of each at most.
pub(crate) async fn read(asker: &Asker, states: &[&'static str], definition: &str) -> Result<Vec<Group>, Refused> {
    let ask = |state: &'static str| async move {
        let mut path = format!("/v1/sagas?limit={MOST}&state={state}");
        if !definition.is_empty() {
            path.push_str("&definition=");
            path.push_str(&segment(definition));
        }
        let told = asker.get(path).send().await?;
        let items = told.body["items"].as_array().cloned().unwrap_or_default();
        Ok(Group { state, items, more: told.body["next"].is_string() })
    };
    join_all(states.iter().map(|state| ask(state))).await.into_iter().collect()
}

fn progress(saga: &Value) -> Timestamp {
    saga["lastProgressAt"].as_str().and_then(|text| text.parse().ok()).unwrap_or_default()
}

pub(super) async fn show(visit: &Visit) -> Paged {
    visit.require_login()?;
    let wrong = Filter::wrong(&visit.query);
    if !wrong.is_empty() {
        let leaf = Leaf { title: "Sagas", current: SAGAS, live: None };
        let main = html! {
            (refusal::not_understood("There are no such sagas", &wrong))
            p { a.btn href="/sagas" { "All sagas" } }
        };
        return Ok(visit.page_as(http::StatusCode::BAD_REQUEST, leaf, &main));
    }
    let filter = Filter::of(&visit.query);
    let asker = Asker::of(visit);
    Ok(match listed(&asker, &filter).await {
        Ok(groups) => answer(visit, &filter, &groups),
        Err(refused) => visit.page_as(
            refused.status,
            Leaf { title: "Sagas", current: SAGAS, live: None },
            &refusal::content("Sagas cannot be shown", &refused, "Nothing was done."),
        ),
    })
}

/// The groups that are listed, and all that are open for their counts.
async fn listed(asker: &Asker, filter: &Filter) -> Result<Vec<Group>, Refused> {
    let states: Vec<_> = OPEN.into_iter().chain(ENDED.into_iter().filter(|state| filter.wants(state))).collect();
    read(asker, &states, &filter.definition).await
}

fn answer(visit: &Visit, filter: &Filter, groups: &[Group]) -> Response {
    let now = visit.now();
    let (headline_text, meaning) = sentences(groups);
    let main = html! {
        (headline(&headline_text, &html! {
            "A " (term("saga", "saga", "The steps of one order across services. What was done is undone if a later step is refused."))
            " " span data-live="meaning" { (meaning) }
        }, Some(&day_and_clock(now))))
        (filters(filter, groups))
        (table(filter, groups, now))
    };
    let live = filter.address();
    visit.page(Leaf { title: "Sagas", current: SAGAS, live: Some(&live) }, &main)
}

/// What has changed.
pub(crate) async fn change(asker: &Asker, filter: &Filter) -> Changed {
    let groups = listed(asker, filter).await?;
    let (headline, meaning) = sentences(&groups);
    let mut change = Change::default();
    change.text("asof", day_and_clock(asker.now));
    change.text("headline", headline);
    change.text("meaning", meaning);
    for group in groups.iter().filter(|group| OPEN.contains(&group.state)) {
        change.text(format!("n-{}", group.state), group.count());
    }
    change.html("sagas", table(filter, &groups, asker.now));
    Ok(change)
}

fn sentences(groups: &[Group]) -> (String, String) {
    let of = |states: &[&str]| -> (i64, bool) {
        let chosen = groups.iter().filter(|group| states.contains(&group.state));
        let count = chosen.clone().map(|group| group.items.len()).sum::<usize>();
        (i64::try_from(count).unwrap_or(i64::MAX), chosen.clone().any(|group| group.more))
    };
    let headline = match of(&["stuck", "parked", "paused"]) {
        (0, false) => "No saga needs a person".to_owned(),
        (0, true) => "No saga that was looked at needs a person".to_owned(),
        (1, false) => "One saga needs a person".to_owned(),
        (many, false) => format!("{} sagas need a person", number(many)),
        (many, true) => format!("{} sagas or more need a person", number(many)),
    };
    let moving = match of(&["running", "compensating"]) {
        (0, false) => "None is moving now.".to_owned(),
        (moving, false) => format!("{} moving now.", number(moving)),
        (moving, true) => format!("{} or more are moving now.", number(moving)),
    };
    (headline, format!("is in flight until its last step is done. {moving}"))
}

fn filters(filter: &Filter, groups: &[Group]) -> Markup {
    html! {
        form.filters #sagafilter method="get" action="/sagas" {
            fieldset {
                legend { "State" }
                div.chips {
                    @for group in groups.iter().filter(|group| OPEN.contains(&group.state)) {
                        @let (tone, sign, word) = look(group.state);
                        label {
                            input type="checkbox" name="state" value=(group.state) checked[filter.states.iter().any(|state| state == group.state)];
                            span class={ "mark " (tone.class()) } { (glyph(sign)) (word) }
                            small data-live={ "n-" (group.state) } { (group.count()) }
                        }
                    }
                    @for ended in ENDED {
                        @let (tone, sign, word) = look(ended);
                        label {
                            input type="checkbox" name="state" value=(ended) checked[filter.states.iter().any(|state| state == ended)];
                            span class={ "mark " (tone.class()) } { (glyph(sign)) (word) }
                        }
                    }
                }
            }
            label.field { "Definition"
                select name="definition" {
                    option value="" { "All" }
                    @for name in ["place-order", "cancel-order"] { option value=(name) selected[filter.definition == name] { (name) } }
                }
            }
            label.field { "No progress for longer than"
                select name="still" {
                    @for (value, name) in STILL {
                        option value=(value) selected[value == filter.still_seconds.to_string()] { (name) }
                    }
                }
            }
            button.btn type="submit" { "Show" }
        }
    }
}

fn table(filter: &Filter, groups: &[Group], now: Timestamp) -> Markup {
    let chosen = groups.iter().filter(|group| filter.wants(group.state));
    let more = chosen.clone().any(|group| group.more);
    let mut sagas: Vec<_> = chosen
        .flat_map(|group| &group.items)
        .filter(|saga| now.since(progress(saga)).as_secs() >= u64::from(filter.still_seconds))
        .collect();
    // Open ones are judged by how long they stand still, ended ones by how recently they ended.
    let ended = |saga: &Value| saga["state"].as_str().is_some_and(|state| ENDED.contains(&state));
    sagas.sort_by_key(|saga| {
        let at = progress(saga).as_micros();
        if ended(saga) { (1, -at) } else { (0, at) }
    });
    let count = i64::try_from(sagas.len().min(SHOWN)).unwrap_or(i64::MAX);
    html! {
        section.panel #sagas aria-labelledby="h-sagas" {
            header {
                h2 #h-sagas { "Sagas" }
                small { (plural(count, "saga", "sagas")) " shown, stillest first"
                    @if more { "; there are more than were read: choose one state" }
                    @else if sagas.len() > SHOWN { ", of " (number(i64::try_from(sagas.len()).unwrap_or(i64::MAX))) } }
            }
            @if sagas.is_empty() && more { (empty("None of those that were looked at, and there are more: choose one state, or no definition.")) }
            @else if sagas.is_empty() { (nothing(filter)) } @else { (rows(&sagas[..sagas.len().min(SHOWN)], now)) }
        }
    }
}

fn nothing(filter: &Filter) -> Markup {
    if *filter == Filter::default() {
        return empty("None in flight: every order that was begun is placed or taken back. That is good news.");
    }
    empty("No saga matches these filters. Loosen one of them.")
}

fn rows(sagas: &[&Value], now: Timestamp) -> Markup {
    html! {
        table.data.fold {
            thead { tr {
                th scope="col" { "Saga" } th scope="col" { "State" } th scope="col" { "At step" }
                th.num scope="col" { "No progress for" } th scope="col" { "Started, UTC" }
            } }
            tbody {
                @for saga in sagas {
                    @let saga_id = saga["sagaId"].as_str().unwrap_or_default();
                    @let steps = saga["currentSteps"].as_array().map(Vec::as_slice).unwrap_or_default();
                    tr {
                        th scope="row" {
                            a href={ "/sagas/" (segment(saga_id)) } { (id(saga_id)) }
                            small { (saga["definition"].as_str().unwrap_or_default()) }
                        }
                        td data-l="State" { (state(saga["state"].as_str().unwrap_or_default())) }
                        td data-l="At step" {
                            @for step in steps { (step.as_str().unwrap_or_default()) " " }
                            @let reason = said(&saga["reason"]);
                            @if !reason.is_empty() { small { (reason) } } @else if steps.is_empty() { "none" }
                        }
                        td.num data-l="No progress for" { (span(now.since(progress(saga)))) }
                        td data-l="Started" { (super::super::words::told_moment(saga["startedAt"].as_str().unwrap_or_default())) }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn groups(stuck: usize, more: bool) -> [Group; 1] {
        let saga = json!({"sagaId": "s", "state": "stuck", "lastProgressAt": "2026-11-22T10:00:00Z"});
        [Group { state: "stuck", items: vec![saga; stuck], more }]
    }

    #[test]
    fn what_was_not_looked_at_is_not_counted_as_nothing() {
        let headline = |stuck, more| sentences(&groups(stuck, more)).0;
        assert_eq!(headline(0, false), "No saga needs a person");
        assert_eq!(headline(0, true), "No saga that was looked at needs a person");
        assert_eq!(headline(1, false), "One saga needs a person");
        assert_eq!(headline(200, true), "200 sagas or more need a person");
        let page = |stuck, more| table(&Filter::default(), &groups(stuck, more), Timestamp::default()).into_string();
        assert!(!page(0, true).contains("good news") && page(0, false).contains("good news"));
        assert!(page(250, false).contains("200 sagas shown, stillest first, of 250"));
    }
}
