//! What is searched for: the form, the facets, and the query that is made of them.

use maud::{Markup, html};
use serde_json::Value;

use super::super::forms::Sent;
use super::super::words::{number, segment};
use crate::inside::Told;

/// The orders of hits, as the catalogue names them.
const SORTS: [(&str, &str); 5] = [
    ("", "Best match"),
    ("price", "Lowest price"),
    ("-price", "Highest price"),
    ("name", "Name"),
    ("newest", "Newest"),
];
/// The filters with one value each, beside attributes.
const FACETS: [(&str, &str); 3] = [("category", "Category"), ("brand", "Brand"), ("tag", "Tag")];
/// How an attribute's filter begins.
const ATTRIBUTE: &str = "attr.";
/// The most attributes that are passed on.
const MAX_ATTRIBUTES: usize = 10;

/// What is searched for, as it stands in the page's address.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    pub(super) words: String,
    sort: String,
    /// `category`, `brand`, `tag`, `attr.NAME`, and their values.
    facets: Vec<(String, String)>,
    /// As typed, in euros.
    lowest: String,
    highest: String,
    in_stock: bool,
    cursor: String,
}

impl Wanted {
    pub(super) fn of(query: &Sent) -> Self {
        let is_facet = |name: &str| {
            FACETS.iter().any(|(facet, _)| *facet == name)
                || name.strip_prefix(ATTRIBUTE).is_some_and(|rest| !rest.is_empty())
        };
        let facets = query.iter().filter(|(name, value)| is_facet(name) && !value.is_empty());
        let sort = query.get("sort");
        Self {
            words: query.get("q").to_owned(),
            sort: SORTS.iter().find(|(value, _)| *value == sort).map_or("", |(value, _)| value).to_owned(),
            facets: facets
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .take(FACETS.len() + MAX_ATTRIBUTES)
                .collect(),
            lowest: query.get("lowest").to_owned(),
            highest: query.get("highest").to_owned(),
            in_stock: query.get("stock") == "in",
            cursor: query.get("cursor").to_owned(),
        }
    }

    /// Whether anything narrows the search.
    pub(super) fn is_narrowed(&self) -> bool {
        !self.facets.is_empty() || !self.lowest.is_empty() || !self.highest.is_empty() || self.in_stock
    }

    /// The API's query.
    pub(super) fn asked(&self) -> String {
        let mut pairs = vec![("limit".to_owned(), "24".to_owned())];
        let mut add = |name: &str, value: &str| {
            if !value.is_empty() {
                pairs.push((name.to_owned(), value.to_owned()));
            }
        };
        add("q", &self.words);
        add("sort", &self.sort);
        for (name, value) in &self.facets {
            add(name, value);
        }
        add("minPrice", &minor(&self.lowest));
        add("maxPrice", &minor(&self.highest));
        add("inStock", if self.in_stock { "true" } else { "" });
        add("cursor", &self.cursor);
        joined(&pairs)
    }

    /// This page's address with another cursor; the first page where it is empty.
    pub(super) fn address(&self, cursor: &str) -> String {
        let mut pairs = self.facets.clone();
        for (name, value) in [
            ("q", &*self.words),
            ("sort", &self.sort),
            ("lowest", &self.lowest),
            ("highest", &self.highest),
            ("stock", if self.in_stock { "in" } else { "" }),
            ("cursor", cursor),
        ] {
            if !value.is_empty() {
                pairs.push((name.to_owned(), value.to_owned()));
            }
        }
        if pairs.is_empty() { "/shop".to_owned() } else { format!("/shop?{}", joined(&pairs)) }
    }

    /// This very page.
    pub(super) fn here(&self) -> String {
        self.address(&self.cursor)
    }

    fn value(&self, facet: &str) -> &str {
        self.facets.iter().find(|(name, _)| name == facet).map_or("", |(_, value)| value)
    }
}

fn joined(pairs: &[(String, String)]) -> String {
    let texts: Vec<_> = pairs.iter().map(|(name, value)| format!("{}={}", segment(name), segment(value))).collect();
    texts.join("&")
}

/// Euros as typed (`1.5`, `1,50`) in cents; what is no amount is passed on, so that the catalogue says so.
fn minor(typed: &str) -> String {
    let plain = typed.replace(',', ".");
    let (whole, part) = plain.split_once('.').unwrap_or((&plain, ""));
    if part.len() > 2 || !part.bytes().all(|byte| byte.is_ascii_digit()) {
        return typed.to_owned();
    }
    let cents = format!("{part:0<2}").parse::<i64>().unwrap_or(0);
    let amount = whole.parse::<i64>().ok().and_then(|whole| whole.checked_mul(100)?.checked_add(cents));
    amount.map_or_else(|| typed.to_owned(), |amount| amount.to_string())
}

