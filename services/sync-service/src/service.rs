//! The service: its connectors, their captures, the topics that it follows, put together.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use futures::future::join_all;
use madrigal_bus::DynTopicSource;
use madrigal_cdc::DynChangeSource;
use madrigal_core::tasks::{self, StopSignal};
use madrigal_core::{Fault, Host};
use madrigal_http::calls::Neighbour;
use madrigal_projection::{DynOffsets, Status};
use madrigal_sqlite::{Database, DatabaseOptions, SqliteOffsets};
use madrigal_telemetry::Check;
use serde_json::Value;
use utoipa::OpenApi;

use crate::capture::{Capture, CaptureParts};
use crate::config::SyncConfig;
use crate::connectors::{ConnectorDefinition, ConnectorStore, Declared, Misfit, running};
use crate::copies::Copies;
use crate::http::{self, SyncApi};
use crate::processors::activity::Activity;
use crate::processors::facts::Facts;
use crate::queries::Queries;
use crate::rebuilds::Rebuilds;
use crate::transformers::Transformers;

/// The name of this service.
pub const SERVICE: &str = "sync-service";
/// Whose tables the embedded connector captures.
pub const CAPTURED_SERVICE: &str = "user-service";
/// The name of the check of connectors.
const CONNECTORS_CHECK: &str = "connectors";
/// The name of the connector that is there from the first start, and stays.
pub const BUILT_IN_CONNECTOR: &str = "users-connector";
/// Its declaration.
const DEFAULT_CONNECTOR: &str = include_str!("../config/users-connector.json");

/// Whom sync-service hears and tells.
#[derive(Clone)]
pub struct SyncNeighbours {
    /// The changes of user-service's tables.
    pub changes: DynChangeSource,
    /// Keeps `users.key-value` and `users.activity`.
    pub users: Neighbour,
    /// Keeps `users.index`.
    pub catalog: Neighbour,
    /// Keeps `users.analytics`, where there is such a service.
    pub analytics: Option<Neighbour>,
    /// Topics of facts: `orders`, `products`.
    pub topics: Vec<DynTopicSource>,
}

impl fmt::Debug for SyncNeighbours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyncNeighbours").finish_non_exhaustive()
    }
}

/// sync-service, open. Cheap to clone.
#[derive(Clone)]
pub struct SyncService {
    parts: Arc<Parts>,
}

struct Parts {
    captures: Vec<Capture>,
    facts: Vec<Facts>,
    queries: Queries,
    rebuilds: Rebuilds,
}

impl SyncService {
    /// Opens the service's own directory. Copies follow while [`SyncService::run`] runs.
    ///
    /// # Errors
    /// A [`Fault`] where the directory cannot be opened; a permanent one with everything that is wrong with the declared
    /// transformers. A connector that cannot be run is left out: it is listed with what is wrong, and a check says so.
    ///
    /// # Cancellation
    /// Safe to repeat.
    pub async fn open(config: SyncConfig, neighbours: SyncNeighbours, host: Host) -> Result<Self, Fault> {
        let refused = |what: &str, problems: Vec<String>| {
            Fault::permanent(SERVICE, "open", format!("{what}:\n  {}", problems.join("\n  ")))
        };
        let transformers = Transformers::declared(&config.transformers)
            .map_err(|misfits| refused("the transformers have problems", words("sync.transformers", &misfits)))?;
        let database = open_database(&config.dir).await?;
        let offsets: DynOffsets = Arc::new(SqliteOffsets::open(database.clone()).await?);
        let activity = Activity::open(database.clone()).await?;
        let store = ConnectorStore::open(database.clone()).await?;
        if store.list().await?.is_empty() {
            let connector = default_connector()?;
            store.register(&connector, host.now()).await.map_err(|error| Fault::permanent(SERVICE, "open", error))?;
        }
        let mut copies = Copies::none(host.clone())
            .kept_by("users.key-value", neighbours.users.clone())
            .kept_by("users.activity", neighbours.users)
            .kept_by("users.index", neighbours.catalog);
        if let Some(analytics) = neighbours.analytics {
            copies = copies.kept_by("users.analytics", analytics);
        }
        let transformers = Arc::new(transformers);
        let known = store.list().await?;
        let troubles = running::troubles(&known, &transformers);
        let mut captures = Vec::new();
        for known in known {
            if let Some(misfits) = troubles.get(&known.name) {
                let problems = words("", misfits).join("; ");
                tracing::error!(connector = known.name, problems, "this connector cannot be run, and is left out");
                continue;
            }
            let definition = match known.declared {
                Declared::Read(definition) if definition.is_embedded() => definition,
                _ => {
                    tracing::warn!(connector = known.name, "this program cannot run this connector");
                    continue;
                }
            };
            let parts = CaptureParts {
                connector: definition,
                source: Arc::clone(&neighbours.changes),
                copies: copies.clone(),
                transformers: Arc::clone(&transformers),
                activity: activity.clone(),
                offsets: Arc::clone(&offsets),
                host: host.clone(),
            };
            let capture = Capture::new(parts).map_err(|missing| {
                refused("a connector cannot be run", missing.iter().map(ToString::to_string).collect())
            })?;
            captures.push(capture);
        }
        let topics = neighbours.topics.into_iter().filter(|_| config.facts);
        let facts: Vec<Facts> = topics.map(|topic| Facts::new(topic, Arc::clone(&offsets), host.clone())).collect();
        let rebuilds = Rebuilds::open(database, captures.clone(), Arc::clone(&transformers), host.clone()).await?;
        let queries = Queries::new(store, transformers, captures.clone(), facts.clone(), copies, host);
        Ok(Self { parts: Arc::new(Parts { captures, facts, queries, rebuilds }) })
    }

