//! The runs that together cover the log up to a position, and their manifest.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use madrigal_core::{LogEpoch, StreamVersion};
use madrigal_journal::disk::{Disk, read_up_to, write_all_at};

use super::IndexError;
use super::run::{Entry, SortedFile, at};
use super::table::Table;

/// So many neighbours of about the same size are merged into one: 10 million events make some 10 runs, and every entry
/// is written some 4 times.
const FANOUT: usize = 4;

/// A range of the log, sorted.
#[derive(Debug)]
pub(crate) struct Run {
    number: u64,
    first: u64,
    last: u64,
    streams: SortedFile,
    ids: SortedFile,
}

/// The runs at a moment, oldest first. Immutable: readers keep the set they began with.
#[derive(Debug, Clone, Default)]
pub(crate) struct RunSet {
    runs: Vec<Arc<Run>>,
    /// Every event up to here is in a run.
    pub(crate) covered: u64,
}

impl RunSet {
    /// Whether a stream may be in a run, told from memory alone.
    pub(crate) fn may_have_stream(&self, key: u64) -> bool {
        self.runs.iter().any(|run| run.streams.may_have_at_once(key))
    }

    /// Whether an event id may be in a run, told from memory alone.
    pub(crate) fn may_have_id(&self, key: u64) -> bool {
        self.runs.iter().any(|run| run.ids.may_have_at_once(key))
    }

    /// The latest event under a stream's key for which `is_it` says so (keys are hashes, and hashes collide).
    pub(crate) fn head<E: From<IndexError>>(
        &self,
        key: u64,
        mut is_it: impl FnMut(Entry) -> Result<bool, E>,
    ) -> Result<Option<Entry>, E> {
        for run in self.runs.iter().rev() {
            let mut bound = (u64::MAX, u64::MAX);
            while let Some(entry) = run.streams.last_before(key, bound.0, bound.1)? {
                if is_it(entry)? {
                    return Ok(Some(entry));
                }
                bound = (entry.version, entry.position);
            }
        }
        Ok(None)
    }

    /// All events under the key of an event id; there is one, or by collision more.
    pub(crate) fn with_id(&self, key: u64) -> Result<Vec<Entry>, IndexError> {
        let mut found = Vec::new();
        for run in self.runs.iter().rev() {
            found.extend(run.ids.range(key, 0, 16)?);
        }
        Ok(found)
    }

    /// At most `limit` events under a stream's key after `after`, in order of version.
    pub(crate) fn after(&self, key: u64, after: StreamVersion, limit: usize) -> Result<Vec<Entry>, IndexError> {
        let mut found: Vec<Entry> = Vec::new();
        for run in &self.runs {
            found.extend(run.streams.range(key, after.0 + 1, limit - found.len())?);
        }
        Ok(found)
    }

    /// The neighbours that should become one: the newest of at least [`FANOUT`] runs of the same size class.
    pub(crate) fn to_merge(&self, table_events: usize) -> Option<Vec<Arc<Run>>> {
        let class = |run: &Run| (run.streams.entries / table_events.max(1)).max(1).ilog(FANOUT);
        let mut from = 0;
        let mut found = None;
        for at in 0..self.runs.len() {
            if class(&self.runs[at]) != class(&self.runs[from]) {
                from = at;
            }
            if at + 1 - from >= FANOUT {
                found = Some(from..at + 1);
            }
        }
        found.map(|range| self.runs[range].to_vec())
    }

    fn with(&self, run: Run) -> Self {
        let mut runs = self.runs.clone();
        let covered = run.last;
        runs.push(Arc::new(run));
        Self { runs, covered }
    }

    fn merged(&self, parts: &[Arc<Run>], whole: Run) -> Self {
        let is_part = |run: &Arc<Run>| parts.iter().any(|part| part.number == run.number);
        let at = self.runs.iter().position(is_part).unwrap_or(0);
        let mut runs: Vec<_> = self.runs.iter().filter(|run| !is_part(run)).cloned().collect();
        runs.insert(at, Arc::new(whole));
        Self { runs, covered: self.covered }
    }
}

