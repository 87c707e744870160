//! The service: its store, its views, its desk, put together.

use std::sync::Arc;

use axum::Router;
use futures::future::join_all;
use madrigal_bus::TopicSource;
use madrigal_cache::Inspection;
use madrigal_contracts::books::{ListMovedSagas, ReadSagaReservations};
use madrigal_contracts::catalog::{ConfirmReservation, QuoteProducts, ReleaseReservation, ReserveStock, ReturnStock};
use madrigal_contracts::projections::answering;
use madrigal_contracts::rows;
use madrigal_contracts::rows::kept::{KeptRows, USER_FIELDS};
use madrigal_contracts::story::TellReservations;
use madrigal_core::tasks::{self, StopSignal};
use madrigal_core::{Fault, Host};
use madrigal_event_store::{DynEventStore, SnapshotStore, open_log};
use madrigal_http::Calls;
use madrigal_projection::{DynManaged, DynViewStore, ProjectionControl, ProjectionRunner, RunnerOptions};
use madrigal_sqlite::{Database, DatabaseOptions, SqliteSnapshots, SqliteViews};
use madrigal_telemetry::Check;
use utoipa::OpenApi;

use crate::books::SagaReservations;
use crate::commands::{CatalogAnswers, EditMerger, Expiry, RatingDesk, StockDesk};
use crate::config::CatalogConfig;
use crate::http::{Api, CatalogApi};
use crate::indexers::{ProductIndex, ProductSearchProjection};
use crate::neighbours::CatalogNeighbours;
use crate::projections::{OpenReservations, ProductView};
use crate::queries::cached::Keepers;
use crate::queries::story::Reservations;
use crate::queries::{ProductCache, ProductQueries, Quotes};
use crate::row_sets;
use crate::search::SynonymFile;
use crate::store::Loader;
use crate::users_index::UsersIndex;

/// The name of this service.
pub const SERVICE: &str = "catalog-service";
const LOG: &str = "catalog";

/// catalog-service, open. Cheap to clone.
#[derive(Clone)]
pub struct CatalogService {
    parts: Arc<Parts>,
}

struct Parts {
    store: DynEventStore,
    snapshots: Arc<dyn SnapshotStore>,
    desk: StockDesk,
    users_index: UsersIndex,
    products: ProjectionRunner<ProductView>,
    open: ProjectionRunner<OpenReservations>,
    index: ProductIndex,
    search: Arc<ProductSearchProjection>,
    synonyms: SynonymFile,
    expiry: Expiry,
    cache: Option<ProductCache>,
    api: Arc<Api>,
    calls: Arc<Calls>,
}

