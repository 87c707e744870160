//! Whether the sums were found to be what the orders come to.

use std::time::Duration;

use maud::{Markup, html};
use serde_json::Value;

use super::super::heard::Heard;
use super::super::marks::{Tone, mark, message};
use super::super::words::{number, plural, span, told_moment};

/// The most differences that are listed.
const LISTED: usize = 5;

/// What recomputing them found, where analytics tells.
pub(super) fn panel(told: &Heard<Value>) -> Markup {
    html! {
        section.panel #recomputed aria-labelledby="h-recomputed" {
            header { h2 #h-recomputed { "Are the sums what the orders come to?" } }
            div.pad {
                @match told {
                    Heard::Said(told) => (said(told)),
                    Heard::Absent | Heard::Silent(_) => p { (mark(Tone::Wait, "unk", "not known")) " It is not told whether they were recomputed; nothing is claimed." },
                }
            }
        }
    }
}

fn said(told: &Value) -> Markup {
    let every = match told["everySeconds"].as_u64() {
        Some(3_600) => "hour".to_owned(),
        seconds => span(Duration::from_secs(seconds.unwrap_or(0))),
    };
    let (ended, count) = (told["endedAt"].as_str(), |field: &str| told["last"][field].as_i64().unwrap_or(0));
    let mended = told["mended"].as_i64().unwrap_or(0);
    html! {
        @if mended > 0 { (differed(told, mended)) }
        @if let Some(at) = told["failedAt"].as_str() {
            p { (mark(Tone::Wait, "wait", "broke off")) " They could not be recomputed at " (told_moment(at)) "; it is tried again." }
        }
        @match ended {
            None => p {
                (mark(Tone::Wait, "clock", "not yet")) " Sums are recomputed from the orders every " (every)
                "; since this process started that has not been done to the end."
            },
            Some(at) => p {
                @if count("mended") == 0 { (mark(Tone::Ok, "ok", "equal")) } @else { (mark(Tone::Bad, "bad", "differed")) }
                " Last recomputed from the orders at " (told_moment(at)) ": " (plural(count("days"), "day", "days"))
                " and " (plural(count("customers"), "customer", "customers")) ", "
                @if count("mended") == 0 { "nothing differed." } @else { (plural(count("mended"), "row", "rows")) " mended." }
                " Every " (every) "."
            },
        }
    }
}

fn differed(told: &Value, mended: i64) -> Markup {
    let differences = told["differences"].as_array().map(Vec::as_slice).unwrap_or_default();
    message(
        Tone::Bad,
        "bad",
        &html! {
            p {
                b { (plural(mended, "row of sums was", "rows of sums were")) " wrong and mended since this process started. " }
                "Figures of these days that were read before said something else. It is a mistake of this program or of the disk: keep the log."
            }
            ul.dots {
                @for difference in differences.iter().take(LISTED) {
                    li {
                        @if difference["rollup"] == "customers" { "Customers " } (difference["of"].as_str().unwrap_or("not told which"))
                        ": " (plural(difference["mended"].as_i64().unwrap_or(0), "row", "rows")) ", mended "
                        (told_moment(difference["at"].as_str().unwrap_or_default()))
                    }
                }
                @if differences.len() > LISTED {
                    li { "and " (number(i64::try_from(differences.len() - LISTED).unwrap_or(0))) " more: " code { "GET /v1/analytics/recomputation" } }
                }
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn page(told: Value) -> String {
        panel(&Heard::Said(told)).into_string()
    }

    #[test]
    fn a_difference_is_told_with_its_day_and_stays_after_a_time_without_any() {
        let evil = "<img src=x>";
        let found = json!({"at": "2026-11-23T10:00:02Z", "rollup": "days", "of": evil, "mended": 2});
        let told = |last: i64| {
            json!({"everySeconds": 3_600, "endedAt": "2026-11-23T10:00:03Z", "mended": 2, "differences": [found],
            "last": {"days": 30, "customers": 12, "mended": last}})
        };
        for (last, word) in [(2, "differed"), (0, "equal")] {
            let page = page(told(last));
            for said in
                ["2 rows of sums were wrong and mended", "&lt;img src=x&gt;: 2 rows", "30 days and 12 customers", word]
            {
                assert!(page.contains(said), "{said}: {page}");
            }
        }
    }

    #[test]
    fn what_was_not_recomputed_is_not_called_equal() {
        let never = page(json!({"everySeconds": 3_600, "endedAt": null, "last": null, "mended": 0, "differences": []}));
        assert!(never.contains("not yet") && never.contains("every hour"), "{never}");
        let broke = page(json!({"everySeconds": 3_600, "endedAt": null, "failedAt": "2026-11-23T10:00:00Z"}));
        assert!(broke.contains("broke off"), "{broke}");
        let unknown = panel(&Heard::Absent).into_string();
        for page in [never, broke, unknown] {
            assert!(!page.contains(">equal") && !page.contains("nothing differed"), "{page}");
        }
    }
}
