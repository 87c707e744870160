//! How far orders came, what was sold by category, and what is on top.

use maud::{Markup, html};
use serde_json::Value;

use super::super::marks::{empty, term};
use super::super::words::{money, number, segment};
use super::series::{percent, share as part};

/// The most categories that are shown.
const CATEGORIES: usize = 15;
/// The most that a dashboard tells, of all currencies.
const CATEGORIES_TOLD: usize = 50;

/// The currencies that orders of the period have, the one with most orders first.
pub(super) fn currencies(board: &Value) -> Vec<String> {
    let mut totals: Vec<&Value> = items(board, "totals").collect();
    totals.sort_by_key(|total| std::cmp::Reverse(total["totalOrders"].as_i64()));
    totals.iter().filter_map(|total| total["currency"].as_str()).map(str::to_owned).collect()
}

/// The sums in one currency; null where there are none.
pub(super) fn totals<'a>(board: &'a Value, currency: &str) -> &'a Value {
    items(board, "totals").find(|total| total["currency"] == currency).unwrap_or(&Value::Null)
}

fn items<'a>(board: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    board[field].as_array().map(Vec::as_slice).unwrap_or_default().iter()
}

fn of_currency<'a>(board: &'a Value, field: &str, currency: &str) -> Vec<&'a Value> {
    items(board, field).filter(|item| item["currency"] == currency).collect()
}

/// `42 %`; a dash where there is nothing to be a part of.
pub(super) fn share(count: i64, of: i64) -> String {
    if of <= 0 { "–".to_owned() } else { format!("{:.0} %", part(count, of)) }
}

/// A bar beside its number.
fn bar(voice: &str, count: i64, of: i64) -> Markup {
    html! { svg class={ "share " (voice) } aria-hidden="true" { rect width=(percent(part(count, of))) height="100%" {} } }
}

/// How far orders came, whatever their currency.
pub(super) fn funnel(board: &Value) -> Markup {
    let count = |field: &str| board["funnel"][field].as_i64().unwrap_or(0);
    let placed = count("placed");
    let steps = [("placed", "Placed"), ("shipped", "Shipped"), ("delivered", "Delivered"), ("cancelled", "Cancelled")];
    html! {
        section.panel #funnel aria-labelledby="h-funnel" {
            header {
                h2 #h-funnel { "How far orders came" }
                small { (number(count("draftsNow"))) " " (term("drafts", "drafts wait now", "Draft: an order that was begun and is not placed yet, whenever that was. It is no part of the others.")) }
            }
            table.data.compact.fold {
                caption.visually-hidden { "Orders placed in the period, by how far they came; of all currencies" }
                thead { tr { th scope="col" { "Came to" } th.num scope="col" { "Orders" } th.num scope="col" { "Of those placed" } th.wide-only scope="col" { span.visually-hidden { "As a bar" } } } }
                tbody { @for (field, name) in steps {
                    tr {
                        th scope="row" { (name) }
                        td.num data-l="Orders" { (number(count(field))) }
                        td.num.wide-only data-l="Share" { (share(count(field), placed)) }
                        td.wide-only { (bar(if field == "cancelled" { "v-sync" } else { "v-order" }, count(field), placed)) }
                    }
                } }
            }
        }
    }
}

/// Revenue by category.
pub(super) fn categories(board: &Value, currency: &str) -> Markup {
    let categories = of_currency(board, "categories", currency);
    let most = categories.iter().filter_map(|item| item["revenue"].as_i64()).max().unwrap_or(0);
    html! {
        section.panel #categories aria-labelledby="h-categories" {
            header { h2 #h-categories { "Revenue by category" } small { "before tax; cancelled orders left out" } }
            @if categories.is_empty() { (empty("Nothing that was kept was sold in these days.")) } @else {
                table.data.compact.fold {
                    thead { tr { th scope="col" { "Category" } th.num.wide-only scope="col" { "Pieces" } th.num scope="col" { "Revenue" } th.wide-only scope="col" { span.visually-hidden { "As a bar" } } } }
                    tbody { @for item in categories.iter().take(CATEGORIES) {
                        @let revenue = item["revenue"].as_i64().unwrap_or(0);
                        tr {
                            th scope="row" { (item["name"].as_str().unwrap_or("Not in the catalogue")) }
                            td.num.wide-only data-l="Pieces" { (number(item["units"].as_i64().unwrap_or(0))) }
                            td.num data-l="Revenue" { (money(revenue, currency)) }
                            td.wide-only { (bar("v-catalog", revenue, most)) }
                        }
                    } }
                }
                @if categories.len() > CATEGORIES {
                    footer {
                        "The first " (CATEGORIES) " of " (categories.len())
                        @if items(board, "categories").count() >= CATEGORIES_TOLD { " or more" } " categories."
                    }
                }
            }
        }
    }
}

