//! Changes beside a check: users and prices are changed, orders placed and cancelled, one of each after the other.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use madrigal_core::{Host, tasks};
use madrigal_http::{Role, TokenSigner};
use serde_json::{Value, json};

use super::Options;
use crate::orders::settle::json as json_of;
use crate::orders::wire::{self, Connection};
use crate::sync::changes::{self, User};

/// How long tokens count: longer than any run.
const LIFETIME: Duration = Duration::from_secs(24 * 3_600);
/// The longest pause between two changes of a kind.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
/// How often an order, or its cancellation, is asked for until it is done.
const TRIES: usize = 20;

/// What is changed, and what was.
pub(super) struct Changes {
    operator: String,
    /// One connection for each kind of change, which are made at the same time.
    connections: [Connection; 4],
    users: VecDeque<User>,
    products: VecDeque<(String, u64)>,
    /// Who orders: a token for each, in turn.
    buyers: VecDeque<(String, String)>,
    /// Placed and not cancelled yet, with the buyer's token.
    placed: VecDeque<(String, String)>,
    done: Done,
}

#[derive(Debug, Clone, Copy, Default)]
struct Done {
    users: u64,
    prices: u64,
    placed: u64,
    cancelled: u64,
}

impl Changes {
    /// Finds enough users and products to change.
    pub(super) async fn of(
        address: &str,
        signer: &TokenSigner,
        operator: &str,
        options: &Options,
    ) -> anyhow::Result<Self> {
        let users = changes::users(address, operator).await?;
        ensure!(!users.is_empty(), "there is no user to change");
        let wanted = usize::try_from(options.changes)?;
        // Spread over all of them, so that no page of a check is left in peace.
        let users: VecDeque<User> = users.into_iter().collect();
        let products = products(options, wanted)?;
        let buyer = |(number, user): (usize, &User)| {
            let token = signer.issue(&Host::system(), &user.id.to_string(), Role::Customer, LIFETIME).0;
            (token, products[number % products.len()].0.clone())
        };
        let buyers = users.iter().enumerate().take(wanted).map(buyer).collect();
        let open = || Connection::open(address);
        Ok(Self {
            operator: operator.to_owned(),
            connections: [open().await?, open().await?, open().await?, open().await?],
            users,
            products,
            buyers,
            placed: VecDeque::new(),
            done: Done::default(),
        })
    }

    /// So many of each kind, evenly over this time; orders that were placed before are cancelled, as many.
    pub(super) async fn some(&mut self, count: u64, over: Duration) -> anyhow::Result<()> {
        let pause = over.checked_div(u32::try_from(count.max(1))?).unwrap_or_default().min(LONGEST_PAUSE);
        let Self { operator, connections, users, products, buyers, placed, done } = self;
        let operator = operator.as_str();
        let [for_users, for_prices, for_orders, for_cancelling] = connections;
        let changing_users = async {
            for _ in 0..count {
                let mut user = users.pop_front().context("there is no user")?;
                let body = json!({ "profile": { "firstName": format!("Ottavia {}", done.users) } });
                let path = format!("/v1/users/{}", user.id);
                user.version = changed(for_users, operator, &path, user.version, &body).await?;
                users.push_back(user);
                done.users += 1;
                tasks::sleep(pause).await;
            }
            anyhow::Ok(())
        };
        let changing_prices = async {
            for _ in 0..count {
                let (id, version) = products.pop_front().context("there is no product")?;
                let body = json!({ "price": { "amount": 100 + done.prices } });
                let path = format!("/v1/products/{id}");
                let version = changed(for_prices, operator, &path, version, &body).await?;
                // Somebody looks at it: its page is in the cache, a copy that is checked, too.
                json_of(for_prices, &wire::request("GET", &path, operator, &[], "")).await?;
                products.push_back((id, version));
                done.prices += 1;
                tasks::sleep(pause).await;
            }
            anyhow::Ok(())
        };
        let mut fresh = Vec::new();
        let ordering = async {
            for _ in 0..count {
                let (token, product) = buyers.pop_front().context("there is no buyer")?;
                let order = place(for_orders, &token, &product, done.placed).await?;
                fresh.push((order, token.clone()));
                buyers.push_back((token, product));
                done.placed += 1;
                tasks::sleep(pause).await;
            }
            anyhow::Ok(())
        };
        let cancelling = async {
            for _ in 0..count {
                let Some((order, token)) = placed.pop_front() else { break };
                cancel(for_cancelling, &order, &token).await?;
                done.cancelled += 1;
                tasks::sleep(pause).await;
            }
            anyhow::Ok(())
        };
        futures::try_join!(changing_users, changing_prices, ordering, cancelling)?;
        placed.extend(fresh);
        Ok(())
    }

