//! One file of the log: a header page, then frames, then zeros up to its preallocated end.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

use madrigal_core::LogEpoch;

use crate::disk::{DiskFile, read_up_to, write_all_at};
use crate::frame::{u32_at, u64_at};

/// The newest format that is written and read.
pub(crate) const FORMAT: u32 = 1;
/// Frames begin after one page, so that the header's page is never written again.
pub(crate) const FIRST_FRAME: u64 = 4_096;
const MAGIC: [u8; 8] = *b"MADRIGAL";
const HEADER_BYTES: usize = 64;
/// How far apart the index's entries are: a lookup reads at most so much too much (and one batch). 64 MiB have 4,096.
const MARK_EVERY: u64 = 16 << 10;

/// The header of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) salt: u32,
    pub(crate) first: u64,
    pub(crate) epoch: LogEpoch,
}

/// What is wrong with a segment's header.
#[derive(Debug)]
pub(crate) enum HeaderFlaw {
    NotASegment,
    Newer(u32),
    Checksum,
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.salt.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.first.to_le_bytes());
        bytes[24..40].copy_from_slice(self.epoch.as_uuid().as_bytes());
        let crc = crc32c::crc32c(&bytes[..60]);
        bytes[60..64].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(crate) fn read(file: &dyn DiskFile) -> io::Result<Result<Self, HeaderFlaw>> {
        let mut bytes = [0; HEADER_BYTES];
        read_up_to(file, &mut bytes, 0)?;
        if bytes[0..8] != MAGIC {
            return Ok(Err(HeaderFlaw::NotASegment));
        }
        // The version comes before the checksum: a newer format may have another header.
        let format = u32_at(&bytes, 8);
        if format > FORMAT {
            return Ok(Err(HeaderFlaw::Newer(format)));
        }
        if u32_at(&bytes, 60) != crc32c::crc32c(&bytes[..60]) {
            return Ok(Err(HeaderFlaw::Checksum));
        }
        let mut uuid = [0; 16];
        uuid.copy_from_slice(&bytes[24..40]);
        let epoch = LogEpoch::from_uuid(uuid::Uuid::from_bytes(uuid));
        Ok(Ok(Self { salt: u32_at(&bytes, 12), first: u64_at(&bytes, 16), epoch }))
    }
}

/// Where a frame is that begins with a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) position: u64,
    pub(crate) offset: u64,
}

/// An open segment, shared by the writer and all readers.
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    pub(crate) file: Box<dyn DiskFile>,
    pub(crate) header: SegmentHeader,
    /// Where the preallocated file ends.
    pub(crate) capacity: u64,
    /// Whether it is in the archive: never written again, and indexed when it is first read.
    pub(crate) archived: bool,
    /// Sparse and ascending; complete for all durable frames.
    marks: RwLock<Vec<Mark>>,
    indexed: AtomicBool,
}

impl Segment {
    pub(crate) fn new(path: PathBuf, file: Box<dyn DiskFile>, header: SegmentHeader, capacity: u64) -> Self {
        Self { path, file, header, capacity, archived: false, marks: RwLock::default(), indexed: AtomicBool::new(true) }
    }

    /// A segment of the archive, whose index is not known yet.
    pub(crate) fn archived(path: PathBuf, file: Box<dyn DiskFile>, header: SegmentHeader, length: u64) -> Self {
        let indexed = AtomicBool::new(false);
        Self { archived: true, indexed, ..Self::new(path, file, header, length) }
    }

    /// Whether the marks are complete.
    pub(crate) fn is_indexed(&self) -> bool {
        self.indexed.load(Ordering::Acquire)
    }

    pub(crate) fn set_indexed(&self) {
        self.indexed.store(true, Ordering::Release);
    }

    /// The name of the segment that begins with position `first`.
    pub(crate) fn name(first: u64) -> String {
        format!("{first:020}.segment")
    }

    /// The first position that a name stands for.
    pub(crate) fn first_of(name: &str) -> Option<u64> {
        let digits = name.strip_suffix(".segment")?;
        (digits.len() == 20).then(|| digits.parse().ok())?
    }

    /// Notes where frames begin; those close to the one before are left out.
    pub(crate) fn add_marks(&self, marks: impl IntoIterator<Item = Mark>) {
        let mut known = self.marks.write().unwrap_or_else(PoisonError::into_inner);
        for mark in marks {
            if known.last().is_none_or(|last| mark.offset >= last.offset + MARK_EVERY) {
                known.push(mark);
            }
        }
    }

    /// Where to begin looking for a position: a frame at or before it.
    pub(crate) fn seek(&self, position: u64) -> u64 {
        let marks = self.marks.read().unwrap_or_else(PoisonError::into_inner);
        let after = marks.partition_point(|mark| mark.position <= position);
        after.checked_sub(1).map_or(FIRST_FRAME, |at| marks[at].offset)
    }
}

/// A zeroed file that waits to become the next segment.
pub(crate) struct Spare {
    pub(crate) path: PathBuf,
    pub(crate) file: Box<dyn DiskFile>,
    pub(crate) capacity: u64,
}

/// The size of the segment after one of `previous` bytes, so that `frame` bytes fit into it.
pub(crate) fn next_size(previous: u64, largest: u64, frame: u64) -> u64 {
    previous.saturating_mul(2).min(largest).max(FIRST_FRAME + frame).next_multiple_of(FIRST_FRAME)
}

/// Writes zeros over `file` up to `capacity` and makes them durable, so that later writes change no metadata.
pub(crate) fn zero(file: &dyn DiskFile, capacity: u64) -> io::Result<()> {
    zero_from(file, 0, capacity)
}

/// As [`zero`], from `at` on.
pub(crate) fn zero_from(file: &dyn DiskFile, at: u64, capacity: u64) -> io::Result<()> {
    zero_in_steps(file, at, capacity, 4 << 20)
}

/// As [`zero`], while the log is written: in small steps with a sync each, because the log's own syncs wait for what the
/// device has before them. With 8 appenders of batches of 20 KiB, steps of 512 KiB instead of 4 MiB made half as much
/// again (19,000 against 12,500 batches a second, p99 1.3 ms against 3.9 ms), and took half the CPU time.
pub(crate) fn zero_beside(file: &dyn DiskFile, capacity: u64) -> io::Result<()> {
    zero_in_steps(file, 0, capacity, 512 << 10)
}

fn zero_in_steps(file: &dyn DiskFile, mut at: u64, capacity: u64, step: u64) -> io::Result<()> {
    let zeros = vec![0; step.min(capacity.saturating_sub(at)).min(1 << 20) as usize];
    while at < capacity {
        let end = capacity.min(at + step);
        while at < end {
            let length = (end - at).min(zeros.len() as u64);
            write_all_at(file, &zeros[..length as usize], at)?;
            at += length;
        }
        file.sync_data()?;
    }
    Ok(())
}

/// The path of the file that is being prepared, each with a number of its own: the one before may not have its final
/// name yet.
pub(crate) fn spare_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("spare-{number}"))
}
