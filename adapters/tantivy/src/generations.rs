//! Indexes side by side: one serves, a candidate may be built beside it, the one before may be kept.
//!
//! Each generation is an index in a directory of its own (`generation-7`); `registry.json` says which is which and is
//! replaced as a whole (written beside, synced, renamed, the directory synced): a crash leaves the old registry or the new
//! one. Directories that the registry does not name are left-overs and go at the next opening.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use madrigal_core::{Fault, Timestamp, tasks};
use madrigal_projection::Compared;
use serde::{Deserialize, Serialize};

use crate::fault;

const REGISTRY: &str = "registry.json";
const PREFIX: &str = "generation-";

/// Which generation is what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Registry {
    /// The greatest number that was ever given: none is given twice.
    pub last: u32,
    /// What serves; `None` where nothing is whole yet.
    pub serving: Option<Generation>,
    /// What is being built.
    pub candidate: Option<Candidate>,
    /// What served before, until that is confirmed.
    pub previous: Option<Retired>,
}

/// A generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Generation {
    /// Its number, from 1.
    pub number: u32,
    /// The version of the code that makes its documents.
    pub version: u32,
}

/// A generation that is being built.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Candidate {
    /// Which.
    pub generation: Generation,
    /// When it was begun.
    pub started_at: Timestamp,
    /// Whether it serves as soon as it has caught up, without being compared: what serves now is of another version, or
    /// nothing does.
    pub automatic: bool,
    /// The latest comparison.
    pub compared: Option<Compared>,
}

/// A generation that served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Retired {
    /// Which.
    pub generation: Generation,
    /// Since when it does not serve.
    pub since: Timestamp,
}

impl Registry {
    /// Begins a candidate, in place of one that there may be; its number is new.
    pub fn begin(&mut self, version: u32, started_at: Timestamp, automatic: bool) -> Generation {
        self.last += 1;
        let generation = Generation { number: self.last, version };
        self.candidate = Some(Candidate { generation, started_at, automatic, compared: None });
        generation
    }

    /// Lets the candidate serve, if there is one; what served is the previous one from now on.
    pub fn switch(&mut self, now: Timestamp) {
        let Some(candidate) = self.candidate.take() else { return };
        let before = self.serving.replace(candidate.generation);
        self.previous = before.map(|generation| Retired { generation, since: now });
    }

    fn numbers(&self) -> [Option<u32>; 3] {
        [
            self.serving.map(|generation| generation.number),
            self.candidate.as_ref().map(|candidate| candidate.generation.number),
            self.previous.map(|previous| previous.generation.number),
        ]
    }
}

/// The generations of one directory. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Generations {
    dir: Arc<PathBuf>,
    registry: Arc<Mutex<Registry>>,
}

impl Generations {
    /// Opens the generations of `dir`, and removes what belongs to none of them: left-overs, and an index of a time before
    /// there were generations. A registry that cannot be read is as good as none: indexes are copies.
    ///
    /// # Errors
    /// A [`Fault`] where the directory cannot be used.
    ///
    /// # Cancellation
    /// Safe to repeat.
    pub async fn open(dir: impl Into<PathBuf>) -> Result<Self, Fault> {
        let dir = dir.into();
        let registry = {
            let dir = dir.clone();
            tasks::blocking(move || read(&dir)).await
        };
        let registry = registry
            .map_err(|error| fault::cut("open-generations", error))?
            .map_err(|error| Fault::not_applied("tantivy", "open-generations", error))?;
        Ok(Self { dir: Arc::new(dir), registry: Arc::new(Mutex::new(registry)) })
    }

    /// Which generation is what, now.
    pub fn registry(&self) -> Registry {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes the registry: durable when this returns, as a whole. One change at a time: the caller sees to that.
    ///
    /// # Errors
    /// A [`Fault`]: whether the change is on disk is not known then, and this process goes on without it.
    ///
    /// # Cancellation
    /// A dropped call may or may not have its effect, as a whole.
    pub async fn change(&self, change: impl FnOnce(&mut Registry) + Send) -> Result<Registry, Fault> {
        let mut changed = self.registry();
        change(&mut changed);
        let (dir, written, registry) = (Arc::clone(&self.dir), changed.clone(), Arc::clone(&self.registry));
        let wrote = tasks::blocking(move || {
            write(&dir, &written)?;
            *registry.lock().unwrap_or_else(PoisonError::into_inner) = written;
            io::Result::Ok(())
        });
        wrote
            .await
            .map_err(|error| fault::cut("change-generations", error))?
            .map_err(|error| Fault::unknown("tantivy", "change-generations", error))?;
        Ok(changed)
    }

    /// The directory of a generation.
    pub fn directory(&self, generation: Generation) -> PathBuf {
        self.dir.join(format!("{PREFIX}{}", generation.number))
    }

    /// Removes the directory of a generation that the registry no longer names. What still reads it may go on.
    ///
    /// # Errors
    /// A [`Fault`]; the next opening tries again.
    ///
    /// # Cancellation
    /// Safe: the next opening removes the rest.
    pub async fn remove(&self, generation: Generation) -> Result<(), Fault> {
        let dir = self.directory(generation);
        let removed = tasks::blocking(move || fs::remove_dir_all(dir)).await;
        removed
            .map_err(|error| fault::cut("remove-generation", error))?
            .or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
            .map_err(|error| Fault::not_applied("tantivy", "remove-generation", error))
    }
}

fn read(dir: &Path) -> io::Result<Registry> {
    fs::create_dir_all(dir)?;
    let registry = match fs::read(dir.join(REGISTRY)) {
        Ok(text) => serde_json::from_slice(&text).unwrap_or_else(|error| {
            tracing::warn!(dir = %dir.display(), %error, "the registry of search indexes cannot be read; beginning anew");
            Registry::default()
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Registry::default(),
        Err(error) => return Err(error),
    };
    let kept: Vec<String> =
        registry.numbers().into_iter().flatten().map(|number| format!("{PREFIX}{number}")).collect();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name == REGISTRY || kept.iter().any(|kept| *kept == name) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(registry)
}

fn write(dir: &Path, registry: &Registry) -> io::Result<()> {
    let beside = dir.join("registry.json.new");
    let mut file = File::create(&beside)?;
    file.write_all(&serde_json::to_vec_pretty(registry)?)?;
    file.sync_all()?;
    fs::rename(&beside, dir.join(REGISTRY))?;
    File::open(dir)?.sync_all()
}
