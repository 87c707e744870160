//! The fact about an order of the past, brought in from elsewhere.

use madrigal_core::money::Totals;
use madrigal_core::{Currency, MoneyError, PersonId, Sealed, Timestamp};
use serde::{Deserialize, Serialize};

use super::Customer;

/// An order of the past was brought in: it is delivered, took no stock and no payment of this shop, and stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderImported {
    /// The order.
    pub order_id: String,
    /// Whose it is.
    pub user_id: PersonId,
    /// Name and e-mail at the import, and the address that the order went to.
    pub customer: Sealed<Customer>,
    /// What was ordered.
    pub items: Vec<ImportedItem>,
    /// Of all amounts.
    pub currency: Currency,
    /// What it came to.
    pub summary: Totals,
    /// When it was ordered; the event's own time is that of the import.
    pub ordered_at: Timestamp,
    /// What the order is called where it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import_key: Option<String>,
}

/// A line of an order of the past: the sum that was paid for it, which a price for one need not divide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportedItem {
    /// The product; the catalogue need not have it (any more).
    pub product_id: String,
    /// Its name when it was ordered.
    pub name: String,
    /// How many.
    pub quantity: u32,
    /// What was paid for the line, in minor units; 0 for a gift.
    pub line_total: i64,
}

impl OrderImported {
    /// Whether `other` says the same of the same order. How the customer is sealed does not count: sealing is random, and
    /// names and e-mails may have changed since.
    pub fn says_the_same_as(&self, other: &Self) -> bool {
        let Self { order_id, user_id, customer: _, items, currency, summary, ordered_at, import_key } = self;
        (order_id, user_id, items, currency) == (&other.order_id, &other.user_id, &other.items, &other.currency)
            && (summary, ordered_at, import_key) == (&other.summary, &other.ordered_at, &other.import_key)
    }
}

/// What past lines came to: Σ of what was paid, and the tax on top of it.
///
/// # Errors
/// [`MoneyError::Overflow`] or [`MoneyError::Negative`].
pub fn past_totals(items: &[ImportedItem], tax_amount: i64) -> Result<Totals, MoneyError> {
    let (mut item_count, mut total_amount) = (0u64, 0i64);
    for item in items {
        if item.line_total < 0 {
            return Err(MoneyError::Negative);
        }
        item_count = item_count.checked_add(u64::from(item.quantity)).ok_or(MoneyError::Overflow)?;
        total_amount = total_amount.checked_add(item.line_total).ok_or(MoneyError::Overflow)?;
    }
    if tax_amount < 0 {
        return Err(MoneyError::Negative);
    }
    let final_amount = total_amount.checked_add(tax_amount).ok_or(MoneyError::Overflow)?;
    Ok(Totals { item_count, total_amount, discount_amount: 0, tax_amount, final_amount })
}
