//! The page's answer in one sentence and its figures, and all pairs.

use maud::{Markup, html};

use super::super::marks::{Tone, empty, mark, term};
use super::super::words::{clock, day_and_clock, number, plural, span};
use super::names::PairName;
use super::report::{Check, Report, Verdict};
use super::{books, verbs};
use madrigal_core::Timestamp;

/// The sentence that answers the page's question.
pub(crate) fn answer(report: &Report) -> String {
    let (divergent, unverified) = (report.count(Verdict::Divergent), report.count(Verdict::Unverified));
    let all = i64::try_from(report.checks.len()).unwrap_or(i64::MAX);
    let pairs = |count: i64, one: &str, many: &str| match count {
        1 => format!("one pair {one}"),
        count => format!("{} {many}", plural(count, "pair", "pairs")),
    };
    let text = match (divergent, unverified) {
        _ if all == 0 => "no pair has been checked yet".to_owned(),
        (0, 0) if all == 1 => "the one copy says what its owner says".to_owned(),
        (0, 0) => format!("all {} pairs agree", number(all)),
        (0, unverified) => pairs(unverified, "can’t be judged yet", "can’t be judged yet"),
        (divergent, 0) => pairs(divergent, "differs", "differ"),
        (divergent, 1) => format!("{}, one can’t be judged yet", pairs(divergent, "differs", "differ")),
        (divergent, unverified) => {
            format!("{}, {} can’t be judged yet", pairs(divergent, "differs", "differ"), number(unverified))
        }
    };
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// What decides whether to read on.
pub(super) fn figures(report: &Report) -> Markup {
    let figure = |verdict: Verdict, to: &str, what: String, meaning: &str| {
        html! {
            a href=(to) {
                span.k { (mark(verdict.tone(), verdict.glyph(), verdict.word())) }
                span.n { (number(report.count(verdict))) small { " " (what) } }
                span.d { (meaning) }
            }
        }
    };
    let pairs = |verdict: Verdict| if report.count(verdict) == 1 { "pair" } else { "pairs" }.to_owned();
    let rows = report.divergent_rows();
    let divergent = match rows {
        0 => pairs(Verdict::Divergent),
        rows => format!("{}, {}", pairs(Verdict::Divergent), counted(rows, "row", "rows")),
    };
    html! {
        section.figures #verdicts aria-label="Verdicts" {
            (figure(Verdict::Consistent, "#pairs", pairs(Verdict::Consistent), "The copy says what its owner says"))
            (figure(Verdict::Divergent, "#divergent", divergent, "Had everything, still says otherwise"))
            (figure(Verdict::Unverified, "#unverified", pairs(Verdict::Unverified), "Behind, so it can’t be judged yet"))
            div {
                span.k { "Rows compared" }
                span.n { (number(i64::try_from(report.rows).unwrap_or(i64::MAX))) }
                span.d { "in the last look at each pair" }
            }
        }
    }
}

/// All pairs, those with trouble first.
pub(super) fn table(report: &Report, now: Timestamp) -> Markup {
    html! {
        section.panel #pairs aria-labelledby="h-pairs" {
            header {
                h2 #h-pairs { "Pairs" }
                small {
                    "A " (term("version-sweep", "version sweep", "Version sweep: compares keys and versions only. Cheap, runs often."))
                    " runs often, a " (term("content-sweep", "content sweep", "Content sweep: compares every field. Costs more, runs rarely."))
                    " rarely, and changes are sampled as they are applied"
                }
            }
            @if report.checks.is_empty() {
                (empty("No pair has been checked yet: the monitor has just begun, or no copy of this shop can be compared."))
            } @else {
                table.data.tidy.fold {
                    thead { tr {
                        th scope="col" { "Owner → copy" } th scope="col" { "Verdict" }
                        th.wide-only.mid-off scope="col" { "Owner above, copy below" }
                        th.num scope="col" { (term("verified-through", "Verified through", "Verified through: the moment or the owner’s position up to which owner and copy were compared.")) }
                        th.num scope="col" { "Rows" } th.mid-off scope="col" { "Last sweep" }
                        th scope="col" { span.visually-hidden { "Action" } }
                    } }
                    tbody { @for check in &report.checks { (row(check, now)) } }
                }
            }
        }
    }
}

fn row(check: &Check, now: Timestamp) -> Markup {
    let name = PairName::of(&check.name);
    html! {
        tr {
            th scope="row" { (name.shown()) small { (name.sets()) } }
            td data-l="Verdict" { (verdict(check)) @if let Some(why) = short(check, now) { small { (why) } } }
            td.wide-only.mid-off { (pairline(check.verdict)) }
            td.num data-l="Verified through" { (through(check)) }
            td.num data-l="Rows" { (counted_only(check.total)) }
            td.mid-off data-l="Last sweep" {
                @if let Some((at, sweep)) = &check.swept { (at_clock(*at)) " " (sweep) } @else { span.dim { "not told" } }
            }
            td.num data-l="" { (verbs::check(&check.name).link_about("small", &name.text())) }
        }
    }
}

