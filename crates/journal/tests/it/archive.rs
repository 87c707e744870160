//! Old segments in another directory: readable from there, whatever happens on the way.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use madrigal_core::{Host, Position, Timestamp};
use madrigal_journal::archive::examine;
use madrigal_journal::{
    ArchiveError, Archived, Batch, Disk, InArchive, Journal, JournalOptions, MemoryDisk, OpenError, ReadError, Record,
    Workers,
};

use crate::log::{all, append, open, small};

async fn filled(journal: &Journal) -> Vec<Record> {
    for n in 0..120u8 {
        append(journal, &[n; 1_000]).await;
    }
    all(journal)
}

fn segments(dir: &Path) -> Vec<String> {
    let Ok(files) = std::fs::read_dir(dir) else { return Vec::new() };
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.contains(".segment")).collect();
    names.sort();
    names
}

#[tokio::test]
async fn archived_segments_are_read_from_their_place_and_found_again_without_being_told() {
    let (dir, cold) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let options = JournalOptions { archive: Some(cold.path().join("orders")), ..small() };
    let (journal, _) = open(dir.path(), options.clone());
    let records = filled(&journal).await;
    let before = segments(dir.path());
    let archived = journal.archive(Position(60)).unwrap();
    assert!(archived.segments >= 2 && archived.through < Position(60), "{archived:?}");
    assert_eq!(segments(&archived.dir), before[..archived.segments]);
    assert_eq!(segments(dir.path()), before[archived.segments..]);
    assert_eq!(all(&journal), records, "reading goes on");
    assert_eq!(journal.archive(Position(60)).unwrap().segments, 0, "once");
    append(&journal, b"more").await;
    drop(journal);
    let (journal, recovery) = open(dir.path(), small());
    assert_eq!((recovery.end, recovery.segments), (Position(121), before.len()));
    assert_eq!(journal.read_at(&[Position(3), Position(110)]).unwrap(), [records[2].clone(), records[109].clone()]);
    assert_eq!(all(&journal)[..120], records);
    let end = journal.archive(Position(u64::MAX)).unwrap();
    assert_eq!(segments(dir.path()).len(), 1, "the segment that is written stays: {end:?}");
}

#[tokio::test]
async fn a_log_whose_archive_is_not_there_is_refused_and_opened_when_it_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path(), small());
    let records = filled(&journal).await;
    let archived = journal.archive(Position(60)).unwrap();
    drop(journal);
    let elsewhere = dir.path().join("elsewhere");
    std::fs::rename(&archived.dir, &elsewhere).unwrap();
    let refused = Journal::open(dir.path(), small(), &Host::system());
    let Err(refused @ OpenError::StartMissing { .. }) = refused else { panic!("{refused:?}") };
    assert!(refused.to_string().contains(archived.dir.to_str().unwrap()), "it says where it looked: {refused}");
    let gone = examine(dir.path(), &small());
    assert!(matches!(gone, Err(OpenError::StartMissing { .. })), "{gone:?}");
    let moved = JournalOptions { archive: Some(elsewhere), ..small() };
    let (journal, _) = open(dir.path(), moved);
    assert_eq!(all(&journal), records, "its new place can be said");
    assert_eq!(journal.archive(Position::START).unwrap().segments, 0);
    drop(journal);
    assert_eq!(all(&open(dir.path(), small()).0), records, "and is known from then on");
}

#[tokio::test]
async fn a_log_with_its_archive_in_itself_can_be_moved_as_a_whole() {
    let home = tempfile::tempdir().unwrap();
    let (journal, _) = open(&home.path().join("here"), small());
    let records = filled(&journal).await;
    assert!(journal.archive(Position(60)).unwrap().segments >= 2);
    drop(journal);
    std::fs::rename(home.path().join("here"), home.path().join("there")).unwrap();
    assert_eq!(all(&open(&home.path().join("there"), small()).0), records);
}

