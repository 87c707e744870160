//! A comparison: the rows that differ, side by side.

use maud::{Markup, html};
use serde_json::Value;

use super::super::diff;
use super::super::marks::{Tone, message};
use super::super::words::{number, plural};

/// What was found.
pub(super) fn content(comparison: &Value) -> Markup {
    let count = |field: &str| comparison[field].as_i64().unwrap_or(0);
    let position = number(count("position"));
    if comparison["verdict"] == "equal" {
        return message(
            Tone::Ok,
            "ok",
            &html! {
                p { b { "Equal." } " " (plural(count("rows"), "row", "rows")) " compared as of position " (position)
                    ": the candidate may serve." }
            },
        );
    }
    let differences = comparison["differences"].as_array().map(Vec::as_slice).unwrap_or_default();
    html! {
        (message(Tone::Bad, "bad", &html! {
            p { b { (plural(count("differing"), "row differs.", "rows differ.")) } " " (number(count("rows")))
                " compared as of position " (position) ". Nothing was switched." }
        }))
        @for difference in differences { (row(difference)) }
        @if usize::try_from(count("differing")).is_ok_and(|all| all > differences.len()) {
            p.small.dim { "The first " (differences.len()) " are shown." }
        }
    }
}

fn row(difference: &Value) -> Markup {
    let key = difference["key"].as_str().unwrap_or_default();
    let (serving, candidate) = (&difference["serving"], &difference["candidate"]);
    let differing = i64::try_from(diff::differing(serving, candidate)).unwrap_or(0);
    let head = |side: &str, row: &Value| html! { b { (side) } (there(row)) };
    html! {
        section.panel aria-label={ "Row " (key) } {
            header { h3 { code { (key) } } small { (plural(differing, "field differs", "fields differ")) } }
            (diff::table(&format!("Row {key}"), [&head("Serving", serving), &head("Candidate", candidate)], serving, candidate))
        }
    }
}

fn there(row: &Value) -> &'static str {
    if row.is_null() { "has no such row" } else { "" }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn differing_fields_come_first_and_what_rows_hold_is_text() {
        let comparison = json!({"verdict": "different", "position": 1234, "rows": 2, "differing": 1, "differences": [
            {"key": "<b>k</b>", "serving": {"a": 1, "b": "<script>"}, "candidate": {"a": 2, "b": "<script>", "c": true}}]});
        let page = content(&comparison).into_string();
        assert!(
            page.contains("1 row differs.") && page.contains("1,234") && page.contains("2 fields differ"),
            "{page}"
        );
        assert!(page.contains("&lt;script&gt;") && !page.contains("<script>") && !page.contains("<b>k</b>"), "{page}");
        assert!(page.find("≠").unwrap() < page.find("field is the same").unwrap());
    }

    #[test]
    fn equal_says_as_of_which_position() {
        let page = content(&json!({"verdict": "equal", "position": 7, "rows": 0, "differing": 0, "differences": []}));
        assert!(page.into_string().contains("as of position 7"));
    }
}
