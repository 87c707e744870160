//! What a stop left: verifies every frame, cuts a torn tail, refuses anything else that is wrong.
//!
//! Groups are written one at a time, each after the one before was synced. So only the last group may be torn, and
//! everything before it is either intact or damaged. A bad frame counts as torn only if
//!
//! * no frame of a group after its own follows it, and
//! * bytes of it are missing: a whole sector of it still has the zeros it was prepared with, or its end has.
//!
//! A bad frame with all its bytes, wrong, is damage, even at the very end: it may have been acknowledged.

pub(crate) mod scan;
mod tail;

use std::any::Any;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use madrigal_core::{Host, LogEpoch, Position};

use crate::archive;
use crate::disk::{Disk, read_up_to, write_all_at};
use crate::epoch::EpochFile;
use crate::error::OpenError;
use crate::options::{Durability, JournalOptions};
use crate::segment::{FIRST_FRAME, FORMAT, HeaderFlaw, Segment, SegmentHeader, spare_path, zero};

use scan::Scan;

/// What was found when a log was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// The log's epoch from now on.
    pub epoch: LogEpoch,
    /// Why the epoch is a new one, if this is not a new log.
    pub epoch_change: Option<EpochChange>,
    /// The last position.
    pub end: Position,
    /// How many segments there are.
    pub segments: usize,
    /// The torn tail that was cut: records that were never acknowledged.
    pub cut: Option<Cut>,
}

/// Why a log that has records starts a new epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EpochChange {
    /// The file with the epoch is missing or unreadable, as after a restore.
    Unknown,
    /// The log was open with [`Durability::Buffered`] when its process stopped: readers may have seen what is gone.
    UncleanStop,
}

/// A torn tail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The segment.
    pub file: PathBuf,
    /// From where, in bytes.
    pub offset: u64,
    /// How many bytes were there.
    pub bytes: u64,
}

/// An open log, before its threads run.
pub(crate) struct Recovered {
    pub(crate) recovery: Recovery,
    pub(crate) segments: Vec<Arc<Segment>>,
    pub(crate) active: Arc<Segment>,
    pub(crate) active_end: u64,
    pub(crate) next_group: u32,
}

/// The guard of a directory's lock.
pub(crate) type LockGuard = Box<dyn Any + Send + Sync>;

pub(crate) fn recover(dir: &Path, options: &JournalOptions, host: &Host) -> Result<(LockGuard, Recovered), OpenError> {
    let disk = &*options.disk;
    disk.create_dir(dir).map_err(at("make", dir))?;
    let lock = lock(disk, dir)?;
    let found = Found::examine(dir, options)?;
    let torn = found.verdict()?;
    let Found { noted, mut segments, scans, .. } = found;
    remove_unfinished(disk, dir)?;
    let (epoch, epoch_change) = decide_epoch(noted, !segments.is_empty(), host);
    let mut cut = None;
    let last = match scans.last().copied() {
        Some(last) => last,
        None => {
            segments.push(Arc::new(first_segment(dir, options, epoch, host)?));
            Scan { end: FIRST_FRAME, next: 1, last_group: None, last_group_start: FIRST_FRAME }
        }
    };
    let Some(active) = segments.last().cloned() else {
        return Err(OpenError::TailMissing { dir: dir.to_owned(), end: 0, closed_at: 0 });
    };
    let end = last.next - 1;
    if noted.and_then(|noted| noted.closed_at) != Some(end) {
        // Not closed: the last group may be torn, and what is intact of it may not be on the device yet.
        if let Some(bytes) = torn {
            cut = Some(tail::cut(&active, &last, bytes)?);
        }
        rewrite(&active, &last).map_err(at("sync", &active.path))?;
    }
    if let Some(cut) = &cut {
        tracing::warn!(file = %cut.file.display(), offset = cut.offset, bytes = cut.bytes, "cut a torn tail");
    }
    let file = EpochFile { epoch, durability: options.durability, closed_at: None };
    file.write(disk, dir).map_err(at("write the epoch of", dir))?;
    let recovery = Recovery { epoch, epoch_change, end: Position(end), segments: segments.len(), cut };
    let next_group = last_group(&scans).wrapping_add(1);
    Ok((lock, Recovered { recovery, segments, active, active_end: last.end, next_group }))
}

