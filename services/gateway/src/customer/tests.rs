use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex};

use async_trait::async_trait;
use http::{Method, StatusCode};
use madrigal_contracts::analytics::{CustomerFigures, GetCustomerFigures, RecentProduct, Spending};
use madrigal_contracts::catalog::{Quote, QuoteProducts};
use madrigal_contracts::copies::CopyRow;
use madrigal_contracts::copies::fresh::{FreshCopyRow, ReadFreshCopyRow};
use madrigal_contracts::order::{CustomerOrders, ListCustomerOrders, OrderBrief};
use madrigal_core::{
    BasisPoints, CallContext, Currency, Fault, Host, LogEpoch, LogName, Money, Position, PositionToken, RowVersion,
    Timestamp,
};
use madrigal_http::testing::{self, bearer};
use madrigal_http::{Answer, Calls, Neighbour, Role, Switch, TokenSigner};
use serde_json::{Value, json};

use super::*;

/// Counts who was asked how often, and keeps the positions that they were told to have.
#[derive(Clone, Default)]
struct Counted(Arc<Mutex<BTreeMap<&'static str, u32>>>, Arc<Mutex<BTreeMap<&'static str, PositionToken>>>);

impl Counted {
    fn one(&self, service: &'static str) {
        *self.0.lock().unwrap().entry(service).or_default() += 1;
    }

    fn told(&self, service: &'static str, seen: Option<PositionToken>) {
        seen.map(|seen| self.1.lock().unwrap().insert(service, seen));
    }
}

fn token(log: &str) -> PositionToken {
    // An id of its own tells the time that it was made: one for all tokens.
    static EPOCH: LazyLock<LogEpoch> = LazyLock::new(|| LogEpoch::new(&Host::seeded(1)));
    PositionToken::of(LogName::parse(log).unwrap(), *EPOCH, Position(7))
}

#[async_trait]
impl Answer<ReadFreshCopyRow> for Counted {
    async fn answer(&self, _: CallContext, call: ReadFreshCopyRow) -> Result<FreshCopyRow, Fault> {
        self.one("user-service");
        let row = json!({ "id": 7, "username": "anna", "email": "anna@example.org", "profile": {}, "createdAt": "x",
            "lastSyncAt": "y" });
        let version = RowVersion::new(1, 4).unwrap();
        self.told("user-service", call.seen);
        let row = (call.key == "7").then_some(CopyRow { key: call.key, version, row: Some(row) });
        Ok(FreshCopyRow { row, position: token("users") })
    }
}

#[async_trait]
impl Answer<ListCustomerOrders> for Counted {
    async fn answer(&self, _: CallContext, call: ListCustomerOrders) -> Result<CustomerOrders, Fault> {
        self.one("order-service");
        self.told("order-service", call.seen);
        let order = OrderBrief {
            order_id: "o-1".to_owned(),
            status: "confirmed".to_owned(),
            created_at: Timestamp::from_micros(0),
            item_count: 2,
            currency: Currency::EUR,
            final_amount: 648,
            version: 3,
        };
        let orders = if call.user_id.0 == 7 { vec![order] } else { Vec::new() };
        Ok(CustomerOrders { orders, position: token("order") })
    }
}

#[async_trait]
impl Answer<GetCustomerFigures> for Counted {
    async fn answer(&self, _: CallContext, call: GetCustomerFigures) -> Result<CustomerFigures, Fault> {
        self.one("analytics-service");
        self.told("analytics-service", call.seen);
        if call.user_id.0 != 7 {
            let (spending, recent, candidates) = Default::default();
            return Ok(CustomerFigures { spending, recent, candidates, position: token("order") });
        }
        let tea = RecentProduct {
            product_id: "tea".to_owned(),
            name: "Tea".to_owned(),
            ordered_at: Timestamp::from_micros(0),
        };
        Ok(CustomerFigures {
            spending: vec![Spending { currency: Currency::EUR, orders: 2, kept_orders: 1, amount: 648 }],
            recent: vec![tea],
            candidates: vec!["cup".to_owned(), "gone".to_owned()],
            position: token("order"),
        })
    }
}

#[async_trait]
impl Answer<QuoteProducts> for Counted {
    async fn answer(&self, _: CallContext, call: QuoteProducts) -> Result<Vec<Quote>, Fault> {
        self.one("catalog-service");
        let quote = |product_id: String| Quote {
            name: product_id.clone(),
            price: Money { amount: 500, currency: Currency::EUR },
            discount: BasisPoints::ZERO,
            orderable: product_id == "cup",
            product_id,
        };
        Ok(call.product_ids.into_iter().map(quote).collect())
    }
}

struct Shop {
    router: Router,
    counted: Counted,
    switches: BTreeMap<&'static str, Switch>,
    signer: Arc<TokenSigner>,
    host: Host,
}

impl Shop {
    fn new() -> Self {
        let (counted, host) = (Counted::default(), Host::system());
        let mut switches = BTreeMap::new();
        let mut to = |calls: Calls| {
            let service = calls.service();
            let (neighbour, switch) = Neighbour::round_trip(Arc::new(calls)).switchable();
            switches.insert(service, switch);
            neighbour
        };
        let handler = Arc::new(counted.clone());
        let services = Storytellers {
            users: to(Calls::new("user-service").on::<ReadFreshCopyRow>(Arc::clone(&handler))),
            orders: to(Calls::new("order-service").on::<ListCustomerOrders>(Arc::clone(&handler))),
            analytics: to(Calls::new("analytics-service").on::<GetCustomerFigures>(Arc::clone(&handler))),
            catalog: to(Calls::new("catalog-service").on::<QuoteProducts>(handler)),
            ..Storytellers::absent()
        };
        let (edge, signer) = testing::edge(&host);
        Self { router: edge.wrap(router(services)), counted, switches, signer, host }
    }

