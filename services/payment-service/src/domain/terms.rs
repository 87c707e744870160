//! What a payment was asked for.

use madrigal_contracts::payment::is_token;
use madrigal_core::Money;
use serde::{Deserialize, Serialize};

/// The terms of one payment; they never change under one saga.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Terms {
    /// The order that it is for.
    pub order_id: String,
    /// What is charged, from 0.
    pub amount: Money,
    /// The provider's token for the means of payment; kept, because an unknown outcome is settled by asking again.
    pub token: String,
}

/// Why terms are refused before anything is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TermsError {
    /// An amount below zero.
    #[error("an amount below zero cannot be charged")]
    NegativeAmount,
    /// Not a provider's token; it may be card data, so it is not stored and not repeated here.
    #[error("the means of payment is not a provider's token")]
    NotAToken,
}

impl Terms {
    /// Checks what must hold before the terms may be stored.
    ///
    /// What a token is [`is_token`] says.
    ///
    /// # Errors
    /// [`TermsError`].
    pub fn check(&self) -> Result<(), TermsError> {
        if self.amount.amount < 0 {
            return Err(TermsError::NegativeAmount);
        }
        if is_token(&self.token) { Ok(()) } else { Err(TermsError::NotAToken) }
    }

    /// Whether nothing is to be charged: the provider is not called then.
    pub const fn is_free(&self) -> bool {
        self.amount.amount == 0
    }
}

#[cfg(test)]
mod tests {
    use madrigal_core::Currency;

    use super::*;

    fn terms(amount: i64, token: &str) -> Terms {
        let amount = Money { amount, currency: Currency::EUR };
        Terms { order_id: "o-1".to_owned(), amount, token: token.to_owned() }
    }

    #[test]
    fn what_may_be_card_data_is_not_a_token() {
        for token in ["tok_visa", "tok_timeout_paid", "pm_1NxYz2", "a"] {
            assert_eq!(terms(1, token).check(), Ok(()), "{token}");
        }
        for token in
            ["", "4242424242424242", "tok_4242424242424242", "t4242-4242-4242-4242", "tok visa", "tok\n", "tök", "_tok"]
        {
            assert_eq!(terms(1, token).check(), Err(TermsError::NotAToken), "{token}");
        }
        assert_eq!(terms(1, &"t".repeat(256)).check(), Err(TermsError::NotAToken));
    }

    #[test]
    fn amounts_below_zero_are_refused() {
        assert_eq!(terms(-1, "tok_visa").check(), Err(TermsError::NegativeAmount));
        assert_eq!(terms(i64::MAX, "tok_visa").check(), Ok(()));
    }
}
