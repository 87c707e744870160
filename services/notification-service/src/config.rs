//! What notification-service is told.

use std::path::PathBuf;

/// Where notification-service lives.
#[derive(Debug, Clone)]
pub struct NotificationConfig {
    /// The service's own directory: the mails' log is in `notification` below it, the list and the delivery's checkpoint
    /// in `views.db`.
    pub dir: PathBuf,
}

impl NotificationConfig {
    /// The defaults, in this directory.
    pub fn in_dir(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }
}
