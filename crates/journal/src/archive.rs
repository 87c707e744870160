//! Whole old segments, moved to another directory and read from there.
//!
//! Each step leaves the segment readable: the copy is durable under its name before the original goes, and where both
//! are there the original is read. Where the archive is stands in the log's directory, so that whoever opens the log
//! finds it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use madrigal_core::Position;

use crate::disk::{Disk, DiskFile, read_up_to, write_all_at};
use crate::error::{ArchiveError, OpenError};
use crate::options::JournalOptions;
use crate::recovery::{self, scan};
use crate::segment::Segment;
use crate::shared::Shared;

/// What was archived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archived {
    /// Where to.
    pub dir: PathBuf,
    /// How many segments now.
    pub segments: usize,
    /// How many bytes they have there, without the unused end of each.
    pub bytes: u64,
    /// The last position in the archive, from now or from before.
    pub through: Position,
}

/// The archive in the log's own directory.
const OWN: &str = "archive";
const POINTER: &str = "archive-at";
const FIRST_LINE: &str = "madrigal-archive 1";
const PART: &str = ".part";

pub(crate) fn archive(shared: &Shared, before: u64) -> Result<Archived, ArchiveError> {
    let _alone = shared.archiving.lock().unwrap_or_else(PoisonError::into_inner);
    let disk = &*shared.options.disk;
    let dir = place(disk, &shared.dir, &shared.options).map_err(at("read", &shared.dir.join(POINTER)))?;
    let mut archived = Archived { dir: dir.clone(), segments: 0, bytes: 0, through: Position::START };
    let segments = shared.segments.read().unwrap_or_else(PoisonError::into_inner).clone();
    if segments.iter().any(|segment| segment.archived) {
        // It may have been brought to another place since, and be opened with that.
        note(disk, &shared.dir, &dir)?;
    }
    for pair in segments.windows(2) {
        let (segment, next) = (&pair[0], pair[1].header.first);
        if next > before {
            break;
        }
        if !segment.archived {
            if archived.segments == 0 {
                make(disk, &dir)?;
                note(disk, &shared.dir, &dir)?;
            }
            archived.bytes += move_one(shared, segment, next, &dir)?;
            archived.segments += 1;
        }
        archived.through = Position(next - 1);
    }
    Ok(archived)
}

/// Where the archive of a log is: as chosen, as noted, or beside its files.
pub(crate) fn place(disk: &dyn Disk, dir: &Path, options: &JournalOptions) -> io::Result<PathBuf> {
    match &options.archive {
        Some(chosen) => Ok(chosen.clone()),
        None => Ok(noted(disk, dir)?.unwrap_or_else(|| dir.join(OWN))),
    }
}

/// The first positions of the segments in the archive; removes copies that were not finished.
pub(crate) fn list(disk: &dyn Disk, archive: &Path) -> io::Result<Vec<u64>> {
    let names = match disk.list(archive) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    for part in names.iter().filter(|name| name.ends_with(PART)) {
        // Of no use and no harm: the archive may be read-only by now.
        let _ = disk.remove(&archive.join(part));
    }
    Ok(names.iter().filter_map(|name| Segment::first_of(name)).collect())
}

fn noted(disk: &dyn Disk, dir: &Path) -> io::Result<Option<PathBuf>> {
    let file = match disk.open(&dir.join(POINTER)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = vec![0; 8 << 10];
    let length = read_up_to(&*file, &mut bytes, 0)?;
    let text = std::str::from_utf8(&bytes[..length]).ok();
    let place = text.and_then(|text| {
        let (body, crc) = text.split_at_checked(text.rfind("crc32c ")?)?;
        let crc = u32::from_str_radix(crc.strip_prefix("crc32c ")?.trim_end(), 16).ok()?;
        let place = body.strip_prefix(FIRST_LINE)?.strip_prefix("\ndir ")?.strip_suffix('\n')?;
        (crc == crc32c::crc32c(body.as_bytes())).then(|| PathBuf::from(place))
    });
    place.map(Some).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "its checksum is wrong"))
}

/// What a log has in its archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InArchive {
    /// Where.
    pub dir: PathBuf,
    /// How many segments.
    pub segments: usize,
    /// How many bytes they have.
    pub bytes: u64,
    /// The last position in it.
    pub through: Position,
    /// The segments of which a record is damaged or missing, and where in bytes.
    pub damaged: Vec<(PathBuf, u64)>,
}

