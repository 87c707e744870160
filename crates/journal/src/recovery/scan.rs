//! Reads a segment from its first frame to the last intact one.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::disk::read_up_to;
use crate::frame::{FrameHeader, HEADER_BYTES};
use crate::options::Workers;
use crate::segment::{FIRST_FRAME, Mark, Segment};

const WINDOW: usize = 1 << 20;
/// Verifying is bound by memory and disk; more threads than this only push each other out of the caches.
const MAX_THREADS: usize = 4;

/// What a segment has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scan {
    /// Where its intact frames end.
    pub(crate) end: u64,
    /// The position after its last record.
    pub(crate) next: u64,
    /// The group of its last frame.
    pub(crate) last_group: Option<u32>,
    /// Where that group begins.
    pub(crate) last_group_start: u64,
}

/// Scans all segments but the archived ones, several at a time, and fills their indexes. An archived one was verified
/// when it was archived, and is again when it is first read: it is taken to reach to its successor.
pub(crate) fn all(segments: &[Arc<Segment>], workers: Workers) -> Result<Vec<Scan>, (usize, io::Error)> {
    let threads = match workers {
        Workers::Threads => thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS).min(segments.len()),
        Workers::Tasks => 1,
    };
    let (taken, scans) = (AtomicUsize::new(0), Mutex::new(vec![None; segments.len()]));
    let work = || {
        loop {
            let index = taken.fetch_add(1, Ordering::Relaxed);
            let Some(segment) = segments.get(index) else { return Ok(()) };
            let scan = match segments.get(index + 1) {
                Some(next) if segment.archived => Scan::trusted(segment, next),
                _ => one(segment).map_err(|error| (index, error))?,
            };
            scans.lock().unwrap_or_else(PoisonError::into_inner)[index] = Some(scan);
        }
    };
    thread::scope(|scope| {
        let helpers: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let own = work();
        helpers.into_iter().fold(own, |sofar, helper| sofar.and(helper.join().unwrap_or(Ok(()))))
    })?;
    let scans = scans.into_inner().unwrap_or_else(PoisonError::into_inner);
    let verified = |(index, scan): (usize, Option<Scan>)| {
        scan.ok_or_else(|| (index, io::Error::other("a thread that verified it panicked")))
    };
    scans.into_iter().enumerate().map(verified).collect()
}

impl Scan {
    fn trusted(segment: &Segment, next: &Segment) -> Self {
        Self { end: segment.capacity, next: next.header.first, last_group: None, last_group_start: FIRST_FRAME }
    }
}

/// Scans a segment and fills its index.
pub(crate) fn one(segment: &Segment) -> io::Result<Scan> {
    let salt = segment.header.salt;
    let mut scan =
        Scan { end: FIRST_FRAME, next: segment.header.first, last_group: None, last_group_start: FIRST_FRAME };
    let mut marks = Vec::new();
    let mut window = Window::default();
    while let Some(bytes) = window.get(segment, scan.end, HEADER_BYTES)? {
        let Some(header) = FrameHeader::decode(bytes, salt).filter(|header| header.first == scan.next) else { break };
        let Some(frame) = window.get(segment, scan.end, header.length)? else { break };
        if !header.matches(&frame[HEADER_BYTES..], salt) {
            break;
        }
        marks.push(Mark { position: header.first, offset: scan.end });
        if scan.last_group != Some(header.group) {
            scan.last_group = Some(header.group);
            scan.last_group_start = scan.end;
        }
        scan.end += header.length as u64;
        scan.next = header.next();
        if marks.len() == 1_024 {
            segment.add_marks(marks.drain(..));
        }
    }
    segment.add_marks(marks);
    segment.set_indexed();
    Ok(scan)
}

/// The part of a segment that was read last.
#[derive(Default)]
pub(crate) struct Window {
    bytes: Vec<u8>,
    start: u64,
}

impl Window {
    /// `length` bytes at `offset`; `None` if the file ends before.
    pub(crate) fn get(&mut self, segment: &Segment, offset: u64, length: usize) -> io::Result<Option<&[u8]>> {
        let from = offset.saturating_sub(self.start) as usize;
        let held = offset >= self.start && from + length <= self.bytes.len();
        if !held {
            let left = usize::try_from(segment.capacity.saturating_sub(offset)).unwrap_or(WINDOW);
            self.bytes.resize(WINDOW.min(left).max(length), 0);
            let read = read_up_to(&*segment.file, &mut self.bytes, offset)?;
            self.bytes.truncate(read);
            self.start = offset;
        }
        let from = (offset - self.start) as usize;
        Ok(self.bytes.get(from..from + length))
    }
}
