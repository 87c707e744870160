//! Settings of sync-service.

use std::path::PathBuf;

use serde_json::Value;

/// Settings of sync-service.
#[derive(Debug, Clone)]
pub struct SyncConfig {
    /// Its own directory: `sync.sqlite` with connectors, checkpoints, counts and parked changes.
    pub dir: PathBuf,
    /// The transformers, as [`crate::transformers::declared`] reads them. Default none.
    pub transformers: Vec<Value>,
    /// Whether the topics of facts (`orders`, `products`) are followed. Default true.
    pub facts: bool,
}

impl SyncConfig {
    /// The defaults, in this directory.
    pub fn in_dir(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), transformers: Vec::new(), facts: true }
    }
}
