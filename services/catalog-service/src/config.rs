//! Settings of catalog-service.

use std::path::PathBuf;
use std::time::Duration;

use madrigal_contracts::rows::Planting;

use crate::commands::DeskOptions;

/// Settings of catalog-service.
#[derive(Debug, Clone)]
pub struct CatalogConfig {
    /// Its own directory: the journal, the views, the search index.
    pub dir: PathBuf,
    /// When a reservation that is still open makes the catalogue ask whether its saga needs it. Default 15 minutes.
    pub reservation_age: Duration,
    /// How often open reservations are looked through. Default 1 minute.
    pub expiry_interval: Duration,
    /// The file of synonyms. Default `synonyms/products.txt` in the directory; made where it is missing.
    pub synonyms: PathBuf,
    /// How much the cache of product pages and completions may hold, in bytes; 0 is no cache. Default 16 MiB.
    pub cache_bytes: u64,
    /// Whether damage may be planted in the view of products and in the search index. Default refused.
    pub planting: Planting,
    /// How large the stock desk may grow.
    pub desk: DeskOptions,
}

impl CatalogConfig {
    /// The defaults, in this directory.
    pub fn in_dir(dir: impl Into<PathBuf>) -> Self {
        let dir = dir.into();
        Self {
            synonyms: dir.join("synonyms").join("products.txt"),
            dir,
            reservation_age: Duration::from_secs(15 * 60),
            expiry_interval: Duration::from_secs(60),
            cache_bytes: 16 * 1024 * 1024,
            planting: Planting::Refused,
            desk: DeskOptions::default(),
        }
    }
}