/// A pair's verdict; with trouble it leads to what is known about it.
pub(crate) fn verdict(check: &Check) -> Markup {
    let mark = mark(check.verdict.tone(), check.verdict.glyph(), check.verdict.word());
    html! {
        @match check.verdict {
            Verdict::Divergent => a href="/consistency#divergent" { (mark) },
            Verdict::Unverified => a href="/consistency#unverified" { (mark) },
            Verdict::Consistent => (mark),
        }
    }
}

/// What is wrong with a pair, in a few words.
pub(crate) fn short(check: &Check, now: Timestamp) -> Option<String> {
    match check.verdict {
        Verdict::Divergent => Some(divergent(check)),
        Verdict::Unverified => Some(match (check.behind_since, check.behind_by) {
            (Some(since), _) => format!("behind for {}", span(now.since(since))),
            (None, Some(by)) => format!("behind by {}", counted(by, "event", "events")),
            (None, None) if check.trouble.is_some() => "could not be checked".to_owned(),
            (None, None) => counted(check.unverified, "row open", "rows open"),
        }),
        Verdict::Consistent => None,
    }
}

/// `2 rows differ`; of a book `2 entries do not balance`.
pub(super) fn divergent(check: &Check) -> String {
    match books::is_book(&check.name) {
        true => books::counted(check.divergent),
        false => counted(check.divergent, "row differs", "rows differ"),
    }
}

/// Up to where it was compared: a moment, a position, or both. Without either nothing is claimed.
pub(crate) fn through(check: &Check) -> Markup {
    html! {
        @match (check.through_at, &check.through) {
            (Some(at), Some(position)) => { (at_clock(at)) small { (position) } }
            (Some(at), None) => (at_clock(at)),
            (None, Some(position)) => (position),
            (None, None) => span.dim { "not yet" },
        }
    }
}

/// The owner's line above, the copy's below, as far as it is proved. The verdict's word stands beside it.
pub(crate) fn pairline(verdict: Verdict) -> Markup {
    html! {
        svg class={ "pairline " (verdict.tone().class()) } aria-hidden="true" {
            line.own x1="1%" x2="99%" y1="4" y2="4" {}
            @match verdict {
                Verdict::Consistent => line.cop x1="1%" x2="99%" y1="13" y2="13" {},
                Verdict::Divergent => {
                    line.cop x1="1%" x2="99%" y1="13" y2="13" {}
                    @for x in ["60%", "72%"] { svg x=(x) overflow="visible" { line.x x1="4" x2="-4" y1="1" y2="17" {} } }
                }
                Verdict::Unverified => {
                    line.cop x1="1%" x2="52%" y1="13" y2="13" {}
                    line.gap x1="55%" x2="99%" y1="13" y2="13" {}
                }
            }
        }
    }
}

/// A moment's time of day, with its day for those who point at it.
pub(super) fn at_clock(at: Timestamp) -> Markup {
    html! { time.nowrap datetime=(at.to_string()) title=(day_and_clock(at)) { (clock(at)) } }
}

pub(super) fn counted(count: u64, one: &str, many: &str) -> String {
    plural(i64::try_from(count).unwrap_or(i64::MAX), one, many)
}

fn counted_only(count: u64) -> String {
    number(i64::try_from(count).unwrap_or(i64::MAX))
}

/// A copy that could not be judged, or a row that is not one: where there is nothing to say it is good news.
pub(super) fn calm(text: &str) -> Markup {
    html! { div.pad { p { (mark(Tone::Ok, "ok", "none")) " " (text) } } }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report(verdicts: &[&str]) -> Report {
        let check = |verdict: &&str| json!({"name": "orders.view", "verdict": verdict, "inconsistentEntities": 1});
        Report::of(&json!({"checks": verdicts.iter().map(check).collect::<Vec<_>>()}))
    }

    #[test]
    fn the_headline_counts_pairs_by_their_verdict() {
        let answer = |verdicts: &[&str]| answer(&report(verdicts));
        assert_eq!(answer(&[]), "No pair has been checked yet");
        assert_eq!(answer(&["consistent", "consistent"]), "All 2 pairs agree");
        assert_eq!(answer(&["divergent", "consistent"]), "One pair differs");
        assert_eq!(answer(&["divergent", "unverified"]), "One pair differs, one can’t be judged yet");
        assert_eq!(answer(&["divergent", "divergent", "unverified", "x"]), "2 pairs differ, 2 can’t be judged yet");
        assert_eq!(answer(&["unverified"]), "One pair can’t be judged yet");
    }

    #[test]
    fn a_pair_that_was_never_compared_claims_no_time() {
        let page = table(&report(&["unverified"]), Timestamp::default()).into_string();
        assert!(page.contains("not yet") && !page.contains("<time"), "{page}");
    }

    #[test]
    fn every_pair_is_named_on_its_own_button() {
        let body = json!({"checks": [{"name": "orders.view", "verdict": "consistent"}, {"name": "users.index", "verdict": "consistent"}]});
        let page = table(&Report::of(&body), Timestamp::default()).into_string();
        assert!(
            page.contains(": order events → order views</span>") && page.contains(": users → user search</span>"),
            "{page}"
        );
    }
}