#[tokio::test]
async fn examining_an_archive_verifies_every_segment_and_names_the_damaged_ones() {
    let (dir, cold) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let options = JournalOptions { archive: Some(cold.path().to_owned()), ..small() };
    let (journal, _) = open(dir.path(), options);
    filled(&journal).await;
    let held = examine(dir.path(), &small());
    assert!(matches!(held, Err(OpenError::InUse { .. })), "{held:?}");
    drop(journal);
    assert_eq!(examine(dir.path(), &small()).unwrap(), None);
    let (journal, _) = open(dir.path(), JournalOptions { archive: Some(cold.path().to_owned()), ..small() });
    let archived = journal.archive(Position(60)).unwrap();
    drop(journal);
    let sound = examine(dir.path(), &small()).unwrap().unwrap();
    let Archived { dir: place, segments: count, bytes, through } = archived;
    assert_eq!(sound, InArchive { dir: place, segments: count, bytes, through, damaged: Vec::new() });
    let files = segments(cold.path());
    let flip = |name: &str, at: usize| {
        let mut bytes = std::fs::read(cold.path().join(name)).unwrap();
        bytes[at] ^= 1;
        std::fs::write(cold.path().join(name), bytes).unwrap();
    };
    // The third frame of the first segment, and the header of the last one.
    flip(&files[0], 4_096 + 2 * 1_048 + 9);
    flip(files.last().unwrap(), 20);
    let damaged = examine(dir.path(), &small()).unwrap().unwrap().damaged;
    let named = [(cold.path().join(&files[0]), 4_096 + 2 * 1_048), (cold.path().join(files.last().unwrap()), 0)];
    assert_eq!(damaged, named);
}

#[tokio::test]
async fn a_damaged_segment_is_not_archived_and_damage_in_the_archive_is_found_by_reading() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path(), small());
    filled(&journal).await;
    let first = dir.path().join(&segments(dir.path())[0]);
    let flip = |path: &Path| {
        let mut bytes = std::fs::read(path).unwrap();
        bytes[6_000] ^= 1;
        std::fs::write(path, bytes).unwrap();
    };
    flip(&first);
    let refused = journal.archive(Position(60)).unwrap_err();
    assert!(matches!(&refused, ArchiveError::Corrupt { file, .. } if *file == first), "{refused}");
    assert!(first.exists());
    flip(&first);
    let archived = journal.archive(Position(60)).unwrap();
    drop(journal);
    flip(&archived.dir.join(first.file_name().unwrap()));
    let (journal, _) = open(dir.path(), small());
    let damaged = journal.read(Position::START, 100, 1 << 20).unwrap_err();
    assert!(matches!(&damaged, ReadError::Corrupt { file, .. } if file.starts_with(&archived.dir)), "{damaged}");
    assert_eq!(journal.read(Position(60), 1, 10).unwrap()[0].position, Position(61));
}

fn on(disk: &MemoryDisk) -> JournalOptions {
    let archive = Some(PathBuf::from("/cold"));
    JournalOptions { disk: Arc::new(disk.clone()), workers: Workers::Tasks, archive, ..small() }
}

#[tokio::test]
async fn a_stop_at_any_step_of_archiving_leaves_everything_readable() {
    let disk = MemoryDisk::new(1);
    let (journal, _) = open(Path::new("/log"), on(&disk));
    let records = filled(&journal).await;
    drop(journal);
    let mut steps = 0;
    loop {
        for seed in 0..4 {
            let disk = disk.copy(seed * 1_000 + steps);
            let (journal, _) = open(Path::new("/log"), on(&disk));
            disk.set(|faults| faults.power_off_after = Some(steps));
            let done = journal.archive(Position(60));
            if let Ok(archived) = &done {
                assert!(archived.segments >= 2 && disk.list(Path::new("/cold")).unwrap().len() >= 2);
                assert!(steps > 10);
                return;
            }
            drop(journal);
            disk.power_on();
            let (journal, _) = open(Path::new("/log"), on(&disk));
            assert_eq!(all(&journal), records, "step {steps}, seed {seed}");
            assert!(journal.archive(Position(60)).is_ok(), "and it can be done again");
            assert_eq!(all(&journal), records);
        }
        steps += 1;
    }
}

#[tokio::test]
async fn a_full_archive_leaves_the_segments_where_they_were() {
    let disk = MemoryDisk::new(1);
    let (journal, _) = open(Path::new("/log"), on(&disk));
    let records = filled(&journal).await;
    let used = |disk: &MemoryDisk| -> u64 {
        let names = disk.list(Path::new("/log")).unwrap();
        names.iter().map(|name| disk.contents(&Path::new("/log").join(name)).unwrap().len() as u64).sum()
    };
    let room = used(&disk) + 5_000;
    disk.set(|faults| faults.room = Some(room));
    assert!(matches!(journal.archive(Position(60)), Err(ArchiveError::Io { .. })));
    assert_eq!(all(&journal), records);
    disk.set(|faults| faults.room = None);
    assert!(journal.archive(Position(60)).is_ok_and(|archived| archived.segments >= 2));
    journal.append(&Batch::of(b"on"), Timestamp::default()).await.unwrap();
}
