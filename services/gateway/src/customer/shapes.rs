//! What an overview looks like.

use std::collections::BTreeMap;

use madrigal_contracts::analytics::{RecentProduct, Spending};
use madrigal_contracts::catalog::Quote;
use madrigal_contracts::order::OrderBrief;
use madrigal_core::{PersonId, PositionToken};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// A customer across all services.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustomerOverview {
    /// Whose it is.
    #[schema(value_type = i64)]
    pub user_id: PersonId,
    /// The user, as the read model `user:{id}` has them: `username`, `email`, `profile`, `createdAt`, `version`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub user: Option<Value>,
    /// The newest orders, at most 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    pub orders: Option<Vec<OrderBrief>>,
    /// What they spent, by currency, in minor units.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    pub spending: Option<Vec<Spending>>,
    /// What they bought lately, at most 10 products.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    pub recent: Option<Vec<RecentProduct>>,
    /// What sells best beside it, at today's prices; only what is for sale.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    pub recommendations: Option<Vec<Quote>>,
    /// Up to where each service's part is complete, as position tokens by service.
    #[schema(value_type = BTreeMap<String, String>)]
    pub as_of: BTreeMap<&'static str, PositionToken>,
    /// The parts that are not there, and why.
    #[schema(value_type = Vec<Object>)]
    pub missing: Vec<MissingPart>,
}

/// A part that is not there.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MissingPart {
    /// `user`, `orders`, `spending`, `recent` or `recommendations`.
    pub part: &'static str,
    /// Who does not answer.
    pub service: &'static str,
    /// Why, in words.
    pub detail: String,
}
