//! Settings of order-service.

use std::path::PathBuf;
use std::time::Duration;

use madrigal_contracts::rows::Planting;

/// Settings of order-service.
#[derive(Debug, Clone)]
pub struct OrderConfig {
    /// Its own directory: the journal of orders and sagas, the views.
    pub dir: PathBuf,
    /// Working days from confirmation to the estimated delivery. Default 3.
    pub delivery_working_days: u32,
    /// Everything before the pivot must be done in this time, or the saga compensates. Default 30 s.
    pub placing_limit: Duration,
    /// Whether damage may be planted in the order view. Default refused.
    pub planting: Planting,
}

impl OrderConfig {
    /// The defaults, in this directory.
    pub fn in_dir(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            delivery_working_days: 3,
            placing_limit: Duration::from_secs(30),
            planting: Planting::Refused,
        }
    }
}