/// Takes the lock of a directory that is there.
pub(crate) fn lock(disk: &dyn Disk, dir: &Path) -> Result<LockGuard, OpenError> {
    disk.lock(&dir.join("lock")).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => OpenError::InUse { dir: dir.to_owned() },
        _ => at("lock", dir)(error),
    })
}

/// What is in a log's directory, verified; nothing is changed by looking.
pub(crate) struct Found {
    pub(crate) dir: PathBuf,
    pub(crate) noted: Option<EpochFile>,
    /// Up to the first one whose header is wrong.
    pub(crate) segments: Vec<Arc<Segment>>,
    pub(crate) scans: Vec<Scan>,
    /// The first file whose header is wrong, and its flaw.
    pub(crate) bad_header: Option<(PathBuf, &'static str)>,
    /// All segments' files in order, with their first positions.
    pub(crate) files: Vec<(u64, PathBuf)>,
    /// Where archived segments are looked for.
    archive: PathBuf,
}

impl Found {
    pub(crate) fn examine(dir: &Path, options: &JournalOptions) -> Result<Self, OpenError> {
        let disk = &*options.disk;
        let noted = EpochFile::read(disk, dir).map_err(at("read the epoch of", dir))?;
        let archive = archive::place(disk, dir, options).map_err(at("find the archive of", dir))?;
        let files = files(disk, dir, &archive)?;
        let mut segments = Vec::with_capacity(files.len());
        let mut bad_header = None;
        for (first, path, archived) in &files {
            match open_segment(disk, *first, path, *archived)? {
                Ok(segment) => segments.push(Arc::new(segment)),
                Err(what) => {
                    bad_header = Some((path.clone(), what));
                    break;
                }
            }
        }
        let scans = scan::all(&segments, options.workers)
            .map_err(|(index, error)| at("read", segments.get(index).map_or(dir, |segment| &segment.path))(error))?;
        let files = files.into_iter().map(|(first, path, _)| (first, path)).collect();
        Ok(Self { dir: dir.to_owned(), noted, segments, scans, bad_header, files, archive })
    }

    /// How many bytes of a torn tail are to be cut, if any; an error where the log may not be opened.
    pub(crate) fn verdict(&self) -> Result<Option<u64>, OpenError> {
        check_sequence(&self.segments, &self.scans)?;
        if let Some(first) = self.files.first().map(|(first, _)| *first).filter(|first| *first != 1) {
            return Err(OpenError::StartMissing { dir: self.dir.clone(), first, archive: self.archive.clone() });
        }
        if let Some((file, what)) = &self.bad_header {
            return Err(OpenError::Corrupt { file: file.clone(), offset: 0, what });
        }
        let closed_at = self.noted.and_then(|noted| noted.closed_at);
        let (Some(active), Some(last)) = (self.segments.last(), self.scans.last()) else {
            return match closed_at {
                Some(closed_at) if closed_at > 0 => {
                    Err(OpenError::TailMissing { dir: self.dir.clone(), end: 0, closed_at })
                }
                _ => Ok(None),
            };
        };
        let end = last.next - 1;
        if let Some(closed_at) = closed_at.filter(|closed_at| *closed_at > end) {
            let missing = OpenError::TailMissing { dir: self.dir.clone(), end, closed_at };
            return Err(tail::damage(active, last).unwrap_or(missing));
        }
        if active.archived {
            let what = "it is in the archive, and the segments after it are missing";
            return Err(OpenError::Corrupt { file: active.path.clone(), offset: last.end, what });
        }
        if closed_at == Some(end) {
            return Ok(None);
        }
        let buffered = self.noted.is_some_and(|noted| noted.durability == Durability::Buffered);
        tail::torn(active, last, last_group(&self.scans), buffered)
    }
}

fn last_group(scans: &[Scan]) -> u32 {
    scans.iter().rev().find_map(|scan| scan.last_group).unwrap_or(0)
}

/// An error of the file system, with what was tried on what.
pub(crate) fn at(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    move |source| OpenError::Io { operation, path: path.to_owned(), source }
}

fn decide_epoch(noted: Option<EpochFile>, has_records: bool, host: &Host) -> (LogEpoch, Option<EpochChange>) {
    match noted {
        Some(noted) if noted.durability == Durability::Buffered && noted.closed_at.is_none() => {
            (LogEpoch::new(host), Some(EpochChange::UncleanStop))
        }
        Some(noted) => (noted.epoch, None),
        None => (LogEpoch::new(host), has_records.then_some(EpochChange::Unknown)),
    }
}

/// Removes prepared files that never became a segment, and others that were not finished.
fn remove_unfinished(disk: &dyn Disk, dir: &Path) -> Result<(), OpenError> {
    for name in disk.list(dir).map_err(at("list", dir))? {
        if name.starts_with("spare") || name == "epoch.new" || name == "archive-at.new" {
            disk.remove(&dir.join(&name)).map_err(at("remove", &dir.join(&name)))?;
        }
    }
    Ok(())
}

/// The segments' files, in order: first position, path, whether in the archive. One that is in both places is taken
/// from the log's directory.
pub(crate) fn files(disk: &dyn Disk, dir: &Path, archive: &Path) -> Result<Vec<(u64, PathBuf, bool)>, OpenError> {
    let names = disk.list(dir).map_err(at("list", dir))?;
    let mut found: BTreeMap<u64, bool> = BTreeMap::new();
    found.extend(archive::list(disk, archive).map_err(at("list", archive))?.into_iter().map(|first| (first, true)));
    found.extend(names.iter().filter_map(|name| Segment::first_of(name)).map(|first| (first, false)));
    let path =
        |first, archived| if archived { archive.join(Segment::name(first)) } else { dir.join(Segment::name(first)) };
    Ok(found.into_iter().map(|(first, archived)| (first, path(first, archived), archived)).collect())
}

/// A segment, or what is wrong with its header.
pub(crate) fn open_segment(
    disk: &dyn Disk,
    first: u64,
    path: &Path,
    archived: bool,
) -> Result<Result<Segment, &'static str>, OpenError> {
    let file = disk.open(path).map_err(at("open", path))?;
    let header = match SegmentHeader::read(&*file).map_err(at("read", path))? {
        Ok(header) => header,
        Err(HeaderFlaw::NotASegment) => return Ok(Err("not a segment of a journal")),
        Err(HeaderFlaw::Checksum) => return Ok(Err("the header's checksum is wrong")),
        Err(HeaderFlaw::Newer(found)) => {
            return Err(OpenError::NewerFormat { file: path.to_owned(), found, known: FORMAT });
        }
    };
    if header.first != first {
        return Ok(Err("the header belongs to another file name"));
    }
    let length = file.length().map_err(at("measure", path))?;
    let make = if archived { Segment::archived } else { Segment::new };
    Ok(Ok(make(path.to_owned(), file, header, length)))
}

