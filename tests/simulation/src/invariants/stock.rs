//! Stock: nothing reserved at rest, and every piece accounted for.

use std::collections::BTreeMap;

use madrigal_catalog_service::domain::{Stock, StockEvent};

use crate::books::Books;
use crate::shop::Role;

fn stocks(books: &Books) -> Result<BTreeMap<String, Stock>, String> {
    let mut stocks = BTreeMap::new();
    for (stream, events) in books.streams(Role::Catalog, "stock") {
        let mut stock = Stock::default();
        for event in events {
            let read = StockEvent::read(event).map_err(|error| format!("{stream}: {error}"))?;
            stock = stock.after(&read).map_err(|error| format!("{stream} version {}: {error}", event.version()))?;
        }
        stocks.insert(stream.id().to_owned(), stock);
    }
    Ok(stocks)
}

/// Nothing is reserved.
pub(super) fn nothing_reserved(books: &Books) -> Vec<String> {
    let Ok(stocks) = stocks(books) else { return Vec::new() };
    let held = stocks.into_iter().filter(|(_, stock)| stock.reserved != 0);
    held.map(|(product, stock)| format!("{} of {product} are reserved", stock.reserved)).collect()
}

/// What came in is on the shelf or sold, and sold is what the orders that stand have.
pub(super) fn stock_balances(books: &Books) -> Vec<String> {
    let stocks = match stocks(books) {
        Ok(stocks) => stocks,
        Err(broken) => return vec![broken],
    };
    let mut sold: BTreeMap<&str, i64> = BTreeMap::new();
    for order in books.orders.values().filter(|order| order.stands()) {
        for item in &order.row.items {
            *sold.entry(&item.product_id).or_default() += i64::from(item.quantity);
        }
    }
    let mut found = Vec::new();
    for (product, stock) in &stocks {
        if stock.received != books.stock {
            found.push(format!("{product}: {} came in, not {}", stock.received, books.stock));
        }
        if stock.received + stock.adjusted != stock.on_hand + stock.sold {
            found.push(format!("{product}: {stock:?}"));
        }
        let of_orders = sold.get(product.as_str()).copied().unwrap_or_default();
        if stock.sold != of_orders {
            found.push(format!("{product}: {} are sold, the orders that stand have {of_orders}", stock.sold));
        }
    }
    found
}