    /// Cancels what is left; how much was changed.
    pub(super) async fn end(&mut self) -> anyhow::Result<Value> {
        while let Some((order, token)) = self.placed.pop_front() {
            cancel(&mut self.connections[3], &order, &token).await?;
            self.done.cancelled += 1;
        }
        let Done { users, prices, placed, cancelled } = self.done;
        Ok(json!({ "users": users, "prices": prices, "ordersPlaced": placed, "ordersCancelled": cancelled }))
    }
}

/// So many of the file's products, evenly spread; all of them in their first version.
fn products(options: &Options, wanted: usize) -> anyhow::Result<VecDeque<(String, u64)>> {
    let file = super::file(&options.retail, "products");
    let mut ids = Vec::new();
    for line in BufReader::new(std::fs::File::open(&file)?).lines() {
        let product: Value = serde_json::from_str(&line?).with_context(|| format!("{} is not read", file.display()))?;
        ids.push(product["productId"].as_str().context("a product without an id")?.to_owned());
    }
    ensure!(!ids.is_empty(), "{} has no products", file.display());
    let every = (ids.len() / wanted.max(1)).max(1);
    Ok(ids.into_iter().step_by(every).take(wanted).map(|id| (id, 1)).collect())
}

/// Changes a document from this version; its version then.
async fn changed(
    connection: &mut Connection,
    operator: &str,
    path: &str,
    version: u64,
    body: &Value,
) -> anyhow::Result<u64> {
    let based_on = format!("\"{version}\"");
    let request = wire::request("PATCH", path, operator, &[("if-match", &based_on)], &body.to_string());
    let answer = connection.send(&request).await?;
    if answer.status != 200 {
        bail!("{path} answered {}: {}", answer.status, String::from_utf8_lossy(answer.body));
    }
    let answer: Value = serde_json::from_slice(answer.body)?;
    answer["version"].as_u64().with_context(|| format!("{path} without a version"))
}

async fn place(connection: &mut Connection, token: &str, product: &str, number: u64) -> anyhow::Result<String> {
    let body = json!({
        "items": [{ "productId": product, "quantity": 1 }], "paymentMethod": { "token": "tok_visa" },
        "shippingAddress": { "street": "Via Roma 1", "city": "Cremona" },
    });
    let key = format!("year-{number}");
    let headers = [("idempotency-key", key.as_str()), ("prefer", "wait=10")];
    let request = wire::request("POST", "/v1/orders", token, &headers, &body.to_string());
    let order = insist(connection, &request, 201).await.with_context(|| format!("an order of {product}"))?;
    Ok(order["orderId"].as_str().context("an order without an id")?.to_owned())
}

async fn cancel(connection: &mut Connection, order: &str, token: &str) -> anyhow::Result<()> {
    let path = format!("/v1/orders/{order}/cancel");
    let request = wire::request("POST", &path, token, &[("prefer", "wait=10")], "{}");
    insist(connection, &request, 200).await.with_context(|| path.clone())?;
    Ok(())
}

/// Asks again, as often as the answer is that it is not done yet: a machine that is busy takes longer than a request waits.
async fn insist(connection: &mut Connection, request: &[u8], wanted: u16) -> anyhow::Result<Value> {
    for _ in 0..TRIES {
        let answer = connection.send(request).await?;
        match answer.status {
            status if status == wanted => return Ok(serde_json::from_slice(answer.body)?),
            202 | 503 => tasks::sleep(LONGEST_PAUSE).await,
            status => bail!("it was answered {status}: {}", String::from_utf8_lossy(answer.body)),
        }
    }
    bail!("it was not done after {TRIES} requests")
}
