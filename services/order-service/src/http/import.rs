//! Importing orders of the past: lines in, lines out, both streamed.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use futures::{StreamExt, stream};
use madrigal_core::{CallContext, Currency, EventId, Fault, PersonId, Timestamp, tasks};
use madrigal_http::ndjson::{self, Line, Lines};
use madrigal_http::openapi::Refusals;
use madrigal_http::problem::{self, Answered, Problem};
use madrigal_http::{Caller, Context, FieldError, body};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::placing::address_errors;
use super::{Api, Shared, problems};
use crate::commands::{BuyerName, Buyers, Import, PastOrder};
use crate::events::ImportedItem;

/// The longest line, in bytes: 500 lines of an order with their names have room.
const MAX_LINE_BYTES: usize = 256 * 1024;
/// The most lines that are made durable by one append.
const LINES_AT_ONCE: usize = 256;
/// How many of those are under way at the same time: one is read and sealed while others are written.
const APPENDS_AT_ONCE: usize = 4;
/// Lines that are read before other tasks of the runtime get their turn: about a millisecond of work.
const YIELD_EVERY: usize = 16;

/// An order of the past.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = PastOrder)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct PastOrderBody {
    /// The order's id, a UUID; made of `createdAt` and `importKey` where it is not given, so that lists, which are in the
    /// order of ids, are in the order of time.
    #[schema(pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")]
    order_id: Option<String>,
    /// What the order is called where it comes from; required where there is no `orderId`, so that importing again finds it.
    #[schema(min_length = 1, max_length = 200)]
    import_key: Option<String>,
    /// Whose order it is; this or `customer`.
    #[schema(minimum = 1)]
    user_id: Option<i64>,
    /// Whose order it is; this or `userId`.
    customer: Option<PastCustomerBody>,
    /// When it was ordered; not before 1970 and not in the future.
    #[schema(value_type = String, format = DateTime, max_length = 40)]
    created_at: Timestamp,
    /// Of all amounts, ISO 4217.
    #[schema(pattern = "^[A-Z]{3}$")]
    currency: String,
    /// What was ordered; a product may stand in several lines.
    #[schema(min_items = 1, max_items = 500)]
    items: Vec<PastLineBody>,
    /// On top of the lines, in minor units; 0 where it is not given.
    #[schema(minimum = 0)]
    tax_amount: Option<i64>,
    /// Where it went; whatever fields are useful, at most 8 KiB.
    #[schema(value_type = Option<Object>)]
    shipping_address: Option<Map<String, Value>>,
}

/// A buyer by name.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = PastCustomer)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct PastCustomerBody {
    /// The user name, regardless of case.
    #[schema(min_length = 1, max_length = 100)]
    username: String,
}

/// A line of an order of the past.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = PastLine)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct PastLineBody {
    /// The product; the catalogue need not have it (any more).
    #[schema(min_length = 1, max_length = 64)]
    product_id: String,
    /// Its name at that time; its id where it is not given.
    #[schema(min_length = 1, max_length = 500)]
    name: Option<String>,
    /// How many.
    #[schema(minimum = 1, maximum = 1_000_000)]
    quantity: u32,
    /// What was paid for the line, in minor units; a price for one need not divide it.
    #[schema(minimum = 0)]
    line_total: i64,
}

/// What became of a line.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LineResult {
    /// The line's number, from 1.
    line: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    order_id: Option<String>,
    /// `imported`, `known` or `refused`.
    outcome: &'static str,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Problem>,
}

/// Imports orders of the past, one JSON object per line (schema `PastOrder`), and answers one line per line, in order:
/// `{"line", "orderId", "outcome": "imported" | "known" | "refused", "problem"}`.
///
/// Operators and services only. Imported orders are delivered, keep their dates and what was paid for each line, may name
/// products that the catalogue does not have, take no stock, no payment and no mail, and cannot be changed. Importing the
/// same file again changes nothing: an order that is there with the same contents is `known`, another one under the same id
/// is refused. `problem.retryable` tells lines that may succeed later from those that are wrong. Answers are streamed while
/// the body arrives: read them while sending.
#[utoipa::path(post, path = "/v1/orders/import", tag = "orders",
    request_body(content = PastOrderBody, content_type = "application/x-ndjson"),
    responses((status = 200, description = "One result per line", content_type = "application/x-ndjson", body = String),
        Refusals),
    security(("bearer" = [])))]
pub(super) async fn import_orders(
    State(api): Shared,
    caller: Caller,
    Context(mut context): Context,
    lines: Lines,
) -> Answered<Response> {
    caller.require_operator_or_service()?;
    context.user_id = Some(caller.actor().into());
    let buyers = Arc::new(Buyers::default());
    let results = lines
        .of_at_most(MAX_LINE_BYTES)?
        .ready_chunks(LINES_AT_ONCE)
        .map(move |lines| {
            let (api, buyers, context) = (Arc::clone(&api), Arc::clone(&buyers), context.clone());
            async move { import_apart(api, buyers, context, lines).await }
        })
        .buffered(APPENDS_AT_ONCE)
        .flat_map(stream::iter);
    Ok(ndjson::answer(results))
}

