//! Records back, by position. Readers share nothing with the writer but the files and the durable position.

use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use madrigal_core::{Position, Timestamp};

use crate::disk::read_up_to;
use crate::error::ReadError;
use crate::frame::{self, FrameHeader, HEADER_BYTES};
use crate::recovery::scan;
use crate::segment::Segment;
use crate::shared::Shared;

/// A durable record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its place in the log.
    pub position: Position,
    /// What the appender said the time was.
    pub time: Timestamp,
    /// What was appended. May share memory with its neighbours (up to 256 KiB): copy what is kept for long.
    pub payload: Bytes,
}

/// Reads ahead so much in a scan; a window is shared by the records in it.
const SCAN_WINDOW: usize = 256 << 10;
/// Reads so much around a single record: the distance between two entries of a segment's index.
const POINT_WINDOW: usize = 16 << 10;

pub(crate) fn read(
    shared: &Shared,
    after: u64,
    max_records: usize,
    max_bytes: usize,
) -> Result<Vec<Record>, ReadError> {
    let window = max_bytes.min(max_records.saturating_mul(512)).clamp(POINT_WINDOW, SCAN_WINDOW);
    let mut cursor = Cursor::new(shared, window);
    let (mut records, mut bytes, mut next) = (Vec::new(), 0usize, after + 1);
    while next <= cursor.end && records.len() < max_records {
        let frame = cursor.frame_of(next)?;
        let skip = (next - frame.header.first) as usize;
        for range in frame::payloads(&frame.body, frame.header.count).skip(skip) {
            let full = records.len() == max_records || (!records.is_empty() && bytes + range.len() > max_bytes);
            if full {
                return Ok(records);
            }
            bytes += range.len();
            records.push(frame.record(next, frame.body.slice(range)));
            next += 1;
        }
        if next < frame.header.next() {
            return Err(cursor.corrupt());
        }
    }
    Ok(records)
}

pub(crate) fn read_at(shared: &Shared, positions: &[Position]) -> Result<Vec<Record>, ReadError> {
    let mut cursor = Cursor::new(shared, POINT_WINDOW);
    let mut records = Vec::with_capacity(positions.len());
    let end = cursor.end;
    for position in positions.iter().take_while(|position| position.0 <= end) {
        let frame = cursor.frame_of(position.0)?;
        let index = (position.0 - frame.header.first) as usize;
        let Some(range) = frame::payloads(&frame.body, frame.header.count).nth(index) else {
            return Err(cursor.corrupt());
        };
        // Copied, so that one small record does not keep a window alive.
        let record = frame.record(position.0, Bytes::copy_from_slice(&frame.body[range]));
        records.push(record);
    }
    Ok(records)
}

/// A frame whose checksums were right.
struct Frame {
    header: FrameHeader,
    body: Bytes,
}

impl Frame {
    fn record(&self, position: u64, payload: Bytes) -> Record {
        Record { position: Position(position), time: Timestamp::from_micros(self.header.time), payload }
    }
}

/// Walks frames forward, and jumps by the segments' indexes.
struct Cursor<'a> {
    shared: &'a Shared,
    /// The durable position when the read began.
    end: u64,
    window_bytes: usize,
    segment: Option<Arc<Segment>>,
    /// The first position that is not in `segment`.
    until: u64,
    /// Where the frame after `frame` begins.
    offset: u64,
    window: Bytes,
    window_start: u64,
    frame: Option<Frame>,
}

impl<'a> Cursor<'a> {
    fn new(shared: &'a Shared, window_bytes: usize) -> Self {
        Self {
            shared,
            end: shared.durable(),
            window_bytes,
            segment: None,
            until: 0,
            offset: 0,
            window: Bytes::new(),
            window_start: 0,
            frame: None,
        }
    }

    /// The frame with a durable position.
    fn frame_of(&mut self, position: u64) -> Result<&Frame, ReadError> {
        let known = self.frame.as_ref().is_some_and(|f| f.header.first <= position && position < f.header.next());
        if !known {
            self.frame = Some(self.find(position)?);
        }
        self.frame.as_ref().ok_or_else(|| self.corrupt())
    }

    fn find(&mut self, position: u64) -> Result<Frame, ReadError> {
        let behind = self.frame.as_ref().is_some_and(|frame| position < frame.header.first);
        match &self.segment {
            Some(segment) if position < self.until && !behind && position >= segment.header.first => {
                self.offset = self.offset.max(segment.seek(position));
            }
            _ => self.locate(position)?,
        }
        loop {
            let bytes = self.bytes(self.offset, HEADER_BYTES)?;
            let Some(header) = FrameHeader::decode(&bytes, self.shared.salt) else {
                return Err(self.corrupt());
            };
            if position >= header.next() {
                self.offset += header.length as u64;
                continue;
            }
            let body = self.bytes(self.offset + HEADER_BYTES as u64, header.length - HEADER_BYTES)?;
            if position < header.first || !header.matches(&body, self.shared.salt) {
                return Err(self.corrupt());
            }
            self.offset += header.length as u64;
            return Ok(Frame { header, body });
        }
    }

    fn locate(&mut self, position: u64) -> Result<(), ReadError> {
        let (segment, until) = {
            let segments = self.shared.segments.read().unwrap_or_else(PoisonError::into_inner);
            let after = segments.partition_point(|segment| segment.header.first <= position);
            let until = segments.get(after).map_or(u64::MAX, |next| next.header.first);
            (Arc::clone(&segments[after.saturating_sub(1)]), until)
        };
        if !segment.is_indexed() {
            scan::one(&segment).map_err(|source| ReadError::Io { file: segment.path.clone(), source })?;
        }
        self.until = until;
        self.offset = segment.seek(position);
        self.window = Bytes::new();
        self.segment = Some(segment);
        Ok(())
    }

    fn bytes(&mut self, offset: u64, length: usize) -> Result<Bytes, ReadError> {
        let within = |window: &Bytes, start: u64| {
            let from = usize::try_from(offset.checked_sub(start)?).ok()?;
            (from + length <= window.len()).then(|| window.slice(from..from + length))
        };
        if let Some(bytes) = within(&self.window, self.window_start) {
            return Ok(bytes);
        }
        let Some(segment) = &self.segment else { return Err(self.corrupt()) };
        let mut window = vec![0; length.max(self.window_bytes)];
        let read = read_up_to(&*segment.file, &mut window, offset)
            .map_err(|source| ReadError::Io { file: segment.path.clone(), source })?;
        window.truncate(read);
        self.window = window.into();
        self.window_start = offset;
        within(&self.window, offset).ok_or_else(|| self.corrupt())
    }

    fn corrupt(&self) -> ReadError {
        let file = self.segment.as_ref().map_or_else(|| self.shared.dir.clone(), |segment| segment.path.clone());
        ReadError::Corrupt { file, offset: self.offset }
    }
}
