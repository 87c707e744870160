//! Placing, until the outcome is known.

use futures::future::join;
use madrigal_client::Answer;
use madrigal_core::tasks::StopSignal;
use madrigal_invariants::Violation;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::Customer;
use crate::asking::{Told, ask, insist};
use crate::draw::Draw;
use crate::facts::{Facts, Outcome, Placed, Wanted, Wish};
use crate::verdict;

impl Customer {
    /// Asks for an order until its outcome is known or `stop`; sometimes twice at once, sometimes once more afterwards.
    pub(super) async fn place(&self, draw: &Draw, wanted: &mut Wanted, facts: &mut Facts, stop: &StopSignal) {
        if draw.percent(5) {
            let (mut one, mut two) = (Facts::default(), Facts::default());
            let patience = std::time::Duration::from_secs(20);
            let told = join(
                ask(&self.shop, self.request(wanted), patience, &mut one),
                ask(&self.shop, self.request(wanted), patience, &mut two),
            );
            let (first, second) = told.await;
            facts.merge(one);
            facts.merge(two);
            for told in [first, second] {
                match told {
                    Told::Answer(answer) => self.learn(wanted, &answer, facts),
                    Told::Unknown => wanted.unanswered += 1,
                    Told::NotSent => {}
                }
            }
        }
        if let Outcome::Unknown = wanted.outcome {
            let (answer, unanswered) = insist(&self.shop, || self.request(wanted), Some(draw), facts, stop).await;
            wanted.unanswered += unanswered;
            if let Some(answer) = answer {
                self.learn(wanted, &answer, facts);
                self.read_back(&answer, facts).await;
            }
        }
        if draw.percent(5) {
            // What is known stays the answer, also from a process that was not there when it was given.
            self.ask_again(wanted, facts, stop).await;
        }
    }

    /// Asks once more under the same key, until there is an answer or `stop`.
    pub(super) async fn ask_again(&self, wanted: &mut Wanted, facts: &mut Facts, stop: &StopSignal) {
        let (answer, unanswered) = insist(&self.shop, || self.request(wanted), None, facts, stop).await;
        wanted.unanswered += unanswered;
        if let Some(answer) = answer {
            self.learn(wanted, &answer, facts);
        }
    }

    fn request(&self, wanted: &Wanted) -> RequestBuilder {
        let items: Vec<Value> = wanted
            .lines
            .iter()
            .map(|(product, quantity)| json!({ "productId": product, "quantity": quantity }))
            .collect();
        let body = json!({
            "items": items, "paymentMethod": { "token": wanted.payment }, "shippingAddress": { "key": wanted.key },
        });
        let request = self.shop.request(Method::POST, "/v1/orders").json(&body);
        request.header("Idempotency-Key", &wanted.key).header("Prefer", "wait=10")
    }

    /// Takes an answer in, and says where it contradicts an earlier one.
    fn learn(&self, wanted: &mut Wanted, answer: &Answer, facts: &mut Facts) {
        let told = match answer.status.as_u16() {
            201 => Outcome::Placed(Placed {
                order: answer.body["orderId"].as_str().unwrap_or_default().to_owned(),
                amount: answer.body["summary"]["finalAmount"].as_i64().unwrap_or(-1),
                cancelled: Wish::Never,
                shipped: Wish::Never,
            }),
            402 | 409 => Outcome::Refused(answer.body["code"].as_str().unwrap_or_default().to_owned()),
            _ => {
                facts.surprise(Violation::new(verdict::ANSWERS_ARE_SOUND, [wanted.key.as_str()], answer.problem()));
                return;
            }
        };
        let contradiction = match (&wanted.outcome, &told) {
            (Outcome::Unknown, _) => None,
            (Outcome::Placed(before), Outcome::Placed(now)) => (before.order != now.order)
                .then(|| format!("the key named order {} and then {}", before.order, now.order)),
            (Outcome::Refused(before), Outcome::Refused(now)) => {
                (before != now).then(|| format!("refused as {before} and then as {now}"))
            }
            (before, now) => Some(format!("answered with {before:?} and then with {now:?}")),
        };
        if let Some(words) = contradiction {
            facts.surprise(Violation::new(verdict::ONE_ORDER_PER_KEY, [wanted.key.as_str()], words));
        } else if let Outcome::Unknown = wanted.outcome {
            wanted.outcome = told;
        }
    }

    /// Reads an order as fresh as the answer about it says: it is there, at least as far.
    pub(super) async fn read_back(&self, answer: &Answer, facts: &mut Facts) {
        let (Some(order), Some(position)) = (answer.body["orderId"].as_str(), &answer.position) else { return };
        let request = self.shop.request(Method::GET, &format!("/v1/orders/{order}"));
        let patience = std::time::Duration::from_secs(20);
        let told = ask(&self.shop, request.header("Madrigal-Position", position), patience, facts).await;
        let Told::Answer(read) = told else { return };
        let version = |body: &Value| body["version"].as_u64().unwrap_or(0);
        let words = match read.status.as_u16() {
            200 if version(&read.body) >= version(&answer.body) => {
                facts.reads += 1;
                return;
            }
            200 => format!("version {} after {}", version(&read.body), version(&answer.body)),
            _ => read.problem(),
        };
        facts.surprise(Violation::new(verdict::READS_SEE_WRITES, [order], words));
    }
}
