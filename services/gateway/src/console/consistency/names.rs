//! Row sets and pairs by the names that people know them by.

use maud::{Markup, html};

use super::super::marks::note;

/// A set: its name, the service that holds it, and what people call it.
const SETS: [(&str, &str, &str); 20] = [
    ("users.table", "user-service", "users"),
    ("users.key-value", "user-service", "profiles by key"),
    ("users.index", "catalog-service", "user search"),
    ("users.analytics", "analytics-service", "users in analytics"),
    ("orders.events", "order-service", "order events"),
    ("orders.view", "order-service", "order views"),
    ("orders.analytics", "analytics-service", "orders in analytics"),
    ("products.events", "catalog-service", "products"),
    ("products.view", "catalog-service", "product views"),
    ("products.search", "catalog-service", "product search"),
    ("products.cache", "catalog-service", "product cache"),
    ("stock.events", "catalog-service", "stock"),
    ("stock.view", "catalog-service", "stock views"),
    ("stock.search", "catalog-service", "stock in search"),
    ("stock.cache", "catalog-service", "stock in the cache"),
    ("books.stock", "catalog-service", "the books of the stock"),
    ("books.reservations", "catalog-service", "the books of reservations"),
    ("books.sold", "catalog-service", "the books of what is sold"),
    ("books.money", "payment-service", "the books of the money"),
    ("books.late", "catalog-service", "the books of late confirmations"),
];

/// A pair as the pages name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PairName<'a> {
    /// Whose word counts.
    pub(crate) owner: Set<'a>,
    /// The copy; the same as the owner where the pair compares something within it.
    pub(crate) copy: Set<'a>,
}

/// A set as the pages name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Set<'a> {
    /// Its name as the monitor knows it.
    pub(crate) name: &'a str,
    /// The service that holds it.
    pub(crate) service: &'a str,
    /// Its words.
    pub(crate) words: &'a str,
}

impl<'a> PairName<'a> {
    /// The pair of a report's name: `orders.view`, `orders.events → orders.view` or `stock.events -> products.search`.
    pub(crate) fn of(pair: &'a str) -> Self {
        let parts = ["→", "->"].iter().find_map(|arrow| pair.split_once(arrow));
        let (owner, copy) = match parts {
            Some((owner, copy)) => (owner.trim(), copy.trim()),
            None => (owner_of(pair), pair),
        };
        Self { owner: Set::of(owner), copy: Set::of(copy) }
    }

    /// As a text: `order events → order views`.
    pub(crate) fn text(&self) -> String {
        if self.owner == self.copy {
            self.copy.words.to_owned()
        } else {
            format!("{} → {}", self.owner.words, self.copy.words)
        }
    }

    /// With the owner's note and an arrow that is read as "to".
    pub(crate) fn shown(&self) -> Markup {
        html! {
            (note(self.owner.service)) " "
            @if self.owner == self.copy { (self.copy.words) } @else {
                (self.owner.words) span.arrow aria-hidden="true" { "→" } span.visually-hidden { " to " } (self.copy.words)
            }
        }
    }

    /// The names that the monitor knows them by.
    pub(crate) fn sets(&self) -> Markup {
        html! { @if self.owner == self.copy { (self.copy.name) } @else { (self.owner.name) " → " (self.copy.name) } }
    }
}

impl<'a> Set<'a> {
    /// The set of this name.
    pub(crate) fn of(name: &'a str) -> Self {
        match SETS.iter().find(|(known, ..)| *known == name) {
            Some((_, service, words)) => Self { name, service, words },
            None => Self { name, service: voice_of(name), words: name },
        }
    }
}

/// The owner of a copy that is named alone.
fn owner_of(copy: &str) -> &str {
    match copy.split_once('.').map(|(family, _)| family) {
        Some("users") => "users.table",
        Some("orders") => "orders.events",
        Some("products") => "products.events",
        Some("stock") => "stock.events",
        _ => copy,
    }
}

/// The service that a set is likely about: only for its note.
fn voice_of(name: &str) -> &'static str {
    match name.split(['.', '-', ' ']).next().unwrap_or_default() {
        "users" | "user" => "user-service",
        "orders" | "order" | "sagas" => "order-service",
        "products" | "stock" | "reservations" | "catalog" | "inventory" => "catalog-service",
        "payments" | "payment" | "charges" => "payment-service",
        "mails" | "confirmations" => "notification-service",
        "analytics" => "analytics-service",
        _ => "gateway",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_named_by_its_copy_or_by_both() {
        assert_eq!(PairName::of("orders.view").text(), "order events → order views");
        assert_eq!(PairName::of("stock.events -> products.search").text(), "stock → product search");
        assert_eq!(PairName::of("users.table → users.index").copy.service, "catalog-service");
        assert_eq!(PairName::of("stock.search").text(), "stock → stock in search");
        let book = PairName::of("charges.orders");
        assert_eq!((book.text(), book.owner.service), ("charges.orders".to_owned(), "payment-service"));
    }
}
