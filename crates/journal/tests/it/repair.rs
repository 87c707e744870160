//! Damage is set aside with everything after it, and nothing is deleted.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use madrigal_core::{Host, Position};
use madrigal_journal::repair::{examine, set_aside};
use madrigal_journal::{EpochChange, Journal, JournalOptions, MemoryDisk, OpenError, Workers};

use crate::log::{all, append, open, small};

const RECORDS: u64 = 60;

async fn log() -> (tempfile::TempDir, Vec<PathBuf>) {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path(), small());
    for n in 0..RECORDS {
        append(&journal, &vec![n as u8; 1_000]).await;
    }
    drop(journal);
    let mut segments: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().path()).collect();
    segments.retain(|path| path.extension().is_some_and(|extension| extension == "segment"));
    segments.sort();
    assert!(segments.len() >= 3, "{segments:?}");
    (dir, segments)
}

fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 0x10;
    std::fs::write(path, bytes).unwrap();
}

fn first_of(path: &Path) -> u64 {
    path.file_stem().unwrap().to_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_sound_log_has_nothing_to_set_aside() {
    let (dir, segments) = log().await;
    assert_eq!(examine(dir.path(), &small()).unwrap(), None);
    assert_eq!(set_aside(dir.path(), &small(), &Host::system()).unwrap(), None);
    assert!(segments.iter().all(|segment| segment.exists()) && !dir.path().join("damaged").exists());
}

#[tokio::test]
async fn a_damaged_record_is_set_aside_with_all_after_it_and_the_log_goes_on_in_a_new_epoch() {
    let (dir, segments) = log().await;
    let (journal, before) = open(dir.path(), small());
    let records = all(&journal);
    drop(journal);
    // A byte of the third record of the second segment.
    flip(&segments[1], 4_096 + 2 * 1_056 + 500);
    let kept = first_of(&segments[1]) + 1;
    let damaged: Vec<_> = segments.iter().map(|segment| std::fs::read(segment).unwrap()).collect();
    let refused = Journal::open(dir.path(), small(), &Host::system()).unwrap_err();
    assert!(refused.to_string().contains("madrigal doctor --repair"), "{refused}");
    let damage = examine(dir.path(), &small()).unwrap().unwrap();
    assert_eq!((damage.kept, damage.lost.clone()), (Position(kept), Some(kept + 1..=RECORDS)));
    assert_eq!(damage.intact, [kept + 2..=RECORDS], "all but the damaged one");
    assert_eq!(damage.files, segments[1..]);
    let unchanged = segments.iter().zip(&damaged).all(|(path, bytes)| std::fs::read(path).unwrap() == *bytes);
    assert!(unchanged, "looking changes nothing");

    let done = set_aside(dir.path(), &small(), &Host::system()).unwrap().unwrap();
    assert_eq!(done.damage, damage);
    let report = std::fs::read_to_string(&done.report).unwrap();
    for said in [format!("1 to {kept}"), format!("{} to {RECORDS}", kept + 2), before.epoch.to_string()] {
        assert!(report.contains(&said), "{said} in {report}");
    }
    for (path, bytes) in segments.iter().zip(&damaged).skip(1) {
        let name = path.file_name().unwrap().to_str().unwrap();
        let copies = std::fs::read_dir(dir.path().join("damaged")).unwrap().map(|file| file.unwrap().path());
        let copy: Vec<_> = copies.filter(|copy| copy.to_str().unwrap().ends_with(name)).collect();
        assert_eq!(std::fs::read(&copy[0]).unwrap(), *bytes, "{name} as it was");
    }
    let (journal, recovery) = open(dir.path(), small());
    assert_eq!((recovery.epoch, recovery.epoch_change, recovery.cut), (done.epoch, None, None));
    assert_ne!(recovery.epoch, before.epoch);
    assert_eq!(all(&journal), records[..kept as usize]);
    assert_eq!(append(&journal, b"on").await, Position(kept + 1));
    drop(journal);
    assert_eq!(open(dir.path(), small()).1.end, Position(kept + 1));
}

#[tokio::test]
async fn damaged_headers_missing_files_and_a_missing_tail_can_be_set_aside_too() {
    let host = Host::system();
    for case in 0..4 {
        let (dir, segments) = log().await;
        let kept = match case {
            0 => {
                flip(&segments[1], 20);
                first_of(&segments[1]) - 1
            }
            1 => {
                std::fs::remove_file(&segments[1]).unwrap();
                first_of(&segments[1]) - 1
            }
            2 => {
                std::fs::remove_file(segments.last().unwrap()).unwrap();
                first_of(segments.last().unwrap()) - 1
            }
            _ => {
                flip(&segments[0], 20);
                0
            }
        };
        let done = set_aside(dir.path(), &small(), &host).unwrap().unwrap();
        assert_eq!((done.damage.kept, done.damage.lost), (Position(kept), Some(kept + 1..=RECORDS)), "case {case}");
        let (journal, recovery) = open(dir.path(), small());
        assert_eq!((recovery.end, recovery.epoch), (Position(kept), done.epoch), "case {case}");
        append(&journal, b"on").await;
    }
}

#[tokio::test]
async fn missing_first_segments_are_left_to_a_backup() {
    let (dir, segments) = log().await;
    std::fs::remove_file(&segments[0]).unwrap();
    for refused in
        [examine(dir.path(), &small()).map(|_| ()), set_aside(dir.path(), &small(), &Host::system()).map(|_| ())]
    {
        assert!(matches!(refused, Err(OpenError::StartMissing { .. })), "{refused:?}");
    }
    assert!(segments[1..].iter().all(|segment| segment.exists()));
}

#[tokio::test]
async fn a_stop_at_any_step_of_setting_aside_loses_no_byte_and_it_can_be_done_again() {
    let dir = Path::new("/log");
    let on = |disk: &MemoryDisk| JournalOptions { disk: Arc::new(disk.clone()), workers: Workers::Tasks, ..small() };
    let disk = MemoryDisk::new(1);
    let (journal, before) = open(dir, on(&disk));
    for n in 0..RECORDS {
        append(&journal, &vec![n as u8; 1_000]).await;
    }
    drop(journal);
    let first = dir.join(format!("{:020}.segment", 1));
    let mut bytes = disk.contents(&first).unwrap();
    bytes[4_096 + 4 * 1_056 + 77] ^= 1;
    disk.put(&first, &bytes);
    for steps in 0.. {
        let disk = disk.copy(steps);
        disk.set(|faults| faults.power_off_after = Some(steps));
        let done = set_aside(dir, &on(&disk), &Host::system());
        if done.is_ok() {
            assert!(steps > 10);
            return;
        }
        disk.power_on();
        let opened = Journal::open(dir, on(&disk), &Host::system());
        let untouched = match opened {
            // Not finished: damaged as before, or without the files after the damaged one.
            Err(_) => {
                set_aside(dir, &on(&disk), &Host::system()).unwrap().unwrap();
                false
            }
            Ok((journal, recovery)) => {
                assert_ne!(recovery.epoch, before.epoch, "step {steps}");
                drop(journal);
                true
            }
        };
        let (journal, recovery) = open(dir, on(&disk));
        assert_eq!(
            (recovery.end, recovery.epoch_change),
            (Position(4), None::<EpochChange>),
            "step {steps} {untouched}"
        );
        assert_eq!(all(&journal).len(), 4);
        let copies = madrigal_journal::Disk::list(&disk, &dir.join("damaged")).unwrap();
        let damaged = copies.iter().filter(|name| name.ends_with("00000000000000000001.segment"));
        let kept = damaged.filter(|name| disk.contents(&dir.join("damaged").join(name)).as_ref() == Some(&bytes));
        assert!(kept.count() >= 1, "step {steps}: the damaged file as it was");
    }
}
