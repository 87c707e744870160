//! The port to whoever moves the money.

use async_trait::async_trait;
use madrigal_core::{Money, Timestamp};
use serde::{Deserialize, Serialize};

/// What the provider did about a request to charge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Charge {
    /// Charged, once, however often it was asked under this key.
    Charged {
        /// The provider's id of the charge.
        charge_id: String,
        /// The last four digits of the card.
        last_four: String,
    },
    /// Certainly not charged.
    Declined {
        /// Why, as in `card_declined`.
        reason: String,
    },
    /// Certainly not charged any more: the key was refunded or voided before.
    Voided,
}

/// What the provider did about a request to give back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GivenBack {
    /// Whether there was a charge under the key. It is given back; without one the key is void.
    pub had_charge: bool,
}

/// Why the provider gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// It did not answer in time: it may have charged or not. Ask again under the same key.
    #[error("the provider did not answer in time")]
    TimedOut,
    /// It refused to work: certainly nothing was done. Ask again later.
    #[error("the provider is not available")]
    Unavailable,
    /// The key was used before for something else; certainly nothing was done.
    #[error("the provider knows this key with another amount")]
    KeyReused,
    /// It broke; nothing is known.
    #[error("the provider broke")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What happened at the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LedgerKind {
    /// Money was taken.
    Charged,
    /// Money was given back.
    Refunded,
    /// A charge was declined.
    Declined,
    /// A key without a charge was made void.
    Voided,
}

/// One line of the provider's ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LedgerEntry {
    /// Its place in the ledger, rising.
    pub position: u64,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub timestamp: Timestamp,
    /// The key: the saga's id.
    pub key: String,
    /// What happened.
    pub kind: LedgerKind,
    /// The amount charged or given back; `None` where no money moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub amount: Option<Money>,
    /// The provider's id of the charge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub charge_id: Option<String>,
}

/// The sums of one currency over the whole ledger.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LedgerTotals {
    /// ISO 4217.
    pub currency: String,
    /// Minor units taken. 128 bits, so that no sum of amounts overflows.
    #[schema(value_type = i64)]
    pub charged: i128,
    /// Minor units given back.
    #[schema(value_type = i64)]
    pub refunded: i128,
    /// How many charges.
    pub charges: u64,
    /// How many refunds.
    pub refunds: u64,
}

/// A part of the ledger, and its sums.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerPage {
    /// In order of position.
    pub entries: Vec<LedgerEntry>,
    /// The position to continue from, or `None` at the end.
    pub next: Option<u64>,
    /// By currency, over the ledger through [`LedgerPage::totals_through`].
    pub totals: Vec<LedgerTotals>,
    /// The position through which the totals count.
    pub totals_through: u64,
}

/// The most entries of one [`LedgerPage`].
pub const MAX_LEDGER_PAGE: usize = 1_000;

/// A provider of payments that honours idempotency keys.
///
/// # Contract
/// 1. Under one key at most one charge is made, ever, however often and from wherever it is asked; asking again with the
///    same amount answers what was answered (or would have been).
/// 2. After [`PaymentProvider::refund`] answered, no charge stands under the key and none ever will.
/// 3. [`ProviderError::Unavailable`] and [`ProviderError::KeyReused`] mean that nothing was done.
#[async_trait]
pub trait PaymentProvider: Send + Sync + 'static {
    /// Charges `amount` to the means of payment behind `token`, under `key`.
    ///
    /// # Errors
    /// [`ProviderError`].
    ///
    /// # Cancellation
    /// A dropped call may or may not have charged: repeat it, or refund.
    async fn charge(&self, key: &str, amount: Money, token: &str) -> Result<Charge, ProviderError>;

    /// Gives back what was charged under `key`, if anything was, and refuses the key from then on. Safe to repeat.
    ///
    /// # Errors
    /// [`ProviderError`].
    ///
    /// # Cancellation
    /// Repeat it.
    async fn refund(&self, key: &str) -> Result<GivenBack, ProviderError>;

    /// The ledger's entries after position `after`, at most [`MAX_LEDGER_PAGE`], with the ledger's sums.
    ///
    /// # Errors
    /// [`ProviderError`].
    ///
    /// # Cancellation
    /// Safe: reads only.
    async fn ledger(&self, after: u64, limit: usize) -> Result<LedgerPage, ProviderError>;

    /// The ledger's entries under one key, in order of position. Looks through the whole ledger where a provider cannot do
    /// better.
    ///
    /// # Errors
    /// [`ProviderError`].
    ///
    /// # Cancellation
    /// Safe: reads only.
    async fn entries_of(&self, key: &str) -> Result<Vec<LedgerEntry>, ProviderError> {
        let (mut found, mut after) = (Vec::new(), Some(0));
        while let Some(from) = after {
            let page = self.ledger(from, MAX_LEDGER_PAGE).await?;
            found.extend(page.entries.into_iter().filter(|entry| entry.key == key));
            after = page.next;
        }
        Ok(found)
    }

    /// Whether the provider answers at all.
    ///
    /// # Errors
    /// [`ProviderError`].
    ///
    /// # Cancellation
    /// Safe: reads only.
    async fn ping(&self) -> Result<(), ProviderError>;
}
