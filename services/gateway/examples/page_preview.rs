//! The first page with made-up services behind it, to look at it in a browser: `cargo run -p madrigal-gateway --example
//! page_preview`, then open the address that it prints. Payment tokens answer as the sandbox would.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{HeaderMap, StatusCode};
use madrigal_core::Host;
use madrigal_core::tasks::StopSignal;
use madrigal_gateway::{DemoHints, GatewayParts, Target, Upstream};
use madrigal_http::{Edge, Problem, TokenSigner, problem};
use serde_json::{Value, json};
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(info(title = "Madrigal, made up", version = "0.0.0"), paths(search_products))]
struct MadeUpApi;

/// Searches products.
#[utoipa::path(get, path = "/v1/products/search", params(("q" = Option<String>, Query)), responses((status = 200)))]
#[expect(dead_code, reason = "described only")]
fn search_products() {}

type Orders = Arc<Mutex<BTreeMap<String, Value>>>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let host = Host::system();
    let signer = TokenSigner::generate(&host);
    let edge = Edge::new(Arc::new(signer.verifier()), host.clone());
    let port = std::env::args().nth(1).map_or(Ok(8099), |text| text.parse())?;
    let token = signer.issue(&host, "1", madrigal_http::Role::Customer, std::time::Duration::from_secs(3_600)).0;
    let upstream = |service, router| Upstream { service, target: Target::InProcess(router) };
    let parts = GatewayParts {
        upstreams: vec![
            upstream("user-service", users(&token)),
            upstream("catalog-service", catalog()),
            upstream("order-service", orders()),
            upstream("payment-service", Router::new()),
            upstream("notification-service", Router::new()),
        ],
        openapi: MadeUpApi::openapi(),
        operations: operations(),
        demo: Some(DemoHints { login: "ines.ferreira".into(), password: "a demo password".into() }),
        version: "0.1.0",
    };
    let router = madrigal_gateway::router(parts, &edge)?;
    let listener = tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))).await?;
    writeln!(std::io::stderr(), "http://{}/", listener.local_addr()?)?;
    madrigal_http::serve(listener, router, StopSignal::new()).await;
    Ok(())
}

fn operations() -> Router {
    let fine = json!({"status": "healthy", "milliseconds": 1, "detail": ""});
    let behind = json!({"status": "degraded", "milliseconds": 3, "detail": "1,204 events behind, catching up"});
    let health = json!({"status": "degraded", "timestamp": "2026-11-22T10:42:18Z", "checks": {
        "database": {"status": "healthy", "services": {"user-service": fine, "catalog-service": fine}},
        "eventStore": {"status": "healthy", "services": {
            "catalog-service": fine, "order-service": fine, "payment-service": fine, "notification-service": fine}},
        "orderView": {"status": "degraded", "services": {"order-service": behind}},
        "cache": {"status": "healthy", "services": {"user-service": fine}},
    }});
    Router::new().route("/health", get(async move || Json(health.clone())))
}

fn users(token: &str) -> Router {
    let session = json!({"token": token, "expiresAt": "2026-11-22T20:00:00Z", "userId": 1});
    let log_in = async move |Json(body): Json<Value>| -> Response {
        if body["password"] == "a demo password" {
            return (StatusCode::CREATED, Json(session)).into_response();
        }
        Problem::new(StatusCode::UNAUTHORIZED, "wrong-credentials", "Wrong name or password")
            .detail("There is no user with this name and this password.")
            .into_response()
    };
    let register = async || {
        Problem::new(StatusCode::CONFLICT, "user-exists", "There is such a user already")
            .detail("See errors for each field that is taken.")
            .error("/email", "another user has this address")
            .error("/username", "another user has this name")
    };
    Router::new().route("/v1/sessions", post(log_in)).route("/v1/users", post(register))
}

fn catalog() -> Router {
    let product = |id: &str, name: &str, brand: &str, amount: i64, discount: i64, left: i64| {
        json!({"productId": id, "name": name, "brand": brand, "category": [{"id": "c", "name": "Pantry", "path": "Food/Pantry"}],
            "price": {"amount": amount, "currency": "EUR", "discount": discount}, "inventory": {"available": left}})
    };
    let all = [
        product("p1", "Whole peeled tomatoes, 400 g", "Campo Lindo", 119, 0, 412),
        product("p2", "Vine tomatoes, 500 g", "Horta Viva", 229, 0, 138),
        product("p3", "Tomato passata, 700 ml", "Nonna Tilde", 194, 1_000, 64),
        product("p4", "Cherry tomatoes, 250 g", "Horta Viva", 189, 0, 9),
        product("p5", "Sun-dried tomatoes in oil, 280 g", "Nonna Tilde", 395, 0, 31),
        product("p6", "Tomato and basil sauce, 340 g", "Campo Lindo", 249, 0, 0),
        product("p7", "Rye sourdough, 750 g", "Padaria do Lago", 420, 0, 22),
        product("p8", "Olive oil, 500 ml", "Kettle & Co", 899, 500, 77),
        product("p9", "<b>Bold</b> & co, 1 kg", "Kettle & Co", 139, 0, 203),
    ];
    let search = async move |Query(query): Query<BTreeMap<String, String>>| {
        let wanted = query.get("q").map(|text| text.to_lowercase()).unwrap_or_default();
        let fits = |product: &&Value| product["name"].as_str().unwrap_or_default().to_lowercase().contains(&wanted);
        Json(json!({"items": all.iter().filter(fits).collect::<Vec<_>>(), "next": null}))
    };
    Router::new().route("/v1/products/search", get(search))
}