/// The field with completion, and the order of hits.
pub(super) fn form(wanted: &Wanted) -> Markup {
    html! {
        form.row.find role="search" aria-label="Products" action="/shop" method="get" {
            (others(wanted, false))
            div.combo.field {
                label for="q" { "Search products" }
                input #q name="q" role="combobox" aria-expanded="false" aria-controls="suggestions" aria-autocomplete="list"
                    autocomplete="off" maxlength="200" value=(wanted.words) placeholder="Name, brand, category …";
                ul #suggestions role="listbox" aria-label="Suggestions" hidden {}
            }
            label.field { "Sort by"
                select name="sort" {
                    @for (value, name) in SORTS { option value=(value) selected[value == wanted.sort] { (name) } }
                }
            }
            button.btn type="submit" { "Search" }
        }
    }
}

/// What one form passes on of the other.
fn others(wanted: &Wanted, words: bool) -> Markup {
    html! {
        @if words {
            input type="hidden" name="q" value=(wanted.words);
            input type="hidden" name="sort" value=(wanted.sort);
        } @else {
            @for (name, value) in &wanted.facets { input type="hidden" name=(name) value=(value); }
            @if !wanted.lowest.is_empty() { input type="hidden" name="lowest" value=(wanted.lowest); }
            @if !wanted.highest.is_empty() { input type="hidden" name="highest" value=(wanted.highest); }
            @if wanted.in_stock { input type="hidden" name="stock" value="in"; }
        }
    }
}

/// The facets: one value of each, with how many products have it.
pub(super) fn filters(wanted: &Wanted, found: Option<&Told>) -> Markup {
    let empty = serde_json::Map::new();
    let facets = found.and_then(|told| told.body["facets"].as_object()).unwrap_or(&empty);
    let attributes: Vec<_> = facets.keys().filter(|name| name.starts_with(ATTRIBUTE)).take(MAX_ATTRIBUTES).collect();
    html! {
        details.filterbox data-narrow open {
            summary { "Filters" }
            form.stack aria-label="Filters" action="/shop" method="get" {
                (others(wanted, true))
                @for (name, title) in FACETS { (facet(name, title, wanted, facets.get(name))) }
                @for name in attributes { (facet(name, &name[ATTRIBUTE.len()..], wanted, facets.get(name))) }
                fieldset.facet {
                    legend { "Price, €" }
                    div.row {
                        input.short name="lowest" aria-label="Lowest price" inputmode="decimal" size="3" maxlength="12" value=(wanted.lowest);
                        span { "to" }
                        input.short name="highest" aria-label="Highest price" inputmode="decimal" size="3" maxlength="12" value=(wanted.highest);
                    }
                }
                fieldset.facet {
                    legend { "Stock" }
                    label { input type="checkbox" name="stock" value="in" checked[wanted.in_stock]; "in stock only" }
                }
                button.btn type="submit" { "Apply" }
                @if wanted.is_narrowed() {
                    a href={ "/shop?q=" (segment(&wanted.words)) } { "Take all filters away" }
                }
            }
        }
    }
}

fn facet(name: &str, title: &str, wanted: &Wanted, values: Option<&Value>) -> Markup {
    let values = values.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let chosen = wanted.value(name);
    let counted: Vec<_> =
        values.iter().filter_map(|value| Some((value["value"].as_str()?, value["count"].as_i64()?))).take(12).collect();
    let missing = !chosen.is_empty() && !counted.iter().any(|(value, _)| *value == chosen);
    html! {
        @if !counted.is_empty() || missing {
            fieldset.facet {
                legend { (title) }
                label { input type="radio" name=(name) value="" checked[chosen.is_empty()]; "all" span {} }
                @if missing { label { input type="radio" name=(name) value=(chosen) checked; (chosen) span { "0" } } }
                @for (value, count) in counted {
                    label {
                        input type="radio" name=(name) value=(value) checked[value == chosen];
                        (value) span { (number(count)) }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_holds_the_whole_search_and_the_api_is_asked_for_all_of_it() {
        let query =
            "q=gut+%26+strings&brand=Toro&attr.colour=dark+red&lowest=1%2C5&highest=20&stock=in&sort=price&evil=1";
        let wanted = Wanted::of(&Sent::parse(query).unwrap());
        let asked = "limit=24&q=gut%20%26%20strings&sort=price&brand=Toro&attr.colour=dark%20red&minPrice=150&maxPrice=2000&inStock=true";
        assert_eq!(wanted.asked(), asked);
        let again = Wanted::of(&Sent::parse(wanted.here().strip_prefix("/shop?").unwrap()).unwrap());
        assert_eq!(again.asked(), asked);
        assert_eq!(Wanted::default().here(), "/shop");
    }

    #[test]
    fn prices_are_typed_in_euros() {
        let cases = [
            ("", ""),
            ("3", "300"),
            ("3.5", "350"),
            ("0,45", "45"),
            ("3.555", "3.555"),
            ("abc", "abc"),
            ("99999999999999999999", "99999999999999999999"),
        ];
        for (typed, asked) in cases {
            assert_eq!(minor(typed), asked);
        }
    }
}
