//! Files of each format version, as they were written then: read for ever.
//!
//! A new version gets a directory of its own beside the old ones; none is ever written again.

use std::path::{Path, PathBuf};

use madrigal_core::{LogEpoch, Position, Timestamp};
use madrigal_journal::{Batch, JournalOptions};

use crate::log::{all, open, small};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// Copies a fixture, because opening changes it.
fn copied(name: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    copy(&fixture(name), dir.path());
    dir
}

fn copy(from: &Path, to: &Path) {
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        let target = to.join(file.file_name());
        if file.path().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy(&file.path(), &target);
        } else {
            std::fs::copy(file.path(), target).unwrap();
        }
    }
}

/// What the fixtures have: 40 batches of one to three records.
fn batches() -> impl Iterator<Item = (i64, Vec<Vec<u8>>)> {
    (0..40u8).map(|n| {
        let record = |part: u8| vec![b'a' + (n + part) % 26; (usize::from(n) * 53 + usize::from(part) * 211) % 700];
        (1_700_000_000_000_000 + i64::from(n), (0..=n % 3).map(record).collect())
    })
}

fn records() -> Vec<(u64, i64, Vec<u8>)> {
    let all = batches().flat_map(|(time, records)| records.into_iter().map(move |record| (time, record)));
    (1..).zip(all).map(|(position, (time, record))| (position, time, record)).collect()
}

fn read(dir: &Path, options: JournalOptions) -> Vec<(u64, i64, Vec<u8>)> {
    let (journal, _) = open(dir, options);
    all(&journal).into_iter().map(|r| (r.position.0, r.time.as_micros(), r.payload.to_vec())).collect()
}

#[test]
fn a_log_of_version_1_is_read_and_goes_on() {
    let dir = copied("version-1");
    let expected = records();
    assert_eq!(expected.len(), 79);
    assert_eq!(read(dir.path(), small()), expected);
    let (journal, recovery) = open(dir.path(), small());
    assert_eq!((recovery.end, recovery.segments), (Position(79), 2));
    let epoch = "019f8a4e-0000-7000-8000-00000000f0e1".parse().map(LogEpoch::from_uuid).unwrap();
    assert_eq!((recovery.epoch, recovery.epoch_change), (epoch, None));
    assert_eq!(journal.enqueue(&Batch::of(b"on"), Timestamp::default()).unwrap().last(), Position(80));
}

#[test]
fn a_torn_log_of_version_1_is_cut_where_it_was_torn() {
    let dir = copied("version-1-torn");
    let (journal, recovery) = open(dir.path(), small());
    assert_eq!(recovery.cut.as_ref().map(|cut| cut.bytes), Some(300));
    assert_eq!(all(&journal).len(), 78, "{recovery:?}");
}

#[test]
fn an_archived_log_of_version_1_is_read() {
    let dir = copied("version-1-archived");
    assert_eq!(read(dir.path(), small()), records());
}

#[tokio::test]
#[ignore = "writes the fixtures of the current version, once"]
async fn write_the_fixtures_of_the_current_version() {
    let dir = fixture("version-1");
    assert!(!dir.exists(), "fixtures are never written again");
    std::fs::create_dir_all(&dir).unwrap();
    // An epoch that the test knows: one digit of the host's own would do as well, but not be known here.
    let body = "madrigal-journal 1\nepoch 019f8a4e-0000-7000-8000-00000000f0e1\ndurability synced\nstate closed 0\n";
    let text = format!("{body}crc32c {:08x}\n", crc32c::crc32c(body.as_bytes()));
    std::fs::write(dir.join("epoch"), text).unwrap();
    let (journal, _) = open(&dir, small());
    for (time, records) in batches() {
        let mut batch = Batch::new();
        for record in &records {
            batch.push(record);
        }
        journal.append(&batch, Timestamp::from_micros(time)).await.unwrap();
    }
    drop(journal);
    for file in std::fs::read_dir(&dir).unwrap().map(|file| file.unwrap().path()) {
        let name = file.file_name().unwrap().to_str().unwrap();
        if name == "lock" || name.starts_with("spare") {
            std::fs::remove_file(file).unwrap();
        }
    }
    for other in ["version-1-torn", "version-1-archived"] {
        std::fs::create_dir(fixture(other)).unwrap();
        copy(&dir, &fixture(other));
    }
    let (journal, _) = open(&fixture("version-1-archived"), small());
    journal.archive(Position(u64::MAX)).unwrap();
    drop(journal);
    for left in ["lock", "archive-at"] {
        // Where it was is of this machine; the default is the same place.
        std::fs::remove_file(fixture("version-1-archived").join(left)).unwrap();
    }
    let torn = fixture("version-1-torn");
    let last = std::fs::read_dir(&torn).unwrap().map(|file| file.unwrap().path());
    let last = last.filter(|path| path.extension().is_some_and(|end| end == "segment")).max().unwrap();
    let mut bytes = std::fs::read(&last).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let start = (4_096..end).rev().find(|at| at % 8 == 0 && bytes[at + 36..].starts_with(b"MDJ1")).unwrap();
    bytes[start + 300..].fill(0);
    std::fs::write(last, bytes).unwrap();
    let open = body.replace("closed 0", "open");
    std::fs::write(torn.join("epoch"), format!("{open}crc32c {:08x}\n", crc32c::crc32c(open.as_bytes()))).unwrap();
}
