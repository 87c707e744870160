//! Placing the order: the panel with the basket, and what becomes of the form.

use axum::response::Response;
use http::header::LOCATION;
use http::{HeaderName, StatusCode};
use madrigal_core::BasisPoints;
use madrigal_core::money::{PricedLine, Totals};
use maud::{Markup, html};
use serde_json::{Value, json};

use super::super::frame::see_other;
use super::super::marks::term;
use super::super::visit::Visit;
use super::super::words::{money, segment};
use super::answer;
use super::basket::{self, Basket, Line, Lines, MAX_QUANTITY};

/// The header of the key.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The sandbox's tokens and what happens with each.
const TOKENS: [(&str, &str, &str); 7] = [
    ("tok_visa", "pays", "The card is charged at once."),
    ("tok_mastercard", "pays", "The card is charged at once."),
    ("tok_declined", "is declined", "The bank says no: nothing is charged, and what was reserved goes back."),
    ("tok_insufficient", "not enough money", "The bank says no: nothing is charged, and what was reserved goes back."),
    (
        "tok_timeout_paid",
        "charges, answers too late",
        "The card is charged and the answer gets lost. The shop asks again and finds the one charge.",
    ),
    (
        "tok_timeout_unpaid",
        "never answers",
        "The bank never answers. The shop asks again until its time is up, then gives everything back.",
    ),
    (
        "tok_flaky",
        "fails twice, then pays",
        "The bank is not there for the first two calls. The shop tries again by itself.",
    ),
];

/// A form that was sent and refused, to be shown as it was.
#[derive(Debug)]
pub(super) struct Form {
    address: String,
    token: String,
    user: String,
    /// Lines that cannot be served: product, and the sentence about it.
    lines: Vec<(String, String)>,
}

/// `POST /shop/order`.
pub(super) async fn order(visit: Visit) -> Response {
    if let Err(to_log_in) = visit.require_login() {
        return to_log_in;
    }
    let lines = Lines::of_form(&visit.form);
    let (address, token, user) = (visit.form.get("address"), visit.form.get("token"), visit.form.get("user"));
    let items: Vec<Value> =
        lines.0.iter().map(|(id, quantity)| json!({ "productId": id, "quantity": quantity })).collect();
    let mut body = json!({
        "items": items, "shippingAddress": { "line1": address }, "paymentMethod": { "token": token },
    });
    if visit.is_operator() && !user.is_empty() {
        // What is no number is passed on as it is, so that the API says what is wrong with it.
        body["userId"] = user.parse::<i64>().map_or_else(|_| user.into(), Value::from);
    }
    // The key was made with the form: sending the form twice is one order.
    let asked = visit.post("/v1/orders", &body).header(IDEMPOTENCY_KEY, visit.form.get("key")).send().await;
    match asked {
        Ok(told) if told.status == StatusCode::ACCEPTED => {
            let saga = told.header(&LOCATION).and_then(|location| location.rsplit('/').next()).unwrap_or_default();
            basket::empty(see_other(&format!("/shop?placing={}#answer", segment(saga))), &visit)
        }
        Ok(told) => {
            let id = told.body["orderId"].as_str().unwrap_or_default();
            let at = told.position().map(|at| format!("&at={}", segment(at))).unwrap_or_default();
            basket::empty(see_other(&format!("/shop?placed={}{at}#answer", segment(id))), &visit)
        }
        Err(refused) => {
            let kept = Form {
                address: address.to_owned(),
                token: token.to_owned(),
                user: user.to_owned(),
                lines: answer::short_lines(&refused),
            };
            let said = answer::of_refusal(&refused);
            super::page(&visit, refused.status, Some(&said), Some(&kept)).await
        }
    }
}

/// The basket and the form.
pub(super) async fn panel(visit: &Visit, basket: &Basket, said: Option<&Markup>, kept: Option<&Form>) -> Markup {
    let name = buyer(visit).await;
    html! {
        section.panel.sticky #basket aria-labelledby="h-place" {
            header { h2 #h-place { "Place an order" } small { (name) } }
            @if basket.0.is_empty() {
                p.pad.dim { "Nothing is in the basket. Add a product, then come here." }
            } @else {
                form.pad #place method="post" action="/shop/order" {
                    (visit.token())
                    input type="hidden" name="key" value=(visit.fresh_key());
                    (lines(basket, kept))
                    button.btn.small type="submit" formaction="/shop/basket" formnovalidate { "Reckon again" }
                    @if visit.session().is_some() {
                        (rest(visit, kept))
                    } @else {
                        a.btn.primary href="/login?why=closed&next=%2Fshop%23basket" { "Log in to order" }
                    }
                }
            }
            div.pad #answer role="status" tabindex="-1" data-arrive[said.is_some()] aria-label="Answer" {
                @if let Some(said) = said { (said) } @else {
                    p.small.dim { "The answer appears here. An order is final when it says so; until then nothing is charged twice." }
                }
            }
        }
    }
}