    async fn get(&self, sub: &str, role: Role, path: &str) -> (StatusCode, Value) {
        let token = bearer(&self.signer, &self.host, sub, role);
        let (status, _, body) = testing::send(&self.router, Method::GET, path, &[("authorization", &token)], ()).await;
        (status, body)
    }
}

#[tokio::test]
async fn an_overview_asks_each_service_once() {
    let shop = Shop::new();
    let (status, body) = shop.get("7", Role::Customer, "/v1/customers/7/overview").await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let counts = shop.counted.0.lock().unwrap().clone();
    let once = ["analytics-service", "catalog-service", "order-service", "user-service"].map(|service| (service, 1));
    assert_eq!(counts, BTreeMap::from(once));
    assert_eq!(body["user"]["username"], "anna");
    assert_eq!(body["user"].get("lastSyncAt"), None);
    assert_eq!((&body["orders"][0]["orderId"], &body["spending"][0]["amount"]), (&json!("o-1"), &json!(648)));
    assert_eq!((&body["recent"][0]["productId"], &body["missing"]), (&json!("tea"), &json!([])));
    assert_eq!(body["recommendations"].as_array().unwrap().len(), 1, "only what is for sale");
    let as_of = body["asOf"].as_object().unwrap();
    assert!(as_of.values().all(|token| token.as_str().unwrap().parse::<PositionToken>().is_ok()), "{as_of:?}");
    assert_eq!(as_of.keys().collect::<Vec<_>>(), ["analytics-service", "order-service", "user-service"]);
}

#[tokio::test]
async fn a_position_is_passed_to_every_service_and_another_history_of_one_is_refused() {
    let shop = Shop::new();
    let ask = async |seen: &str| {
        let bearer = bearer(&shop.signer, &shop.host, "7", Role::Customer);
        let headers = [("authorization", bearer.as_str()), ("madrigal-position", seen)];
        let path = "/v1/customers/7/overview";
        let (status, _, body) = testing::send(&shop.router, Method::GET, path, &headers, ()).await;
        (status.as_u16(), body["code"].as_str().unwrap_or_default().to_owned())
    };
    let mut seen = token("order");
    seen.merge(&token("users"));
    assert_eq!(ask(&seen.to_string()).await, (200, String::new()));
    let told = shop.counted.1.lock().unwrap().clone();
    let all = ["analytics-service", "order-service", "user-service"];
    assert_eq!(told, BTreeMap::from(all.map(|service| (service, seen.clone()))));
    let other = LogEpoch::new(&Host::seeded(2));
    for log in ["users", "order"] {
        let seen = PositionToken::of(LogName::parse(log).unwrap(), other, Position(1));
        assert_eq!(ask(&seen.to_string()).await, (412, "other-epoch".to_owned()), "{log}");
    }
    assert_eq!(ask("nonsense").await, (400, "invalid-header".to_owned()));
    let unknown = PositionToken::of(LogName::parse("catalog").unwrap(), other, Position(1));
    assert_eq!(ask(&unknown.to_string()).await, (200, String::new()), "nobody of these follows that log");
}

#[tokio::test]
async fn only_what_is_asked_for_is_asked_of_the_services() {
    let shop = Shop::new();
    let (_, body) = shop.get("anna", Role::Operator, "/v1/customers/7/overview?include=orders").await;
    assert!(body.get("spending").is_none() && body.get("recommendations").is_none());
    let asked: Vec<_> = shop.counted.0.lock().unwrap().keys().copied().collect();
    assert_eq!(asked, ["order-service", "user-service"]);
    let (status, body) = shop.get("anna", Role::Operator, "/v1/customers/7/overview?include=orders,secrets").await;
    assert_eq!((status, &body["errors"][0]["pointer"]), (StatusCode::BAD_REQUEST, &json!("/include")));
}

#[tokio::test]
async fn a_service_that_is_down_leaves_its_parts_out_and_is_named() {
    for (service, parts) in [
        ("user-service", &["user"][..]),
        ("order-service", &["orders"]),
        ("analytics-service", &["spending", "recent", "recommendations"]),
        ("catalog-service", &["recommendations"]),
    ] {
        let shop = Shop::new();
        shop.switches[service].down();
        let (status, body) = shop.get("7", Role::Customer, "/v1/customers/7/overview").await;
        assert_eq!(status, StatusCode::OK, "{service}");
        let missing = body["missing"].as_array().unwrap();
        let named: Vec<_> = missing.iter().map(|part| part["part"].as_str().unwrap()).collect();
        assert_eq!(named, parts, "{service}");
        assert!(missing.iter().all(|part| part["service"] == service), "{missing:?}");
        assert!(parts.iter().all(|part| body.get(*part).is_none()), "{body}");
        let there = ["user", "orders", "spending", "recent", "recommendations"];
        assert!(there.iter().filter(|part| !parts.contains(part)).all(|part| body.get(*part).is_some()), "{body}");
    }
}

#[tokio::test]
async fn customers_see_their_own_only_and_nobody_is_not_found() {
    let shop = Shop::new();
    let (status, _) = shop.get("8", Role::Customer, "/v1/customers/7/overview").await;
    assert_eq!((status, shop.counted.0.lock().unwrap().len()), (StatusCode::FORBIDDEN, 0), "nobody was asked");
    let (status, _) = shop.get("anna", Role::Operator, "/v1/customers/99/overview").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}
