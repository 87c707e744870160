//! Tells a torn tail from a damaged one.

use crate::disk::{read_up_to, write_all_at};
use crate::error::OpenError;
use crate::frame::{ALIGN, FrameHeader, HEADER_BYTES};
use crate::segment::Segment;

use super::scan::Scan;
use super::{Cut, at};

/// A device writes a sector as a whole or not at all.
const SECTOR: u64 = 512;

/// How many bytes follow the last intact frame, if that is a torn group; `None` if there is nothing.
///
/// `lenient` after an unclean stop of a buffered log: several groups were on their way then, in any order.
pub(crate) fn torn(active: &Segment, scan: &Scan, last_group: u32, lenient: bool) -> Result<Option<u64>, OpenError> {
    let rest = rest(active, scan.end)?;
    let Some(last_byte) = rest.iter().rposition(|byte| *byte != 0) else { return Ok(None) };
    if !lenient && let Some(what) = flaw(active, scan, last_group, &rest, last_byte) {
        return Err(OpenError::Corrupt { file: active.path.clone(), offset: scan.end, what });
    }
    Ok(Some(last_byte as u64 + 1))
}

/// Cuts so many bytes after the last intact frame.
pub(crate) fn cut(active: &Segment, scan: &Scan, bytes: u64) -> Result<Cut, OpenError> {
    let zeros = vec![0; usize::try_from(bytes).unwrap_or_default()];
    write_all_at(&*active.file, &zeros, scan.end)
        .and_then(|()| active.file.sync_data())
        .map_err(at("cut the tail of", &active.path))?;
    Ok(Cut { file: active.path.clone(), offset: scan.end, bytes })
}

/// The error for a log that was closed further on than its intact frames reach, if the file shows a damaged frame.
pub(crate) fn damage(active: &Segment, scan: &Scan) -> Option<OpenError> {
    let rest = rest(active, scan.end).ok()?;
    let what = "the log was closed with this record intact";
    let damaged = rest.iter().any(|byte| *byte != 0);
    damaged.then(|| OpenError::Corrupt { file: active.path.clone(), offset: scan.end, what })
}

fn rest(active: &Segment, from: u64) -> Result<Vec<u8>, OpenError> {
    let length = active.file.length().map_err(at("measure", &active.path))?;
    let mut rest = vec![0; length.saturating_sub(from) as usize];
    let read = read_up_to(&*active.file, &mut rest, from).map_err(at("read", &active.path))?;
    rest.truncate(read);
    Ok(rest)
}

/// Why the bytes after the last intact frame cannot be a torn group; `None` if they can.
fn flaw(active: &Segment, scan: &Scan, last_group: u32, rest: &[u8], last_byte: usize) -> Option<&'static str> {
    let salt = active.header.salt;
    let header = FrameHeader::decode(rest, salt);
    if header.is_some_and(|header| header.first != scan.next) {
        return Some("a record is out of sequence");
    }
    let torn_group = header.map_or(last_group.wrapping_add(1), |header| header.group);
    let later = rest.len().saturating_sub(HEADER_BYTES);
    for from in (ALIGN..later).step_by(ALIGN) {
        let Some(follower) = FrameHeader::decode(&rest[from..], salt) else { continue };
        // Its header is enough: it was written after the sync of the groups before it, be its body damaged or not.
        if follower.first > scan.next && follower.group.wrapping_sub(torn_group).cast_signed() > 0 {
            return Some("a record is damaged, and records that were written later follow it");
        }
    }
    let length = header.map_or(HEADER_BYTES, |header| header.length);
    let bytes_missing = last_byte + 1 < length || has_unwritten_sector(scan.end, &rest[..length.min(rest.len())]);
    (!bytes_missing).then_some("a record has all its bytes, and its checksum is wrong")
}

/// Whether some sector of the frame that begins at `offset` still has the zeros that the file was prepared with.
fn has_unwritten_sector(offset: u64, frame: &[u8]) -> bool {
    let to_boundary = ((SECTOR - offset % SECTOR) as usize).min(frame.len());
    let (first, others) = frame.split_at(to_boundary);
    let zero = |piece: &[u8]| piece.iter().all(|byte| *byte == 0);
    zero(first) || others.chunks(SECTOR as usize).any(zero)
}
