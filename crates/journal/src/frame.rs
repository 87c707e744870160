//! The bytes of one batch: a header of 40 bytes, the records, padding to a multiple of 8, and an end mark.
//!
//! | offset | bytes | what |
//! | --- | --- | --- |
//! | 0 | 4 | length of the frame, a multiple of 8 |
//! | 4 | 4 | CRC32C of the body |
//! | 8 | 8 | position of the first record |
//! | 16 | 8 | time, microseconds since 1970 |
//! | 24 | 4 | number of records |
//! | 28 | 4 | number of the group in which it was written |
//! | 32 | 4 | CRC32C of bytes 0 to 31 |
//! | 36 | 4 | `MDJ1` |
//!
//! Both checksums are seeded with the segment's salt, so that bytes copied from another file (or out of a payload)
//! never pass for a frame. Header and body each end in a byte that is not zero: a frame whose end is still zero was
//! torn, a frame with all its bytes and a wrong checksum was damaged.

use std::ops::Range;

use crate::batch::Batch;

pub(crate) const HEADER_BYTES: usize = 40;
pub(crate) const ALIGN: usize = 8;
/// The largest frame that [`Batch::MAX_BYTES`] allows.
pub(crate) const MAX_FRAME_BYTES: usize = HEADER_BYTES + Batch::MAX_BYTES + ALIGN;
const MARK: [u8; 4] = *b"MDJ1";
const END: u8 = 0xA5;

/// A header whose checksum was right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub(crate) length: usize,
    pub(crate) body_crc: u32,
    pub(crate) first: u64,
    pub(crate) time: i64,
    pub(crate) count: u32,
    pub(crate) group: u32,
}

impl FrameHeader {
    /// The position after the frame's last record.
    pub(crate) fn next(&self) -> u64 {
        self.first + u64::from(self.count)
    }

    pub(crate) fn decode(bytes: &[u8], salt: u32) -> Option<Self> {
        let bytes: &[u8; HEADER_BYTES] = bytes.get(..HEADER_BYTES)?.try_into().ok()?;
        if bytes[36..40] != MARK || u32_at(bytes, 32) != crc32c::crc32c_append(salt, &bytes[..32]) {
            return None;
        }
        let header = Self {
            length: u32_at(bytes, 0) as usize,
            body_crc: u32_at(bytes, 4),
            first: u64_at(bytes, 8),
            time: u64_at(bytes, 16).cast_signed(),
            count: u32_at(bytes, 24),
            group: u32_at(bytes, 28),
        };
        let plausible = header.length.is_multiple_of(ALIGN)
            && (HEADER_BYTES + ALIGN..=MAX_FRAME_BYTES).contains(&header.length)
            && header.count > 0
            && header.first > 0;
        plausible.then_some(header)
    }

    /// Whether the body is the one that was written. `body` is the frame without its header.
    pub(crate) fn matches(&self, body: &[u8], salt: u32) -> bool {
        body.len() + HEADER_BYTES == self.length && self.body_crc == crc32c::crc32c_append(salt, body)
    }
}

/// How long the frame of a batch with this body is.
pub(crate) fn frame_bytes(body: usize) -> usize {
    (HEADER_BYTES + body + 1).next_multiple_of(ALIGN)
}

/// Writes the frame of `batch` at the end of `buffer`.
pub(crate) fn encode(buffer: &mut Vec<u8>, batch: &Batch, first: u64, time: i64, group: u32, salt: u32) {
    let start = buffer.len();
    let length = frame_bytes(batch.bytes());
    buffer.resize(start + HEADER_BYTES, 0);
    buffer.extend_from_slice(batch.body());
    buffer.resize(start + length - 1, 0);
    buffer.push(END);
    let body_crc = crc32c::crc32c_append(salt, &buffer[start + HEADER_BYTES..]);
    let header = &mut buffer[start..start + HEADER_BYTES];
    // A batch has at most MAX_BYTES, checked before: the length fits.
    header[0..4].copy_from_slice(&(length as u32).to_le_bytes());
    header[4..8].copy_from_slice(&body_crc.to_le_bytes());
    header[8..16].copy_from_slice(&first.to_le_bytes());
    header[16..24].copy_from_slice(&time.to_le_bytes());
    header[24..28].copy_from_slice(&batch.len().to_le_bytes());
    header[28..32].copy_from_slice(&group.to_le_bytes());
    let header_crc = crc32c::crc32c_append(salt, &header[..32]);
    header[32..36].copy_from_slice(&header_crc.to_le_bytes());
    header[36..40].copy_from_slice(&MARK);
}

/// Where the payloads lie in a body whose checksum was right.
pub(crate) fn payloads(body: &[u8], count: u32) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut at = 0;
    (0..count).map_while(move |_| {
        let length = u32_at(body.get(at..at + 4)?, 0) as usize;
        let range = at + 4..at + 4 + length;
        at = range.end;
        (range.end <= body.len()).then_some(range)
    })
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let mut batch = Batch::of(b"one");
        batch.push(b"");
        batch.push(&[7; 100]);
        let mut bytes = Vec::new();
        encode(&mut bytes, &batch, 41, 1_700_000_000_000_000, 9, 0xfeed);
        bytes
    }

    #[test]
    fn a_frame_gives_back_its_records() {
        let bytes = sample();
        let header = FrameHeader::decode(&bytes, 0xfeed).unwrap();
        assert_eq!((header.first, header.next(), header.group, header.length), (41, 44, 9, bytes.len()));
        let body = &bytes[HEADER_BYTES..];
        assert!(header.matches(body, 0xfeed));
        let read: Vec<&[u8]> = payloads(body, header.count).map(|range| &body[range]).collect();
        assert_eq!(read, [&b"one"[..], b"", &[7; 100]]);
    }

    #[test]
    fn any_flipped_bit_and_any_other_salt_is_noticed() {
        let good = sample();
        assert!(FrameHeader::decode(&good, 0xfeee).is_none());
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let passes = FrameHeader::decode(&bad, 0xfeed).is_some_and(|h| h.matches(&bad[HEADER_BYTES..], 0xfeed));
            assert!(!passes, "bit {bit}");
        }
    }

    #[test]
    fn the_bytes_of_version_1_are_for_ever() {
        let mut bytes = Vec::new();
        encode(&mut bytes, &Batch::of(b"madrigal"), 1, 2, 3, 4);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let golden = concat!(
            "38000000dfd74a610100000000000000020000000000000001000000030000007d972ddf4d444a31",
            "080000006d6164726967616c000000a5",
        );
        assert_eq!(hex, golden);
    }
}