    /// The public routes, without the edge's layers.
    pub fn router(&self) -> Router {
        http::router(self.parts.queries.clone()).merge(http::rebuilds::router(self.parts.rebuilds.clone()))
    }

    /// Rebuilding copies; a monitor is named there that can do so where no connector tells the copy.
    pub fn rebuilds(&self) -> &Rebuilds {
        &self.parts.rebuilds
    }

    /// The description of the public routes.
    pub fn openapi() -> utoipa::openapi::OpenApi {
        SyncApi::openapi()
    }

    /// The captures: how far copies are, and which of their keys are parked.
    pub fn captures(&self) -> &[Capture] {
        &self.parts.captures
    }

    /// How captures and topics fare.
    pub async fn health(&self) -> Vec<Check> {
        let mut checks = Vec::new();
        for capture in &self.parts.captures {
            let progress = capture.progress();
            let behind = progress.end.0.saturating_sub(progress.applied.map_or(0, |at| at.position.0));
            checks.push(match (progress.status.trouble(), progress.held.len()) {
                // The cause may name what only operators should read: it is in the log, and in /v1/sync/lag.
                (Some((_, since)), _) => Check::degraded("copies", format!("held up since {since}")),
                (None, 0) => Check::healthy("copies", format!("{behind} changes behind")),
                (None, parked) => Check::degraded("copies", format!("{parked} keys parked, {behind} changes behind")),
            });
        }
        checks.push(self.connectors_check().await);
        for facts in &self.parts.facts {
            let control = facts.control();
            let lag = control.lag();
            let stalled = matches!(control.status(), Status::Stalled { .. } | Status::Retrying { .. });
            if stalled || lag.parked_lanes > 0 {
                let detail = format!("{}: {} keys parked, {} behind", control.group(), lag.parked_lanes, lag.events);
                checks.push(Check::degraded(Check::MESSAGE_QUEUE, detail));
            }
        }
        checks
    }

    /// Whether every connector that should run can. What keeps one from it is in /v1/sync/connectors.
    async fn connectors_check(&self) -> Check {
        match self.parts.queries.connectors().await {
            Ok(connectors) => {
                let held: Vec<&str> = connectors
                    .iter()
                    .filter(|one| !one.misfits.is_empty())
                    .map(|one| one.known.name.as_str())
                    .collect();
                match held.is_empty() {
                    true => Check::healthy(CONNECTORS_CHECK, format!("{} declared", connectors.len())),
                    false => Check::degraded(CONNECTORS_CHECK, format!("cannot be run: {}", held.join(", "))),
                }
            }
            Err(fault) => {
                tracing::error!(cause = %fault.chain(), "connectors cannot be read");
                Check::degraded(CONNECTORS_CHECK, "they cannot be read")
            }
        }
    }

    /// Follows connectors and topics until `stop`.
    ///
    /// # Cancellation
    /// Safe: everything is taken up again by the next run.
    pub async fn run(&self, stop: StopSignal) {
        let mut background = Vec::new();
        for capture in self.parts.captures.clone() {
            let stop = stop.clone();
            background.push(tasks::spawn("capture", async move { capture.run(stop).await }));
        }
        for facts in self.parts.facts.clone() {
            let stop = stop.clone();
            background.push(tasks::spawn("facts", async move {
                if let Err(error) = facts.run(stop).await {
                    tracing::error!(group = %facts.control().group(), %error, "a topic is not followed any more");
                }
            }));
        }
        let (rebuilds, stopped) = (self.parts.rebuilds.clone(), stop.clone());
        background.push(tasks::spawn("rebuilds", async move { rebuilds.run(stopped).await }));
        stop.cancelled().await;
        join_all(background).await;
    }
}

impl fmt::Debug for SyncService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyncService").field("captures", &self.parts.captures).finish_non_exhaustive()
    }
}

async fn open_database(dir: &Path) -> Result<Database, Fault> {
    let made = dir.to_path_buf();
    let making = tasks::blocking(move || std::fs::create_dir_all(made)).await;
    making
        .map_err(|error| Fault::not_applied(SERVICE, "make-directory", error))?
        .map_err(|error| Fault::permanent(SERVICE, "make-directory", error))?;
    let options = DatabaseOptions { readers: 2, cache_kib: 1_024, ..DatabaseOptions::REBUILDABLE };
    Database::open(dir.join("sync.sqlite"), options).await
}

fn default_connector() -> Result<ConnectorDefinition, Fault> {
    let declared: Value =
        serde_json::from_str(DEFAULT_CONNECTOR).map_err(|error| Fault::permanent(SERVICE, "open", error))?;
    ConnectorDefinition::read(&declared)
        .map_err(|misfits| Fault::permanent(SERVICE, "open", words("connector", &misfits).join("; ")))
}

/// Problems as lines that name their place.
pub fn words(of: &str, misfits: &[Misfit]) -> Vec<String> {
    misfits.iter().map(|misfit| format!("{of}{}: {}", misfit.pointer, misfit.detail)).collect()
}