impl CatalogService {
    /// Opens the service's own directory. The desk works from then on; views and search follow while
    /// [`CatalogService::run`] runs.
    ///
    /// # Errors
    /// A [`Fault`] where the directory cannot be opened, is damaged, or is in use.
    ///
    /// # Cancellation
    /// Safe to repeat.
    pub async fn open(config: CatalogConfig, neighbours: CatalogNeighbours, host: Host) -> Result<Self, Fault> {
        let store = open_log(config.dir.join("journal"), LOG, &host).await?;
        let database = Database::open(config.dir.join("views.sqlite"), DatabaseOptions::REBUILDABLE).await?;
        let sqlite = SqliteViews::open(database.clone()).await?;
        let views: DynViewStore = Arc::new(sqlite.clone());
        let snapshots: Arc<dyn SnapshotStore> = Arc::new(SqliteSnapshots::open(database).await?);
        let (users_dir, host_of_users, planting) = (config.dir.clone(), host.clone(), config.planting);
        let synonyms = SynonymFile::open(config.synonyms.clone(), host.clone()).await?;

        let loader = Loader::new(Arc::clone(&store), Some(Arc::clone(&snapshots)));
        let quotes = Quotes::new(loader.clone());
        let edits = EditMerger::new(loader.clone())?;
        let cache = (config.cache_bytes > 0).then(|| ProductCache::new(&host, config.cache_bytes, store.end()));
        let keepers = Keepers { quotes: quotes.clone(), cache: cache.clone() };
        let desk = StockDesk::start(Arc::clone(&store), loader, Arc::new(keepers), host.clone(), config.desk);

        let runner_options = || RunnerOptions::for_service(SERVICE);
        let products =
            ProjectionRunner::new(ProductView, Arc::clone(&store), Arc::clone(&views), host.clone(), runner_options())?;
        let open = ProjectionRunner::new(
            OpenReservations,
            Arc::clone(&store),
            Arc::clone(&views),
            host.clone(),
            runner_options(),
        )?;
        let search_dir = config.dir.join("search");
        let index = ProductIndex::open(search_dir, Arc::clone(&store), products.reader(), host.clone()).await?;
        if let Some(cache) = &cache {
            index.tell(cache.clone());
        }
        let search = Arc::new(ProductSearchProjection::new(index.clone(), SERVICE));
        let ratings = RatingDesk::new(Arc::clone(&store), quotes.clone(), neighbours.clone()).telling(cache.clone());
        let expiry = Expiry::new(open.reader(), desk.clone(), neighbours, host.clone(), config);
        let queries = ProductQueries::new(Arc::clone(&store), products.reader(), index.clone(), synonyms.clone());
        let queries = queries.caching(cache.clone());
        let api = Arc::new(Api { desk: desk.clone(), queries, ratings, edits, host });

        let answers = Arc::new(CatalogAnswers::new(desk.clone(), quotes, Arc::clone(&store)));
        let books = Arc::new(SagaReservations::new(Arc::clone(&store)));
        let calls = Calls::new(SERVICE)
            .on::<ListMovedSagas>(Arc::clone(&books))
            .on::<ReadSagaReservations>(books)
            .on::<QuoteProducts>(Arc::clone(&answers))
            .on::<ReserveStock>(Arc::clone(&answers))
            .on::<ReleaseReservation>(Arc::clone(&answers))
            .on::<ConfirmReservation>(Arc::clone(&answers))
            .on::<ReturnStock>(answers)
            .on::<TellReservations>(Arc::new(Reservations::new(Arc::clone(&store))));
        let users_index = UsersIndex::open(&users_dir, host_of_users).await?;
        let calls = madrigal_contracts::copies::answering(calls, vec![users_index.keeper()]);
        let managed: Vec<DynManaged> = vec![products.managed(), open.managed(), search.clone()];
        let calls = answering(calls, managed);
        let mut sets = row_sets::all(&users_dir, &store, &products, sqlite, &index).await?;
        sets.push(Arc::new(KeptRows::new(users_index.keeper(), USER_FIELDS)));
        let sets = row_sets::with_cache(sets, cache.as_ref(), &store);
        let calls = rows::answering(calls, sets, planting);
        let parts = Parts {
            store,
            snapshots,
            desk,
            users_index,
            products,
            open,
            index,
            search,
            synonyms,
            expiry,
            cache,
            api,
            calls: Arc::new(calls),
        };
        Ok(Self { parts: Arc::new(parts) })
    }

    /// What other services may ask.
    pub fn calls(&self) -> Arc<Calls> {
        Arc::clone(&self.parts.calls)
    }

    /// The public routes, without the edge's layers.
    pub fn router(&self) -> Router {
        crate::http::router(Arc::clone(&self.parts.api))
            .merge(crate::http::users_router(self.parts.users_index.clone()))
    }

    /// The description of the public routes.
    pub fn openapi() -> utoipa::openapi::OpenApi {
        CatalogApi::openapi()
    }

    /// The store, for operators' reads of the log.
    pub fn store(&self) -> DynEventStore {
        Arc::clone(&self.parts.store)
    }

    /// The desk, for measuring.
    pub fn desk(&self) -> StockDesk {
        self.parts.desk.clone()
    }

    /// The snapshots of stocks: a cache; clearing it changes no answer.
    pub fn snapshots(&self) -> Arc<dyn SnapshotStore> {
        Arc::clone(&self.parts.snapshots)
    }

    /// Looking through old reservations, which [`CatalogService::run`] does now and then.
    pub fn expiry(&self) -> Expiry {
        self.parts.expiry.clone()
    }

    /// The pages and completions that are kept in memory, if any are.
    pub fn cache(&self) -> Option<ProductCache> {
        self.parts.cache.clone()
    }

    /// Compares some of the kept pages with the view; `None` where none are kept.
    ///
    /// # Cancellation
    /// Safe: reads only.
    pub async fn inspect_cache(&self, sample: usize) -> Option<Inspection> {
        let cache = self.parts.cache.as_ref()?;
        Some(cache.inspect(&self.parts.products.reader(), sample).await)
    }

