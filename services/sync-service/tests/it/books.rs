//! The books where somebody who keeps them is silent or slow, and verdicts that are too old to be one.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use madrigal_consistency::memory::{MemoryCopy, MemoryOwner};
use madrigal_consistency::{Content, DynRowSet};
use madrigal_contracts::books::{
    ListMovedSagas, MovedSagas, ReadSagaAccounts, ReadSagaOrders, ReadSagaReservations, SagaAccount, SagaOrder,
    SagaReservation,
};
use madrigal_contracts::rows::{Planting, answering};
use madrigal_core::host::{Clock, SeededRandomness};
use madrigal_core::tasks::{self, StopSignal};
use madrigal_core::{CallContext, Currency, Fault, Host, LogEpoch, LogName, Money, Position, Timestamp};
use madrigal_http::auth::Role;
use madrigal_http::calls::Switch;
use madrigal_http::testing::{bearer, edge, send};
use madrigal_http::{Answer, Calls, Neighbour};
use madrigal_sqlite::{Database, DatabaseOptions};
use madrigal_sync_service::monitor::books::BookKeepers;
use madrigal_sync_service::monitor::sweeps::CheckAsked;
use madrigal_sync_service::monitor::{Monitor, MonitorConfig, Watched};
use serde_json::{Value, json};

const HOUR: Duration = Duration::from_secs(3_600);
const STOCK_FIELDS: [&str; 6] = ["received", "adjusted", "onHand", "reserved", "sold", "available"];

/// A clock that is set by hand.
#[derive(Default)]
struct Hands(Mutex<i64>);

impl Hands {
    fn go_on(&self, seconds: i64) {
        *self.0.lock().unwrap() += seconds * 1_000_000;
    }
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(*self.0.lock().unwrap())
    }
}

/// A service whose log has so many sagas that came to nothing; for the first one money was taken all the same.
struct Ledger {
    sagas: u64,
    /// How many events one answer has.
    chunk: u64,
}

fn saga(number: u64) -> String {
    format!("saga-{number}")
}

#[async_trait]
impl Answer<ListMovedSagas> for Ledger {
    async fn answer(&self, _: CallContext, asked: ListMovedSagas) -> Result<MovedSagas, Fault> {
        let through = self.sagas.min(asked.after.0 + self.chunk.min(asked.limit as u64));
        let sagas: Vec<String> = (asked.after.0 + 1..=through).map(saga).collect();
        let (begun, end) = (sagas.len() as u64, Position(self.sagas));
        Ok(MovedSagas { sagas, begun, through: Position(through), end, at: None })
    }
}

#[async_trait]
impl Answer<ReadSagaOrders> for Ledger {
    async fn answer(&self, _: CallContext, asked: ReadSagaOrders) -> Result<Vec<SagaOrder>, Fault> {
        let refused = |saga_id: String| SagaOrder {
            order_id: saga_id.clone(),
            saga_id,
            under_way: false,
            status: None,
            stands: false,
            lines: Vec::new(),
            final_amount: None,
        };
        Ok(asked.sagas.into_iter().map(refused).collect())
    }
}

