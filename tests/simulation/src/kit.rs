//! Both sagas over their real participants, for the saga engine's test kit: every trouble at every node, exact counts.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use madrigal_catalog_service::commands::{CatalogAnswers, DeskOptions, StockDesk};
use madrigal_catalog_service::queries::Quotes;
use madrigal_catalog_service::store::Loader;
use madrigal_contracts::catalog::{
    ConfirmReservation, ProductQuantity, QuoteProducts, ReleaseReservation, ReserveStock, ReturnStock,
};
use madrigal_contracts::notification::RequestMail;
use madrigal_contracts::payment::{ChargePayment, RefundPayment};
use madrigal_core::{CallContext, Fault, Fingerprint, Host, LogName, PersonId, Position};
use madrigal_event_store::{DynEventStore, MemoryEventStore};
use madrigal_http::calls::{Calls, Neighbour};
use madrigal_notification_service::commands::Outbox;
use madrigal_notification_service::store::MailStore;
use madrigal_order_service::OrderNeighbours;
use madrigal_order_service::commands::{OrderRequest, Placements, load_order};
use madrigal_order_service::events::OrderEvent;
use madrigal_order_service::sagas::cancel_order::{self, CancelOrder};
use madrigal_order_service::sagas::place_order;
use madrigal_payment_service::PaymentService;
use madrigal_payment_service::sandbox::{Sandbox, SandboxOptions};
use madrigal_saga::testkit::{Effect, World};
use madrigal_saga::{MemoryDirectory, SagaDefinition, SagaEngine, SagaId, SagaOptions, SagaState};
use serde_json::Value;

use crate::shop;

/// A saga of the shop and everybody who takes part in it, each with a store in memory.
pub struct ShopWorld {
    orders: DynEventStore,
    catalog: DynEventStore,
    provider: DynEventStore,
    mails: DynEventStore,
    neighbours: OrderNeighbours,
    host: Host,
    definition: SagaDefinition,
    input: Value,
}

/// How long setting up may take.
const SETTING_UP: Duration = Duration::from_secs(30);

impl ShopWorld {
    /// Before an order: in stock, and a customer who can pay.
    ///
    /// # Errors
    /// What went wrong, in words.
    pub async fn before_an_order() -> Result<Self, String> {
        let mut world = Self::empty().await.map_err(|fault| fault.chain())?;
        world.definition = world.placing()?;
        // What Placements would begin the saga with.
        let engine = world.engine(vec![world.definition.clone()]);
        let id = world.place(&engine).await?;
        let started = world.orders.read_stream(&id.stream(), madrigal_event_store::StreamRead::START).await;
        let started = started.map_err(|fault| fault.chain())?;
        let first: Value = started.events.first().ok_or("nothing was started")?.decode().map_err(|e| e.to_string())?;
        let input = first["input"].clone();
        engine.halt();
        // The same again, with nothing done yet.
        let mut fresh = Self::empty().await.map_err(|fault| fault.chain())?;
        fresh.definition = fresh.placing()?;
        fresh.input = input;
        Ok(fresh)
    }

    /// With an order that is placed, paid and confirmed.
    ///
    /// # Errors
    /// What went wrong, in words.
    pub async fn with_an_order() -> Result<Self, String> {
        let mut world = Self::empty().await.map_err(|fault| fault.chain())?;
        let engine = world.engine(vec![world.placing()?]);
        let id = world.place(&engine).await?;
        let state = engine.settled(&id, SETTING_UP).await.map_err(|fault| fault.chain())?;
        engine.halt();
        if state != Some(SagaState::Completed) {
            return Err(format!("the order was not placed: {state:?}"));
        }
        let log = world.orders.read_log(Position::START, 1_000).await.map_err(|error| error.to_string())?;
        let stream =
            log.events.iter().map(|event| &event.stream).find(|stream| stream.category() == OrderEvent::CATEGORY);
        let stream = stream.ok_or("there is no order")?;
        let order = load_order(&*world.orders, stream).await.map_err(|fault| fault.chain())?.ok_or("no order")?;
        let input = CancelOrder {
            order_id: stream.id().to_owned(),
            placed_by: order.saga_id,
            reason: "changed my mind".to_owned(),
            customer: order.customer,
        };
        world.input = serde_json::to_value(input).map_err(|error| error.to_string())?;
        let keys = world.neighbours.person_keys(&world.host);
        let definition = cancel_order::definition(world.orders.clone(), &world.neighbours, keys, world.host.clone());
        world.definition = definition.map_err(|error| error.to_string())?;
        Ok(world)
    }

    async fn empty() -> Result<Self, Fault> {
        let host = Host::seeded(23);
        let store = |name: &str| -> Result<DynEventStore, Fault> {
            let log = LogName::parse(name).ok_or_else(|| Fault::permanent("kit", "open", "not a log's name"))?;
            Ok(Arc::new(MemoryEventStore::new(log, &host)))
        };
        let (orders, catalog, payments) = (store("order")?, store("catalog")?, store("payment")?);
        let (provider, mails) = (store("provider")?, store("notification")?);
        let neighbours = OrderNeighbours {
            users: Neighbour::round_trip(shop::users::calls(&host)),
            catalog: Neighbour::round_trip(catalog_calls(&catalog, &host).await?),
            payments: Neighbour::round_trip(payment_calls(payments, provider.clone(), &host)),
            notifications: Neighbour::round_trip(mail_calls(mails.clone())),
        };
        let keys = neighbours.person_keys(&host);
        let definition = cancel_order::definition(orders.clone(), &neighbours, keys, host.clone());
        let definition = definition.map_err(|error| Fault::permanent("kit", "open", error))?;
        Ok(Self { orders, catalog, provider, mails, neighbours, host, definition, input: Value::Null })
    }

