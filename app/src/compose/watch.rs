//! What is measured without being asked for: how the services are, and how much room they have.

use std::path::PathBuf;
use std::time::Duration;

use madrigal_core::tasks::{self, StopSignal};
use madrigal_journal::{Disk, SystemDisk};
use madrigal_telemetry::Health;
use madrigal_telemetry::metrics::measure_storage_free;

const EVERY: Duration = Duration::from_secs(10);

/// Measures until `stop`.
pub(super) async fn watch(health: Health, rooms: Vec<(&'static str, PathBuf)>, stop: StopSignal) {
    loop {
        // Making the report measures it.
        health.report().await;
        for (service, room) in &rooms {
            let room = room.clone();
            if let Ok(Some(free)) = tasks::blocking(move || SystemDisk.free(&room)).await {
                measure_storage_free(service, free);
            }
        }
        if tasks::sleep_or_stopped(EVERY, &stop).await {
            return;
        }
    }
}