/// Verifies what a log has in its archive, which opening does not; `None` if it has nothing there. Changes nothing.
/// Blocks: reads all of it.
///
/// # Errors
/// [`OpenError`] where the log is in use, or its files cannot be read; [`OpenError::StartMissing`] where the archive is
/// not where it was.
pub fn examine(dir: &Path, options: &JournalOptions) -> Result<Option<InArchive>, OpenError> {
    let disk = &*options.disk;
    let _lock = recovery::lock(disk, dir)?;
    let archive = place(disk, dir, options).map_err(recovery::at("find the archive of", dir))?;
    let files = recovery::files(disk, dir, &archive)?;
    if let Some(first) = files.first().map(|(first, ..)| *first).filter(|first| *first != 1) {
        return Err(OpenError::StartMissing { dir: dir.to_owned(), first, archive });
    }
    let mut found = InArchive { dir: archive, segments: 0, bytes: 0, through: Position::START, damaged: Vec::new() };
    for (index, (first, path, archived)) in files.iter().enumerate() {
        if !archived {
            continue;
        }
        found.segments += 1;
        let next = files.get(index + 1).map(|(next, ..)| *next);
        let Ok(segment) = recovery::open_segment(disk, *first, path, true)? else {
            found.damaged.push((path.clone(), 0));
            continue;
        };
        let scan = scan::one(&segment).map_err(recovery::at("read", path))?;
        found.bytes += segment.capacity;
        found.through = Position(scan.next - 1);
        if next != Some(scan.next) {
            found.damaged.push((path.clone(), scan.end));
        }
    }
    Ok((found.segments > 0).then_some(found))
}

/// Makes the archive, durably.
fn make(disk: &dyn Disk, archive: &Path) -> Result<(), ArchiveError> {
    disk.create_dir(archive).map_err(at("make", archive))?;
    match archive.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => disk.sync_dir(parent).map_err(at("sync", parent)),
        None => Ok(()),
    }
}

/// Notes durably where the archive is, before anything is only there.
fn note(disk: &dyn Disk, dir: &Path, archive: &Path) -> Result<(), ArchiveError> {
    let pointer = dir.join(POINTER);
    match noted(disk, dir) {
        Ok(Some(noted)) if noted == archive => return Ok(()),
        // A log that has its archive in itself can be moved with it.
        Ok(None) if archive == dir.join(OWN) => return Ok(()),
        _ => {}
    }
    let place = archive.to_str().filter(|place| !place.contains('\n'));
    let Some(place) = place else {
        let source = io::Error::new(io::ErrorKind::InvalidFilename, "its name is no text of one line");
        return Err(ArchiveError::Io { operation: "archive to", path: archive.to_owned(), source });
    };
    let body = format!("{FIRST_LINE}\ndir {place}\n");
    let text = format!("{body}crc32c {:08x}\n", crc32c::crc32c(body.as_bytes()));
    let new = dir.join("archive-at.new");
    let write = || {
        let file = disk.create(&new)?;
        write_all_at(&*file, text.as_bytes(), 0)?;
        file.sync_data()?;
        disk.rename(&new, &pointer)?;
        disk.sync_dir(dir)
    };
    write().map_err(at("write", &pointer))
}

/// Moves a segment whose successor begins with `next`; how many bytes it has in the archive.
fn move_one(shared: &Shared, segment: &Segment, next: u64, archive: &Path) -> Result<u64, ArchiveError> {
    let disk = &*shared.options.disk;
    let verified = |segment: &Segment| {
        let scan = scan::one(segment).map_err(at("read", &segment.path))?;
        let corrupt = || ArchiveError::Corrupt { file: segment.path.clone(), offset: scan.end };
        (scan.next == next).then_some(scan.end).ok_or_else(corrupt)
    };
    let end = verified(segment)?;
    let path = archive.join(Segment::name(segment.header.first));
    let part = archive.join(Segment::name(segment.header.first) + PART);
    let copied = copy(disk, &*segment.file, &part, end).and_then(|()| {
        disk.rename(&part, &path)?;
        disk.sync_dir(archive)?;
        disk.open(&path)
    });
    let file = copied.map_err(|error| {
        let _ = disk.remove(&part);
        at("write", &path)(error)
    })?;
    let moved = Segment::archived(path, file, segment.header, end);
    verified(&moved)?;
    {
        let mut segments = shared.segments.write().unwrap_or_else(PoisonError::into_inner);
        let Ok(index) = segments.binary_search_by_key(&segment.header.first, |segment| segment.header.first) else {
            return Ok(0);
        };
        segments[index] = Arc::new(moved);
    }
    // Readers that hold the original read on in their open file.
    disk.remove(&segment.path).and_then(|()| disk.sync_dir(&shared.dir)).map_err(at("remove", &segment.path))?;
    Ok(end)
}

/// Copies the first `length` bytes of a file into a new one, durably but for its name.
pub(crate) fn copy(disk: &dyn Disk, from: &dyn DiskFile, to: &Path, length: u64) -> io::Result<()> {
    let file = disk.create(to)?;
    let mut bytes = vec![0; 1 << 20];
    let mut offset = 0;
    while offset < length {
        let want = usize::try_from(length - offset).unwrap_or(usize::MAX).min(bytes.len());
        let read = read_up_to(from, &mut bytes[..want], offset)?;
        if read == 0 {
            break;
        }
        write_all_at(&*file, &bytes[..read], offset)?;
        offset += read as u64;
    }
    file.sync_data()
}

fn at(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ArchiveError {
    move |source| ArchiveError::Io { operation, path: path.to_owned(), source }
}
