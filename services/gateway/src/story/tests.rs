use async_trait::async_trait;
use http::{Method, StatusCode};
use madrigal_contracts::story::{
    MailTold, MailsTold, OrderTold, PaymentTold, PaymentsTold, ReservationTold, ReservationsTold, ReservedQuantity,
    SagaTold, TellMails, TellOrder, TellPayments, TellReservations,
};
use madrigal_core::{CallContext, Currency, Fault, Host, LogEpoch, LogName, Money, PersonId, Position, PositionToken};
use madrigal_http::testing::{self, bearer};
use madrigal_http::{Answer, Calls, Role, TokenSigner};
use serde_json::{Value, json};
use std::sync::Arc;

use super::*;

const SAGA: &str = "0198aaaa-0000-8000-8000-000000000001";
const ORDER: &str = "0198bbbb-0000-7000-8000-000000000001";

fn token(log: &str) -> PositionToken {
    PositionToken::of(LogName::parse(log).unwrap(), LogEpoch::new(&Host::seeded(1)), Position(7))
}

#[expect(clippy::needless_pass_by_value, reason = "JSON reads best made in place")]
fn event(category: &str, id: &str, kind: &str, second: u32, data: Value) -> Value {
    json!({
        "eventId": format!("{kind}-{second}"), "aggregateType": category, "aggregateId": id, "eventType": kind,
        "schemaVersion": 1, "eventData": data, "position": second,
        "metadata": {
            "timestamp": format!("2026-11-22T10:00:{second:02}Z"), "version": 1, "correlationId": "basket-1",
            "traceparent": "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01", "userId": "7",
        },
    })
}

fn saga() -> Value {
    json!({
        "sagaId": SAGA, "definition": "place-order", "state": "completed", "startedAt": "2026-11-22T10:00:00Z",
        "correlationId": "basket-1", "lastProgressAt": "2026-11-22T10:00:09Z",
        "steps": [
            { "name": "reserve-inventory", "kind": "compensatable", "state": "done", "undo": [], "attempts": [
                { "startedAt": "2026-11-22T10:00:01Z", "endedAt": null, "outcome": null, "detail": null },
                { "startedAt": "2026-11-22T10:00:02Z", "endedAt": "2026-11-22T10:00:03Z", "outcome": "done", "detail": {} },
            ] },
            { "name": "process-payment", "kind": "compensatable", "state": "running", "undo": [], "attempts": [
                { "startedAt": "2026-11-22T10:00:04Z", "endedAt": null, "outcome": null, "detail": null },
            ] },
        ],
        "operator": [{ "at": "2026-11-22T10:00:08Z", "verb": "retry", "step": null, "who": "anna", "why": "Provider is back", "evidence": null }],
    })
}

/// Services that tell one order of user 7.
struct Teller;

#[async_trait]
impl Answer<TellOrder> for Teller {
    async fn answer(&self, _: CallContext, call: TellOrder) -> Result<Option<OrderTold>, Fault> {
        if call.id != ORDER && call.id != SAGA {
            return Ok(None);
        }
        let data = json!({
            "items": [{ "productId": "tea", "name": "<b>Tea</b>", "quantity": 2 }], "currency": "EUR",
            "summary": { "finalAmount": 3_068 },
        });
        Ok(Some(OrderTold {
            order_id: ORDER.to_owned(),
            user_id: PersonId(7),
            order: Some(json!({ "orderId": ORDER, "currentStatus": "confirmed" })),
            events: vec![event("Order", ORDER, "OrderCreated", 6, data)],
            more_events: false,
            sagas: vec![SagaTold { saga_id: SAGA.to_owned(), places: true, decided: true, saga: saga() }],
            position: token("order"),
        }))
    }
}

