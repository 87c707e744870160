//! Money as integers of minor units, and the arithmetic of an order's totals.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An ISO 4217 code: three capital letters. Amounts are in its minor unit (cents for EUR).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// The euro.
    pub const EUR: Self = Self(*b"EUR");

    /// The code, or `None` if it is not three capital letters.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; 3] = text.as_bytes().try_into().ok()?;
        bytes.iter().all(u8::is_ascii_uppercase).then_some(Self(bytes))
    }

    /// The code as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("???")
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Currency {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not an ISO 4217 code such as EUR"))
    }
}

/// An amount in minor units of a currency: `{"amount": 1999, "currency": "EUR"}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Money {
    /// Minor units (cents).
    pub amount: i64,
    /// Of this currency.
    pub currency: Currency,
}

/// A share in hundredths of a percent, 0 to 10,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(transparent)]
pub struct BasisPoints(u16);

impl BasisPoints {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The shop's tax, 8 %.
    ///
    /// # Source
    /// The brief's `taxAmount: total * 0.08`.
    pub const TAX: Self = Self(800);

    /// The share, or `None` above 10,000.
    pub const fn new(basis_points: u16) -> Option<Self> {
        if basis_points <= 10_000 { Some(Self(basis_points)) } else { None }
    }

    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// This share of `amount`, rounded half up.
    ///
    /// # Errors
    /// [`MoneyError::Negative`] for a negative amount: rounding half up is defined here for amounts from 0.
    pub fn of(self, amount: i64) -> Result<i64, MoneyError> {
        if amount < 0 {
            return Err(MoneyError::Negative);
        }
        let exact = i128::from(amount) * i128::from(self.0);
        i64::try_from((exact + 5_000) / 10_000).map_err(|_| MoneyError::Overflow)
    }
}

impl<'de> Deserialize<'de> for BasisPoints {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u16::deserialize(deserializer)?;
        Self::new(number).ok_or_else(|| serde::de::Error::custom("basis points are 0 to 10000"))
    }
}

/// Why an amount cannot be computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Beyond what 64 bits hold: refused, never wrapped.
    #[error("the amount is too large")]
    Overflow,
    /// Below zero where that makes no sense.
    #[error("the amount is negative")]
    Negative,
    /// Two currencies in one sum.
    #[error("amounts of different currencies cannot be added")]
    Currencies,
}

/// One line as far as totals are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PricedLine {
    /// Minor units for one.
    pub unit_amount: i64,
    /// How many.
    pub quantity: u32,
    /// Off the line.
    pub discount: BasisPoints,
}

/// The brief's `summary`, in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// Σ quantity.
    pub item_count: u64,
    /// Σ price × quantity.
    pub total_amount: i64,
    /// Σ per line, each rounded half up.
    pub discount_amount: i64,
    /// 8 % of (total − discount), rounded half up once per order.
    pub tax_amount: i64,
    /// total − discount + tax: what is charged.
    pub final_amount: i64,
}

impl Totals {
    /// The totals of an order's lines.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] or [`MoneyError::Negative`].
    pub fn of(lines: impl IntoIterator<Item = PricedLine>) -> Result<Self, MoneyError> {
        let (mut item_count, mut total, mut discount) = (0u64, 0i64, 0i64);
        for line in lines {
            let line_total = line.unit_amount.checked_mul(i64::from(line.quantity)).ok_or(MoneyError::Overflow)?;
            item_count = item_count.checked_add(u64::from(line.quantity)).ok_or(MoneyError::Overflow)?;
            total = total.checked_add(line_total).ok_or(MoneyError::Overflow)?;
            discount = discount.checked_add(line.discount.of(line_total)?).ok_or(MoneyError::Overflow)?;
        }
        let taxed = total.checked_sub(discount).ok_or(MoneyError::Overflow)?;
        let tax = BasisPoints::TAX.of(taxed)?;
        let final_amount = taxed.checked_add(tax).ok_or(MoneyError::Overflow)?;
        Ok(Self { item_count, total_amount: total, discount_amount: discount, tax_amount: tax, final_amount })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(lines: &[(i64, u32, u16)]) -> Result<Totals, MoneyError> {
        Totals::of(lines.iter().map(|&(unit_amount, quantity, discount)| PricedLine {
            unit_amount,
            quantity,
            discount: BasisPoints::new(discount).unwrap(),
        }))
    }

    #[test]
    fn tax_is_rounded_half_up_once_per_order() {
        for (lines, expected_tax, expected_final) in [
            (&[(100, 1, 0)][..], 8, 108),
            (&[(6, 1, 0)], 0, 6),
            (&[(7, 1, 0)], 1, 8),
            (&[(6, 1, 0), (7, 1, 0)], 1, 14),
            (&[(1_999, 3, 0)], 480, 6_477),
            (&[(1_999, 3, 1_000)], 432, 5_829),
            (&[(0, 5, 0)], 0, 0),
            (&[(100, 1, 10_000)], 0, 0),
        ] {
            let totals = totals(lines).unwrap();
            assert_eq!((totals.tax_amount, totals.final_amount), (expected_tax, expected_final), "{lines:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(totals(&[(i64::MAX, 2, 0)]), Err(MoneyError::Overflow));
        assert_eq!(totals(&[(i64::MAX, 1, 0)]), Err(MoneyError::Overflow));
        assert_eq!(totals(&[(-1, 1, 0)]), Err(MoneyError::Negative));
    }

    proptest::proptest! {
        #[test]
        fn the_books_of_a_total_balance(lines in proptest::collection::vec((0i64..1_000_000, 1u32..10_000, 0u16..=10_000), 0..20)) {
            let totals = totals(&lines).unwrap();
            proptest::prop_assert!(totals.discount_amount <= totals.total_amount);
            proptest::prop_assert_eq!(totals.final_amount, totals.total_amount - totals.discount_amount + totals.tax_amount);
        }
    }
}
