//! Parked keys, grouped by cause: what waits, since when, and what can be done.

use std::collections::BTreeMap;

use madrigal_core::Timestamp;
use maud::{Markup, html};
use serde_json::Value;

use super::super::heard::Heard;
use super::super::marks::{Tone, empty, mark, term, voice};
use super::super::words::{day_and_clock, number, plural, span};
use super::verbs;

/// The most items that each service tells at once.
pub(super) const MOST: usize = 1_000;
/// The most keys of one cause that are listed.
const LISTED: usize = 50;

/// Who parked something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Parker {
    /// sync-service: changes that copies could not be told.
    Sync,
    /// analytics-service: messages that figures could not take in.
    Analytics,
}

impl Parker {
    /// As in the paths of its API, and in forms.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Analytics => "analytics",
        }
    }

    /// The one of this name; sync where none is named.
    pub(super) fn of(name: &str) -> Self {
        if name == Self::Analytics.name() { Self::Analytics } else { Self::Sync }
    }
}

/// A key of which something cannot be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    /// Topic and key, as in `users:7`.
    pub(super) id: String,
    /// The change that was tried.
    kind: String,
    /// How often.
    attempts: u64,
    /// Changes that wait, that one included.
    pub(super) waiting: i64,
    first_at: Option<Timestamp>,
    last_at: Option<Timestamp>,
}

/// Keys that wait for the same reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cause {
    /// Who parked them.
    pub(super) of: Parker,
    /// The reason.
    pub(super) cause: String,
    /// The keys.
    pub(super) keys: Vec<Key>,
}

/// A change that was left out for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Skipped {
    id: String,
    kind: String,
    why: String,
}

/// What is parked.
#[derive(Debug, Clone, Default)]
pub(super) struct Parked {
    /// By cause, the one with most keys first.
    pub(super) causes: Vec<Cause>,
    /// What was left out.
    skipped: Vec<Skipped>,
    /// Who should have said and did not.
    silent: Option<Parker>,
    /// Who told as much as is told at once: there may be more.
    full: Vec<Parker>,
}

/// What both parked. One that this shop does not have parks nothing; one that does not answer is named.
pub(super) fn together(sync: Heard<Parked>, analytics: Heard<Parked>) -> Heard<Parked> {
    let (mut all, other, silent) = match (sync, analytics) {
        (Heard::Said(sync), Heard::Said(analytics)) => (sync, Some(analytics), None),
        (Heard::Said(sync), Heard::Absent) => (sync, None, None),
        (Heard::Said(sync), Heard::Silent(_)) => (sync, None, Some(Parker::Analytics)),
        (Heard::Silent(_), Heard::Said(analytics)) => (analytics, None, Some(Parker::Sync)),
        (Heard::Absent, Heard::Said(analytics)) => (analytics, None, None),
        (nothing, _) => return nothing,
    };
    if let Some(other) = other {
        all.causes.extend(other.causes);
        all.skipped.extend(other.skipped);
        all.full.extend(other.full);
    }
    all.causes.sort_by_key(|cause| std::cmp::Reverse(cause.keys.len()));
    all.silent = silent;
    Heard::Said(all)
}

/// Reads the answer of `GET /v1/…/parked`: a change per item, of a key in order.
pub(super) fn of(body: &Value, of: Parker) -> Parked {
    let items = body["items"].as_array().or(body.as_array()).map(Vec::as_slice).unwrap_or_default();
    let text = |item: &Value, field: &str| item[field].as_str().unwrap_or_default().to_owned();
    let moment = |item: &Value, field: &str| item[field].as_str().and_then(|text| text.parse::<Timestamp>().ok());
    let mut skipped = Vec::new();
    let mut keys: BTreeMap<String, (String, Key)> = BTreeMap::new();
    for item in items {
        let id = text(item, "id");
        if let Some(why) = item["skipped"].as_str() {
            skipped.push(Skipped { id, kind: text(item, "kind"), why: why.to_owned() });
            continue;
        }
        let attempts = item["attempts"].as_u64().unwrap_or(0);
        let (cause, key) = keys.entry(id.clone()).or_insert_with(|| {
            let key = Key {
                id,
                kind: text(item, "kind"),
                attempts,
                waiting: 0,
                first_at: moment(item, "firstAt"),
                last_at: moment(item, "lastAt"),
            };
            (text(item, "cause"), key)
        });
        key.waiting += 1;
        // What was tried is what holds the key, wherever it stands in the answer.
        if attempts > key.attempts {
            *cause = text(item, "cause");
            (key.kind, key.attempts) = (text(item, "kind"), attempts);
        }
        key.first_at = earlier(key.first_at, moment(item, "firstAt"));
        key.last_at = key.last_at.max(moment(item, "lastAt"));
    }
    let mut causes: BTreeMap<String, Vec<Key>> = BTreeMap::new();
    for (cause, key) in keys.into_values() {
        causes.entry(cause).or_default().push(key);
    }
    let mut causes: Vec<_> = causes.into_iter().map(|(cause, keys)| Cause { of, cause, keys }).collect();
    causes.sort_by_key(|cause| std::cmp::Reverse(cause.keys.len()));
    let full = if items.len() >= MOST { vec![of] } else { Vec::new() };
    Parked { causes, skipped, silent: None, full }
}

fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// What is parked, by cause.
pub(super) fn panel(parked: &Heard<Parked>, now: Timestamp) -> Markup {
    let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    html! {
        section.panel #parked aria-labelledby="h-parked" {
            header {
                h2 #h-parked { "Parked keys, by cause" }
                @if let Heard::Said(parked) = parked {
                    @let keys: usize = parked.causes.iter().map(|cause| cause.keys.len()).sum();
                    @let waiting: i64 = parked.causes.iter().flat_map(|cause| &cause.keys).map(|key| key.waiting).sum();
                    @if keys > 0 { small { (plural(count(keys), "key", "keys")) ", " (plural(waiting, "change waits", "changes wait")) " in order" } }
                }
            }
            @match parked {
                Heard::Said(parked) => {
                    @if let Some(silent) = parked.silent {
                        p.empty { "What " (silent.name()) "-service parked cannot be told now: it does not answer." }
                    } @else if parked.causes.is_empty() { (empty("None. Every change could be applied.")) }
                    @for parker in &parked.full {
                        p.empty { "These are the oldest " (number(i64::try_from(MOST).unwrap_or(0))) " changes that " (parker.name()) "-service parked: there may be more behind them." }
                    }
                    @for (at, cause) in parked.causes.iter().enumerate() { (one(cause, at, now)) }
                    @if !parked.skipped.is_empty() { (left_out(&parked.skipped)) }
                }
                silence => div.pad { (silence.instead("Sync", "What is parked cannot be shown.")) },
            }
        }
    }
}

fn one(cause: &Cause, at: usize, now: Timestamp) -> Markup {
    let keys = i64::try_from(cause.keys.len()).unwrap_or(i64::MAX);
    let waiting: i64 = cause.keys.iter().map(|key| key.waiting).sum();
    let first = cause.keys.iter().filter_map(|key| key.first_at).min();
    let last = cause.keys.iter().filter_map(|key| key.last_at).max();
    html! {
        div.pad {
            div.row.apart {
                h3 { (mark(Tone::Wait, "park", if cause.cause.is_empty() { "No cause is told" } else { &cause.cause })) }
                @if keys > 1 { (verbs::retry_all(cause).link_about("", &cause.cause)) }
            }
            p.small.dim {
                (voice(cause.of.name())) ": " (number(keys)) " "
                @if at == 0 { (term("parked-key", if keys == 1 { "parked key" } else { "parked keys" }, "Parked key: one change of this key can’t be applied. It and all later ones of the same key wait here, in order. Every other key goes on.")) }
                @else if keys == 1 { "parked key" } @else { "parked keys" }
                ", " (plural(waiting, "change waits", "changes wait"))
                @if let Some(first) = first { ". First " (day_and_clock(first)) " UTC" }
                @if let Some(last) = last { ", last tried " (day_and_clock(last)) " UTC" }
                ". All other keys go on."
            }
            details open[at == 0] {
                summary { "Keys" }
                table.data.fold {
                    thead { tr {
                        th scope="col" { "Key" } th scope="col" { "Change" } th.num scope="col" { "Changes waiting" } th.num scope="col" { "Parked for" }
                        th scope="col" { span.visually-hidden { "Actions" } }
                    } }
                    tbody {
                        @for key in cause.keys.iter().take(LISTED) {
                            tr {
                                th scope="row" { code { (key.id) } }
                                td data-l="Change" { (key.kind) small { (plural(i64::try_from(key.attempts).unwrap_or(0), "try", "tries")) } }
                                td.num data-l="Waiting" { (number(key.waiting)) }
                                td.num data-l="Parked for" { @if let Some(first) = key.first_at { (span(now.since(first))) } @else { "not told" } }
                                td.num data-l="" {
                                    div.row {
                                        (verbs::retry(cause.of, &key.id).link_about("small", &key.id))
                                        (verbs::skip(cause.of, &key.id).link_about("small severe", &key.id))
                                    }
                                }
                            }
                        }
                    }
                }
                @if cause.keys.len() > LISTED { p.empty { "The first " (LISTED) " of " (number(keys)) " keys are shown." } }
            }
        }
    }
}

