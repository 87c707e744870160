//! How the copies and the sagas stand, as the bar and the rail say it on every page of an operator.
//!
//! Read at most once a second for everybody who looks, and only while somebody looks. A page waits 250 ms for it at most
//! and then shows what was known before.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;
use madrigal_core::{Timestamp, tasks};
use maud::{Markup, html};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::Console;
use super::consistency::report::{Report, Verdict};
use super::heard::Heard;
use super::live::Asker;
use super::marks::{Tone, glyph};
use super::pages::{CONSISTENCY, SAGAS, SYNC};
use super::sync::lag::{self, Lag};
use super::words::{number, plural};
use crate::inside::Refused;

/// How long a reading counts as fresh.
const FRESH: Duration = Duration::from_secs(1);
/// How long a page waits for a reading that is under way.
const PAGE_WAITS: Duration = Duration::from_millis(250);
/// How long a page that is about it waits.
const OWN_PAGE_WAITS: Duration = Duration::from_secs(10);
/// The longest report that is read: of each pair 100 rows at most are in it, both sides of each.
pub(crate) const LONGEST_REPORT: usize = 32 * 1024 * 1024;
/// Beyond this age a reading is no longer shown: whoever read it has gone.
const OLD: Duration = Duration::from_secs(30);

/// The entries of the rail that have a count.
pub(crate) const COUNTED: [&str; 3] = [CONSISTENCY, SYNC, SAGAS];

/// What was read.
#[derive(Debug)]
pub(crate) struct Standing {
    /// When it was asked for.
    at: Timestamp,
    /// The monitor's report.
    pub(crate) report: Heard<Report>,
    /// How far every copy is behind.
    pub(crate) lag: Heard<Vec<Lag>>,
    /// Sagas that are stuck or parked, at most 200 of each, and whether there are more.
    stuck: Option<(i64, bool)>,
}

/// The last reading, and whether another is under way.
#[derive(Debug)]
pub(crate) struct Board {
    turn: Mutex<Turn>,
    said: watch::Sender<Option<Arc<Standing>>>,
}

#[derive(Debug, Default)]
struct Turn {
    reading: bool,
    /// When the last reading was begun; `None` where what is known counts no more.
    begun: Option<Timestamp>,
}

impl Default for Board {
    fn default() -> Self {
        Self { turn: Mutex::default(), said: watch::Sender::new(None) }
    }
}

impl Board {
    /// What is known, read anew where it is older than a second; waits for that a quarter of a second at most.
    pub(crate) async fn glance(&self, console: &Console, asker: &Asker) -> Option<Arc<Standing>> {
        self.within(PAGE_WAITS, console, asker).await
    }

    /// As [`Board::glance`], for the pages that are about it: waits ten seconds at most.
    pub(crate) async fn read(&self, console: &Console, asker: &Asker) -> Option<Arc<Standing>> {
        self.within(OWN_PAGE_WAITS, console, asker).await
    }

    /// What is known counts no more: something was just done about it.
    pub(crate) fn forget(&self) {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner).begun = None;
    }

    async fn within(&self, patience: Duration, console: &Console, asker: &Asker) -> Option<Arc<Standing>> {
        if !asker.operator {
            return None;
        }
        let mut said = self.said.subscribe();
        if self.begins(asker.now) {
            tasks::spawn("console standing", take(console.clone(), asker.clone()));
        }
        if self.under_way() {
            tasks::within(patience, said.changed()).await;
        }
        let known = said.borrow().clone();
        known.filter(|known| asker.now.since(known.at) < OLD)
    }

    /// Whether whoever asks now reads it: nobody else does, and what is known is older than a second.
    fn begins(&self, now: Timestamp) -> bool {
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        // One that takes that long is not waited for: it may have died.
        let free = !turn.reading || turn.begun.is_some_and(|begun| now.since(begun) >= OLD);
        let begins = free && turn.begun.is_none_or(|begun| now.since(begun) >= FRESH || now < begun);
        if begins {
            *turn = Turn { reading: true, begun: Some(now) };
        }
        begins
    }

    fn under_way(&self) -> bool {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner).reading
    }

    fn say(&self, standing: Standing) {
        // First told, then over: whoever finds no reading under way finds what was read.
        self.said.send_replace(Some(Arc::new(standing)));
        self.turn.lock().unwrap_or_else(PoisonError::into_inner).reading = false;
    }
}

