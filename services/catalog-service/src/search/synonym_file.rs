//! The file of synonyms, and the set that is in force.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use madrigal_core::tasks::{self, StopSignal};
use madrigal_core::{Fault, Host, Timestamp};
use madrigal_tantivy::synonyms::MAX_BYTES;
use madrigal_tantivy::{BadLine, Synonyms};

/// What a new shop begins with.
const DEFAULT: &str = include_str!("../../synonyms/products.txt");
/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Synonyms from a file. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SynonymFile {
    path: Arc<PathBuf>,
    host: Host,
    in_force: Arc<RwLock<InForce>>,
}

/// What is in force.
#[derive(Debug, Clone)]
pub struct InForce {
    /// The set.
    pub synonyms: Arc<Synonyms>,
    /// Since when.
    pub since: Timestamp,
    /// What is wrong with the file, where it is not what is in force.
    pub trouble: Option<String>,
    /// The file's stamp when it was last read.
    stamp: Option<Stamp>,
}

type Stamp = (Option<SystemTime>, u64);

/// Why the old set stays.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// Lines that are not understood.
    #[error("{} lines are not understood; the first is {}", .0.len(), .0.first().map(ToString::to_string).unwrap_or_default())]
    BadLines(Vec<BadLine>),
    /// The file cannot be read.
    #[error("the file of synonyms cannot be read")]
    Unreadable(#[source] std::io::Error),
}

impl SynonymFile {
    /// Opens the file, and puts the default there where there is none. With a file that is not understood the default is in
    /// force, and [`InForce::trouble`] says why.
    ///
    /// # Errors
    /// A [`Fault`] where the file can neither be read nor made.
    ///
    /// # Cancellation
    /// Safe to repeat.
    pub async fn open(path: PathBuf, host: Host) -> Result<Self, Fault> {
        let default = Synonyms::parse(DEFAULT).unwrap_or_default();
        let in_force = InForce { synonyms: Arc::new(default), since: host.now(), trouble: None, stamp: None };
        let file = Self { path: Arc::new(path), host, in_force: Arc::new(RwLock::new(in_force)) };
        let path = Arc::clone(&file.path);
        tasks::blocking(move || make(&path))
            .await
            .map_err(|error| Fault::not_applied("catalog", "open-synonyms", error))?
            .map_err(|error| Fault::not_applied("catalog", "open-synonyms", error))?;
        if let Err(error) = file.reload().await {
            tracing::error!(path = %file.path.display(), %error, "the synonyms that the shop came with are used instead");
        }
        Ok(file)
    }

    /// What is in force.
    pub fn in_force(&self) -> InForce {
        self.in_force.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the file and puts it in force.
    ///
    /// # Errors
    /// [`ReloadError`]: the old set stays.
    ///
    /// # Cancellation
    /// Happens or not, as a whole.
    pub async fn reload(&self) -> Result<InForce, ReloadError> {
        let path = Arc::clone(&self.path);
        let read = tasks::blocking(move || read(&path)).await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        let parsed = match read {
            Ok((text, stamp)) => (Some(stamp), Synonyms::parse(&text).map_err(ReloadError::BadLines)),
            Err(error) => (None, Err(ReloadError::Unreadable(error))),
        };
        let mut in_force = self.in_force.write().unwrap_or_else(PoisonError::into_inner);
        let (stamp, synonyms) = parsed;
        in_force.stamp = stamp.or(in_force.stamp);
        match synonyms {
            Ok(synonyms) => {
                tracing::info!(rules = synonyms.rules(), "synonyms are in force");
                in_force.synonyms = Arc::new(synonyms);
                in_force.since = self.host.now();
                in_force.trouble = None;
                Ok(in_force.clone())
            }
            Err(error) => {
                in_force.trouble = Some(error.to_string());
                Err(error)
            }
        }
    }

    /// Looks at the file now and then, and reads it when it has changed, until `stop`.
    ///
    /// # Cancellation
    /// Safe.
    pub async fn watch(&self, stop: StopSignal) {
        while !tasks::sleep_or_stopped(LOOK_EVERY, &stop).await {
            let path = Arc::clone(&self.path);
            let Ok(Ok(stamp)) = tasks::blocking(move || stamp_of(&path)).await else { continue };
            if self.in_force().stamp != Some(stamp)
                && let Err(error) = self.reload().await
            {
                tracing::error!(path = %self.path.display(), %error, "the old synonyms stay");
            }
        }
    }
}

fn make(path: &Path) -> std::io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    std::fs::write(path, DEFAULT)
}

fn stamp_of(path: &Path) -> std::io::Result<Stamp> {
    let metadata = std::fs::metadata(path)?;
    Ok((metadata.modified().ok(), metadata.len()))
}

/// The text of the file, as far as a set may be long, and its stamp of before it was read: a change meanwhile is noticed.
fn read(path: &Path) -> std::io::Result<(String, Stamp)> {
    use std::io::Read as _;
    let stamp = stamp_of(path)?;
    let mut text = String::new();
    std::fs::File::open(path)?.take(MAX_BYTES as u64 + 1).read_to_string(&mut text)?;
    Ok((text, stamp))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_understood() {
        assert!(Synonyms::parse(DEFAULT).unwrap().rules() > 20);
    }
}