fn orders() -> Router {
    Router::new()
        .route("/v1/orders", post(place).get(list))
        .route("/v1/orders/{id}", get(one))
        .route("/v1/orders/{id}/events", get(events))
        .route("/v1/orders/{id}/cancel", post(cancel))
        .route("/v1/sagas/{id}", get(saga))
        .with_state(Orders::default())
}

async fn place(State(orders): State<Orders>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    if !headers.contains_key("idempotency-key") {
        return problem::bad_request("idempotency-key-required", "Idempotency-Key is required", "").into_response();
    }
    match body["paymentMethod"]["token"].as_str().unwrap_or_default() {
        "tok_visa" | "tok_mastercard" => {}
        "tok_flaky" => {
            return problem::conflict(
                "out-of-stock",
                "Out of stock",
                "Some lines cannot be served. Nothing was charged.",
            )
            .with("lines", json!([{"productId": "p1", "requested": 5, "available": 3}]))
            .into_response();
        }
        "tok_timeout_paid" => return problem::overloaded().into_response(),
        _ => {
            return Problem::new(StatusCode::PAYMENT_REQUIRED, "payment-declined", "Payment declined")
                .detail("The payment was declined. Nothing was charged and nothing is reserved.")
                .with("reason", "card_declined".into())
                .into_response();
        }
    }
    let mut orders = orders.lock().unwrap_or_else(PoisonError::into_inner);
    let id = format!("01a202da-77f0-7aa0-8c10-0000000003f{}", orders.len());
    let order = json!({"orderId": id, "userId": 1, "customerInfo": {"name": "Ines Ferreira", "email": "ines@example.org"},
        "items": [{"productId": "p1", "name": "Whole peeled tomatoes, 400 g", "quantity": 2}], "currency": "EUR",
        "summary": {"itemCount": 2, "totalAmount": 238, "discountAmount": 0, "taxAmount": 19, "finalAmount": 257},
        "timeline": [{"status": "confirmed", "timestamp": "2026-11-22T10:42:18.031Z", "note": "paid with the card ending 4242"}],
        "currentStatus": "confirmed", "sagaId": "5b1c2f0d9e7a4c1e", "createdAt": "2026-11-22T10:42:18.031Z", "version": 1});
    orders.insert(id, order.clone());
    (StatusCode::CREATED, [("madrigal-position", "b3JkZXI6MQ")], Json(order)).into_response()
}

async fn list(State(orders): State<Orders>) -> Json<Value> {
    let orders = orders.lock().unwrap_or_else(PoisonError::into_inner);
    Json(json!({"items": orders.values().rev().collect::<Vec<_>>(), "next": null}))
}

async fn one(State(orders): State<Orders>, Path(id): Path<String>) -> Response {
    let orders = orders.lock().unwrap_or_else(PoisonError::into_inner);
    orders
        .get(&id)
        .map_or_else(|| problem::not_found("such order").into_response(), |order| Json(order).into_response())
}

async fn events(Path(id): Path<String>) -> Json<Value> {
    let event = |kind: &str, at: &str, data: Value| json!({"eventType": kind, "aggregateId": id, "eventData": data, "metadata": {"timestamp": at}});
    Json(json!({"items": [
        event("OrderPlaced", "2026-11-22T10:42:18.028Z", json!({"items": [{"productId": "p1", "quantity": 2}], "customer": "sealed"})),
        event("OrderConfirmed", "2026-11-22T10:42:18.031Z", json!({"paymentId": "pay_77"})),
    ]}))
}

async fn cancel(State(orders): State<Orders>, Path(id): Path<String>) -> Response {
    let mut orders = orders.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(order) = orders.get_mut(&id) else { return problem::not_found("such order").into_response() };
    order["currentStatus"] = "cancelled".into();
    if let Some(timeline) = order["timeline"].as_array_mut() {
        timeline
            .push(json!({"status": "cancelled", "timestamp": "2026-11-22T10:44:02.900Z", "note": "changed my mind"}));
    }
    Json(order.clone()).into_response()
}

async fn saga(Path(id): Path<String>) -> Json<Value> {
    let step = |name: &str, kind: &str, tries: usize| json!({"name": name, "kind": kind, "state": "done", "attempts": vec![json!({"outcome": "done"}); tries]});
    Json(json!({"sagaId": id, "definition": "place-order", "state": "completed", "steps": [
        step("reserve-inventory", "compensatable", 1), step("process-payment", "compensatable", 2), step("create-order", "pivot", 1),
        step("confirm-reservation", "retriable", 1), step("send-confirmation", "retriable", 1)]}))
}
