//! What was found.

use maud::{Markup, html};
use serde_json::Value;

use super::super::marks::{Tone, mark};
use super::super::refusal;
use super::super::visit::Visit;
use super::super::words::{money, number, plural, segment};
use super::search::Wanted;
use crate::inside::{Refused, Told};

/// At how many left a product is said to run out.
const FEW: i64 = 10;

pub(super) async fn ask(visit: &Visit, wanted: &Wanted) -> Result<Told, Refused> {
    visit.get(format!("/v1/products/search?{}", wanted.asked())).send().await
}

pub(super) fn list(visit: &Visit, wanted: &Wanted, found: &Result<Told, Refused>) -> Markup {
    let told = match found {
        Ok(told) => told,
        Err(refused) => return html! { div.stack.tight { (refusal::told(refused, "Nothing was searched.")) } },
    };
    let items = told.body["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    html! {
        div.stack.tight {
            p.small.dim role="status" { (summary(wanted, told, items.len())) }
            h2.visually-hidden { "Products" }
            @if items.is_empty() {
                p { "No product matches" @if wanted.is_narrowed() { " these filters. Take one away, or search for something else." }
                    @else { ". Try another word, or fewer letters of it." } }
            }
            ul.cards { @for item in items { (card(visit, wanted, item)) } }
            @if let Some(next) = told.body["next"].as_str() {
                p { a.btn href=(wanted.address(next)) { "Next 24" } }
            }
        }
    }
}

/// How many, without claiming more than the answer says: lists have no totals of their own.
fn summary(wanted: &Wanted, told: &Told, shown: usize) -> String {
    let total = told.body["total"].as_i64();
    let shown = i64::try_from(shown).unwrap_or(i64::MAX);
    let count = match total {
        Some(total) => plural(total, "product", "products"),
        None if told.body["next"].is_string() => format!("the first {} products", number(shown)),
        None => plural(shown, "product", "products"),
    };
    if wanted.words.is_empty() { count } else { format!("{count} for “{}”", wanted.words) }
}

fn card(visit: &Visit, wanted: &Wanted, product: &Value) -> Markup {
    let id = product["productId"].as_str().unwrap_or_default();
    let name = product["name"].as_str().unwrap_or(id);
    let left = product["inventory"]["available"].as_i64().unwrap_or(0);
    let for_sale = product["status"] != "inactive" && left > 0;
    html! {
        li.card.out[!for_sale] #{ "p-" (segment(id)) } {
            header {
                (picture(product))
                h3 { a href={ "/shop/products/" (segment(id)) } { (highlighted(name, &product["highlight"]["name"])) } }
            }
            p.small.dim { (origin(product)) }
            (price(&product["price"]))
            footer {
                span.small { (stock(product, left)) }
                @if for_sale {
                    form method="post" action="/shop/basket" {
                        (visit.token())
                        input type="hidden" name="add" value=(id);
                        input type="hidden" name="back" value={ (wanted.here()) "#p-" (segment(id)) };
                        button.btn.small type="submit" aria-label={ "Add: " (name) } { "Add" }
                    }
                } @else {
                    button.btn.small type="button" aria-disabled="true" aria-label={ "Not to be had: " (name) } { "None left" }
                }
            }
        }
    }
}

/// The first letter stands for a picture: the catalogue has none.
fn picture(product: &Value) -> Markup {
    let letter = product["name"].as_str().and_then(|name| name.chars().find(|letter| letter.is_alphanumeric()));
    html! { span.pic.letter aria-hidden="true" { (letter.map(|letter| letter.to_uppercase().to_string()).unwrap_or_default()) } }
}

fn origin(product: &Value) -> String {
    let brand = product["brand"].as_str();
    let category = product["category"][0]["name"].as_str();
    [brand, category].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// The price to pay, and before it what it was without discount.
pub(super) fn price(price: &Value) -> Markup {
    let amount = price["amount"].as_i64().unwrap_or(0);
    let currency = price["currency"].as_str().unwrap_or("EUR");
    let off = price["discount"].as_i64().unwrap_or(0);
    html! {
        p.price {
            (money(discounted(amount, off), currency))
            @if off > 0 { " " s { span.visually-hidden { "before " } (money(amount, currency)) } }
        }
    }
}

/// `amount` with `off` basis points taken away; the discount is rounded half up, as in orders.
pub(super) fn discounted(amount: i64, off: i64) -> i64 {
    let discount = (i128::from(amount) * i128::from(off) + 5_000) / 10_000;
    amount.saturating_sub(i64::try_from(discount).unwrap_or(0))
}

pub(super) fn stock(product: &Value, left: i64) -> Markup {
    match left {
        _ if product["status"] == "inactive" => mark(Tone::Calm, "no", "not for sale"),
        ..=0 => mark(Tone::Bad, "fail", "out of stock"),
        1..FEW => mark(Tone::Wait, "clock", &format!("only {left} left")),
        _ => mark(Tone::Ok, "done", &format!("{} in stock", number(left))),
    }
}

/// The name with what was found in it marked. The highlight comes as HTML with `<b>`; only a text that is the name itself is
/// believed, so whatever stands in it is shown as text.
pub(super) fn highlighted(name: &str, highlight: &Value) -> Markup {
    let pieces = highlight.as_str().map(pieces).unwrap_or_default();
    let text: String = pieces.iter().map(|(text, _)| text.as_str()).collect();
    if text != name {
        return html! { (name) };
    }
    html! { @for (text, found) in &pieces { @if *found { mark { (text) } } @else { (text) } } }
}

fn pieces(html: &str) -> Vec<(String, bool)> {
    let mut pieces = Vec::new();
    for (at, part) in html.split("<b>").enumerate() {
        let (found, rest) = match part.split_once("</b>") {
            Some((found, rest)) if at > 0 => (found, rest),
            _ => ("", part),
        };
        pieces.extend([(unescaped(found), true), (unescaped(rest), false)]);
    }
    pieces.retain(|(text, _)| !text.is_empty());
    pieces
}

fn unescaped(text: &str) -> String {
    let plain = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
    plain.replace("&#x27;", "'").replace("&#39;", "'").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_highlight_marks_words_and_never_becomes_markup() {
        let shown = |name: &str, highlight: &str| highlighted(name, &Value::from(highlight)).into_string();
        assert_eq!(shown("Renaissance lute", "Renaissance <b>lute</b>"), "Renaissance <mark>lute</mark>");
        let evil = "<img src=x onerror=alert(1)> & lute";
        assert_eq!(
            shown(evil, "&lt;img src=x onerror=alert(1)&gt; &amp; <b>lute</b>"),
            "&lt;img src=x onerror=alert(1)&gt; &amp; <mark>lute</mark>"
        );
        assert_eq!(shown("lute", "<script>alert(1)</script><b>lute</b>"), "lute");
        assert_eq!(
            shown(evil, "<img src=x onerror=alert(1)> & <b>lute</b>"),
            "&lt;img src=x onerror=alert(1)&gt; &amp; <mark>lute</mark>"
        );
    }

    #[test]
    fn a_discount_is_rounded_as_in_orders() {
        assert_eq!(
            (discounted(3_450, 1_000), discounted(5, 5_000), discounted(100, 0), discounted(100, 10_000)),
            (3_105, 2, 100, 0)
        );
    }
}