/// In a task of their own, so that several cores read and seal, and that a panic spoils no other lines.
async fn import_apart(api: Arc<Api>, buyers: Arc<Buyers>, context: CallContext, lines: Vec<Line>) -> Vec<LineResult> {
    let numbers: Vec<u64> = lines.iter().map(|line| line.number).collect();
    let task = tasks::spawn("import-orders", async move { import_lines(&api, &buyers, &context, lines).await });
    task.await.unwrap_or_else(|error| {
        tracing::error!(cause = %error, "lines of an import were not answered");
        let refused =
            |line| LineResult { line, order_id: None, outcome: "refused", problem: Some(problem::internal()) };
        numbers.into_iter().map(refused).collect()
    })
}

async fn import_lines(api: &Api, buyers: &Buyers, context: &CallContext, lines: Vec<Line>) -> Vec<LineResult> {
    let now = api.host.now();
    let (mut results, mut orders, mut places) = (Vec::with_capacity(lines.len()), Vec::new(), Vec::new());
    for (index, line) in lines.into_iter().enumerate() {
        let result = |problem| LineResult { line: line.number, order_id: None, outcome: "refused", problem };
        match line.text.and_then(|text| past_order(&text, now)) {
            Ok(order) => {
                results.push(LineResult { order_id: Some(order.order_id.clone()), ..result(None) });
                orders.push(order);
                places.push(index);
            }
            Err(problem) => results.push(result(Some(problem))),
        }
        if index % YIELD_EVERY == YIELD_EVERY - 1 {
            tokio::task::yield_now().await;
        }
    }
    match api.imports.import(orders, buyers, context).await {
        Ok(imported) => {
            for (place, imported) in places.into_iter().zip(imported) {
                match imported {
                    Ok(Import::Imported) => results[place].outcome = "imported",
                    Ok(Import::Known) => results[place].outcome = "known",
                    Err(refusal) => results[place].problem = Some(problems::of_import(refusal)),
                }
            }
        }
        Err(fault) => refuse_all(&mut results, &places, &fault),
    }
    results
}

/// Nothing is known of these lines but that they may be repeated.
fn refuse_all(results: &mut [LineResult], places: &[usize], fault: &Fault) {
    let problem = problem::from_fault(fault);
    for place in places {
        results[*place].problem = Some(problem.clone());
    }
}

/// Reads a line, and checks what its schema cannot say.
fn past_order(text: &[u8], now: Timestamp) -> Result<PastOrder, Problem> {
    let body: PastOrderBody = body::parsed(text)?;
    let mut errors = Vec::new();
    let mut wrong = |pointer: &str, detail: &str| {
        errors.push(FieldError { pointer: pointer.to_owned(), detail: detail.to_owned() });
    };
    if body.created_at < Timestamp::default() {
        wrong("/createdAt", "lies before 1970");
    }
    if body.created_at > now {
        wrong("/createdAt", "lies in the future");
    }
    let currency = Currency::parse(&body.currency);
    if currency.is_none() {
        wrong("/currency", "is no ISO 4217 code");
    }
    let order_id = match (&body.order_id, &body.import_key) {
        (Some(order_id), _) => order_id.clone(),
        (None, Some(key)) => derived_order_id(body.created_at, key),
        (None, None) => {
            wrong("/importKey", "is required where there is no orderId: importing again would make another order");
            String::new()
        }
    };
    let buyer = match (body.user_id, body.customer) {
        (Some(user_id), None) => Some(BuyerName::Id(PersonId(user_id))),
        (None, Some(customer)) => Some(BuyerName::Username(customer.username)),
        (None, None) => {
            wrong("/userId", "userId or customer.username is required");
            None
        }
        (Some(_), Some(_)) => {
            wrong("/userId", "userId and customer.username cannot both be given");
            None
        }
    };
    errors.extend(address_errors(body.shipping_address.as_ref()));
    let (Some(currency), Some(buyer), true) = (currency, buyer, errors.is_empty()) else {
        return Err(problem::invalid_body(errors));
    };
    let items = body.items.into_iter().map(|line| ImportedItem {
        name: line.name.unwrap_or_else(|| line.product_id.clone()),
        product_id: line.product_id,
        quantity: line.quantity,
        line_total: line.line_total,
    });
    Ok(PastOrder {
        order_id,
        import_key: body.import_key,
        buyer,
        ordered_at: body.created_at,
        currency,
        items: items.collect(),
        tax_amount: body.tax_amount.unwrap_or(0),
        shipping_address: body.shipping_address,
    })
}

/// An id in the order of time that is the same for the same order: the time as a version 7 UUID has it, and instead of
/// randomness a hash of the key.
///
/// # Source
/// RFC 9562, 5.7 for the layout; the hash is [`EventId::derived`]'s.
fn derived_order_id(created_at: Timestamp, import_key: &str) -> String {
    let mut bytes = *EventId::derived(&format!("past-order\u{0}{import_key}")).as_uuid().as_bytes();
    bytes[..6].copy_from_slice(&created_at.as_millis().to_be_bytes()[2..]);
    bytes[6] = (bytes[6] & 0x0f) | 0x70;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    uuid::Uuid::from_bytes(bytes).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_without_an_id_always_gets_the_same_one_in_the_order_of_time() {
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        let (early, late) = (time("2017-01-01T00:00:00Z"), time("2017-01-01T00:00:00.001Z"));
        let id = derived_order_id(early, "basket-1");
        assert_eq!(id, derived_order_id(early, "basket-1"));
        assert_ne!(id, derived_order_id(early, "basket-2"));
        assert!(["basket-1", "basket-2", "basket-3"].iter().all(|key| id < derived_order_id(late, key)));
        assert_eq!(id.parse::<uuid::Uuid>().unwrap().get_version_num(), 7);
    }
}