/// Reads all of it. In a task of its own, so that nobody who stops waiting stops it.
async fn take(console: Console, asker: Asker) {
    let of_state = |state: &'static str| {
        let ask = asker.get(format!("/v1/sagas?limit=200&state={state}"));
        async move {
            let told = ask.send().await.ok()?.body;
            Some((told["items"].as_array()?.len(), told["next"].is_string()))
        }
    };
    let (report, lag, stuck, parked) = futures::join!(
        asker.get("/v1/consistency/report").at_most(LONGEST_REPORT).send(),
        asker.get("/v1/sync/lag").send(),
        of_state("stuck"),
        of_state("parked"),
    );
    let stuck = stuck
        .zip(parked)
        .map(|((stuck, more), (parked, others))| (i64::try_from(stuck + parked).unwrap_or(i64::MAX), more || others));
    let report = Heard::of(report, |told| Report::of(&told.body));
    let lag = Heard::of(lag, |told| lag::of(&told.body));
    console.standing.say(Standing { at: asker.now, report, lag, stuck });
}

/// What is said where the monitor takes longer than a page waits.
pub(crate) fn slow() -> Refused {
    let detail = format!("No answer within {} seconds. Reading changes nothing: try again.", OWN_PAGE_WAITS.as_secs());
    let problem: Value = json!({ "title": "No answer yet", "detail": detail, "retryable": true });
    Refused { status: StatusCode::SERVICE_UNAVAILABLE, headers: Box::default(), problem }
}

/// The three counts of the bar, each leading to what is behind it. Nothing where nobody compares.
pub(crate) fn sum(standing: Option<&Standing>) -> Markup {
    let report = standing.map(|standing| &standing.report);
    html! {
        div.sum #sum {
            @match report {
                Some(Heard::Said(report)) if !report.checks.is_empty() => {
                    (count(report, Verdict::Consistent, "/consistency#pairs"))
                    (count(report, Verdict::Divergent, "/consistency#divergent"))
                    (count(report, Verdict::Unverified, "/consistency#unverified"))
                }
                Some(Heard::Said(_)) => a href="/consistency" { (words(Tone::Calm, "unk", "", "nothing compared yet")) },
                Some(Heard::Silent(_)) => a href="/consistency" { (words(Tone::Wait, "unk", "", "verdicts not known")) },
                Some(Heard::Absent) | None => {}
            }
        }
    }
}

fn count(report: &Report, verdict: Verdict, to: &str) -> Markup {
    let count = report.count(verdict);
    let tone = if count == 0 && verdict != Verdict::Consistent { Tone::Calm } else { verdict.tone() };
    html! {
        a href=(to) {
            (words(tone, verdict.glyph(), &number(count), verdict.word()))
            span.visually-hidden { @if count == 1 { " pair" } @else { " pairs" } }
        }
    }
}

/// A mark whose word gives way on narrow windows, where it is still read.
fn words(tone: Tone, sign: &str, count: &str, word: &str) -> Markup {
    html! {
        span class={ "mark " (tone.class()) } {
            (glyph(sign)) (count) span.word { @if !count.is_empty() { "\u{a0}" } (word) }
        }
    }
}

/// The count beside an entry of the rail: what needs somebody there.
pub(crate) fn beside(standing: Option<&Standing>, to: &str) -> Markup {
    let told = standing.and_then(|standing| standing.needing(to));
    html! {
        @if COUNTED.contains(&to) {
            span id=(id(to)) {
                @if let Some((tone, sign, count, what)) = told {
                    span class={ "count " (tone.class()) } title=(what) {
                        (glyph(sign)) span aria-hidden="true" { (number(count)) } span.visually-hidden { ", " (what) }
                    }
                }
            }
        }
    }
}