/// Products on top.
pub(super) fn products(board: &Value, currency: &str) -> Markup {
    let rows = of_currency(board, "products", currency).into_iter().map(|item| {
        let (id, count) = (text(item, "productId"), |field: &str| item[field].as_i64().unwrap_or(0));
        html! { tr {
            th scope="row" {
                a href={ "/shop/products/" (segment(id)) } { (item["name"].as_str().unwrap_or(id)) }
                @if let Some(category) = item["category"].as_str() { small { (category) } }
            }
            td.num data-l="Orders" { (number(count("orders"))) }
            td.num data-l="Pieces" { (number(count("units"))) }
            td.num data-l="Revenue" { (money(count("revenue"), currency)) }
        } }
    });
    let frame = Top {
        id: "products",
        title: "Products on top",
        by: "by revenue before tax",
        heads: ["Product", "Orders", "Pieces", "Revenue"],
        nothing: "Nothing that was kept was sold in these days.",
    };
    frame.around(rows)
}

/// Customers on top.
pub(super) fn customers(board: &Value, currency: &str) -> Markup {
    let rows = of_currency(board, "customers", currency).into_iter().map(|item| {
        let (user, count) = (item["userId"].as_i64().unwrap_or(0), |field: &str| item[field].as_i64().unwrap_or(0));
        html! { tr {
            th scope="row" { a href={ "/users/" (user) } { "Customer " (user) } }
            td.num data-l="Orders" { (number(count("orders"))) small { (number(count("keptOrders"))) " kept" } }
            td.num data-l="Kept" { (money(count("revenue"), currency)) }
            td.num data-l="Average" { (money(count("avgOrderValue"), currency)) }
        } }
    });
    let frame = Top {
        id: "customers",
        title: "Customers on top",
        by: "by what they kept",
        heads: ["Customer", "Orders", "Kept", "Average"],
        nothing: "Nobody ordered in these days.",
    };
    frame.around(rows)
}

/// A panel of what is on top: a table whose first column names a row and whose others are numbers.
struct Top {
    id: &'static str,
    title: &'static str,
    by: &'static str,
    heads: [&'static str; 4],
    /// What is said where there are no rows.
    nothing: &'static str,
}

impl Top {
    fn around(&self, rows: impl ExactSizeIterator<Item = Markup>) -> Markup {
        let [name, numbers @ ..] = self.heads;
        html! {
            section.panel #{ (self.id) } aria-labelledby={ "h-" (self.id) } {
                header { h2 #{ "h-" (self.id) } { (self.title) } small { (self.by) } }
                @if rows.len() == 0 { (empty(self.nothing)) } @else {
                    table.data.fold {
                        thead { tr { th scope="col" { (name) } @for number in numbers { th.num scope="col" { (number) } } } }
                        tbody { @for row in rows { (row) } }
                    }
                }
            }
        }
    }
}

fn text<'a>(item: &'a Value, field: &str) -> &'a str {
    item[field].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_text_and_currencies_are_never_mixed() {
        let evil = "<img src=x>";
        let product = |currency: &str| json!({"productId": evil, "name": evil, "category": evil, "currency": currency, "revenue": 4_812});
        let board = json!({"products": [product("EUR"), product("CHF")], "categories": [{"name": evil, "currency": "EUR", "revenue": 1}],
            "totals": [{"currency": "CHF", "totalOrders": 1}, {"currency": "EUR", "totalOrders": 9}]});
        assert_eq!(currencies(&board), ["EUR", "CHF"]);
        let page = [products(&board, "EUR"), categories(&board, "EUR")].map(|panel| panel.into_string()).concat();
        assert!(!page.contains("<img") && page.contains("&lt;img"), "{page}");
        assert_eq!(page.matches("€48.12").count(), 1, "{page}");
        assert!(page.contains("href=\"/shop/products/%3Cimg%20src%3Dx%3E\""), "{page}");
    }

    #[test]
    fn categories_are_not_counted_beyond_what_is_told() {
        let page = |told: usize| {
            let category = |at: usize| json!({"name": format!("c{at}"), "currency": "EUR", "revenue": 1});
            let board = json!({"categories": (0..told).map(category).collect::<Vec<_>>()});
            categories(&board, "EUR").into_string()
        };
        assert!(page(50).contains("The first 15 of 50 or more categories."));
        assert!(page(49).contains("The first 15 of 49 categories."));
    }

    #[test]
    fn a_funnel_of_nothing_claims_no_share() {
        let page = funnel(&json!({"funnel": {"draftsNow": 2, "placed": 0}})).into_string();
        assert!(page.contains("–") && !page.contains("NaN"), "{page}");
        assert_eq!(share(1, 3), "33 %");
    }
}