async fn buyer(visit: &Visit) -> String {
    let Some(session) = visit.session() else { return "not logged in".to_owned() };
    let Some(id) = session.user_id() else { return format!("as operator {}", session.claims.sub) };
    let profile = visit.get(format!("/v1/users/{id}/profile")).send().await;
    let name = profile.ok().map(|told| {
        let part = |field: &str| told.body[field].as_str().unwrap_or_default().to_owned();
        format!("{} {}", part("firstName"), part("lastName")).trim().to_owned()
    });
    match name.filter(|name| !name.is_empty()) {
        Some(name) => format!("as {name}"),
        None => format!("as customer {id}"),
    }
}

fn lines(basket: &Basket, kept: Option<&Form>) -> Markup {
    let short = |id: &str| kept.and_then(|kept| kept.lines.iter().find(|(line, _)| line == id)).map(|(_, said)| said);
    html! {
        div.lines {
            @for Line { id, quantity, product } in &basket.0 {
                @let field = format!("n-{}", segment(id));
                @let name = product.as_ref().and_then(|product| product["name"].as_str()).unwrap_or(id);
                label for=(field) { (name) }
                input id=(field) name={ "n." (id) } type="number" min="0" max=(MAX_QUANTITY) value=(quantity)
                    aria-describedby=[short(id).map(|_| format!("{field}-short"))];
                span.num { (line_price(product.as_ref(), *quantity)) }
                @if product.is_none() { p.bad { "The catalogue has no such product. Set it to 0." } }
                @if let Some(said) = short(id) { p.bad id={ (field) "-short" } { (said) } }
            }
            (totals(basket))
        }
    }
}

fn priced(product: &Value, quantity: u32) -> Option<PricedLine> {
    let off = product["price"]["discount"].as_u64().and_then(|off| u16::try_from(off).ok());
    let discount = BasisPoints::new(off.unwrap_or(0))?;
    Some(PricedLine { unit_amount: product["price"]["amount"].as_i64()?, quantity, discount })
}

fn line_price(product: Option<&Value>, quantity: u32) -> String {
    let Some(product) = product else { return "unknown".to_owned() };
    let currency = product["price"]["currency"].as_str().unwrap_or("EUR");
    let totals = priced(product, quantity).and_then(|line| Totals::of([line]).ok());
    totals.map_or_else(|| "unknown".to_owned(), |totals| money(totals.total_amount - totals.discount_amount, currency))
}

/// What it will come to at today's prices; the owner decides when it reserves.
fn totals(basket: &Basket) -> Markup {
    let products: Option<Vec<_>> = basket.0.iter().map(|line| Some((line.product.as_ref()?, line.quantity))).collect();
    let products = products.unwrap_or_default();
    let currency = products.first().and_then(|(product, _)| product["price"]["currency"].as_str()).unwrap_or("EUR");
    let one_currency = products.iter().all(|(product, _)| product["price"]["currency"] == currency);
    let priced: Option<Vec<_>> = products.iter().map(|(product, quantity)| priced(product, *quantity)).collect();
    let totals = priced.filter(|lines| one_currency && !lines.is_empty()).and_then(|lines| Totals::of(lines).ok());
    html! {
        hr;
        @if let Some(totals) = totals {
            span { "Tax 8 %" } span {} span.num { (money(totals.tax_amount, currency)) }
            b.total { "To pay" } span.total {} b.num.total { (money(totals.final_amount, currency)) }
        } @else {
            span { "The sum appears when every line can be priced." } span {} span {}
        }
    }
}

fn rest(visit: &Visit, kept: Option<&Form>) -> Markup {
    let token = kept.map_or(TOKENS[0].0, |kept| &kept.token);
    let says = TOKENS.iter().find(|(known, ..)| *known == token).unwrap_or(&TOKENS[0]).2;
    html! {
        @if visit.is_operator() {
            label.field { "For the customer with the id"
                input name="user" inputmode="numeric" required maxlength="20" value=(kept.map_or("", |kept| &kept.user));
            }
        }
        label.field { "Ships to"
            input name="address" autocomplete="street-address" required maxlength="200"
                value=(kept.map_or("Rua das Flores 18, 4050 Porto", |kept| &kept.address));
        }
        div.field {
            label for="token" { "Payment, sandbox" }
            select #token name="token" {
                @for (value, short, sentence) in TOKENS {
                    option value=(value) data-sentence=(sentence) selected[value == token] { (value) ": " (short) }
                }
            }
            p.small.dim #token-says { (says) }
        }
        p.tiny.dim {
            (term("key", "Idempotency key", "A name for this one order, made with this form. However often the form is sent, \
                it is placed once."))
            " in the form. Pressing twice orders once."
        }
        button.btn.primary type="submit" { "Place order" }
    }
}