#[async_trait]
impl Answer<ReadSagaReservations> for Ledger {
    async fn answer(&self, _: CallContext, _: ReadSagaReservations) -> Result<Vec<SagaReservation>, Fault> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl Answer<ReadSagaAccounts> for Ledger {
    async fn answer(&self, _: CallContext, asked: ReadSagaAccounts) -> Result<Vec<SagaAccount>, Fault> {
        let taken = Money { amount: 500, currency: Currency::EUR };
        let charged = |saga_id| SagaAccount { saga_id, charges: vec![taken], refunds: Vec::new() };
        Ok(asked.sagas.into_iter().filter(|asked| *asked == saga(1)).map(charged).collect())
    }
}

/// A shop of three stocks and thirty sagas; catalog-service shows stocks and keeps books.
struct World {
    clock: Arc<Hands>,
    orders: Switch,
    catalog: Switch,
    payments: Switch,
    monitor: Monitor,
    _dir: tempfile::TempDir,
}

/// `chunk` says how many sagas an answer has.
async fn world(config: MonitorConfig, chunk: u64) -> World {
    let (clock, dir) = (Arc::new(Hands::default()), tempfile::tempdir().unwrap());
    let host = Host::new(Arc::<Hands>::clone(&clock), Arc::new(SeededRandomness::new(1)));
    let stocks = MemoryOwner::new(LogName::parse("product").unwrap(), LogEpoch::new(&host), &STOCK_FIELDS, true);
    let stocks = stocks.named("stock.events");
    for product in ["lute", "viol", "harp"] {
        let numbers = STOCK_FIELDS.into_iter().zip([10, -2, 5, 1, 3, 4]);
        stocks
            .write(product, Some(numbers.fold(Content::new(), |content, (field, number)| content.with(field, number))));
    }
    let view = MemoryCopy::of(&stocks).described(|described| described.name = "stock.view".to_owned());
    view.follow(usize::MAX);
    let sets: Vec<DynRowSet> = vec![Arc::new(stocks), Arc::new(view)];
    let reached = |calls| Neighbour::round_trip(Arc::new(calls)).switchable();
    let (orders, at_orders) = {
        let ledger = Arc::new(Ledger { sagas: 30, chunk });
        reached(Calls::new("order-service").on::<ListMovedSagas>(Arc::clone(&ledger)).on::<ReadSagaOrders>(ledger))
    };
    // Their logs say nothing that the sagas' does not.
    let quiet = || Arc::new(Ledger { sagas: 0, chunk });
    let of_catalog = answering(Calls::new("catalog-service"), sets, Planting::Refused);
    let (catalog, at_catalog) = reached(of_catalog.on::<ListMovedSagas>(quiet()).on::<ReadSagaReservations>(quiet()));
    let of_payments = Calls::new("payment-service");
    let (payments, at_payments) = reached(of_payments.on::<ListMovedSagas>(quiet()).on::<ReadSagaAccounts>(quiet()));
    let database = Database::open(dir.path().join("monitor.sqlite"), DatabaseOptions::SYNCED).await.unwrap();
    let books = Some(BookKeepers { orders, catalog: catalog.clone(), payments });
    let watched = Watched { services: vec![catalog], books };
    let monitor = Monitor::open(config, watched, database, host).await.unwrap();
    World { clock, orders: at_orders, catalog: at_catalog, payments: at_payments, monitor, _dir: dir }
}

impl World {
    async fn check(&self, deep: bool) -> Value {
        let asked = CheckAsked { deep, ..CheckAsked::default() };
        serde_json::to_value(self.monitor.check(&asked).await).unwrap()
    }

    /// The verdict about this pair that is told now.
    fn told(&self, name: &str) -> Option<String> {
        let report = serde_json::to_value(self.monitor.report()).unwrap();
        let check = report["checks"].as_array().unwrap().iter().find(|check| check["name"] == name)?;
        check["verdict"].as_str().map(str::to_owned)
    }

    /// Sweeps by schedule until something is told of this pair, in time that stands still but for sleeping.
    async fn sweep_until_told(&self, name: &str) {
        let stop = StopSignal::new();
        let told = async {
            while self.told(name).is_none() {
                tasks::sleep(Duration::from_millis(100)).await;
            }
            // Nobody sleeps between what is told last and the end of the sweep.
            tasks::sleep(Duration::from_millis(1)).await;
            stop.cancel();
        };
        tokio::join!(self.monitor.run(stop.clone()), told);
    }
}

fn of<'a>(report: &'a Value, name: &str) -> &'a Value {
    report["checks"].as_array().unwrap().iter().find(|check| check["name"] == name).unwrap_or(&Value::Null)
}

/// How many are consistent, divergent, unverified.
fn rows(report: &Value, name: &str) -> [u64; 3] {
    let check = of(report, name);
    let count = |field: &str| check[field].as_u64().unwrap_or(u64::MAX);
    let (all, wrong, unverified) = (count("totalEntities"), count("inconsistentEntities"), count("unverifiedEntities"));
    [all.saturating_sub(wrong + unverified), wrong, unverified]
}

#[tokio::test]
async fn the_book_of_stock_is_unverified_while_nobody_shows_its_rows_and_looked_at_as_soon_as_somebody_does() {
    let world = world(MonitorConfig::default(), 10).await;
    assert_eq!(rows(&world.check(true).await, "books.stock"), [3, 0, 0]);
    world.catalog.down();
    let report = world.check(false).await;
    assert_eq!(rows(&report, "books.stock"), [0, 0, 3]);
    assert!(of(&report, "books.stock")["trouble"].as_str().unwrap().contains("catalog-service"), "{report:#}");
    world.catalog.up();
    assert_eq!(rows(&world.check(false).await, "books.stock"), [3, 0, 0], "before the next check of contents");
}

#[tokio::test]
async fn sagas_are_unverified_while_one_who_keeps_their_books_is_silent_and_what_is_wrong_stays_known() {
    let world = world(MonitorConfig::default(), 10).await;
    assert_eq!(rows(&world.check(true).await, "books.money"), [29, 1, 0]);
    // Only catalog-service is known to be silent before its books are asked for.
    for switch in [&world.orders, &world.payments, &world.catalog] {
        switch.down();
        for deep in [false, true] {
            let report = world.check(deep).await;
            assert_eq!(rows(&report, "books.money"), [0, 1, 29], "deep: {deep}, {report:#}");
            assert_eq!(rows(&report, "books.sold"), [0, 0, 30]);
        }
        switch.up();
        assert_eq!(rows(&world.check(false).await, "books.money"), [29, 1, 0]);
    }
}

