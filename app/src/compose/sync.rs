//! sync-service, with whom it hears and tells.

use std::sync::Arc;

use madrigal_bus::DynTopicSource;
use madrigal_cdc::DynChangeSource;
use madrigal_contracts::changes::RemoteChangeSource;
use madrigal_core::{Host, LogName};
use madrigal_http::Neighbour;
use madrigal_sync_service::{SyncConfig, SyncNeighbours, SyncService};

use super::all::opened;
use crate::config::Config;
use crate::data_dir::DataDir;

/// The log of user-service's changes, as positions name it.
const USERS_LOG: &str = "users";
/// The topics of facts that are followed.
const FACTS: [&str; 2] = ["orders", "products"];

/// The services that keep copies of users.
pub(super) struct Keepers {
    pub(super) users: Neighbour,
    pub(super) catalog: Neighbour,
    pub(super) analytics: Neighbour,
}

/// Opens sync-service in its room.
pub(super) async fn open(
    config: &Config,
    data: &DataDir,
    keepers: Keepers,
    changes: Option<DynChangeSource>,
    topics: Vec<DynTopicSource>,
    host: &Host,
) -> anyhow::Result<SyncService> {
    let changes = match changes {
        Some(changes) => changes,
        None => {
            let log = LogName::parse(USERS_LOG).ok_or_else(|| anyhow::anyhow!("{USERS_LOG} names no log"))?;
            Arc::new(RemoteChangeSource::new(keepers.users.clone(), log, host.clone()))
        }
    };
    let neighbours = SyncNeighbours {
        changes,
        users: keepers.users,
        catalog: keepers.catalog,
        analytics: Some(keepers.analytics),
        topics: topics.into_iter().filter(|topic| FACTS.contains(&topic.topic())).collect(),
    };
    let settings = SyncConfig {
        transformers: config.sync.transformers.clone(),
        facts: config.sync.facts,
        ..SyncConfig::in_dir(data.room("sync-service")?)
    };
    SyncService::open(settings, neighbours, host.clone()).await.map_err(opened)
}
