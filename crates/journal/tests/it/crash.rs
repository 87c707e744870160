//! Every image that a stop may leave is opened with all that was acknowledged; every other damage is refused.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use madrigal_core::{Host, Position, Timestamp};
use madrigal_journal::{Batch, Journal, JournalOptions, OpenError};

use crate::faulty_disk::FaultyDisk;
use crate::log::{all, append, image, open, small};

const FIRST_FRAME: usize = 4_096;

/// A crashed log: two groups of one batch, and a last group of three batches. Frames are 8-byte aligned, in one file.
struct Crashed {
    dir: tempfile::TempDir,
    bytes: Vec<u8>,
    /// Where each batch begins and ends, with the last position before and in it.
    frames: Vec<Frame>,
}

#[derive(Debug, Clone, Copy)]
struct Frame {
    start: usize,
    end: usize,
    before: u64,
}

impl Crashed {
    async fn new() -> Self {
        let (live, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let disk = FaultyDisk::new();
        let (journal, _) = open(live.path(), JournalOptions { disk: Arc::new(disk.clone()), ..small() });
        append(&journal, &[1; 700]).await;
        // Held in its sync, the second group lets three batches gather for the third.
        disk.0.syncs.hold();
        let mut tickets = vec![journal.enqueue(&batch(&[300, 20]), Timestamp::default()).unwrap()];
        disk.0.syncs.until_one_waits();
        for sizes in [&[90][..], &[600, 5, 700], &[40, 1]] {
            tickets.push(journal.enqueue(&batch(sizes), Timestamp::default()).unwrap());
        }
        disk.0.syncs.release();
        for ticket in &tickets {
            ticket.durable().await.unwrap();
        }
        image(live.path(), dir.path());
        let bytes = std::fs::read(segment(dir.path())).unwrap();
        let (mut frames, mut start, mut before) = (Vec::new(), FIRST_FRAME, 0);
        while bytes[start] != 0 {
            let word = |at: usize| u32::from_le_bytes(bytes[start + at..start + at + 4].try_into().unwrap());
            let end = start + word(0) as usize;
            frames.push(Frame { start, end, before });
            before += u64::from(word(24));
            start = end;
        }
        assert_eq!((frames.len(), before), (5, 9));
        Self { dir, bytes, frames }
    }

    /// Opens the log with these bytes instead.
    fn open_with(&self, bytes: &[u8]) -> Result<(Journal, Option<usize>, tempfile::TempDir), OpenError> {
        let dir = tempfile::tempdir().unwrap();
        image(self.dir.path(), dir.path());
        std::fs::write(segment(dir.path()), bytes).unwrap();
        let options = JournalOptions { disk: Arc::new(FaultyDisk::without_syncs()), ..small() };
        let (journal, recovery) = Journal::open(dir.path(), options, &Host::system())?;
        Ok((journal, recovery.cut.map(|cut| cut.offset as usize), dir))
    }

    /// The last position if the file ended at `end`.
    fn end_before(&self, end: usize) -> u64 {
        let torn = self.frames.iter().find(|frame| frame.end > end);
        torn.map_or(9, |frame| frame.before)
    }
}

fn batch(sizes: &[usize]) -> Batch {
    let mut batch = Batch::new();
    for size in sizes {
        batch.push(&vec![b'x'; *size]);
    }
    batch
}

fn segment(dir: &Path) -> PathBuf {
    dir.join("00000000000000000001.segment")
}

#[tokio::test]
async fn every_prefix_of_the_last_group_is_cut_to_whole_batches_and_goes_on() {
    let crashed = Crashed::new().await;
    let (from, to) = (crashed.frames[2].start, crashed.frames[4].end);
    for end in from..=to {
        let mut zeroed = crashed.bytes.clone();
        zeroed[end..].fill(0);
        for bytes in [&zeroed[..], &crashed.bytes[..end]] {
            let (journal, cut, _dir) = crashed.open_with(bytes).unwrap_or_else(|error| panic!("{end}: {error}"));
            let expected = crashed.end_before(end);
            assert_eq!((journal.end().0, all(&journal).len() as u64), (expected, expected), "{end}");
            let start = crashed.frames.iter().map(|frame| frame.start).find(|start| *start == end);
            assert_eq!(cut.is_none(), end == to || start.is_some(), "{end}: {cut:?}");
        }
    }
}

#[tokio::test]
async fn a_cut_log_takes_new_records_where_it_was_cut() {
    let crashed = Crashed::new().await;
    let middle = &crashed.frames[3];
    let mut torn = crashed.bytes.clone();
    torn[middle.start + 100..].fill(0);
    let (journal, cut, dir) = crashed.open_with(&torn).unwrap();
    assert_eq!(cut, Some(middle.start));
    assert_eq!(append(&journal, b"next").await, Position(middle.before + 1));
    let records = all(&journal);
    drop(journal);
    let (journal, recovery) = open(dir.path(), small());
    assert_eq!((recovery.cut, all(&journal)), (None, records));
}

#[tokio::test]
async fn a_sector_of_the_last_group_that_was_not_written_is_a_torn_tail() {
    let crashed = Crashed::new().await;
    let (from, to) = (crashed.frames[2].start, crashed.frames[4].end);
    for sector in from / 512..=(to - 1) / 512 {
        let missing = from.max(sector * 512)..to.min((sector + 1) * 512);
        let mut bytes = crashed.bytes.clone();
        bytes[missing.clone()].fill(0);
        let (journal, cut, _dir) = crashed.open_with(&bytes).unwrap_or_else(|error| panic!("{sector}: {error}"));
        assert_eq!(journal.end().0, crashed.end_before(missing.start), "{sector}");
        assert!(cut.is_some());
    }
}

#[tokio::test]
async fn a_flipped_bit_in_what_was_written_is_damage_and_never_cut() {
    let crashed = Crashed::new().await;
    for frame in &crashed.frames {
        for at in frame.start..frame.end {
            let mut bytes = crashed.bytes.clone();
            bytes[at] ^= 1 << (at % 8);
            match crashed.open_with(&bytes) {
                Err(OpenError::Corrupt { offset, .. }) => assert_eq!(offset as usize, frame.start, "{at}"),
                other => panic!("{at}: {other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_flipped_bit_in_any_prefix_is_damage_or_torn_with_what_was_never_acknowledged() {
    let crashed = Crashed::new().await;
    let records = all(&crashed.open_with(&crashed.bytes).unwrap().0);
    let (acknowledged, host) = (crashed.frames[2].before, Host::seeded(11));
    let (mut refused, mut cut) = (0, 0);
    for end in crashed.frames[2].start + 1..=crashed.frames[4].end {
        let at = FIRST_FRAME + (host.random_u64() as usize) % (end - FIRST_FRAME);
        let mut bytes = crashed.bytes.clone();
        bytes[end..].fill(0);
        bytes[at] ^= 1 << (at % 8);
        let flipped = crashed.frames.iter().find(|frame| frame.end > at).unwrap();
        match crashed.open_with(&bytes) {
            // Only the frame that the stop tore may go, and what it hides was never acknowledged.
            Ok((journal, offset, _dir)) => {
                assert!(flipped.end > end && flipped.start >= crashed.frames[2].start, "prefix {end}, bit in {at}");
                assert_eq!(
                    (journal.end().0, offset),
                    (flipped.before, Some(flipped.start)),
                    "prefix {end}, bit in {at}"
                );
                assert!(flipped.before >= acknowledged);
                assert_eq!(all(&journal), records[..flipped.before as usize]);
                cut += 1;
            }
            Err(OpenError::Corrupt { offset, .. }) => {
                assert_eq!(offset as usize, flipped.start, "prefix {end}, bit in {at}");
                refused += 1;
            }
            other => panic!("prefix {end}, bit in {at}: {other:?}"),
        }
    }
    assert!(refused > 500 && cut > 50, "{refused} refused, {cut} cut");
}

#[tokio::test]
async fn a_flipped_bit_in_a_segments_header_is_refused_with_the_file_and_never_cut() {
    let crashed = Crashed::new().await;
    for at in 0..64 {
        let mut bytes = crashed.bytes.clone();
        bytes[at] ^= 1 << (at % 8);
        match crashed.open_with(&bytes) {
            Err(OpenError::Corrupt { offset: 0, file, .. } | OpenError::NewerFormat { file, .. }) => {
                assert!(file.ends_with("00000000000000000001.segment"));
            }
            other => panic!("{at}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn several_damaged_bytes_anywhere_are_never_read_as_records() {
    let crashed = Crashed::new().await;
    let whole = crashed.open_with(&crashed.bytes).unwrap();
    let records = all(&whole.0);
    let host = Host::seeded(5);
    for round in 0..400 {
        let mut bytes = crashed.bytes.clone();
        let end = crashed.frames[4].end;
        for _ in 0..=round % 7 {
            let at = FIRST_FRAME + (host.random_u64() as usize) % (end - FIRST_FRAME);
            let length = 1 + (host.random_u64() as usize) % 700;
            let with = host.random_u64() as u8 | 1;
            bytes[at..end.min(at + length)].fill(if round % 2 == 0 { 0 } else { with });
        }
        // Acknowledged is what the groups before the last one have. Only zeros everywhere look as if nothing had been
        // written there.
        match crashed.open_with(&bytes) {
            Ok((journal, ..)) => {
                let read = all(&journal);
                assert_eq!(read, records[..read.len()], "round {round}");
                let whole = read.len() as u64 >= crashed.frames[2].before;
                assert!(whole || round % 2 == 0, "round {round}: {}", read.len());
            }
            Err(OpenError::Corrupt { .. }) => {}
            Err(other) => panic!("round {round}: {other}"),
        }
    }
}

#[tokio::test]
async fn a_lost_sector_before_the_last_group_is_damage() {
    let crashed = Crashed::new().await;
    let first = crashed.frames[0];
    for at in [first.start, first.start + 512] {
        let mut bytes = crashed.bytes.clone();
        bytes[at..first.end.min(at + 512)].fill(0);
        assert!(matches!(crashed.open_with(&bytes), Err(OpenError::Corrupt { .. })), "{at}");
    }
}

#[tokio::test]
async fn a_log_that_was_closed_is_not_cut_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path(), small());
    append(&journal, &[1; 100]).await;
    append(&journal, &[2; 100]).await;
    drop(journal);
    let whole = std::fs::read(segment(dir.path())).unwrap();
    let second = FIRST_FRAME + 152;
    let mut torn = whole.clone();
    torn[second + 60..].fill(0);
    std::fs::write(segment(dir.path()), &torn).unwrap();
    let refused = Journal::open(dir.path(), small(), &Host::system());
    assert!(matches!(&refused, Err(OpenError::Corrupt { offset, .. }) if *offset == second as u64), "{refused:?}");
    torn[second..].fill(0);
    std::fs::write(segment(dir.path()), &torn).unwrap();
    let refused = Journal::open(dir.path(), small(), &Host::system());
    assert!(matches!(refused, Err(OpenError::TailMissing { end: 1, closed_at: 2, .. })), "{refused:?}");
    std::fs::write(segment(dir.path()), &whole).unwrap();
    assert_eq!(open(dir.path(), small()).1.end, Position(2));
}

#[tokio::test]
async fn damage_in_a_full_segment_and_a_missing_segment_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path(), small());
    for _ in 0..100 {
        append(&journal, &[3; 1_000]).await;
    }
    drop(journal);
    let first = segment(dir.path());
    let whole = std::fs::read(&first).unwrap();
    let mut damaged = whole.clone();
    damaged[FIRST_FRAME + 5_000] ^= 4;
    std::fs::write(&first, &damaged).unwrap();
    let refused = Journal::open(dir.path(), small(), &Host::system());
    assert!(matches!(&refused, Err(OpenError::Corrupt { file, .. }) if *file == first), "{refused:?}");
    let mut other_header = whole;
    other_header[20] ^= 1;
    std::fs::write(&first, &other_header).unwrap();
    assert!(matches!(Journal::open(dir.path(), small(), &Host::system()), Err(OpenError::Corrupt { offset: 0, .. })));
    other_header[8] = 9;
    std::fs::write(&first, &other_header).unwrap();
    let newer = Journal::open(dir.path(), small(), &Host::system());
    assert!(matches!(newer, Err(OpenError::NewerFormat { found: 9, .. })), "{newer:?}");
    std::fs::remove_file(&first).unwrap();
    assert!(matches!(Journal::open(dir.path(), small(), &Host::system()), Err(OpenError::StartMissing { .. })));
}
