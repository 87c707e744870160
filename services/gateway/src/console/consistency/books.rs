//! Books: what must hold between services. A difference is told with what it means and where to look; there is no copy that
//! could be repaired.

use axum::response::Response;
use http::StatusCode;
use maud::{Markup, html};
use serde_json::Value;

use super::super::diff;
use super::super::marks::{Tone, mark, message, note};
use super::super::pages::CONSISTENCY;
use super::super::visit::{Leaf, Visit};
use super::super::words::{day_and_clock, number, segment, short_id};
use super::names::PairName;
use super::report::{Check, Divergence, Side};
use super::verbs;

/// The most entries of one book that are listed.
const LISTED: usize = 50;

/// What a book says, and what helps where it does not hold.
struct Book {
    name: &'static str,
    /// What must hold.
    rule: &'static str,
    /// What it means where it does not.
    means: &'static str,
    /// What to do.
    helps: &'static str,
}

const BOOKS: [Book; 5] = [
    Book {
        name: "books.stock",
        rule: "Received + adjusted = on hand + sold, available = on hand − reserved, and nothing is below zero.",
        means: "The stock of this product says numbers that cannot all be true, in the view that the shop sells from.",
        helps: "Check the pair stock.view: where it differs, repair it there. Where owner and copy agree, read the events of the \
                stock, and correct the number with a reason.",
    },
    Book {
        name: "books.reservations",
        rule: "Only a saga that is under way holds stock.",
        means: "Stock is held for an order whose saga is over, or that never was: nobody can buy it.",
        helps: "Read the order’s story and its saga: an operator who abandons a saga leaves its stock held. Correct the stock \
                with a reason.",
    },
    Book {
        name: "books.sold",
        rule: "What an order that stands holds is sold, once, and nothing else is.",
        means: "Order and stock tell different sales: something was sold without an order, or an order has no goods.",
        helps: "Read the order’s story: which step of its saga was skipped or done twice. Cancel the order, or correct the stock \
                with a reason.",
    },
    Book {
        name: "books.money",
        rule: "What the provider charged and did not refund is what the order that stands comes to, charged once.",
        means: "The customer paid another amount than the order comes to, or paid for an order that does not stand.",
        helps: "Read the order’s story and the payment of its saga. Where the saga is stuck, go on with it; otherwise somebody \
                must charge or refund at the provider.",
    },
    Book {
        name: "books.late",
        rule: "A confirmation after the release of its reservation is there only where the order is cancelled.",
        means: "Goods were confirmed after they had been given back, and the order is not cancelled: they may be sold twice.",
        helps: "Read the order’s story: cancel the order, or correct the stock with a reason.",
    },
];

/// Whether this is the name of a book.
pub(super) fn is_book(pair: &str) -> bool {
    pair.starts_with("books.")
}

/// `2 entries do not balance`.
pub(super) fn counted(count: u64) -> String {
    super::pairs::counted(count, "entry does not balance", "entries do not balance")
}

/// What a check of a book does, sentence by sentence.
pub(super) fn check_effects() -> Vec<String> {
    vec![
        "What every service says of each entry is compared once more. Nothing is changed.".to_owned(),
        "It goes through all of them; a shop with many orders may take some minutes.".to_owned(),
    ]
}

/// An entry in full: what must hold, what each side says, what to do.
pub(super) fn in_full(row: &Divergence) -> Markup {
    let name = PairName::of(&row.pair);
    html! {
        div.pad { (message(Tone::Bad, "bad", &html! {
            p { b { (why(row)) "." } }
            @if let Some(book) = of(&row.pair) {
                p { (book.means) }
                p.small { "What must hold: " (book.rule) }
            }
        })) }
        div.cols.even {
            @if is_stock(&row.pair) { (side(name.copy.words, name.copy.service, &row.copy)) } @else {
                (side("The order", "order-service", &row.owner))
                (side(other_side(&row.pair), name.copy.service, &row.copy))
            }
        }
        div.pad {
            @if let Some(book) = of(&row.pair) { p { b { "What to do. " } (book.helps) } }
            p.small.dim { (no_copy()) }
            div.row {
                (places(row))
                (verbs::check(&row.pair).link_about("", &name.text()))
            }
        }
    }
}

fn of(pair: &str) -> Option<&'static Book> {
    BOOKS.iter().find(|book| book.name == pair)
}

fn is_stock(pair: &str) -> bool {
    pair == "books.stock"
}

fn other_side(pair: &str) -> &'static str {
    if pair == "books.money" { "The provider’s account" } else { "The reservation" }
}