fn first_segment(dir: &Path, options: &JournalOptions, epoch: LogEpoch, host: &Host) -> Result<Segment, OpenError> {
    let disk = &*options.disk;
    let capacity = options.first_segment_bytes.max(16 << 10);
    let spare = spare_path(dir, 0);
    let path = dir.join(Segment::name(1));
    let header = SegmentHeader { salt: host.random_u64() as u32, first: 1, epoch };
    let make = || {
        let file = disk.create(&spare)?;
        zero(&*file, capacity)?;
        write_all_at(&*file, &header.encode(), 0)?;
        file.sync_data()?;
        disk.rename(&spare, &path)?;
        disk.sync_dir(dir)?;
        Ok(file)
    };
    let file = make().map_err(at("create", &path))?;
    Ok(Segment::new(path, file, header, capacity))
}

/// Every segment but the last must be whole and end where the next one begins.
fn check_sequence(segments: &[Arc<Segment>], scans: &[Scan]) -> Result<(), OpenError> {
    for (index, pair) in segments.windows(2).enumerate() {
        let scan = &scans[index];
        if scan.next != pair[1].header.first || pair[0].header.salt != pair[1].header.salt {
            let what = "a record is damaged or missing, and later segments follow";
            return Err(OpenError::Corrupt { file: pair[0].path.clone(), offset: scan.end, what });
        }
    }
    Ok(())
}

/// Writes the last group again and syncs: a process that died after a failed sync leaves pages that look written and
/// are not on the device, and a second sync alone would not write them.
///
/// # Source
/// Rebello et al., "Can applications recover from fsync failures?", USENIX ATC 2020.
fn rewrite(active: &Segment, scan: &Scan) -> io::Result<()> {
    let from = scan.last_group_start.max(FIRST_FRAME);
    if scan.end > from {
        let mut bytes = vec![0; (scan.end - from) as usize];
        let read = read_up_to(&*active.file, &mut bytes, from)?;
        write_all_at(&*active.file, &bytes[..read], from)?;
    }
    active.file.sync_data()
}
