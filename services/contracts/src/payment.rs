//! What payment-service answers.

use madrigal_core::{Money, PositionToken};
use madrigal_http::calls::Call;
use serde::{Deserialize, Serialize};

use crate::catalog::Undone;

/// Charges an amount, for one saga; asking again gives the first answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChargePayment {
    /// The saga: the key of this payment, also at the provider.
    pub saga_id: String,
    /// The order that it is for.
    pub order_id: String,
    /// What is charged, more than 0 or 0 where the order costs nothing (then the provider is not called).
    pub amount: Money,
    /// The provider's token for the means of payment, as in `tok_visa`. Never card data.
    pub token: String,
}

/// The answer to [`ChargePayment`]. A provider that does not answer in time is a fault of unknown outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "outcome")]
pub enum Payment {
    /// Charged.
    Paid {
        /// The provider's id of the charge.
        payment_id: String,
        /// The last four digits of the card.
        last_four: String,
        /// The position that has it.
        position: PositionToken,
    },
    /// Certainly not charged.
    Declined {
        /// The provider's reason, as in `card_declined`.
        reason: String,
    },
    /// Certainly not charged: this saga's payment was refunded or voided before (a late message).
    Voided,
}

impl Call for ChargePayment {
    type Answer = Payment;
    const NAME: &'static str = "payment.charge";
}

/// Gives back what a saga charged. Of a payment never seen a tombstone remains, here and at the provider.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RefundPayment {
    /// The saga that charged it.
    pub saga_id: String,
}

impl Call for RefundPayment {
    type Answer = Undone;
    const NAME: &'static str = "payment.refund";
}
