//! The overview's panel of verdicts.

use madrigal_core::Timestamp;
use maud::{Markup, html};

use super::super::consistency::names::PairName;
use super::super::consistency::pairs::{answer, pairline, short, through, verdict};
use super::super::heard::Heard;
use super::super::marks::empty;
use super::super::standing::Standing;

/// The most pairs that are listed; those with trouble come first.
const SHOWN: usize = 12;

/// Whether the copies say what their owners say.
pub(super) fn panel(standing: Option<&Standing>, now: Timestamp) -> Markup {
    html! {
        section.panel #copies aria-labelledby="h-copies" {
            header { h2 #h-copies { "Do the copies agree with their owners?" } small { a href="/consistency" { "All pairs" } } }
            @match standing.map(|standing| &standing.report) {
                Some(Heard::Said(report)) if report.checks.is_empty() => (empty("No pair has been checked yet.")),
                Some(Heard::Said(report)) => {
                    div.pad { p { (answer(report)) "." } }
                    table.data.fold.compact {
                        thead { tr {
                            th scope="col" { "Owner → copy" } th scope="col" { "Verdict" }
                            th.wide-only.mid-off scope="col" { "Owner above, copy below" } th.num.wide-only scope="col" { "Verified through" }
                        } }
                        tbody {
                            @for check in report.checks.iter().take(SHOWN) {
                                tr {
                                    th scope="row" {
                                        (PairName::of(&check.name).shown())
                                        @if let Some(why) = short(check, now) { small { (why) } }
                                    }
                                    td data-l="Verdict" { (verdict(check)) }
                                    td.wide-only.mid-off { (pairline(check.verdict)) }
                                    td.num.wide-only data-l="Verified through" { (through(check)) }
                                }
                            }
                        }
                    }
                }
                Some(Heard::Absent) => (empty("Nobody compares them: the monitor is not part of this shop.")),
                Some(Heard::Silent(_)) => (empty("The verdicts cannot be read at the moment; nothing is claimed.")),
                None => (empty("The verdicts are being read.")),
            }
        }
    }
}