#[async_trait]
impl Answer<TellReservations> for Teller {
    async fn answer(&self, _: CallContext, call: TellReservations) -> Result<ReservationsTold, Fault> {
        assert_eq!(call.saga_ids, [SAGA]);
        let line = ReservedQuantity { product_id: "tea".to_owned(), name: "Tea".to_owned(), quantity: 2 };
        let data = json!({ "lines": [{ "productId": "tea", "name": "Tea", "quantity": 2 }] });
        let reservation = ReservationTold {
            saga_id: SAGA.to_owned(),
            state: "sold".to_owned(),
            lines: vec![line],
            events: vec![event("Reservation", SAGA, "ReservationMade", 2, data)],
        };
        Ok(ReservationsTold { reservations: vec![reservation], position: token("catalog") })
    }
}

#[async_trait]
impl Answer<TellPayments> for Teller {
    async fn answer(&self, _: CallContext, _: TellPayments) -> Result<PaymentsTold, Fault> {
        let amount = Money { amount: 3_068, currency: Currency::EUR };
        let payment = PaymentTold {
            saga_id: SAGA.to_owned(),
            state: "paid".to_owned(),
            amount: Some(amount),
            payment_id: Some("ch_1".to_owned()),
            last_four: Some("4242".to_owned()),
            reason: None,
            events: vec![event(
                "Payment",
                SAGA,
                "PaymentSucceeded",
                5,
                json!({ "amount": amount, "lastFour": "4242" }),
            )],
        };
        Ok(PaymentsTold { payments: vec![payment], position: token("payment") })
    }
}

#[async_trait]
impl Answer<TellMails> for Teller {
    async fn answer(&self, _: CallContext, call: TellMails) -> Result<MailsTold, Fault> {
        let mails = (call.order_id == ORDER).then(|| MailTold {
            key: format!("{ORDER}.order-confirmation"),
            kind: "order-confirmation".to_owned(),
            state: "sent".to_owned(),
            requested_at: "2026-11-22T10:00:07Z".parse().unwrap(),
            settled_at: None,
            failure: None,
            message_id: "<x@madrigal.local>".to_owned(),
            events: vec![event("Mail", "x", "MailSent", 7, json!({}))],
        });
        Ok(MailsTold { mails: mails.into_iter().collect(), position: token("notification") })
    }
}

struct Shop {
    router: Router,
    signer: Arc<TokenSigner>,
    host: Host,
}

impl Shop {
    /// Without the services named.
    fn without(down: &[&str]) -> Self {
        let host = Host::seeded(1);
        let (edge, signer) = testing::edge(&host);
        let teller = Arc::new(Teller);
        let calls = |service: &'static str| match service {
            "order-service" => Calls::new(service).on::<TellOrder>(teller.clone()),
            "catalog-service" => Calls::new(service).on::<TellReservations>(teller.clone()),
            "payment-service" => Calls::new(service).on::<TellPayments>(teller.clone()),
            _ => Calls::new(service).on::<TellMails>(teller.clone()),
        };
        let neighbour = |service| {
            let (neighbour, switch) = Neighbour::round_trip(Arc::new(calls(service))).switchable();
            if down.contains(&service) {
                switch.down();
            }
            neighbour
        };
        let storytellers = Storytellers {
            orders: neighbour("order-service"),
            catalog: neighbour("catalog-service"),
            payments: neighbour("payment-service"),
            notifications: neighbour("notification-service"),
            ..Storytellers::absent()
        };
        Self { router: edge.wrap_service("gateway", super::router(storytellers)), signer, host }
    }

    async fn story(&self, who: &str, role: Role, id: &str) -> (StatusCode, Value) {
        let token = bearer(&self.signer, &self.host, who, role);
        let path = format!("/v1/orders/{id}/story");
        let headers = [("authorization", token.as_str())];
        let (status, _, body) = testing::send(&self.router, Method::GET, &path, &headers, ()).await;
        (status, body)
    }
}