fn left_out(skipped: &[Skipped]) -> Markup {
    html! {
        div.pad { details {
            summary { (plural(i64::try_from(skipped.len()).unwrap_or(i64::MAX), "change was left out", "changes were left out")) }
            table.data.fold {
                thead { tr { th scope="col" { "Key" } th scope="col" { "Change" } th scope="col" { "Why" } } }
                tbody {
                    @for one in skipped.iter().take(LISTED) {
                        tr { th scope="row" { code { (one.id) } } td data-l="Change" { (one.kind) } td data-l="Why" { (one.why) } }
                    }
                }
            }
            @if skipped.len() > LISTED { p.empty { "The oldest " (LISTED) " of them are shown." } }
        } }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn body() -> Value {
        let at = |second: u32| format!("2026-11-22T10:29:{second:02}Z");
        let item = |id: &str, cause: &str, attempts: u32, second: u32| json!({"id": id, "position": 7, "kind": "users.u", "cause": cause, "attempts": attempts, "firstAt": at(second), "lastAt": at(second)});
        let mut left = item("users:9", "<b>old</b>", 3, 1);
        left["skipped"] = json!("<i>known</i>");
        json!({"items": [item("users:7", "<b>weight</b>", 2, 10), item("users:7", "waits behind another", 0, 20),
            item("users:8", "<b>weight</b>", 1, 30), item("users:5", "too long", 1, 40), left]})
    }

    #[test]
    fn keys_stand_under_what_holds_them_and_count_what_waits_behind_it() {
        let parked = of(&body(), Parker::Sync);
        let causes: Vec<_> = parked.causes.iter().map(|cause| (cause.cause.as_str(), cause.keys.len())).collect();
        assert_eq!(causes, [("<b>weight</b>", 2), ("too long", 1)]);
        let first = &parked.causes[0].keys[0];
        assert_eq!((first.id.as_str(), first.waiting, first.attempts), ("users:7", 2, 2));
        assert_eq!(parked.skipped.len(), 1);
    }

    #[test]
    fn the_panel_shows_causes_as_text_and_offers_each_verb_by_its_key() {
        let page = panel(&Heard::Said(of(&body(), Parker::Sync)), Timestamp::default()).into_string();
        assert!(
            page.contains("&lt;b&gt;weight") && !page.contains("<b>weight") && !page.contains("<i>known"),
            "{page}"
        );
        assert!(page.contains("3 keys, 4 changes wait in order"), "{page}");
        assert!(
            page.contains("href=\"/sync/parked/retry?id=users%3A7&amp;of=sync\"")
                && page.contains("href=\"/sync/parked/skip?id=users%3A5&amp;of=sync\""),
            "{page}"
        );
        assert!(page.contains("1 change was left out"), "{page}");
        assert!(
            panel(&Heard::Said(Parked::default()), Timestamp::default()).into_string().contains("None. Every change")
        );
    }

    #[test]
    fn what_may_not_be_all_is_not_told_as_all() {
        let page = |items: usize| {
            let item =
                |at: usize| json!({"id": format!("users:{at}"), "cause": "c", "attempts": 1, "skipped": "known"});
            let body = json!({"items": (0..items).map(item).collect::<Vec<_>>()});
            let parked = together(Heard::Said(Parked::default()), Heard::Said(of(&body, Parker::Analytics)));
            panel(&parked, Timestamp::default()).into_string()
        };
        let full = page(MOST);
        assert!(full.contains("oldest 1,000 changes that analytics-service parked: there may be more"), "{full}");
        assert!(full.contains("The oldest 50 of them are shown."), "{full}");
        assert!(!page(MOST - 1).contains("there may be more") && !page(50).contains("The oldest 50"));
    }

    #[test]
    fn what_analytics_parked_stands_beside_and_one_that_does_not_answer_is_named() {
        let said = |parker| Heard::Said(of(&body(), parker));
        let page = |sync, analytics| panel(&together(sync, analytics), Timestamp::default()).into_string();
        let both = page(said(Parker::Sync), said(Parker::Analytics));
        assert!(both.contains("6 keys, 8 changes wait") && both.contains("id=users%3A5&amp;of=analytics"), "{both}");
        let silent = || Heard::Silent(super::super::super::standing::slow());
        assert!(page(Heard::Said(Parked::default()), silent()).contains("analytics-service parked cannot be told"));
        assert!(!page(Heard::Said(Parked::default()), silent()).contains("None. Every change"));
        assert!(page(Heard::Absent, said(Parker::Analytics)).contains("3 keys, 4 changes wait"));
        assert!(page(silent(), Heard::Absent).contains("What is parked cannot be shown."));
    }
}
