//! The monitor of copies, in sync-service's room.

use std::time::Duration;

use madrigal_contracts::rows::Planting;
use madrigal_core::Host;
use madrigal_sqlite::{Database, DatabaseOptions};
use madrigal_sync_service::monitor::{Monitor, MonitorConfig, Watched};

use super::all::opened;
use crate::config::Config;
use crate::data_dir::DataDir;

/// Opens the monitor over what these services hold.
pub(super) async fn open(config: &Config, data: &DataDir, watched: Watched, host: &Host) -> anyhow::Result<Monitor> {
    let section = &config.consistency;
    let settings = MonitorConfig {
        versions_every: Duration::from_secs(section.versions_every_seconds),
        content_every: Duration::from_secs(section.content_every_seconds),
        share: section.share_percent,
        share_when_busy: section.share_when_busy_percent,
        sampled_share: section.sampled_percent,
        sampled_per_second: section.sampled_rows_per_second,
        repairs_per_hour: section.repairs_per_hour,
    };
    // One writer now and then, and pages of its record: a small cache does.
    let options = DatabaseOptions { readers: 1, cache_kib: 512, ..DatabaseOptions::SYNCED };
    let file = data.room("sync-service")?.join("monitor.sqlite");
    let database = Database::open(file, options).await.map_err(opened)?;
    Monitor::open(settings, watched, database, host.clone()).await.map_err(opened)
}

/// Whether copies may be damaged, to see whether that is found.
pub(super) const fn planting(config: &Config) -> Planting {
    if config.consistency.allow_damage { Planting::Allowed } else { Planting::Refused }
}
