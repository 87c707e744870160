//! What the routes take and give.

use madrigal_core::{Money, RecordedEvent};
use madrigal_http::Cursor;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::domain::PaymentState;
use crate::provider::{LedgerEntry, LedgerPage, LedgerTotals};
use crate::store::LoadedPayment;

/// Which part of the ledger.
#[derive(Debug, Deserialize, IntoParams, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LedgerQuery {
    /// The `next` of the page before.
    pub cursor: Option<String>,
    /// How many, 1 to 1,000; 100 by default.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
}

/// An amount in minor units.
#[derive(Debug, ToSchema)]
#[schema(as = Money)]
#[expect(dead_code, reason = "describes what Money writes; never built")]
pub struct MoneyDocument {
    amount: i64,
    #[schema(example = "EUR")]
    currency: String,
}

/// A payment.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PaymentDocument {
    /// The saga that charged.
    pub saga_id: String,
    /// Where it stands.
    pub state: PaymentState,
    /// The order that it is for, where a charge was ever asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_id: Option<String>,
    /// What was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<MoneyDocument>)]
    pub amount: Option<Money>,
    /// The provider's id of the charge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_id: Option<String>,
    /// The last four digits of the card.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_four: Option<String>,
    /// Why it was declined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How many events it has.
    pub version: u64,
    /// Its events, without tokens.
    #[schema(value_type = Vec<Object>)]
    pub events: Vec<Value>,
}

impl PaymentDocument {
    /// The payment that these events make.
    pub fn new(saga_id: String, loaded: LoadedPayment, events: &[RecordedEvent]) -> Self {
        let payment = loaded.payment;
        let (payment_id, last_four) =
            payment.succeeded.map_or((None, None), |charge| (Some(charge.payment_id), Some(charge.last_four)));
        let (order_id, amount) = payment.terms.map_or((None, None), |terms| (Some(terms.order_id), Some(terms.amount)));
        Self {
            saga_id,
            state: payment.state,
            order_id,
            amount,
            payment_id,
            last_four,
            reason: payment.declined.map(|declined| declined.reason),
            version: loaded.version.0,
            events: events.iter().filter_map(without_token).collect(),
        }
    }
}

/// The event as JSON, without the token of the means of payment.
fn without_token(event: &RecordedEvent) -> Option<Value> {
    let mut event = serde_json::to_value(event).ok()?;
    if let Some(data) = event.get_mut("eventData").and_then(Value::as_object_mut) {
        data.remove("token");
    }
    Some(event)
}

/// A part of the ledger, and its sums.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LedgerDocument {
    /// In the order of the ledger.
    pub items: Vec<LedgerEntry>,
    /// Where the next part begins; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// By currency, over the whole ledger through `totalsThrough`.
    pub totals: Vec<LedgerTotals>,
    /// The position through which the totals count.
    pub totals_through: u64,
}

impl From<LedgerPage> for LedgerDocument {
    fn from(page: LedgerPage) -> Self {
        Self {
            items: page.entries,
            next: page.next.map(|position| Cursor(position).to_text()),
            totals: page.totals,
            totals_through: page.totals_through,
        }
    }
}
