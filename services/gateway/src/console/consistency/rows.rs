//! Rows that diverge, and copies that cannot be judged yet.

use madrigal_core::Timestamp;
use maud::{Markup, html};

use super::super::diff;
use super::super::marks::{Tone, mark, message, note, term};
use super::super::words::{number, segment, short_id, span};
use super::names::PairName;
use super::pairs::{at_clock, calm, counted};
use super::report::{Check, Divergence, Report, Side, Verdict};
use super::{books, many, verbs};

/// The most rows of one pair that are listed.
const LISTED: usize = 50;

/// Every pair that differs: its first row in full, the others as a list.
pub(super) fn divergent(report: &Report) -> Markup {
    let pairs: Vec<&Check> = report.with(Verdict::Divergent).collect();
    html! {
        div.stack #divergent {
            @if pairs.is_empty() {
                section.panel aria-labelledby="h-divergent" {
                    header { h2 #h-divergent { "Rows that differ" } }
                    (calm("Where a copy had everything, it says what its owner says."))
                }
            }
            @for (at, check) in pairs.into_iter().enumerate() { (pair(check, at)) }
        }
    }
}

fn pair(check: &Check, at: usize) -> Markup {
    let name = PairName::of(&check.name);
    html! {
        section.panel aria-labelledby={ "h-div-" (at) } {
            header {
                h2 id={ "h-div-" (at) } {
                    (mark(Tone::Bad, "bad", &name.text())) ": " (super::pairs::divergent(check))
                }
                @if let Some((at, sweep)) = &check.swept { small { "Last looked at " (at_clock(*at)) " " (sweep) } }
            }
            @match check.rows.first() {
                None => div.pad { p { "Which rows they are is not told. Check the pair again." } },
                Some(first) if books::is_book(&check.name) => {
                    div.pad { h3 { (row_link(first)) } }
                    (books::in_full(first))
                    @if check.rows.len() > 1 { (books::others(check, &check.rows[1..])) }
                }
                Some(first) => {
                    div.pad {
                        h3 {
                            @if check.rows.len() > 1 { "Row 1 of " (number(i64::try_from(check.divergent).unwrap_or(0))) ": " }
                            (row_link(first)) " " (issue(&first.issue))
                        }
                    }
                    (in_full(first, &format!("{at}")))
                    @if check.rows.len() > 1 {
                        (others(check, &check.rows[1..]))
                        div.pad { div.row { (many::link(&check.name, check.rows.len())) span.small.dim { "All of them at once, with one reason." } } }
                    }
                }
            }
        }
    }
}

/// A row, with why it is not lag, both sides field by field, and what can be done. `id` keeps its terms apart from others'.
pub(super) fn in_full(row: &Divergence, id: &str) -> Markup {
    let name = PairName::of(&row.pair);
    let owner = html! { b { span.voice { (note(name.owner.service)) "Owner: " (name.owner.words) } } (head(&row.owner, name.owner.name)) };
    let copy = html! { b { span.voice { (note(name.copy.service)) "Copy: " (name.copy.words) } } (head(&row.copy, name.copy.name)) };
    html! {
        div.pad { (message(Tone::Calm, "clock", &html! { p { b { "This is not lag. " } (why(row, id)) } })) }
        (diff::table(&format!("Row {}", row.key), [&owner, &copy], &row.owner.fields, &row.copy.fields))
        div.pad {
            div.row {
                @if row.id.is_empty() { span.small.dim { "It has no id by which it could be repaired." } } @else {
                    (verbs::repair_link(row))
                }
                (verbs::check(&row.pair).link_about("", &name.text()))
                span.small.dim {
                    "A " (term(&format!("dry-run-{id}"), "dry run", "Dry run: says what a repair would do. Nothing is changed.")) " comes first and changes nothing."
                }
            }
        }
    }
}

fn head(side: &Side, set: &str) -> Markup {
    html! {
        small.dim {
            (set)
            @match (&side.version, side.there()) {
                (Some(version), true) => { ", version " (version) }
                (Some(version), false) => { ", deleted at version " (version) }
                (None, false) => ", has no such row",
                (None, true) => {}
            }
        }
    }
}

fn why(row: &Divergence, id: &str) -> Markup {
    let fence = term(
        &format!("fence-{id}"),
        "fence",
        "Fence: the owner is read at a known position, and the copy only after it has applied everything up to that position. So lag can’t look like a difference.",
    );
    html! {
        "The copy had applied everything up to the owner’s position when it was read (" (fence) "). "
        @match (row.issue.as_str(), &row.owner.version, &row.copy.version) {
            ("missing", ..) => "It has no such row all the same.",
            ("extra", ..) => "The owner has no such row, or no more.",
            ("stale", Some(owner), Some(copy)) => { "It still has version " (copy) ", the owner has version " (owner) "." }
            ("stale", ..) => "It still has an older version than its owner.",
            ("different", Some(owner), Some(copy)) if owner == copy => {
                "Both carry version " (copy) ", so the copy was changed outside the normal path."
            }
            ("different", Some(owner), Some(copy)) => {
                "It says version " (copy) ", which the owner has never reached: the owner has version " (owner) "."
            }
            _ => "The copy was changed outside the normal path, or what writes it is wrong.",
        }
    }
}

