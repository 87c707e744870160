//! A small service behind the edge.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::routing::{get, post};
use madrigal_core::{Host, PersonId, StreamVersion};
use madrigal_http::auth::{Role, TokenSigner};
use madrigal_http::testing::{self, TestBody};
use madrigal_http::{
    Answered, Body, Caller, Context, Edge, IdempotencyKey, IfMatch, MaybeCaller, MergePatch, Path, PreferWait, Query,
    SeenPosition, etag, problem,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

/// A body with one of everything.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct PlaceOrder {
    #[schema(min_items = 1, max_items = 3)]
    pub(crate) items: Vec<Item>,
    pub(crate) shipping_address: Option<Address>,
    pub(crate) payment: Payment,
    #[schema(max_length = 5, min_length = 1)]
    pub(crate) note: Option<String>,
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) draft: Option<bool>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) placed_at: Option<madrigal_core::Timestamp>,
    pub(crate) speed: Option<Speed>,
}

#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Item {
    pub(crate) product_id: i64,
    #[schema(minimum = 1, maximum = 100)]
    pub(crate) quantity: u32,
    pub(crate) weight: Option<f64>,
    pub(crate) small: Option<u8>,
}

#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Address {
    pub(crate) street: String,
    #[schema(pattern = "^[A-Z]{2}$")]
    pub(crate) country: String,
}

#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "camelCase", deny_unknown_fields)]
pub(crate) enum Payment {
    Card { token: String },
    Invoice { days: u32 },
}

#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Speed {
    Fast,
    Slow,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Listing {
    pub(crate) limit: Option<u32>,
    pub(crate) status: Option<String>,
}

pub(crate) struct Shop {
    pub(crate) router: Router,
    pub(crate) host: Host,
    pub(crate) signer: Arc<TokenSigner>,
}

impl Shop {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Edge)) -> Self {
        let host = Host::seeded(7);
        let (mut edge, signer) = testing::edge(&host);
        change(&mut edge);
        Self { router: edge.wrap_service("order-service", routes()), host, signer }
    }

    pub(crate) fn bearer(&self, sub: &str, role: Role) -> String {
        testing::bearer(&self.signer, &self.host, sub, role)
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<TestBody>,
    ) -> (StatusCode, HeaderMap, Value) {
        testing::send(&self.router, method, path, headers, body).await
    }
}

/// Asserts a complete problem document and returns it.
pub(crate) fn assert_problem(
    (status, headers, body): (StatusCode, HeaderMap, Value),
    expected: u16,
    code: &str,
) -> Value {
    assert_eq!((status.as_u16(), body["code"].as_str()), (expected, Some(code)), "{body}");
    assert_eq!(headers["content-type"], "application/problem+json");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(body["status"], expected);
    assert_eq!(body["type"], format!("/docs/problems/{code}"));
    assert!(body["instance"].is_string() && body["retryable"].is_boolean() && body["title"].is_string(), "{body}");
    assert_eq!(headers["traceparent"].to_str().unwrap()[3..35], *body["traceId"].as_str().unwrap());
    assert!(headers.contains_key("x-correlation-id"));
    body
}

fn routes() -> Router {
    Router::new()
        .route("/v1/orders", post(place).get(list))
        .route("/v1/orders/{id}", get(show).patch(patch))
        .route("/v1/users/{id}/orders", get(of_user))
        .route("/v1/operators", get(operators_only))
        .route("/v1/open", get(open))
        .route("/v1/panic", get(panics))
        .route("/v1/plain", post(plain))
        .route("/v1/context", get(context))
        .route("/v1/wait", get(wait))
}

async fn place(
    IdempotencyKey(key): IdempotencyKey,
    Body(order, fingerprint): Body<PlaceOrder>,
) -> Answered<axum::Json<Value>> {
    Ok(axum::Json(json!({"key": key, "order": order, "fingerprint": fingerprint})))
}

async fn list(Query(listing): Query<Listing>, SeenPosition(_): SeenPosition) -> Answered<axum::Json<Value>> {
    Ok(axum::Json(json!({"limit": listing.limit, "status": listing.status})))
}

async fn show(Path(id): Path<i64>) -> Answered<([(axum::http::HeaderName, axum::http::HeaderValue); 1], String)> {
    if id > 100 {
        return Err(problem::not_found(format!("order {id}")));
    }
    Ok(([(axum::http::header::ETAG, etag(StreamVersion(7)))], format!("\"order {id}\"")))
}

async fn patch(
    Path(_): Path<i64>,
    IfMatch(version): IfMatch,
    MergePatch(patch, _): MergePatch,
) -> Answered<axum::Json<Value>> {
    if version != StreamVersion(7) {
        return Err(problem::version_mismatch(StreamVersion(7)));
    }
    Ok(axum::Json(Value::Object(patch)))
}

async fn of_user(caller: Caller, Path(id): Path<i64>) -> Answered<String> {
    caller.may_act_for(PersonId(id))?;
    Ok("[]".into())
}

async fn operators_only(caller: Caller) -> Answered<String> {
    caller.require_operator()?;
    Ok(format!("\"{}\"", caller.actor()))
}

async fn open(MaybeCaller(caller): MaybeCaller) -> String {
    caller.map_or("\"nobody\"".into(), |caller| format!("\"{}\"", caller.actor()))
}

async fn panics() -> String {
    panic!("secret of the inside")
}

async fn plain(axum::Json(_): axum::Json<Item>) -> String {
    String::new()
}

async fn context(Context(context): Context) -> axum::Json<Value> {
    axum::Json(json!({
        "correlation": context.correlation_id, "causation": context.causation_id, "user": context.user_id,
        "traceparent": context.traceparent, "deadline": context.deadline.is_some()
    }))
}

async fn wait(PreferWait(wait, at_once): PreferWait) -> axum::Json<Value> {
    axum::Json(json!({"seconds": wait.as_secs(), "atOnce": at_once}))
}