fn missing(story: &Value) -> Vec<&str> {
    story["missing"].as_array().unwrap().iter().map(|missing| missing["part"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn an_operator_reads_the_whole_story_in_the_order_of_time() {
    let shop = Shop::without(&[]);
    let (status, story) = shop.story("anna", Role::Operator, ORDER).await;
    assert_eq!(status, StatusCode::OK);
    let word = |moment: &Value, key: &str| moment[key].as_str().unwrap().to_owned();
    let timeline = story["timeline"].as_array().unwrap();
    let told: Vec<_> = timeline.iter().map(|moment| (word(moment, "voice"), word(moment, "text"))).collect();
    let expected = [
        ("order", "The saga that places it was recorded: from here on a crash loses nothing"),
        ("catalog", "reserve-inventory, try 1: interrupted, and tried again"),
        ("catalog", "reserve-inventory, try 2: done in 1.0 s"),
        ("catalog", "Held in stock: 2 × Tea"),
        ("payment", "process-payment: under way"),
        ("payment", "€30.68 charged with the card ending 4242"),
        ("order", "The order was created: 2 × <b>Tea</b>, €30.68"),
        ("notification", "The mail was sent"),
        ("order", "anna: retry. Provider is back"),
    ];
    assert_eq!(told, expected.map(|(voice, text)| (voice.to_owned(), text.to_owned())));
    assert_eq!(missing(&story), [""; 0]);
    assert_eq!(story["asOf"].as_object().unwrap().len(), 4);
    assert_eq!((&story["payment"]["state"], &story["stock"][0]["state"]), (&json!("paid"), &json!("sold")));
    assert_eq!(story["correlationId"], "basket-1");
    assert_eq!(story["traceId"], "0123456789abcdef0123456789abcdef");
    assert_eq!(story["saga"]["operator"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_customer_reads_their_own_without_what_concerns_operators() {
    let shop = Shop::without(&[]);
    let (status, story) = shop.story("7", Role::Customer, ORDER).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(story["payment"]["lastFour"], "4242");
    assert_eq!(story["events"].as_array().unwrap().len(), 1);
    for inner in [&story["payment"]["events"], &story["stock"][0]["events"], &story["mails"][0]["events"]] {
        assert_eq!(inner, &json!([]));
    }
    assert!(!story.to_string().contains("anna"), "{story}");
    let other = shop.story("8", Role::Customer, ORDER).await;
    let nobodys = shop.story("8", Role::Customer, "no-such-order").await;
    assert_eq!((other.0, &other.1["code"], &other.1["detail"]), (nobodys.0, &nobodys.1["code"], &nobodys.1["detail"]));
    assert_eq!(other.0, StatusCode::NOT_FOUND);
    let path = format!("/v1/orders/{ORDER}/story");
    assert_eq!(testing::send(&shop.router, Method::GET, &path, &[], ()).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_service_that_is_down_makes_the_story_partial_and_says_so() {
    for (down, parts) in [
        ("catalog-service", &["stock"][..]),
        ("payment-service", &["payment"]),
        ("notification-service", &["mails"]),
        ("order-service", &["order", "events", "saga", "payment", "stock"]),
    ] {
        let shop = Shop::without(&[down]);
        let (status, story) = shop.story("anna", Role::Operator, ORDER).await;
        assert_eq!((status, missing(&story)), (StatusCode::OK, parts.to_vec()), "{down}");
        assert!(!story["asOf"].as_object().unwrap().contains_key(down), "{down}");
        assert!(!story.to_string().contains("switched off"), "a fault's inside is not told");
    }
}

#[tokio::test]
async fn without_order_service_a_customer_gets_nothing_and_nobody_gets_a_guess() {
    let shop = Shop::without(&["order-service"]);
    let (status, problem) = shop.story("7", Role::Customer, ORDER).await;
    assert_eq!((status, &problem["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("upstream-unavailable")));
    let (status, _) = shop.story("anna", Role::Operator, "nobody-heard-of-it").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    let (status, _) = Shop::without(&[]).story("anna", Role::Operator, "nobody-heard-of-it").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_id_of_a_saga_finds_its_order() {
    let (status, story) = Shop::without(&[]).story("7", Role::Customer, SAGA).await;
    assert_eq!((status, &story["orderId"]), (StatusCode::OK, &json!(ORDER)));
    assert_eq!(story["mails"].as_array().unwrap().len(), 1);
}
