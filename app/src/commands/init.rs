//! `madrigal init`: the data directory with every service's stores, in their current form, without a shop.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use madrigal_core::Host;
use madrigal_sqlite::migrations::{Applied, applied};
use madrigal_sqlite::{Database, DatabaseOptions};
use serde_json::{Value, json};

use crate::cli::Settings;
use crate::compose::{Wiring, compose_all};
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::output;

/// Directories below a room that are looked through; no service nests its stores deeper.
const DEPTH: usize = 3;

pub(super) async fn init(settings: &Settings) -> anyhow::Result<()> {
    let config = Config::load(settings, None)?.config;
    let data = DataDir::open(&config.data)?;
    // Opening a service makes its stores and brings their tables to their current form; nothing of it is started.
    drop(compose_all(&config, &data, &Host::system(), None, &Wiring::direct()).await?);
    let mut stores = Vec::new();
    for file in stores_in(data.root(), DEPTH)? {
        let store = file.strip_prefix(data.root()).unwrap_or(&file).display().to_string();
        if file.is_dir() {
            stores.push(json!({ "store": store, "kind": "journal", "component": null, "version": null, "step": null }));
            continue;
        }
        let database = Database::open(&file, DatabaseOptions::SYNCED).await.map_err(anyhow::Error::new)?;
        let steps = applied(&database).await.map_err(anyhow::Error::new)?;
        stores.extend(steps.into_iter().map(|step| row(&store, &step)));
    }
    output::items(settings.output, &stores, &["store", "kind", "component", "version", "step"])?;
    output::message(&format!("{} is ready: madrigal up --data {0}", data.root().display()));
    Ok(())
}

fn row(store: &str, step: &Applied) -> Value {
    let Applied { component, version, name } = step;
    json!({ "store": store, "kind": "SQLite", "component": component, "version": version, "step": name })
}

/// Databases, and the directories of journals, in the order of their names.
fn stores_in(dir: &Path, depth: usize) -> anyhow::Result<Vec<PathBuf>> {
    let read = fs::read_dir(dir).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut entries = read.with_context(|| format!("cannot list {}", dir.display()))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    let mut stores = Vec::new();
    for path in entries.into_iter().map(|entry| entry.path()) {
        if path.extension().is_some_and(|extension| extension == "sqlite") || path.join("epoch").is_file() {
            stores.push(path);
        } else if path.is_dir() && depth > 0 {
            stores.extend(stores_in(&path, depth - 1)?);
        }
    }
    Ok(stores)
}
