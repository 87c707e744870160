//! What customers are written.

use std::fmt::Write as _;

use madrigal_contracts::notification::MailContent;
use madrigal_core::Currency;
use madrigal_core::money::Totals;

use crate::events::{Customer, OrderItem};

/// The mail that confirms an order.
pub fn confirmation(
    order_id: &str,
    customer: &Customer,
    items: &[OrderItem],
    summary: &Totals,
    currency: Currency,
) -> MailContent {
    let mut text = format!("Dear {},\n\nthank you for your order {order_id}:\n\n", customer.name);
    for item in items {
        let _ = writeln!(
            text,
            "{:>6} x {} ({} each)",
            item.quantity,
            item.name,
            amount(item.price.amount, item.price.currency)
        );
    }
    let _ = write!(
        text,
        "\nTotal {}, discount {}, tax {}: charged {}.\n",
        amount(summary.total_amount, currency),
        amount(summary.discount_amount, currency),
        amount(summary.tax_amount, currency),
        amount(summary.final_amount, currency),
    );
    mail(customer, format!("Your order {order_id}"), text)
}

/// The mail that tells of a cancellation.
pub fn cancellation(order_id: &str, customer: &Customer, refunded: bool) -> MailContent {
    let money = if refunded { "What you paid goes back to you." } else { "Nothing had been charged." };
    let text = format!("Dear {},\n\nyour order {order_id} is cancelled. {money}\n", customer.name);
    mail(customer, format!("Your order {order_id} is cancelled"), text)
}

fn mail(customer: &Customer, subject: String, text: String) -> MailContent {
    MailContent { to_name: customer.name.clone(), to_email: customer.email.clone(), subject, text }
}

/// An amount of minor units for people; two decimals, as all currencies that the shop sells in have.
fn amount(minor_units: i64, currency: Currency) -> String {
    format!("{}.{:02} {currency}", minor_units / 100, minor_units % 100)
}
