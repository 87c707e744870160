//! Kinds that the shop takes one by one: users, whose passwords are dear to hash, and new orders, each a saga.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::{Stream, StreamExt, stream};
use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::lines::{FileLines, NumberedLine};
use super::{Done, Fate, bodies, patient};
use crate::client::Shop;

/// Registers each line; users whose name or e-mail is there already are known.
pub(super) fn users(
    shop: &Shop,
    lines: FileLines,
    concurrency: usize,
) -> impl Stream<Item = anyhow::Result<Done>> + '_ {
    numbered(lines)
        .map(move |read| async move {
            let (offset, line) = read?;
            let fate = register(shop, &line).await?;
            Ok(Done { offset, fates: vec![(line, fate)] })
        })
        .buffered(concurrency)
}

/// Places each line as a new order; the line's key makes it one order.
pub(super) fn live_orders(
    shop: &Shop,
    lines: FileLines,
    concurrency: usize,
) -> impl Stream<Item = anyhow::Result<Done>> + '_ {
    let placer = Placer { shop: shop.clone(), users: Arc::default() };
    numbered(lines)
        .map(move |read| {
            let placer = placer.clone();
            async move {
                let (offset, line) = read?;
                let fate = placer.place(&line).await?;
                Ok(Done { offset, fates: vec![(line, fate)] })
            }
        })
        .buffered(concurrency)
}

async fn register(shop: &Shop, line: &NumberedLine) -> anyhow::Result<Fate> {
    let body = match parsed(line) {
        Ok(body) => body,
        Err(reason) => return Ok(Fate::Refused(reason)),
    };
    let answer = patient(shop, || shop.request(Method::POST, "/v1/users").json(&body)).await?;
    Ok(match answer.status {
        status if status.is_success() => Fate::Imported,
        StatusCode::CONFLICT => Fate::Known,
        _ => Fate::Refused(answer.problem()),
    })
}

fn numbered(lines: FileLines) -> impl Stream<Item = anyhow::Result<(u64, NumberedLine)>> {
    stream::unfold(lines, |mut lines| async move {
        let line = lines.next().await.transpose()?;
        Some((line.map(|line| (lines.offset(), line)), lines))
    })
}

fn parsed(line: &NumberedLine) -> Result<Value, String> {
    let text = line.text.as_ref().ok_or_else(NumberedLine::too_long)?;
    serde_json::from_slice(text).map_err(|error| format!("no JSON: {error}"))
}

#[derive(Clone)]
struct Placer {
    shop: Shop,
    users: Arc<Mutex<HashMap<String, i64>>>,
}

impl Placer {
    async fn place(&self, line: &NumberedLine) -> anyhow::Result<Fate> {
        let order = match parsed(line).and_then(|body| bodies::live_order(line.number, body)) {
            Ok(order) => order,
            Err(reason) => return Ok(Fate::Refused(reason)),
        };
        let Some(user_id) = self.user(&order.username).await? else {
            return Ok(Fate::Refused(format!("there is no user {}", order.username)));
        };
        let body = order.body(user_id);
        let request = || {
            let request = self.shop.request(Method::POST, "/v1/orders").json(&body);
            request.header("Idempotency-Key", &order.key).header("Prefer", "wait=30")
        };
        let answer = patient(&self.shop, request).await?;
        Ok(match answer.status {
            StatusCode::CREATED => Fate::Imported,
            StatusCode::ACCEPTED => Fate::Refused(format!("still under way: {}", answer.body["saga"])),
            _ => Fate::Refused(answer.problem()),
        })
    }

    async fn user(&self, username: &str) -> anyhow::Result<Option<i64>> {
        let known = self.users.lock().unwrap_or_else(PoisonError::into_inner).get(username).copied();
        if known.is_some() {
            return Ok(known);
        }
        let request = || self.shop.request(Method::GET, "/v1/users").query(&[("username", username)]);
        let found = patient(&self.shop, request).await?.ok()?;
        let id = found["items"][0]["id"].as_i64();
        if let Some(id) = id {
            self.users.lock().unwrap_or_else(PoisonError::into_inner).insert(username.to_owned(), id);
        }
        Ok(id)
    }
}
