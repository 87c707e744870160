//! Prices that change while customers order.

use madrigal_core::tasks::StopSignal;
use madrigal_invariants::Violation;
use reqwest::Method;
use serde_json::json;

use super::Clerk;
use crate::asking::insist;
use crate::customers::any_ware;
use crate::draw::Draw;
use crate::facts::Facts;
use crate::verdict::ANSWERS_ARE_SOUND;

impl Clerk {
    /// Changes the price of a product once; another clerk may be quicker, and whether it was this one need not be known.
    pub(super) async fn change_a_price(&self, draw: &Draw, facts: &mut Facts, stop: &StopSignal) {
        let path = format!("/v1/products/{}", any_ware(draw));
        let read = || self.shop.request(Method::GET, &path);
        let (Some(answer), _) = insist(&self.shop, read, None, facts, stop).await else { return };
        let version = answer.body["version"].as_u64().unwrap_or(0);
        let price = json!({ "price": { "amount": 100 + draw.below(5_000) } });
        let change =
            || self.shop.request(Method::PATCH, &path).header("If-Match", format!("\"{version}\"")).json(&price);
        let (Some(answer), _) = insist(&self.shop, change, Some(draw), facts, stop).await else { return };
        match answer.status.as_u16() {
            200 => facts.prices += 1,
            412 => {}
            _ => facts.surprise(Violation::new(ANSWERS_ARE_SOUND, [path.as_str()], answer.problem())),
        }
    }
}