/// The directory of runs.
#[derive(Debug)]
pub(crate) struct Runs {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    epoch: LogEpoch,
    next_number: u64,
}

const FIRST_LINE: &str = "madrigal-index 1";

impl Runs {
    /// The runs in `dir`, if they belong to this epoch of the log and do not reach beyond `end`; else none, and the
    /// directory is emptied.
    pub(crate) fn open(
        dir: &Path,
        disk: Arc<dyn Disk>,
        epoch: LogEpoch,
        end: u64,
    ) -> Result<(Self, RunSet), IndexError> {
        disk.create_dir(dir).map_err(at("make", dir))?;
        let mut runs = Self { dir: dir.to_owned(), disk, epoch, next_number: 1 };
        let set = runs.load(end).unwrap_or_default();
        runs.next_number = set.runs.iter().map(|run| run.number + 1).max().unwrap_or(1);
        for name in runs.disk.list(dir).map_err(at("list", dir))? {
            let known = name == "manifest" || set.runs.iter().any(|run| name.starts_with(&format!("{}.", run.number)));
            if !known {
                runs.disk.remove(&dir.join(&name)).map_err(at("remove", &dir.join(&name)))?;
            }
        }
        Ok((runs, set))
    }

    /// Writes a table as a run; the set with it.
    pub(crate) fn add(&mut self, set: &RunSet, table: &Table) -> Result<RunSet, IndexError> {
        let (streams, ids) = table.entries();
        let (first, last) = table.range();
        let count = streams.len();
        let run = self.write(first, last, count, streams.into_iter().map(Ok), ids.into_iter().map(Ok))?;
        Ok(set.with(run))
    }

    /// A number for a run that is written outside of the lock around this.
    pub(crate) fn take_number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number - 1
    }

    fn write(
        &mut self,
        first: u64,
        last: u64,
        count: usize,
        streams: impl Iterator<Item = Result<Entry, IndexError>>,
        ids: impl Iterator<Item = Result<Entry, IndexError>>,
    ) -> Result<Run, IndexError> {
        let number = self.take_number();
        write_run(&self.dir, &*self.disk, number, (first, last), count, streams, ids)
    }

    /// What a merge needs, so that it can run without the lock around this.
    pub(crate) fn place(&self) -> (PathBuf, Arc<dyn Disk>) {
        (self.dir.clone(), Arc::clone(&self.disk))
    }

    /// Makes `set` the one that the next opening finds.
    pub(crate) fn commit(&self, set: &RunSet) -> Result<(), IndexError> {
        let mut body = format!("{FIRST_LINE}\nepoch {}\n", self.epoch);
        for run in &set.runs {
            body.push_str(&format!("run {} {} {}\n", run.number, run.first, run.last));
        }
        let sum = xxhash_rust::xxh3::xxh3_64(body.as_bytes());
        body.push_str(&format!("sum {sum:016x}\n"));
        let (new, path) = (self.dir.join("manifest.new"), self.dir.join("manifest"));
        let write = || {
            let file = self.disk.create(&new)?;
            write_all_at(&*file, body.as_bytes(), 0)?;
            file.sync_data()?;
            self.disk.rename(&new, &path)?;
            self.disk.sync_dir(&self.dir)
        };
        write().map_err(at("write", &path))
    }

    /// Puts the merged run in the place of its parts, durably; the new set.
    pub(crate) fn replace(&self, set: &RunSet, parts: &[Arc<Run>], whole: Run) -> Result<RunSet, IndexError> {
        let set = set.merged(parts, whole);
        self.commit(&set)?;
        Ok(set)
    }

    /// Removes the files of runs that are in no set any more; readers that still hold them keep their open files.
    pub(crate) fn remove(&self, parts: &[Arc<Run>]) {
        for part in parts {
            for path in paths(&self.dir, part.number) {
                let _ = self.disk.remove(&path);
            }
        }
    }

    fn load(&self, end: u64) -> Option<RunSet> {
        let file = self.disk.open(&self.dir.join("manifest")).ok()?;
        let mut bytes = vec![0; file.length().ok()?.min(1 << 20) as usize];
        read_up_to(&*file, &mut bytes, 0).ok()?;
        let text = std::str::from_utf8(&bytes).ok()?;
        let (body, sum) = text.split_at_checked(text.find("sum ")?)?;
        let sum = u64::from_str_radix(sum.strip_prefix("sum ")?.trim_end(), 16).ok()?;
        let mut lines = body.lines();
        let whole = sum == xxhash_rust::xxh3::xxh3_64(body.as_bytes())
            && lines.next() == Some(FIRST_LINE)
            && lines.next() == Some(&format!("epoch {}", self.epoch));
        if !whole {
            return None;
        }
        let mut set = RunSet::default();
        for line in lines {
            let mut words = line.strip_prefix("run ")?.split(' ').map(str::parse::<u64>);
            let (number, first, last) = (words.next()?.ok()?, words.next()?.ok()?, words.next()?.ok()?);
            let run = open_run(&self.dir, &*self.disk, number, first, last)
                .inspect_err(|error| tracing::warn!(%error, "building the index again"))
                .ok()?;
            if first != set.covered + 1 || last > end {
                return None;
            }
            set = set.with(run);
        }
        Some(set)
    }
}

