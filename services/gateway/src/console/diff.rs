//! Two rows side by side, field by field: those that differ first, with ≠ in a column of its own; the same ones folded away.

use std::collections::BTreeSet;

use maud::{Markup, html};
use serde_json::Value;

use super::words::plural;

/// The most letters of a value that are shown.
const MAX_LETTERS: usize = 2_000;

/// The two rows. `label` names the table, `heads` stand above the sides, which are objects, or null where there is no row.
pub(crate) fn table(label: &str, heads: [&Markup; 2], left: &Value, right: &Value) -> Markup {
    let fields: BTreeSet<&str> =
        [left, right].into_iter().filter_map(Value::as_object).flat_map(|row| row.keys().map(String::as_str)).collect();
    let (differing, same): (Vec<&str>, Vec<&str>) = fields.into_iter().partition(|field| left[*field] != right[*field]);
    html! {
        div.scroll tabindex="0" role="group" aria-label={ (label) ", field by field" } {
            table.diff {
                thead { tr {
                    th scope="col" { "Field" } th scope="col" { (heads[0]) }
                    th.eq scope="col" { span.visually-hidden { "Equal or not" } }
                    th scope="col" { (heads[1]) }
                } }
                tbody {
                    @for field in &differing { (line(field, left, right, true)) }
                    @if differing.is_empty() { tr { td colspan="4" { "No field differs." } } }
                }
            }
        }
        @if !same.is_empty() {
            div.pad { details {
                summary { (count(&same)) " the same" }
                table.diff { tbody { @for field in &same { (line(field, left, right, false)) } } }
            } }
        }
    }
}

/// How many fields of two rows differ.
pub(crate) fn differing(left: &Value, right: &Value) -> usize {
    let fields: BTreeSet<&str> =
        [left, right].into_iter().filter_map(Value::as_object).flat_map(|row| row.keys().map(String::as_str)).collect();
    fields.into_iter().filter(|field| left[*field] != right[*field]).count()
}

fn count(fields: &[&str]) -> String {
    plural(i64::try_from(fields.len()).unwrap_or(i64::MAX), "field is", "fields are")
}

fn line(field: &str, left: &Value, right: &Value, differs: bool) -> Markup {
    html! {
        tr.ne[differs] {
            th scope="row" { (field) }
            td { (value(&left[field], differs)) }
            td.eq { @if differs { "≠" span.visually-hidden { " differs" } } @else { "=" span.visually-hidden { " same" } } }
            td { (value(&right[field], differs)) }
        }
    }
}

fn value(value: &Value, differs: bool) -> Markup {
    let text = text(value);
    html! { @if differs { ins { (text) } } @else { (text) } }
}

/// A value as it is shown: a text without quotes, anything else as JSON, at most some thousand letters.
pub(crate) fn text(value: &Value) -> String {
    let whole = match value {
        Value::Null => "nothing".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut text: String = whole.chars().take(MAX_LETTERS).collect();
    if text.len() < whole.len() {
        text.push_str(" … (more)");
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn differing_fields_come_first_and_what_rows_hold_is_text() {
        let (left, right) = (json!({"a": 1, "b": "<script>"}), json!({"a": 2, "b": "<script>", "c": true}));
        let page = table("<b>k</b>", [&html! { "One" }, &html! { "Other" }], &left, &right).into_string();
        assert_eq!((differing(&left, &right), page.matches('≠').count()), (2, 2));
        assert!(page.contains("&lt;script&gt;") && !page.contains("<script>") && !page.contains("<b>k</b>"), "{page}");
        assert!(page.find('≠').unwrap() < page.find("1 field is the same").unwrap());
    }

    #[test]
    fn a_row_that_is_missing_differs_in_every_field() {
        let page = table("k", [&html! {}, &html! {}], &json!({"a": 1, "b": null}), &Value::Null).into_string();
        // A field that holds nothing is no field.
        assert_eq!(page.matches("class=\"ne\"").count(), 1, "{page}");
        assert!(page.contains("nothing"), "{page}");
    }

    #[test]
    fn a_very_long_value_is_cut() {
        let page = table("k", [&html! {}, &html! {}], &json!({"a": "é".repeat(3_000)}), &Value::Null).into_string();
        assert_eq!(page.matches('é').count(), MAX_LETTERS);
        assert!(page.contains("(more)"));
    }
}
