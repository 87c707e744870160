//! What a stop left: verifies every frame, cuts a torn tail, refuses anything else that is wrong.
//!
//! Groups are written one at a time, each after the one before was synced. So only the last group may be torn, and
//! everything before it is either intact or damaged. A bad frame counts as torn only if
//!
//! * no intact frame of a group after its own follows it, and
//! * bytes of it are missing: a whole sector of it still has the zeros it was prepared with, or its end has.
//!
//! A bad frame with all its bytes, wrong, is damage, even at the very end: it may have been acknowledged.

mod scan;
mod tail;

use std::any::Any;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use madrigal_core::{Host, LogEpoch, Position};

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
    let lock = disk.lock(&dir.join("lock")).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => OpenError::InUse { dir: dir.to_owned() },
        _ => at("lock", dir)(error),
    })?;
    let noted = EpochFile::read(disk, dir).map_err(at("read the epoch of", dir))?;
    let mut segments = open_segments(disk, dir)?;
    let (epoch, epoch_change) = decide_epoch(noted, !segments.is_empty(), host);
    let closed_at = noted.and_then(|noted| noted.closed_at);
    if segments.is_empty() {
        if let Some(closed_at) = closed_at.filter(|closed_at| *closed_at > 0) {
            return Err(OpenError::TailMissing { dir: dir.to_owned(), end: 0, closed_at });
        }
        segments.push(Arc::new(first_segment(dir, options, epoch, host)?));
    }
    let scans = scan::all(&segments, options.workers)?;
    check_sequence(&segments, &scans)?;
    let (Some(active), Some(last)) = (segments.last().cloned(), scans.last()) else {
        return Err(OpenError::TailMissing { dir: dir.to_owned(), end: 0, closed_at: 0 });
    };
    let end = last.next - 1;
    let last_group = scans.iter().rev().find_map(|scan| scan.last_group).unwrap_or(0);
    let mut cut = None;
    if closed_at.is_some_and(|closed_at| closed_at > end) {
        let closed_at = closed_at.unwrap_or_default();
        return Err(tail::damage(&active, last).unwrap_or(OpenError::TailMissing {
            dir: dir.to_owned(),
            end,
            closed_at,
        }));
    }
    if closed_at != Some(end) {
        // Not closed: the last group may be torn, and what is intact of it may not be on the device yet.
        let buffered = noted.is_some_and(|noted| noted.durability == Durability::Buffered);
        cut = tail::cut(&active, last, last_group, buffered)?;
        rewrite(&active, last).map_err(at("sync", &active.path))?;
    }
    if let Some(cut) = &cut {
        tracing::warn!(file = %cut.file.display(), offset = cut.offset, bytes = cut.bytes, "cut a torn tail");
    }
    let file = EpochFile { epoch, durability: options.durability, closed_at: None };
    file.write(disk, dir).map_err(at("write the epoch of", dir))?;
    let recovery = Recovery { epoch, epoch_change, end: Position(end), segments: segments.len(), cut };
    let active_end = last.end;
    Ok((lock, Recovered { recovery, segments, active, active_end, next_group: last_group.wrapping_add(1) }))
}

/// An error of the file system, with what was tried on what.
fn at(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
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

/// All segments in order; removes prepared files that never became one.
fn open_segments(disk: &dyn Disk, dir: &Path) -> Result<Vec<Arc<Segment>>, OpenError> {
    let mut firsts = Vec::new();
    for name in disk.list(dir).map_err(at("list", dir))? {
        if name.starts_with("spare") || name == "epoch.new" {
            disk.remove(&dir.join(&name)).map_err(at("remove", &dir.join(&name)))?;
        } else if let Some(first) = Segment::first_of(&name) {
            firsts.push(first);
        }
    }
    firsts.sort_unstable();
    let mut segments = Vec::with_capacity(firsts.len());
    for first in firsts {
        let path = dir.join(Segment::name(first));
        let file = disk.open(&path).map_err(at("open", &path))?;
        let corrupt = |what| OpenError::Corrupt { file: path.clone(), offset: 0, what };
        let header = match SegmentHeader::read(&*file).map_err(at("read", &path))? {
            Ok(header) => header,
            Err(HeaderFlaw::NotASegment) => return Err(corrupt("not a segment of a journal")),
            Err(HeaderFlaw::Checksum) => return Err(corrupt("the header's checksum is wrong")),
            Err(HeaderFlaw::Newer(found)) => return Err(OpenError::NewerFormat { file: path, found, known: FORMAT }),
        };
        if header.first != first {
            return Err(corrupt("the header belongs to another file name"));
        }
        let capacity = file.length().map_err(at("measure", &path))?;
        segments.push(Arc::new(Segment::new(path, file, header, capacity)));
    }
    Ok(segments)
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
    let last = segments.first().filter(|first| first.header.first != 1);
    if let Some(first) = last {
        let what = "segments before this one are missing";
        return Err(OpenError::Corrupt { file: first.path.clone(), offset: 0, what });
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