/// Why there is no repair.
const fn no_copy() -> &'static str {
    "A book has no copy that could be repaired: both sides are what their services know. It is looked at again by itself, and \
     is gone from here when it balances."
}

/// What is wrong, as the book says it.
fn why(row: &Divergence) -> String {
    let said = row.copy.fields["why"].as_str().unwrap_or(match (row.pair.as_str(), row.issue.as_str()) {
        ("books.money", "missing") => "an order that was never charged",
        (_, "missing") => "an order without a reservation",
        ("books.stock", _) => "the numbers do not balance",
        _ => "what the services say does not fit together",
    });
    let mut letters = said.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn side(words: &str, service: &str, side: &Side) -> Markup {
    let fields: Vec<(&String, &Value)> =
        side.fields.as_object().into_iter().flatten().filter(|(field, _)| *field != "why").collect();
    html! {
        div.pad {
            h3 { span.voice { (note(service)) (words) } }
            @if !side.there() { p { (mark(Tone::Bad, "no", "there is none")) } }
            dl.kv { @for (field, value) in fields { dt { (field) } dd { (diff::text(value)) } } }
        }
    }
}

/// Where to look.
fn places(row: &Divergence) -> Markup {
    let key = segment(&row.key);
    html! {
        @if is_stock(&row.pair) {
            a.btn.primary href={ "/streams?stream=stock-" (key) } { "The stock’s events" }
            a.btn href={ "/shop/products/" (key) } { "The product" }
            (verbs::check("stock.view").link_about("", &PairName::of("stock.view").text()))
        } @else {
            a.btn.primary href={ "/orders/" (story_of(row)) } { "The order’s story" }
            a.btn href={ "/sagas/" (key) } { "Its saga" }
            @if row.pair == "books.money" { a.btn href={ "/streams?stream=payment-" (key) } { "Its payment" } }
        }
    }
}

/// The order where one is known, else the saga, by which stories are found too.
fn story_of(row: &Divergence) -> String {
    let order = [&row.owner, &row.copy].into_iter().find_map(|side| side.fields["orderId"].as_str());
    segment(order.unwrap_or(&row.key))
}

/// The other entries of a book, in a table.
pub(super) fn others(check: &Check, rows: &[Divergence]) -> Markup {
    html! {
        table.data.fold {
            thead { tr {
                th scope="col" { "Other entries" } th scope="col" { "What is wrong" } th scope="col" { "Found, UTC" }
                th scope="col" { span.visually-hidden { "Where to look" } }
            } }
            tbody {
                @for row in rows.iter().take(LISTED) {
                    tr {
                        th scope="row" { (super::rows::row_link(row)) }
                        td data-l="What is wrong" { (mark(Tone::Bad, "bad", &why(row))) }
                        td data-l="Found" { @if let Some(at) = row.found { (day_and_clock(at)) } @else { span.dim { "not told" } } }
                        td.num data-l="" {
                            @if is_stock(&row.pair) {
                                a.btn.small href={ "/streams?stream=stock-" (segment(&row.key)) } { "Its events" span.visually-hidden { ": " (row.key) } }
                            } @else {
                                a.btn.small href={ "/orders/" (story_of(row)) } { "Its story" span.visually-hidden { ": " (row.key) } }
                            }
                        }
                    }
                }
            }
        }
        @let told = rows.len().min(LISTED) + 1;
        @if u64::try_from(told).is_ok_and(|told| told < check.divergent) {
            p.empty { (number(i64::try_from(told).unwrap_or(0))) " of " (number(i64::try_from(check.divergent).unwrap_or(0))) " entries are shown." }
        }
    }
}

/// Who asks for a repair is told why there is none, and where to look.
pub(super) fn not_repaired(visit: &Visit, pair: &str, row: Option<&Divergence>) -> Response {
    let back = row
        .map_or_else(|| "/consistency#divergent".to_owned(), |row| format!("/consistency/rows/{}", segment(&row.id)));
    let main = html! {
        header { div { h1 { "An entry of a book cannot be repaired" } p { "Nothing was done." } } }
        (message(Tone::Bad, "no", &html! {
            p { (no_copy()) }
            @if let Some(book) = of(pair) { p { b { "What to do. " } (book.helps) } }
            p {
                @if let Some(row) = row { (places(row)) " " }
                a.btn href=(back) { @if let Some(row) = row { "Back to " (short_id(&row.key)) } @else { "Back to consistency" } }
            }
        }))
    };
    visit.page_as(StatusCode::CONFLICT, Leaf { title: "Not repaired", current: CONSISTENCY, live: None }, &main)
}
