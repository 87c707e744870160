//! What payment-service answers.

use madrigal_core::{Money, PositionToken};
use madrigal_http::calls::Call;
use serde::{Deserialize, Serialize};

use crate::catalog::Undone;

/// The longest token of a means of payment, in bytes.
pub const MAX_TOKEN_BYTES: usize = 255;

/// So many digits in a row are taken for a card number.
///
/// # Source
/// ISO/IEC 7812-1: account numbers on cards have up to 19 digits; issuers use 13 and more.
const CARD_DIGITS: usize = 13;

/// Whether this can be a provider's token and is no card data: whoever takes one from outside asks before storing it.
///
/// A token starts with a letter, has letters, digits, `_` and `-` only, at most [`MAX_TOKEN_BYTES`] bytes, and no run of
/// digits that could be a card number.
pub fn is_token(text: &str) -> bool {
    let token = text.as_bytes();
    let starts_with_letter = token.first().is_some_and(u8::is_ascii_alphabetic);
    let characters_fit = token.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    let digits = text.bytes().filter(|byte| *byte != b'-' && *byte != b'_').collect::<Vec<_>>();
    let like_a_card = digits.split(|byte| !byte.is_ascii_digit()).any(|run| run.len() >= CARD_DIGITS);
    starts_with_letter && characters_fit && token.len() <= MAX_TOKEN_BYTES && !like_a_card
}

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
