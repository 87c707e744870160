//! The routes: who may ask, what is refused, and what is answered.

use axum::Router;
use http::{Method, StatusCode};
use madrigal_core::Host;
use madrigal_http::Role;
use madrigal_http::testing::{bearer, edge, send};
use serde_json::{Value, json};

use crate::support::{Desk, at, message, moved, placed};

struct Public {
    desk: Desk,
    router: Router,
    operator: String,
    customer: String,
}

impl Public {
    async fn open() -> Self {
        let (desk, host) = (Desk::open().await, Host::system());
        let (edge, signer) = edge(&host);
        let router = edge.wrap(desk.service.router());
        let operator = bearer(&signer, &host, "anna", Role::Operator);
        let customer = bearer(&signer, &host, "1", Role::Customer);
        Self { desk, router, operator, customer }
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        let (status, _, body) = send(&self.router, Method::GET, path, &[("authorization", &self.operator)], ()).await;
        (status, body)
    }

    async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        let headers = [("authorization", self.operator.as_str())];
        let (status, _, body) = send(&self.router, Method::POST, path, &headers, body).await;
        (status, body)
    }

    /// Some orders around a midnight of UTC, in two currencies.
    async fn sell(&self) {
        let orders = [
            ("o-1", 1, "2026-11-22T22:30:00Z", "EUR", &[("tea", 300, 2), ("cup", 1_000, 1)][..]),
            ("o-2", 1, "2026-11-22T23:30:00Z", "EUR", &[("tea", 300, 1)]),
            ("o-3", 2, "2026-11-23T00:30:00Z", "EUR", &[("cup", 1_000, 2)]),
            ("o-4", 2, "2026-11-23T00:45:00Z", "CHF", &[("tea", 400, 1)]),
        ];
        for (order, user, time, currency, items) in orders {
            for message in placed(order, user, at(time), currency, items) {
                self.desk.orders.tell(message);
            }
        }
        self.desk.orders.tell(moved("o-2", 4, at("2026-11-23T08:00:00Z"), "cancelled"));
        self.desk.orders.tell(moved("o-3", 4, at("2026-11-23T08:00:00Z"), "shipped"));
        self.desk.orders.tell(moved("o-3", 5, at("2026-11-23T09:00:00Z"), "delivered"));
        self.desk.catch_up().await;
    }
}

fn columns(row: &Value) -> Vec<i64> {
    ["totalOrders", "totalRevenue", "avgOrderValue", "uniqueCustomers", "completedOrders", "cancelledOrders"]
        .iter()
        .map(|column| row[column].as_i64().unwrap())
        .collect()
}

fn days(body: &Value) -> Vec<(&str, &str, Vec<i64>)> {
    let rows = body["items"].as_array().unwrap().iter();
    rows.map(|row| (row["date"].as_str().unwrap(), row["currency"].as_str().unwrap(), columns(row))).collect()
}

#[tokio::test]
async fn days_have_the_briefs_columns_and_begin_where_the_zone_says() {
    let public = Public::open().await;
    public.sell().await;
    let (status, body) = public.get("/v1/analytics/orders/daily?from=2026-11-20&to=2026-11-24").await;
    assert_eq!((status, &body["tz"]), (StatusCode::OK, &json!("Z")));
    let utc = [
        ("2026-11-22", "EUR", vec![2, 1_900, 950, 1, 0, 1]),
        ("2026-11-23", "CHF", vec![1, 400, 400, 1, 0, 0]),
        ("2026-11-23", "EUR", vec![1, 2_000, 2_000, 1, 1, 0]),
    ];
    assert_eq!(days(&body), utc);
    let (_, body) = public.get("/v1/analytics/orders/daily?from=2026-11-20&to=2026-11-24&tz=%2B01:00").await;
    let rome = [
        ("2026-11-22", "EUR", vec![1, 1_600, 1_600, 1, 0, 0]),
        ("2026-11-23", "CHF", vec![1, 400, 400, 1, 0, 0]),
        ("2026-11-23", "EUR", vec![2, 2_300, 1_150, 2, 1, 1]),
    ];
    assert_eq!(days(&body), rome, "an hour ahead");
    let (_, body) = public.get("/v1/analytics/orders/daily?from=2026-11-23&to=2026-11-23&tz=-05:00").await;
    assert_eq!(days(&body), [], "in New York it was all on Sunday");
    let (_, body) = public.get("/v1/analytics/orders/hourly?from=2026-11-23&to=2026-11-23&tz=%2B01:00").await;
    let hours: Vec<_> = days(&body).into_iter().map(|(date, currency, columns)| (date, currency, columns[0])).collect();
    let half_past_midnight = ("2026-11-23T00:00:00+01:00", "EUR", 1);
    let one = [("2026-11-23T01:00:00+01:00", "CHF", 1), ("2026-11-23T01:00:00+01:00", "EUR", 1)];
    assert_eq!(hours, [half_past_midnight, one[0], one[1]]);
}

