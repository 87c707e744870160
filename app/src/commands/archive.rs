//! `madrigal events archive`: old segments of a log go to another directory. On a data directory that no shop uses.

use std::path::{Path, PathBuf};

use anyhow::Context;
use madrigal_core::{Host, Position};
use madrigal_journal::{Journal, JournalOptions, OpenError};
use serde_json::json;

use crate::cli::{Archive, Settings};
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::exit::Ended;
use crate::output;

use super::doctor::logs_in;

pub(super) fn run(settings: &Settings, archive: &Archive) -> anyhow::Result<()> {
    let config = Config::load(settings, None)?.config;
    let data = DataDir::open(&config.data)?;
    let log = find(data.root(), &archive.log)?;
    // The log remembers it, wherever it is opened from.
    let to = archive.to.as_deref().map(std::path::absolute).transpose().context("--to is no directory")?;
    let options = JournalOptions { archive: to, ..JournalOptions::default() };
    let (journal, recovery) = Journal::open(&log, options, &Host::system()).map_err(|error| match error {
        OpenError::InUse { .. } => {
            anyhow::Error::new(Ended::Refused(format!("{error}: stop the shop first; nothing was moved")))
        }
        other => other.into(),
    })?;
    let archived = journal.archive(archive.before.map_or(Position(u64::MAX), Position))?;
    let log = log.strip_prefix(data.root()).unwrap_or(&log).display().to_string();
    output::document(
        settings.output,
        &json!({
            "log": log,
            "archive": archived.dir.display().to_string(),
            "segments": archived.segments,
            "bytes": archived.bytes,
            "through": archived.through.0,
            "end": recovery.end.0,
        }),
    )?;
    if archived.through > Position::START {
        output::message(&format!(
            "Positions 1 to {} are read from {} from now on: the log cannot be opened without it.",
            archived.through,
            archived.dir.display()
        ));
    }
    Ok(())
}

/// The directory of a log: by its own name (`payment`, `provider`), its service's (`order`), or its path.
fn find(root: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let logs = logs_in(root).with_context(|| format!("cannot list {}", root.display()))?;
    let part = |log: &Path, at: usize| {
        let part = log.strip_prefix(root).ok().and_then(|path| path.components().nth(at));
        part.map(|part| part.as_os_str().to_string_lossy().into_owned()).unwrap_or_default()
    };
    let by_path = |log: &&PathBuf| format!("{}/{}", part(log, 0), part(log, 1)) == name;
    let by_own = |log: &&PathBuf| part(log, 1) == name;
    let by_service = |log: &&PathBuf| part(log, 0) == name || part(log, 0) == format!("{name}-service");
    let found: [Vec<&PathBuf>; 3] = [
        logs.iter().filter(by_path).collect(),
        logs.iter().filter(by_own).collect(),
        logs.iter().filter(by_service).collect(),
    ];
    match found.into_iter().find(|found| !found.is_empty()).as_deref() {
        Some([one]) => Ok((*one).clone()),
        _ => {
            let names: Vec<_> = logs.iter().map(|log| format!("{}/{}", part(log, 0), part(log, 1))).collect();
            let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            let text = format!("{name:?} names no log, or several, in {}: there are {there}", root.display());
            Err(Ended::Usage(text).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_found_by_its_own_name_its_services_or_its_path_and_never_by_chance() {
        let root = tempfile::tempdir().unwrap();
        for log in
            ["order-service/journal", "catalog-service/journal", "payment-service/payment", "payment-service/provider"]
        {
            std::fs::create_dir_all(root.path().join(log)).unwrap();
            std::fs::write(root.path().join(log).join("epoch"), "").unwrap();
        }
        let found =
            |name: &str| find(root.path(), name).map(|log| log.strip_prefix(root.path()).unwrap().to_owned()).ok();
        for (name, log) in [
            ("order", "order-service/journal"),
            ("catalog-service", "catalog-service/journal"),
            ("payment", "payment-service/payment"),
            ("provider", "payment-service/provider"),
            ("payment-service/provider", "payment-service/provider"),
        ] {
            assert_eq!(found(name).as_deref(), Some(Path::new(log)), "{name}");
        }
        for name in ["journal", "payment-service", "ord", ""] {
            assert_eq!(found(name), None, "{name}");
        }
    }
}
