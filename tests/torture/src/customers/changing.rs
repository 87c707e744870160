//! Cancelling and shipping, one of them or both at once.

use futures::future::join;
use madrigal_client::{Answer, Shop};
use madrigal_core::tasks::StopSignal;
use madrigal_invariants::Violation;
use reqwest::Method;
use serde_json::{Value, json};

use super::Customer;
use crate::asking::insist;
use crate::draw::Draw;
use crate::facts::{Facts, Placed, Wish};
use crate::verdict;

impl Customer {
    /// Maybe cancels the order, maybe has it shipped, maybe both at once.
    pub(super) async fn change(&self, draw: &Draw, placed: &mut Placed, facts: &mut Facts, stop: &StopSignal) {
        match draw.below(100) {
            0..25 => placed.cancelled = self.cancel(draw, &placed.order, facts, stop).await,
            25..45 => placed.shipped = self.ship(draw, &placed.order, facts, stop).await,
            45..53 => {
                let (mut one, mut two) = (Facts::default(), Facts::default());
                let both = join(
                    self.cancel(draw, &placed.order, &mut one, stop),
                    self.ship(draw, &placed.order, &mut two, stop),
                );
                (placed.cancelled, placed.shipped) = both.await;
                facts.merge(one);
                facts.merge(two);
            }
            _ => {}
        }
    }

    /// Asks again for what was asked for without an answer.
    pub(super) async fn change_again(&self, placed: &mut Placed, facts: &mut Facts, stop: &StopSignal) {
        if placed.cancelled == Wish::Asked {
            let (shop, path) = (&self.shop, format!("/v1/orders/{}/cancel", placed.order));
            placed.cancelled = self.wish(shop, None, &path, &json!({}), Wish::Asked, facts, stop).await;
        }
        if placed.shipped == Wish::Asked {
            let (path, body) = shipping(&placed.order);
            placed.shipped = self.wish(&self.operator, None, &path, &body, Wish::Asked, facts, stop).await;
        }
    }

    async fn cancel(&self, draw: &Draw, order: &str, facts: &mut Facts, stop: &StopSignal) -> Wish {
        let path = format!("/v1/orders/{order}/cancel");
        self.wish(&self.shop, Some(draw), &path, &json!({ "reason": "thought better of it" }), Wish::Never, facts, stop)
            .await
    }

    async fn ship(&self, draw: &Draw, order: &str, facts: &mut Facts, stop: &StopSignal) -> Wish {
        let (path, body) = shipping(order);
        self.wish(&self.operator, Some(draw), &path, &body, Wish::Never, facts, stop).await
    }

    #[expect(clippy::too_many_arguments, reason = "who asks whom for what, and where it is noted")]
    async fn wish(
        &self,
        shop: &Shop,
        draw: Option<&Draw>,
        path: &str,
        body: &Value,
        before: Wish,
        facts: &mut Facts,
        stop: &StopSignal,
    ) -> Wish {
        let request = || shop.request(Method::POST, path).json(body).header("Prefer", "wait=10");
        let (answer, unanswered) = insist(shop, request, draw, facts, stop).await;
        let Some(answer) = answer else { return Wish::Asked };
        match answer.status.as_u16() {
            200 => {
                self.read_back(&answer, facts).await;
                Wish::Granted
            }
            409 if refused_for_its_status(&answer) && unanswered == 0 && before == Wish::Never => Wish::Refused,
            409 if refused_for_its_status(&answer) => Wish::RefusedLate,
            // Also 404: the order was acknowledged.
            _ => {
                facts.surprise(Violation::new(verdict::ANSWERS_ARE_SOUND, [path], answer.problem()));
                Wish::Asked
            }
        }
    }
}

fn refused_for_its_status(answer: &Answer) -> bool {
    answer.body["code"] == "order-status"
}

fn shipping(order: &str) -> (String, Value) {
    (format!("/v1/orders/{order}/ship"), json!({ "carrier": "Staffetta", "trackingNumber": order }))
}
