//! Products, customers and orders for tests, made through the public API.

use anyhow::{Context, bail};
use madrigal::client::{Answer, Shop};
use madrigal_core::Host;
use reqwest::Method;
use serde_json::{Value, json};

/// The password of every customer made here.
pub const PASSWORD: &str = "correct horse battery";

/// A registered and logged-in customer.
#[derive(Debug, Clone)]
pub struct Customer {
    /// The user's id.
    pub id: i64,
    /// Their name for logging in.
    pub username: String,
    /// The shop, asked as this customer.
    pub shop: Shop,
}

impl Customer {
    /// Registers and logs in.
    ///
    /// # Errors
    /// Where the shop refuses.
    pub async fn register(shop: &Shop, username: &str) -> anyhow::Result<Self> {
        let body = json!({
            "email": format!("{username}@customers.example"), "username": username, "password": PASSWORD,
            "profile": { "firstName": "Ottavia", "lastName": "Quintavalle" },
        });
        let user = shop.post("/v1/users", &body).await?.ok()?;
        let session = json!({ "login": username, "password": PASSWORD });
        let session = shop.post("/v1/sessions", &session).await?.ok()?;
        let token = session["token"].as_str().context("no token")?.to_owned();
        let id = user["id"].as_i64().context("no id")?;
        Ok(Self { id, username: username.to_owned(), shop: shop.with_token(token) })
    }

    /// Places an order and returns whatever is answered.
    ///
    /// # Errors
    /// Where the shop cannot be reached.
    pub async fn place(&self, items: &[(&str, u32)], payment: &str, key: &str) -> anyhow::Result<Answer> {
        let items: Vec<Value> =
            items.iter().map(|(product, quantity)| json!({ "productId": product, "quantity": quantity })).collect();
        let body = json!({
            "items": items, "paymentMethod": { "token": payment },
            "shippingAddress": { "street": "Via dei Liutai 12", "city": "Cremona" },
        });
        self.place_body(&body, key).await
    }

    /// Places an order with a body as it is.
    ///
    /// # Errors
    /// Where the shop cannot be reached.
    pub async fn place_body(&self, body: &Value, key: &str) -> anyhow::Result<Answer> {
        let request = self.shop.request(Method::POST, "/v1/orders").json(body).header("Idempotency-Key", key);
        Ok(self.shop.send(request.header("Prefer", "wait=30")).await?)
    }

    /// Places an order that must succeed.
    ///
    /// # Errors
    /// Where it does not.
    pub async fn must_place(&self, items: &[(&str, u32)]) -> anyhow::Result<Value> {
        let answer = self.place(items, "tok_visa", &fresh_key()).await?;
        if answer.status != 201 {
            bail!("{}", answer.problem());
        }
        Ok(answer.body)
    }
}

/// A key that nobody used before.
pub fn fresh_key() -> String {
    Host::system().uuid_v7().to_string()
}

/// Makes a product with stock, as an operator.
///
/// # Errors
/// Where the shop refuses.
pub async fn product(operator: &Shop, id: &str, cents: i64, stock: i64) -> anyhow::Result<()> {
    let body = json!({
        "productId": id, "name": format!("Product {id}"), "description": "For tests",
        "category": [{ "id": "tests", "name": "Tests", "path": "tests" }],
        "price": { "amount": cents, "currency": "EUR", "discount": 0 },
        "attributes": [], "tags": [], "status": "active", "initialStock": stock,
    });
    operator.post("/v1/products", &body).await?.ok()?;
    Ok(())
}
