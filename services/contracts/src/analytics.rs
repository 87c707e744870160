//! What analytics-service answers.

use madrigal_core::{Currency, PersonId, PositionToken, Timestamp};
use madrigal_http::calls::Call;
use serde::{Deserialize, Serialize};

/// Asks for what the page of a customer shows of figures: all of it in one call.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GetCustomerFigures {
    /// The customer.
    pub user_id: PersonId,
    /// Waits (a little) until the figures have this much, where it names logs that they are made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<PositionToken>,
}

/// What a customer spent, in one currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spending {
    /// Of the amount.
    pub currency: Currency,
    /// Orders placed, cancelled ones included.
    pub orders: u64,
    /// Those that were not cancelled.
    pub kept_orders: u64,
    /// The final amounts of those, in minor units.
    pub amount: i64,
}

/// A product that a customer ordered lately.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecentProduct {
    /// The product.
    pub product_id: String,
    /// Its name as analytics knows it.
    pub name: String,
    /// When it was last ordered.
    pub ordered_at: Timestamp,
}

/// The answer to [`GetCustomerFigures`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CustomerFigures {
    /// By currency; none where nothing was ordered.
    pub spending: Vec<Spending>,
    /// Products of the newest 20 orders in each currency that were not cancelled, the latest first, each once, at most
    /// [`CustomerFigures::RECENT`].
    pub recent: Vec<RecentProduct>,
    /// What sells best in the categories of those, and is not among them; at most [`CustomerFigures::CANDIDATES`]. Whether
    /// it is for sale, catalog-service knows.
    pub candidates: Vec<String>,
    /// Up to where everything is in it.
    pub position: PositionToken,
}

impl CustomerFigures {
    /// The most recent products.
    pub const RECENT: usize = 10;
    /// The most candidates.
    pub const CANDIDATES: usize = 10;
}

impl Call for GetCustomerFigures {
    type Answer = CustomerFigures;
    const NAME: &'static str = "analytics.get-customer-figures";
}
