//! What analytics-service is told.

use std::path::PathBuf;
use std::time::Duration;

use madrigal_contracts::rows::Planting;

/// How analytics-service is set up.
#[derive(Debug, Clone)]
pub struct AnalyticsConfig {
    /// The service's own directory: facts, rollups and checkpoints are in `analytics.sqlite` below it.
    pub dir: PathBuf,
    /// How often the rollups are recomputed from the facts and compared. Default an hour, as in the brief.
    pub refresh_every: Duration,
    /// Whether the monitor's tests may damage rows. Default no.
    pub planting: Planting,
}

impl AnalyticsConfig {
    /// The defaults, in this directory.
    pub fn in_dir(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), refresh_every: Duration::from_secs(3_600), planting: Planting::Refused }
    }
}
