//! One strict endpoint behind the edge, asked four times: valid, wrong in four places, not JSON, and without a token.
//!
//! `cargo run -p madrigal-http --example strict_endpoint`

use axum::Router;
use axum::http::Method;
use axum::routing::post;
use madrigal_core::Host;
use madrigal_http::{Answered, Body, Caller, Role, testing};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a customer rates.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RateProduct {
    #[schema(min_length = 1, max_length = 64)]
    product_id: String,
    #[schema(minimum = 1, maximum = 5)]
    stars: u32,
    #[schema(max_length = 500)]
    comment: Option<String>,
}

async fn rate(caller: Caller, Body(rating, fingerprint): Body<RateProduct>) -> Answered<String> {
    Ok(format!("{:?} by {} ({})", rating.product_id, caller.actor(), &fingerprint.as_str()[..8]))
}

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "an example shows what it does")]
pub(crate) async fn main() {
    let host = Host::system();
    let (edge, signer) = testing::edge(&host);
    let router = edge.wrap_service("example", Router::new().route("/v1/ratings", post(rate)));
    let bearer = testing::bearer(&signer, &host, "42", Role::Customer);
    let json = ("content-type", "application/json");
    let known = [("authorization", bearer.as_str()), json];
    let bodies = [
        (&known[..], r#"{"productId": "p-1", "stars": 5}"#),
        (&known[..], r#"{"productId": "", "stars": 6, "comment": 7, "colour": "red"}"#),
        (&known[..], r#"{"productId": }"#),
        (&[json][..], r#"{"productId": "p-1", "stars": 5}"#),
    ];
    let mut statuses = Vec::new();
    for (headers, body) in bodies {
        let (status, _, answer) = testing::send(&router, Method::POST, "/v1/ratings", headers, body).await;
        println!("{body}\n  {status}\n  {answer}\n");
        statuses.push(status.as_u16());
    }
    assert_eq!(statuses, [200, 422, 400, 401]);
}