#[tokio::test]
async fn tops_leave_out_what_was_cancelled_and_never_mix_currencies() {
    let public = Public::open().await;
    public.sell().await;
    let (_, body) = public.get("/v1/analytics/products/top?from=2026-11-22&to=2026-11-23").await;
    let tops = |body: &Value| -> Vec<(String, String, i64)> {
        let text = |row: &Value, field: &str| row[field].as_str().unwrap_or_default().to_owned();
        let rows = body["items"].as_array().unwrap().iter();
        rows.map(|row| (text(row, "currency"), text(row, "productId"), row["revenue"].as_i64().unwrap())).collect()
    };
    let of = |currency: &str, product: &str, revenue| (currency.to_owned(), product.to_owned(), revenue);
    assert_eq!(tops(&body), [of("CHF", "tea", 400), of("EUR", "cup", 3_000), of("EUR", "tea", 600)]);
    let (_, body) = public.get("/v1/analytics/products/top?from=2026-11-22&to=2026-11-23&limit=1&currency=EUR").await;
    assert_eq!(tops(&body), [of("EUR", "cup", 3_000)]);
    let (_, body) = public.get("/v1/analytics/customers/top?from=2026-11-22&to=2026-11-23").await;
    let customers: Vec<_> = body["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| json!([row["userId"], row["orders"], row["revenue"]]))
        .collect();
    assert_eq!(customers, [json!([2, 1, 400]), json!([2, 1, 2_000]), json!([1, 2, 1_600])]);
    let (_, body) = public.get("/v1/analytics/dashboard?from=2026-11-22&to=2026-11-23").await;
    let funnel = json!({ "draftsNow": 0, "placed": 4, "shipped": 1, "delivered": 1, "cancelled": 1 });
    assert_eq!(body["funnel"], funnel);
    assert_eq!(body["totals"][1]["uniqueCustomers"], 2);
    assert_eq!(body["categories"][0]["revenue"], 3_600, "products that the catalogue does not have");
}

#[tokio::test]
async fn what_is_parked_is_listed_retried_by_its_cause_and_skipped_with_a_reason() {
    let public = Public::open().await;
    let unreadable =
        |key: &str, version| message("ProductCreated", key, version, at("2026-11-23T08:00:00Z"), &json!({}));
    public.desk.products.tell_all(vec![unreadable("lute", 1), unreadable("viol", 1), unreadable("lute", 2)]);
    public.desk.catch_up().await;
    let (status, body) = public.get("/v1/analytics/parked").await;
    let shown = |body: &Value| -> Vec<(String, i64)> {
        let items = body["items"].as_array().unwrap().iter();
        items.map(|item| (item["id"].as_str().unwrap().to_owned(), item["attempts"].as_i64().unwrap())).collect()
    };
    let of = |id: &str, attempts| (id.to_owned(), attempts);
    assert_eq!(status, StatusCode::OK);
    let mut found = shown(&body);
    found.sort();
    assert_eq!(found, [of("products:lute", 0), of("products:lute", 1), of("products:viol", 1)], "{body}");
    let cause = body["items"].as_array().unwrap().iter().find(|item| item["attempts"] == 1).unwrap()["cause"].clone();

    let (status, body) = public.post("/v1/analytics/parked/retry", json!({ "cause": cause })).await;
    assert_eq!((status, body["items"].as_array().unwrap().len()), (StatusCode::OK, 2), "both keys were tried: {body}");
    assert_eq!((&body["items"][0]["id"], &body["items"][0]["waiting"]), (&json!("products:lute"), &json!(2)));
    let (_, body) = public.post("/v1/analytics/parked/retry", json!({ "cause": "another" })).await;
    assert_eq!(body["items"], json!([]));

    let skip = |id: &str| format!("/v1/analytics/parked/{id}/skip");
    let (status, body) = public.post(&skip("products:lute"), json!({ "reason": " " })).await;
    assert_eq!((status, &body["errors"][0]["pointer"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("/reason")));
    let (_, body) = public.post(&skip("products:lute"), json!({ "reason": "a test's" })).await;
    assert_eq!((&body["applied"], &body["waiting"]), (&json!(0), &json!(1)), "the second cannot be read either");
    public.post(&skip("products:lute"), json!({ "reason": "a test's" })).await;
    for id in ["products:lute", "orders:lute", "mails:lute", "lute"] {
        let (status, body) = public.post(&format!("/v1/analytics/parked/{id}/retry"), json!({})).await;
        assert_eq!((status, &body["code"]), (StatusCode::CONFLICT, &json!("nothing-parked")), "{id}");
    }
    let (_, body) = public.get("/v1/analytics/parked").await;
    let skipped = |item: &&Value| item["skipped"] == "a test's";
    assert_eq!(body["items"].as_array().unwrap().iter().filter(skipped).count(), 2, "reasons stay listed: {body}");
    let customer = [("authorization", public.customer.as_str())];
    let (status, ..) =
        send(&public.router, Method::POST, &skip("products:viol"), &customer, json!({ "reason": "x" })).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn sums_beyond_64_bits_stay_at_the_highest_number() {
    let public = Public::open().await;
    public.sell().await;
    let highest = |tx: &madrigal_sqlite::sql::Transaction<'_>| {
        tx.execute(
            "INSERT INTO customer_days SELECT day - 1, user_id, currency, orders, kept, revenue FROM customer_days",
            [],
        )?;
        tx.execute(
            "INSERT INTO product_days SELECT day - 9, product, currency, orders, units, revenue FROM product_days",
            [],
        )?;
        tx.execute("UPDATE product_days SET revenue = 9223372036854775807", [])?;
        tx.execute("UPDATE customer_days SET revenue = 9223372036854775807", [])
    };
    public.desk.service.database().write("highest", highest).await.unwrap();
    for path in ["products/top", "customers/top"] {
        let (status, body) = public.get(&format!("/v1/analytics/{path}?from=2026-11-01&to=2026-11-23")).await;
        assert_eq!((status, &body["items"][0]["revenue"]), (StatusCode::OK, &json!(i64::MAX)), "{path}: {body}");
    }
    let (status, body) = public.get("/v1/analytics/dashboard?from=2026-11-01&to=2026-11-23").await;
    assert_eq!((status, &body["categories"][0]["revenue"]), (StatusCode::OK, &json!(i64::MAX)), "{body}");
}

#[tokio::test]
async fn what_recomputing_found_is_told_with_the_day_it_was_found_in() {
    let public = Public::open().await;
    public.sell().await;
    let (status, body) = public.get("/v1/analytics/recomputation").await;
    let nothing = json!({ "everySeconds": 3_600, "endedAt": null, "last": null, "failedAt": null, "mended": 0,
        "differences": [] });
    assert_eq!((status, body), (StatusCode::OK, nothing));
    let service = &public.desk.service;
    let damage = "UPDATE daily SET total_revenue = 0 WHERE day = (SELECT max(day) FROM daily) AND currency = 'EUR'";
    service.database().write("damage", move |tx| tx.execute(damage, [])).await.unwrap();
    service.refresh().once().await.unwrap();
    let (_, body) = public.get("/v1/analytics/recomputation").await;
    assert_eq!((&body["mended"], &body["last"]["mended"]), (&json!(1), &json!(1)), "{body}");
    let found = &body["differences"][0];
    assert_eq!((&found["rollup"], &found["of"], &found["mended"]), (&json!("days"), &json!("2026-11-23"), &json!(1)));
    service.refresh().once().await.unwrap();
    let (_, body) = public.get("/v1/analytics/recomputation").await;
    assert_eq!((&body["mended"], &body["last"]["mended"]), (&json!(1), &json!(0)), "what was found stays: {body}");
}

#[tokio::test]
async fn only_operators_may_ask() {
    let public = Public::open().await;
    for path in ["orders/daily", "orders/hourly", "products/top", "customers/top", "dashboard"] {
        let path = format!("/v1/analytics/{path}");
        let (status, ..) = send(&public.router, Method::GET, &path, &[], ()).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}");
        let customer = [("authorization", public.customer.as_str())];
        let (status, ..) = send(&public.router, Method::GET, &path, &customer, ()).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{path}");
        let operator = [("authorization", public.operator.as_str())];
        let (status, headers, _) = send(&public.router, Method::GET, &path, &operator, ()).await;
        assert_eq!((status, &headers["madrigal-lag"]), (StatusCode::OK, &http::HeaderValue::from(0)), "{path}");
    }
    let customer = [("authorization", public.customer.as_str())];
    for path in ["/v1/analytics/parked", "/v1/analytics/recomputation"] {
        let (status, ..) = send(&public.router, Method::GET, path, &customer, ()).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{path}");
    }
}

#[tokio::test]
async fn what_is_refused_says_where() {
    let public = Public::open().await;
    for (path, pointers) in [
        ("orders/daily?from=2026-13-01", &["/from"][..]),
        ("orders/daily?from=soon&to=2026-02-30&tz=CET", &["/tz", "/from", "/to"]),
        ("orders/daily?from=2026-11-23&to=2026-11-22", &["/to"]),
        ("orders/daily?from=2020-01-01&to=2026-11-22", &["/to"]),
        ("orders/daily?from=2026-01-01&to=2026-11-22&tz=%2B02:00", &["/to"]),
        ("orders/daily?tz=%2B05:30", &["/tz"]),
        ("orders/hourly?from=2026-01-01&to=2026-02-01", &["/to"]),
        ("orders/daily?from=9999-01-01", &["/from"]),
        ("orders/daily?from=2020-01-01", &["/from"]),
        ("orders/hourly?from=-0001-01-01&to=-9999-01-01", &["/from", "/to"]),
        ("products/top?currency=eur", &["/currency"]),
        ("customers/top?from=soon&currency=eur&limit=0", &["/from", "/currency", "/limit"]),
        ("products/top?by=luck", &["/by"]),
        ("products/top?limit=101", &["/limit"]),
        ("customers/top?tz=Z", &["/tz"]),
        ("dashboard?since=yesterday", &["/since"]),
    ] {
        let (status, body) = public.get(&format!("/v1/analytics/{path}")).await;
        let found: Vec<_> =
            body["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
        assert_eq!(
            (status, body["code"].as_str().unwrap(), &*found),
            (StatusCode::BAD_REQUEST, "invalid-query", pointers),
            "{path}"
        );
    }
}
