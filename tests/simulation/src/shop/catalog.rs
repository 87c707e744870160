//! catalog-service: its desk, its answers, its expiry, put together as the service does; without search.

use std::sync::Arc;
use std::time::Duration;

use madrigal_catalog_service::commands::{CatalogAnswers, Command, DeskOptions, Expiry, ProductChange, StockDesk};
use madrigal_catalog_service::domain::{Details, Price, ProductId, ProductStatus};
use madrigal_catalog_service::projections::OpenReservations;
use madrigal_catalog_service::queries::Quotes;
use madrigal_catalog_service::store::Loader;
use madrigal_catalog_service::{CatalogConfig, CatalogNeighbours};
use madrigal_contracts::catalog::{ConfirmReservation, QuoteProducts, ReleaseReservation, ReserveStock, ReturnStock};
use madrigal_core::tasks::{self, StopSignal};
use madrigal_core::{BasisPoints, CallContext, Currency, Fault};
use madrigal_event_store::{DynEventStore, MemorySnapshots, SnapshotStore};
use madrigal_http::calls::Calls;
use madrigal_projection::{ProjectionRunner, RunnerOptions};
use madrigal_sim::Server;

use super::{Role, Shop};
use crate::mutants::slow_views;

/// How many products there are.
pub(crate) const PRODUCTS: u64 = 4;

/// The id of a product.
pub(crate) fn product_id(number: u64) -> String {
    format!("product-{number}")
}

pub(super) async fn start(shop: &Arc<Shop>, store: DynEventStore, server: &Server) -> Result<Arc<Calls>, Fault> {
    let host = server.host.clone();
    let snapshots: Arc<dyn SnapshotStore> = Arc::new(MemorySnapshots::new());
    let loader = Loader::new(store.clone(), Some(snapshots));
    let quotes = Quotes::new(loader.clone());
    // The caches keep everything: what gives way in a full one depends on the order of a hash map.
    let desk_options = DeskOptions { snapshot_every: 16, ..DeskOptions::default() };
    let desk = StockDesk::start(store.clone(), loader, Arc::new(quotes.clone()), host.clone(), desk_options);
    let views = slow_views(shop, Role::Catalog, server);
    let options = RunnerOptions::for_service("catalog-service");
    let open = ProjectionRunner::new(OpenReservations, store.clone(), views, host.clone(), options)?;
    let config = CatalogConfig { reservation_age: Duration::from_secs(60), ..CatalogConfig::in_dir("") };
    let neighbours = CatalogNeighbours { orders: Some(shop.to_orders("catalog")) };
    let expiry = Expiry::new(open.reader(), desk.clone(), neighbours, host.clone(), config);
    stock_up(&desk, shop.plan.stock, &CallContext::new(&host)).await?;
    tasks::spawn("open-reservations", async move { open.run(StopSignal::new()).await });
    tasks::spawn("reservation-expiry", async move { expiry.run(StopSignal::new()).await });
    let answers = Arc::new(CatalogAnswers::new(desk, quotes, store));
    let calls = Calls::new(Role::Catalog.service())
        .on::<QuoteProducts>(Arc::clone(&answers))
        .on::<ReserveStock>(Arc::clone(&answers))
        .on::<ReleaseReservation>(Arc::clone(&answers))
        .on::<ConfirmReservation>(Arc::clone(&answers))
        .on::<ReturnStock>(answers);
    Ok(Arc::new(calls))
}

/// Creates what is not there yet; repeated until the store takes it.
pub(crate) async fn stock_up(desk: &StockDesk, pieces: i64, context: &CallContext) -> Result<(), Fault> {
    for number in 0..PRODUCTS {
        let details = Details {
            name: format!("Product {number}"),
            description: String::new(),
            category: Vec::new(),
            attributes: Vec::new(),
            tags: Vec::new(),
            brand: None,
            status: ProductStatus::Active,
        };
        let amount = 1_000 + i64::try_from(number).unwrap_or_default() * 111;
        let price = Price { amount, currency: Currency::EUR, discount: BasisPoints::ZERO };
        let product = ProductId::parse(&product_id(number))
            .ok_or_else(|| Fault::permanent("catalog", "open", "not a product's id"))?;
        let change = ProductChange::Create { details, price, initial_stock: pieces };
        let command = Command::ChangeProduct { product, change };
        while let Err(fault) = desk.ask(context.clone(), command.clone()).await {
            if fault.retry == madrigal_core::FaultRetry::Never {
                return Err(fault);
            }
            tasks::sleep(Duration::from_millis(50)).await;
        }
    }
    Ok(())
}
