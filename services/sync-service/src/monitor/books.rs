//! The books: what must hold between services, and in rows by themselves, beside the pairs.
//!
//! * [`stock`]: the numbers of each stock, as they are served;
//! * `keepers`: who keeps the three sides of an order: its saga, its reservation, the provider's account;
//! * `judge`: what is wrong with one saga's sides; `walk`: all sagas, and from then on those to which something happened.

mod judge;
mod keepers;
pub mod stock;
mod walk;

use super::pairs::DeclaredPair;

pub use keepers::BookKeepers;
pub(super) use walk::{Asked, Books};

const fn book(name: &'static str, owner: &'static str, copy: &'static str, service: &'static str) -> DeclaredPair {
    DeclaredPair { name, owner, copy, entity: "books", service }
}

/// `available = onHand − reserved`, `received + adjusted = onHand + sold`, nothing below zero.
pub const STOCK: DeclaredPair = book("books.stock", "stock.events", "stock.view", "catalog-service");
/// Only a saga that is under way holds stock.
pub const RESERVATIONS: DeclaredPair =
    book("books.reservations", "orders.sagas", "catalog.reservations", "catalog-service");
/// What an order that stands holds is sold, once, and nothing else is.
pub const SOLD: DeclaredPair = book("books.sold", "orders.sagas", "catalog.reservations", "catalog-service");
/// What the provider charged and did not refund is what the order that stands comes to, charged once.
pub const MONEY: DeclaredPair = book("books.money", "orders.sagas", "provider.ledger", "payment-service");
/// A confirmation that arrived after its reservation's release: only where the order is cancelled.
pub const LATE: DeclaredPair = book("books.late", "orders.sagas", "catalog.reservations", "catalog-service");

/// The books that are kept saga by saga.
pub(super) const OF_SAGAS: [DeclaredPair; 4] = [RESERVATIONS, SOLD, MONEY, LATE];

/// Whether this is the name of a book.
pub(super) fn is_book(name: &str) -> bool {
    name == STOCK.name || is_of_sagas(name)
}

/// Whether this is the name of a book that is kept saga by saga.
pub(super) fn is_of_sagas(name: &str) -> bool {
    OF_SAGAS.iter().any(|book| book.name == name)
}