#[tokio::test]
async fn a_check_does_not_ask_a_silent_service_for_its_books() {
    let world = world(MonitorConfig::default(), 10).await;
    world.check(true).await;
    tokio::time::pause();
    world.catalog.slow(HOUR);
    let began = tasks::instant();
    let report = world.check(true).await;
    assert_eq!(began.elapsed().as_secs(), 5, "{report:#}");
    assert_eq!(rows(&report, "books.money"), [0, 1, 29]);
}

#[tokio::test]
async fn books_that_a_sweep_by_schedule_has_no_time_for_are_behind_and_not_broken() {
    let config = MonitorConfig { sampled_share: 0, ..MonitorConfig::default() };
    let world = world(config, 1).await;
    tokio::time::pause();
    world.orders.slow(Duration::from_secs(1));
    world.sweep_until_told("books.sold").await;
    let report = serde_json::to_value(world.monitor.report()).unwrap();
    let book = of(&report, "books.sold");
    assert!(book["trouble"].as_str().unwrap().contains("were not looked at yet"), "{book:#}");
    assert!(book["verdict"] == "unverified" && book["unverifiedSince"].is_string(), "{book:#}");
    let health = world.monitor.health().await;
    assert!(!health[0].detail.contains("cannot be checked"), "{}", health[0].detail);
}

#[tokio::test]
async fn a_book_that_is_checked_by_content_is_forgotten_by_the_pace_of_those_checks() {
    let (every, deep) = (Duration::from_secs(60), Duration::from_secs(900));
    let world =
        world(MonitorConfig { versions_every: every, content_every: deep, ..MonitorConfig::default() }, 10).await;
    world.check(true).await;
    world.clock.go_on(3 * 60);
    assert_eq!(world.told("stock.view").as_deref(), Some("consistent"));
    world.clock.go_on(1);
    assert_eq!(world.told("stock.view").as_deref(), Some("unverified"), "three sweeps should have looked at it");
    assert_eq!(world.told("books.stock").as_deref(), Some("consistent"));
    world.clock.go_on(3 * 900 - 3 * 60);
    assert_eq!(world.told("books.stock").as_deref(), Some("unverified"));
}

#[tokio::test]
async fn a_verdict_is_not_forgotten_while_the_next_sweep_takes_as_long_as_the_one_before() {
    let config = MonitorConfig { versions_every: Duration::from_secs(1), sampled_share: 0, ..MonitorConfig::default() };
    let world = world(config, 10).await;
    tokio::time::pause();
    // A sweep has more than one call: it takes at least 4 s.
    world.catalog.slow(Duration::from_secs(2));
    world.sweep_until_told("books.sold").await;
    assert_eq!(world.told("stock.view").as_deref(), Some("consistent"));
    world.clock.go_on(3 * 4);
    assert_eq!(world.told("stock.view").as_deref(), Some("consistent"), "the next one may still be under way");
    world.clock.go_on(3_600);
    assert_eq!(world.told("stock.view").as_deref(), Some("unverified"));
}

#[tokio::test]
async fn what_a_book_found_is_not_repaired_and_the_answer_says_what_it_is() {
    let world = world(MonitorConfig::default(), 10).await;
    let report = world.check(true).await;
    let id = of(&report, "books.money")["inconsistencies"][0]["id"].as_str().unwrap();
    let host = Host::seeded(1);
    let (edge, signer) = edge(&host);
    let router = edge.wrap_service("sync-service", world.monitor.router());
    let operator = bearer(&signer, &host, "anna", Role::Operator);
    let repair = async |id: &str, apply: bool| {
        let path = format!("/v1/consistency/divergences/{id}/repair");
        let headers = [("authorization", operator.as_str())];
        let (status, _, problem) = send(&router, Method::POST, &path, &headers, json!({ "apply": apply })).await;
        (status.as_u16(), problem)
    };
    for apply in [false, true] {
        let (status, problem) = repair(id, apply).await;
        assert_eq!((status, &problem["code"]), (409, &json!("book-not-repairable")), "{problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("books.money") && detail.contains("saga-1"), "{detail}");
    }
    assert!(world.monitor.repairs(10).await.unwrap().is_empty(), "nothing was done");
    let (status, problem) = repair("0", true).await;
    assert_eq!((status, &problem["code"]), (404, &json!("not-found")));

    for path in ["report", "divergences", "repairs", "checks/0"] {
        let path = format!("/v1/consistency/{path}?pair=books.money");
        let (status, _, problem) = send(&router, Method::GET, &path, &[("authorization", &operator)], ()).await;
        assert_eq!((status.as_u16(), &problem["code"]), (400, &json!("invalid-query")), "{path}: {problem}");
    }
}