fn paths(dir: &Path, number: u64) -> [PathBuf; 2] {
    [dir.join(format!("{number}.streams")), dir.join(format!("{number}.ids"))]
}

fn open_run(dir: &Path, disk: &dyn Disk, number: u64, first: u64, last: u64) -> Result<Run, IndexError> {
    let [streams, ids] = paths(dir, number);
    Ok(Run { number, first, last, streams: SortedFile::open(disk, &streams)?, ids: SortedFile::open(disk, &ids)? })
}

fn write_run(
    dir: &Path,
    disk: &dyn Disk,
    number: u64,
    (first, last): (u64, u64),
    count: usize,
    streams: impl Iterator<Item = Result<Entry, IndexError>>,
    ids: impl Iterator<Item = Result<Entry, IndexError>>,
) -> Result<Run, IndexError> {
    let [streams_path, ids_path] = paths(dir, number);
    let written = SortedFile::write(disk, &streams_path, count, streams)
        .and_then(|()| SortedFile::write(disk, &ids_path, count, ids));
    if let Err(error) = written {
        // On a full disk what was written so far would only be in the way.
        let _ = (disk.remove(&streams_path), disk.remove(&ids_path));
        return Err(error);
    }
    open_run(dir, disk, number, first, last)
}

/// One run with the entries of all parts, which are neighbours.
pub(crate) fn merge(dir: &Path, disk: &dyn Disk, number: u64, parts: &[Arc<Run>]) -> Result<Run, IndexError> {
    let range = (parts.first().map_or(0, |run| run.first), parts.last().map_or(0, |run| run.last));
    let count = parts.iter().map(|run| run.streams.entries).sum();
    let streams = merged(parts.iter().map(|run| run.streams.iter()).collect());
    let ids = merged(parts.iter().map(|run| run.ids.iter()).collect());
    write_run(dir, disk, number, range, count, streams, ids)
}

/// The entries of sorted sequences in order. There are few: comparing all heads is as quick as a heap.
fn merged<I: Iterator<Item = Result<Entry, IndexError>>>(
    sequences: Vec<I>,
) -> impl Iterator<Item = Result<Entry, IndexError>> {
    let mut sequences: Vec<_> = sequences.into_iter().map(Iterator::peekable).collect();
    std::iter::from_fn(move || {
        let least = sequences
            .iter_mut()
            .enumerate()
            .filter_map(|(at, sequence)| {
                // An error comes first, and ends the merge.
                let key =
                    sequence.peek()?.as_ref().map_or((0, 0, 0), |entry| (entry.key, entry.version, entry.position));
                Some((key, at))
            })
            .min()?;
        sequences[least.1].next()
    })
}
