//! The products and customers that orders are about, made over the public API.

use std::cell::Cell;
use std::path::Path;

use anyhow::{Context, bail};
use futures::future::try_join_all;
use madrigal_core::Host;
use madrigal_http::{Role, TokenSigner};
use serde_json::{Value, json};

use super::wire::{self, Connection};
use super::workload::product_id;

/// Units of each product at the start: more than any run sells.
pub const STOCK: u64 = 100_000_000;
/// Connections that make products and customers.
const MAKERS: usize = 64;
/// How long tokens count: longer than any run.
const LIFETIME: std::time::Duration = std::time::Duration::from_secs(24 * 3_600);

/// The key that the shop of this data directory signs its tokens with.
///
/// # Errors
/// Where there is none, or it is not understood.
pub fn signer(data: &Path) -> anyhow::Result<TokenSigner> {
    let key = std::fs::read_to_string(data.join("auth").join("signing.key"))?;
    TokenSigner::from_text(key.trim()).context("the shop's key is not understood")
}

/// An operator's token, signed with the shop's own key.
pub fn operator(signer: &TokenSigner) -> String {
    signer.issue(&Host::system(), "performance", Role::Operator, LIFETIME).0
}

/// Makes products with stock.
///
/// # Errors
/// Where the shop refuses one.
pub async fn make_products(address: &str, operator: &str, count: usize) -> anyhow::Result<()> {
    make(address, count, |number| {
        let body = json!({
            "productId": product_id(number), "name": format!("Product {number}"), "description": "For measuring",
            "category": [{ "id": "measured", "name": "Measured", "path": "measured" }],
            "price": { "amount": 100 + (number % 5_000), "currency": "EUR", "discount": 0 },
            "attributes": [], "tags": [], "status": "active", "initialStock": STOCK,
        });
        wire::request("POST", "/v1/products", operator, &[], &body.to_string())
    })
    .await
    .map(|_| ())
}

/// Makes customers, and a token for each.
///
/// # Errors
/// Where the shop refuses one.
pub async fn make_customers(address: &str, signer: &TokenSigner, count: usize) -> anyhow::Result<Vec<String>> {
    let operator = operator(signer);
    let made = make(address, count, |number| {
        let body = json!({
            "email": format!("customer{number}@customers.example"), "username": format!("customer{number}"),
            "password": "correct horse battery", "profile": { "firstName": "Ottavia", "lastName": "Quintavalle" },
        });
        wire::request("POST", "/v1/users", &operator, &[], &body.to_string())
    })
    .await?;
    made.iter()
        .map(|user| {
            let id = user["id"].as_i64().context("a customer without an id")?;
            Ok(signer.issue(&Host::system(), &id.to_string(), Role::Customer, LIFETIME).0)
        })
        .collect()
}

async fn make(address: &str, count: usize, request: impl Fn(usize) -> Vec<u8>) -> anyhow::Result<Vec<Value>> {
    let next = Cell::new(0);
    let makers = (0..MAKERS.min(count)).map(|_| async {
        let mut connection = Connection::open(address).await?;
        let mut made = Vec::new();
        while next.get() < count {
            let number = next.replace(next.get() + 1);
            let answer = connection.send(&request(number)).await?;
            if answer.status != 201 {
                bail!("the shop answered {}: {}", answer.status, String::from_utf8_lossy(answer.body));
            }
            made.push(serde_json::from_slice(answer.body)?);
        }
        anyhow::Ok(made)
    });
    Ok(try_join_all(makers).await?.into_iter().flatten().collect())
}