/// The id of an entry's count.
pub(crate) fn id(to: &str) -> String {
    format!("count-{}", to.trim_start_matches('/'))
}

impl Standing {
    fn needing(&self, to: &str) -> Option<(Tone, &'static str, i64, String)> {
        let report = self.report.said();
        let of = |verdict| report.map_or(0, |report| report.count(verdict));
        let told = match to {
            CONSISTENCY => match (of(Verdict::Divergent), of(Verdict::Unverified)) {
                (0, open) => (Tone::Wait, "wait", open, plural(open, "unverified pair", "unverified pairs")),
                (bad, _) => (Tone::Bad, "bad", bad, plural(bad, "divergent pair", "divergent pairs")),
            },
            SYNC => {
                let lags = self.lag.said()?;
                let (late, parked) = (lag::late(lags), lag::parked(lags));
                if parked > 0 {
                    (Tone::Wait, "park", parked, plural(parked, "parked key", "parked keys"))
                } else {
                    (Tone::Wait, "wait", late, plural(late, "copy behind", "copies behind"))
                }
            }
            SAGAS => {
                let (stuck, more) = self.stuck?;
                let words = plural(stuck, "saga stuck or parked", "sagas stuck or parked");
                (Tone::Bad, "stuck", stuck, if more { format!("{words}, or more") } else { words })
            }
            _ => return None,
        };
        (told.2 > 0).then_some(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(report: Heard<Report>) -> Standing {
        Standing { at: Timestamp::default(), report, lag: Heard::Absent, stuck: Some((2, false)) }
    }

    fn report(verdicts: &[&str]) -> Heard<Report> {
        let checks: Vec<_> =
            verdicts.iter().map(|verdict| json!({"name": "orders.view", "verdict": verdict})).collect();
        Heard::Said(Report::of(&json!({ "checks": checks })))
    }

    #[test]
    fn the_bar_counts_verdicts_and_claims_nothing_that_was_not_said() {
        let bar = |report| sum(Some(&standing(report))).into_string();
        let page = bar(report(&["consistent", "consistent", "divergent"]));
        assert!(
            page.contains("2<span class=\"word\">\u{a0}consistent")
                && page.contains("1<span class=\"word\">\u{a0}divergent"),
            "{page}"
        );
        assert!(!bar(report(&[])).contains("consistent</span>"));
        assert!(bar(Heard::Silent(slow())).contains("verdicts not known"));
        assert!(!bar(Heard::Absent).contains("mark"));
        assert!(!sum(None).into_string().contains("mark"));
    }

    #[test]
    fn the_rail_says_what_needs_somebody_and_nothing_else() {
        let rail = |report, to| beside(Some(&standing(report)), to).into_string();
        assert!(rail(report(&["divergent", "unverified"]), CONSISTENCY).contains(", 1 divergent pair"));
        assert!(rail(report(&["consistent", "unverified"]), CONSISTENCY).contains(", 1 unverified pair"));
        assert!(!rail(report(&["consistent"]), CONSISTENCY).contains("count "));
        assert!(rail(Heard::Absent, SAGAS).contains(", 2 sagas stuck or parked"));
        let many = Standing { stuck: Some((400, true)), ..standing(Heard::Absent) };
        assert!(beside(Some(&many), SAGAS).into_string().contains("400 sagas stuck or parked, or more"));
        assert!(!rail(Heard::Absent, SYNC).contains("count "));
    }

    #[test]
    fn a_second_has_one_reading_and_one_at_a_time() {
        let board = Board::default();
        let at = |millis: i64| Timestamp::from_micros(millis * 1_000);
        assert!(board.begins(at(10_000)));
        assert!(!board.begins(at(12_000)), "the first is still under way");
        board.say(standing(Heard::Absent));
        assert!(board.begins(at(12_000)));
        board.say(standing(Heard::Absent));
        assert!(!board.begins(at(12_999)));
        board.forget();
        assert!(board.begins(at(12_999)));
    }
}