    /// The views, for operators.
    pub fn projections(&self) -> Vec<ProjectionControl> {
        vec![self.parts.products.control(), self.parts.open.control()]
    }

    /// The search index as a projection: its generations, for operators.
    pub fn product_search(&self) -> DynManaged {
        self.parts.search.clone()
    }

    /// The topics that this service owns: `products`.
    pub fn topics(&self) -> Vec<Arc<dyn TopicSource>> {
        vec![Arc::new(crate::topics::products(self.store()))]
    }

    /// How the service fares.
    pub async fn health(&self) -> Vec<Check> {
        let parts = &self.parts;
        let trouble = parts.store.trouble().map(|trouble| (trouble.is_lasting(), trouble.words()));
        let mut checks = vec![Check::log(parts.store.end(), trouble)];
        checks.push(if parts.desk.is_open() {
            Check::healthy("stockDesk", format!("{} commands waiting", parts.desk.waiting()))
        } else {
            Check::unhealthy("stockDesk", "closed")
        });
        for control in self.projections() {
            let name = if control.view().name() == "products" { "productsView" } else { "openReservationsView" };
            checks.push(match control.lag().await {
                Ok(lag) => Check::view(name, lag.events, lag.stalled_since.is_some(), lag.parked_lanes),
                Err(_) => Check::unhealthy(name, "its lag cannot be read"),
            });
        }
        let behind = parts.store.end().0.saturating_sub(parts.index.reflects().0);
        let trouble = parts.synonyms.in_force().trouble;
        checks.push(match trouble {
            _ if !parts.index.serves() => Check::degraded("search", format!("being built, {behind} events missing")),
            Some(trouble) => Check::degraded("search", format!("old synonyms are used: {trouble}")),
            None if parts.index.is_held_up() => {
                Check::degraded("search", format!("cannot be written, {behind} events behind"))
            }
            None => Check::healthy("search", format!("{behind} events behind")),
        });
        if let Some(cache) = &parts.cache {
            let stats = cache.pages().stats();
            let asked = stats.first_hits + stats.first_misses;
            let (pages, share) = (cache.pages().len(), 100 * stats.first_hits / asked.max(1));
            checks.push(Check::healthy("cache", format!("{pages} pages, {share} % of {asked} requests")));
        }
        checks
    }

    /// Runs views, search and expiry until `stop`; then closes the desk, after what waits there is durable.
    ///
    /// # Cancellation
    /// Safe: everything is taken up again by the next run.
    pub async fn run(&self, stop: StopSignal) {
        let parts = &self.parts;
        let (index, synonyms) = (parts.index.clone(), parts.synonyms.clone());
        let (stop_index, stop_synonyms) = (stop.clone(), stop.clone());
        let (products, open, expiry) = (parts.products.clone(), parts.open.clone(), parts.expiry.clone());
        let (stop_products, stop_open, stop_expiry) = (stop.clone(), stop.clone(), stop.clone());
        let mut background = vec![
            tasks::spawn("products-view", async move { told("products", products.run(stop_products).await) }),
            tasks::spawn("open-reservations", async move { told("open-reservations", open.run(stop_open).await) }),
            tasks::spawn("product-search", async move { index.run(stop_index).await }),
            tasks::spawn("synonyms", async move { synonyms.watch(stop_synonyms).await }),
            tasks::spawn("reservation-expiry", async move { expiry.run(stop_expiry).await }),
        ];
        if let Some(cache) = parts.cache.clone() {
            let (view, stop) = (parts.products.reader(), stop.clone());
            background
                .push(tasks::spawn("cache-inspection", async move { cache.inspect_now_and_then(view, stop).await }));
        }
        stop.cancelled().await;
        self.close().await;
        join_all(background).await;
    }

    /// Closes the desk, after what waits there is durable.
    ///
    /// # Cancellation
    /// Safe: closing goes on.
    pub async fn close(&self) {
        self.parts.desk.close().await;
    }
}

impl std::fmt::Debug for CatalogService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CatalogService").field("desk", &self.parts.desk).finish_non_exhaustive()
    }
}

fn told(view: &str, result: Result<(), madrigal_projection::RunError>) {
    if let Err(error) = result {
        tracing::error!(view, cause = error.chain(), "the view has stopped");
    }
}
