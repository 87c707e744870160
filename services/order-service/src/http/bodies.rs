//! The bodies that clients send.

use madrigal_contracts::catalog::ProductQuantity;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// A line of an order as it is asked for: never with a price.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct LineBody {
    /// The product.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = "^[A-Za-z0-9._-]*[A-Za-z0-9_-][A-Za-z0-9._-]*$",
        example = "lute"
    )]
    pub(crate) product_id: String,
    /// How many.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub(crate) quantity: u32,
}

/// How an order is paid.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PaymentMethodBody {
    /// The payment provider's token, as in `tok_visa`; never card data.
    #[schema(min_length = 1, max_length = 255, pattern = "^[A-Za-z0-9_.-]+$")]
    pub(crate) token: String,
}

/// An order as it is asked for.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PlaceOrderBody {
    /// Whose order it is; only operators and services may name somebody else.
    #[schema(minimum = 1)]
    pub(crate) user_id: Option<i64>,
    /// What is ordered; each product once.
    #[schema(max_items = 500)]
    pub(crate) items: Vec<LineBody>,
    /// Where it goes; whatever fields are useful, at most 8 KiB.
    #[schema(value_type = Option<Object>)]
    pub(crate) shipping_address: Option<Map<String, Value>>,
    /// How it is paid; required unless `draft` is true.
    pub(crate) payment_method: Option<PaymentMethodBody>,
    /// What the buyer expects to pay in, ISO 4217; the products' currency if it is not stated.
    #[schema(pattern = "^[A-Z]{3}$")]
    pub(crate) currency: Option<String>,
    /// Makes a draft: nothing is reserved or paid until it is placed.
    #[serde(default)]
    pub(crate) draft: bool,
}

/// The placing of a draft.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PlaceDraftBody {
    /// How it is paid.
    pub(crate) payment_method: PaymentMethodBody,
    /// Replaces the draft's address, if given.
    #[schema(value_type = Option<Object>)]
    pub(crate) shipping_address: Option<Map<String, Value>>,
}

/// The shipping of an order.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ShipBody {
    /// With whom.
    #[schema(min_length = 1, max_length = 100)]
    pub(crate) carrier: String,
    /// The carrier's number.
    #[schema(min_length = 1, max_length = 100)]
    pub(crate) tracking_number: String,
    /// When it should arrive, by the carrier's word; RFC 3339.
    #[schema(max_length = 40, format = DateTime)]
    pub(crate) estimated_delivery: Option<String>,
}

/// The cancellation of an order.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CancelBody {
    /// Why, in the caller's words.
    #[schema(max_length = 500)]
    pub(crate) reason: Option<String>,
}

/// What an operator says with a verb.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct VerbBody {
    /// Why; kept with the saga.
    #[schema(min_length = 1, max_length = 500)]
    pub(crate) reason: String,
    /// The step, for `skip` and `mark-undone`.
    #[schema(max_length = 64)]
    pub(crate) step: Option<String>,
    /// The output that the skipped step would have left.
    #[schema(value_type = Option<Object>)]
    pub(crate) output: Option<Map<String, Value>>,
    /// How it is known that the step is undone, for `mark-undone`.
    #[schema(max_length = 2_000)]
    pub(crate) evidence: Option<String>,
}

impl From<LineBody> for ProductQuantity {
    fn from(line: LineBody) -> Self {
        Self { product_id: line.product_id, quantity: line.quantity }
    }
}