/// What is wrong with a row.
pub(super) fn issue(issue: &str) -> Markup {
    let word = match issue {
        "missing" => "missing in the copy",
        "extra" => "only in the copy",
        "stale" => "stale in the copy",
        "different" => "different content",
        other => other,
    };
    mark(Tone::Bad, "bad", word)
}

/// A row by its key, which leads to the row.
pub(super) fn row_link(row: &Divergence) -> Markup {
    html! {
        @if row.id.is_empty() { code.mono title=(row.key) { (short_id(&row.key)) } } @else {
            a.mono href={ "/consistency/rows/" (segment(&row.id)) } title=(row.key) { (short_id(&row.key)) }
        }
    }
}

fn others(check: &Check, rows: &[Divergence]) -> Markup {
    html! {
        table.data.fold {
            thead { tr {
                th scope="col" { "Other rows" } th scope="col" { "Found" } th.num scope="col" { "Fields that differ" }
                th scope="col" { "Version, owner and copy" } th scope="col" { span.visually-hidden { "Action" } }
            } }
            tbody {
                @for row in rows.iter().take(LISTED) {
                    tr {
                        th scope="row" { (row_link(row)) }
                        td data-l="Found" { (issue(&row.issue)) }
                        td.num data-l="Fields" { (number(i64::try_from(diff::differing(&row.owner.fields, &row.copy.fields)).unwrap_or(0))) }
                        td data-l="Versions" { (version(&row.owner)) " and " (version(&row.copy)) }
                        td.num data-l="" { @if !row.id.is_empty() { (verbs::repair_link_small(row)) } }
                    }
                }
            }
        }
        @let told = rows.len().min(LISTED) + 1;
        @if u64::try_from(told).is_ok_and(|told| told < check.divergent) {
            p.empty { (number(i64::try_from(told).unwrap_or(0))) " of " (number(i64::try_from(check.divergent).unwrap_or(0))) " rows are shown." }
        }
    }
}

fn version(side: &Side) -> String {
    match (&side.version, side.there()) {
        (Some(version), true) => version.clone(),
        (Some(version), false) => format!("{version} (deleted)"),
        (None, _) => "none".to_owned(),
    }
}

/// Every copy that cannot be judged yet: behind by how much, since when.
pub(super) fn unverified(report: &Report, now: Timestamp) -> Markup {
    let pairs: Vec<&Check> = report.with(Verdict::Unverified).collect();
    html! {
        div.stack #unverified hidden[pairs.is_empty()] {
            @for (at, check) in pairs.into_iter().enumerate() {
                @let name = PairName::of(&check.name);
                section.panel aria-labelledby={ "h-unv-" (at) } {
                    header {
                        h2 id={ "h-unv-" (at) } { (mark(Tone::Wait, "wait", &name.text())) ": " (title(check)) }
                        @if let Some(since) = check.behind_since { small { "No verdict since " (at_clock(since)) " UTC" } }
                    }
                    div.pad { (open(check, now)) div.row {
                        @if books::is_book(&check.name) { a.btn href="/sagas" { "Sagas under way" } } @else { a.btn href="/sync#lag" { "Why is it behind?" } }
                        (verbs::check(&check.name).link_about("", &name.text()))
                    } }
                }
            }
        }
    }
}

fn title(check: &Check) -> &'static str {
    if check.behind_by.is_some() || check.behind_since.is_some() {
        "behind, not judged"
    } else if check.trouble.is_some() {
        "could not be checked"
    } else {
        "not judged yet"
    }
}

fn open(check: &Check, now: Timestamp) -> Markup {
    let judged = check.total.saturating_sub(check.unverified);
    let behind = check.behind_by.is_some() || check.behind_since.is_some();
    html! {
        p {
            @if books::is_book(&check.name) && (behind || check.trouble.is_none()) {
                "Not every entry was looked at since something happened to it, or its saga is under way: nothing is said of those."
            } @else if behind {
                "The copy has not applied everything that its owner has, so a difference there would say nothing. It is late, not wrong."
            } @else if check.trouble.is_some() {
                "The check could not be carried to its end, so nothing is said about the rows that it did not reach."
            } @else {
                "These rows could not be looked at while both sides stood still. The next check looks at them again."
            }
        }
        dl.kv {
            @if behind {
                dt { "Behind by" } dd {
                    @match (check.behind_since, check.behind_by) {
                        (_, Some(by)) => b { (counted(by, "event", "events")) },
                        (_, None) => "not known: the copy follows another history of its owner’s log",
                    }
                }
            }
            @if let Some(since) = check.behind_since { dt { "Behind since" } dd { (at_clock(since)) " UTC, for " (span(now.since(since))) } }
            dt { "Rows" } dd { (counted(judged, "row", "rows")) " verified, " (counted(check.unverified, "row", "rows")) " open" }
            @if check.through_at.is_some() || check.through.is_some() { dt { "Verified through" } dd { (super::pairs::through(check)) } }
            @if let Some(trouble) = &check.trouble { dt { "Trouble" } dd { (trouble) } }
        }
    }
}