    fn placing(&self) -> Result<SagaDefinition, String> {
        let keys = self.neighbours.person_keys(&self.host);
        let limit = Duration::from_secs(30);
        let definition =
            place_order::definition(self.orders.clone(), &self.neighbours, keys, self.host.clone(), 3, limit);
        definition.map_err(|error| error.to_string())
    }

    fn engine(&self, definitions: Vec<SagaDefinition>) -> SagaEngine {
        let directory = Arc::new(MemoryDirectory::new(self.orders.clone()));
        SagaEngine::new(self.orders.clone(), definitions, directory, self.host.clone(), SagaOptions::default())
    }

    async fn place(&self, engine: &SagaEngine) -> Result<SagaId, String> {
        let placements =
            Placements::new(self.orders.clone(), engine.clone(), self.neighbours.clone(), self.host.clone());
        let line = |number: u64| ProductQuantity { product_id: shop::product_id(number), quantity: 2 };
        let request = OrderRequest {
            user_id: PersonId(1),
            lines: vec![line(0), line(1)],
            shipping_address: None,
            currency: None,
        };
        let context = CallContext::new(&self.host);
        let token = "tok_visa".to_owned();
        let placed = placements.place("1", "key", Fingerprint::of(b"order"), request, token, &context).await;
        placed.map_err(|error| error.to_string())
    }

    /// How many events of a type the streams of a category have.
    async fn count(&self, store: &DynEventStore, category: &str, event_type: &str) -> u32 {
        let Ok(log) = store.read_log(Position::START, 10_000).await else { return u32::MAX };
        let of_category = log.events.iter().filter(|event| event.stream.category() == category);
        u32::try_from(of_category.filter(|event| event.event_type.as_str() == event_type).count()).unwrap_or(u32::MAX)
    }

    /// How many mails of a kind were requested.
    async fn mails(&self, kind: &str) -> u32 {
        let Ok(log) = self.mails.read_log(Position::START, 10_000).await else { return u32::MAX };
        let requested = log.events.iter().filter(|event| event.event_type.as_str() == "MailRequested");
        u32::try_from(requested.filter(|event| event.stream.id().ends_with(kind)).count()).unwrap_or(u32::MAX)
    }
}

async fn catalog_calls(store: &DynEventStore, host: &Host) -> Result<Arc<Calls>, Fault> {
    let loader = Loader::new(store.clone(), None);
    let quotes = Quotes::new(loader.clone());
    let (listener, options) = (Arc::new(quotes.clone()), DeskOptions::default());
    let desk = StockDesk::start(store.clone(), loader, listener, host.clone(), options);
    shop::stock_up(&desk, 100, &CallContext::new(host)).await?;
    let answers = Arc::new(CatalogAnswers::new(desk, quotes, store.clone()));
    let calls = Calls::new("catalog-service")
        .on::<QuoteProducts>(Arc::clone(&answers))
        .on::<ReserveStock>(Arc::clone(&answers))
        .on::<ReleaseReservation>(Arc::clone(&answers))
        .on::<ConfirmReservation>(Arc::clone(&answers))
        .on::<ReturnStock>(answers);
    Ok(Arc::new(calls))
}

fn payment_calls(store: DynEventStore, ledger: DynEventStore, host: &Host) -> Arc<Calls> {
    let provider = Arc::new(Sandbox::new(ledger, host.clone(), SandboxOptions::default()));
    let payments = Arc::new(PaymentService::with(store, provider).payments().clone());
    let calls = Calls::new("payment-service");
    Arc::new(calls.on::<ChargePayment>(Arc::clone(&payments)).on::<RefundPayment>(payments))
}

fn mail_calls(store: DynEventStore) -> Arc<Calls> {
    Arc::new(Calls::new("notification-service").on::<RequestMail>(Arc::new(Outbox::new(MailStore::new(store)))))
}

#[async_trait]
impl World for ShopWorld {
    fn definition(&self) -> SagaDefinition {
        self.definition.clone()
    }

    fn store(&self) -> DynEventStore {
        self.orders.clone()
    }

    fn input(&self) -> Value {
        self.input.clone()
    }

    /// Each world has one order: events are counted by their type.
    async fn effect(&self, _saga: SagaId, step: &str) -> Effect {
        let reservations = |event_type| self.count(&self.catalog, "reservation", event_type);
        let charges = |event_type| self.count(&self.provider, "charge", event_type);
        let orders = |event_type| self.count(&self.orders, OrderEvent::CATEGORY, event_type);
        let (done, undone) = match step {
            place_order::RESERVE => (reservations("ReservationMade").await, reservations("ReservationReleased").await),
            place_order::PAY => (charges("Charged").await, charges("Refunded").await),
            place_order::CREATE => (orders("OrderCreated").await, 0),
            place_order::CONFIRM => (reservations("ReservationConfirmed").await, 0),
            place_order::NOTIFY => (self.mails("order-confirmation").await, 0),
            cancel_order::CANCEL => (orders("OrderCancelled").await, 0),
            "return-stock" => (reservations("ReservationReturned").await, 0),
            "refund-payment" => (charges("Refunded").await, 0),
            "send-cancellation" => (self.mails("order-cancellation").await, 0),
            _ => (u32::MAX, 0),
        };
        Effect { done, undone }
    }
}
