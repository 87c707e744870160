//! Short writes, full disks, failing syncs.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Waker};
use std::time::Duration;

use madrigal_core::{FaultCause, FaultOutcome, Position, Timestamp, tasks};
use madrigal_journal::{Batch, EnqueueError, Journal, JournalOptions, NoRoom};

use crate::faulty_disk::FaultyDisk;
use crate::log::{all, append, open, small};

fn faulty() -> (tempfile::TempDir, FaultyDisk, JournalOptions) {
    let disk = FaultyDisk::new();
    let options = JournalOptions { disk: Arc::new(disk.clone()), ..small() };
    (tempfile::tempdir().unwrap(), disk, options)
}

#[tokio::test]
async fn short_writes_are_continued() {
    let (dir, disk, options) = faulty();
    disk.0.write_at_most.store(13, Ordering::SeqCst);
    let (journal, _) = open(dir.path(), options);
    for n in 0..20u8 {
        append(&journal, &[n + 1; 333]).await;
    }
    drop(journal);
    let (journal, _) = open(dir.path(), small());
    assert!(all(&journal).iter().map(|record| record.payload[0]).eq(1..=20));
}

#[tokio::test]
async fn readers_see_nothing_that_is_not_durable() {
    let (dir, disk, options) = faulty();
    let (journal, _) = open(dir.path(), options);
    append(&journal, b"durable").await;
    disk.0.syncs.hold();
    let ticket = journal.enqueue(&Batch::of(b"not yet"), Timestamp::default()).unwrap();
    disk.0.syncs.until_one_waits();
    assert_eq!((journal.end(), all(&journal).len()), (Position(1), 1));
    assert!(journal.read_at(&[Position(2)]).unwrap().is_empty());
    disk.0.syncs.release();
    ticket.durable().await.unwrap();
    assert_eq!((journal.end(), all(&journal).len()), (Position(2), 2));
}

#[tokio::test]
async fn a_failed_sync_stops_the_journal_and_nothing_is_answered_as_durable() {
    let (dir, disk, options) = faulty();
    let (journal, _) = open(dir.path(), options.clone());
    append(&journal, b"one").await;
    disk.0.failing_sync.store(true, Ordering::SeqCst);
    let in_doubt = journal.append(&Batch::of(b"two"), Timestamp::default()).await.unwrap_err();
    assert_eq!(in_doubt.outcome, FaultOutcome::Unknown);
    disk.0.failing_sync.store(false, Ordering::SeqCst);
    let refused = journal.append(&Batch::of(b"three"), Timestamp::default()).await.unwrap_err();
    assert_eq!(refused.outcome, FaultOutcome::NotApplied);
    assert!(journal.failure().is_some());
    assert_eq!((journal.end(), all(&journal).len()), (Position(1), 1), "reading goes on");
    let waited = journal.wait_beyond(Position(1), Duration::from_secs(60)).await;
    assert!(waited.is_err(), "nobody waits for what cannot come");
    drop(journal);
    let (journal, recovery) = open(dir.path(), options);
    let payloads: Vec<_> = all(&journal).into_iter().map(|record| record.payload).collect();
    assert!(payloads == [&b"one"[..]] || payloads == [&b"one"[..], b"two"], "{recovery:?}");
    append(&journal, b"four").await;
}

/// Appends until the disk has no more; how many were acknowledged.
async fn append_until_refused(journal: &Journal) -> (usize, NoRoom) {
    for acknowledged in 0..10_000 {
        loop {
            let room = journal.room();
            match journal.enqueue(&Batch::of(&[5; 900]), Timestamp::default()) {
                Ok(ticket) => break ticket.durable().await.unwrap(),
                Err(EnqueueError::Full) => room.await,
                Err(EnqueueError::NoRoom(no_room)) => return (acknowledged, no_room),
                Err(error) => panic!("{error}"),
            }
        }
    }
    panic!("never refused")
}

#[tokio::test]
async fn a_full_disk_refuses_before_anything_is_accepted_and_goes_on_when_there_is_room() {
    let (dir, disk, options) = faulty();
    let (journal, _) = open(dir.path(), options);
    disk.0.no_new_files.store(true, Ordering::SeqCst);
    let (acknowledged, no_room) = append_until_refused(&journal).await;
    assert!(acknowledged >= 10, "the segment that was prepared is used up: {acknowledged}");
    assert_eq!(no_room.cause, FaultCause::StorageFull);
    assert_eq!(all(&journal).len(), acknowledged, "reading goes on");
    assert!(journal.failure().is_none());
    disk.0.no_new_files.store(false, Ordering::SeqCst);
    // It looks for room by itself: once it has found some, nothing is refused any more.
    while journal.no_room().is_some() {
        tokio::task::yield_now().await;
    }
    let resumed = journal.append(&Batch::of(b"resumed"), Timestamp::default()).await.unwrap().last();
    assert_eq!(resumed, Position(acknowledged as u64 + 1));
    drop(journal);
    assert_eq!(open(dir.path(), small()).1.end, resumed);
}

#[tokio::test]
async fn a_segment_that_would_not_fit_is_not_even_begun() {
    let (dir, disk, options) = faulty();
    let (journal, _) = open(dir.path(), options);
    disk.0.free.store(20_000, Ordering::SeqCst);
    let (_, no_room) = append_until_refused(&journal).await;
    assert!(no_room.reason.contains("20000 bytes are free"), "{no_room}");
    let spares = || std::fs::read_dir(dir.path()).unwrap().flatten().any(|file| file.file_name() == "spare-1");
    assert!(!spares(), "what is free is left to others");
    disk.0.free.store(u64::MAX, Ordering::SeqCst);
    while journal.no_room().is_some() {
        assert!(journal.failure().is_none());
        tokio::task::yield_now().await;
    }
    append(&journal, b"resumed").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_segment_that_cannot_be_named_for_lack_of_room_is_waited_for() {
    let (dir, disk, options) = faulty();
    let (journal, _) = open(dir.path(), options.clone());
    disk.0.no_renames.store(true, Ordering::SeqCst);
    let mut tickets = Vec::new();
    loop {
        let room = journal.room();
        match journal.enqueue(&Batch::of(&[5; 900]), Timestamp::default()) {
            Ok(ticket) => tickets.push(ticket),
            Err(EnqueueError::Full) => room.await,
            Err(EnqueueError::NoRoom(no_room)) => break assert_eq!(no_room.cause, FaultCause::StorageFull),
            Err(error) => panic!("{error}"),
        }
    }
    assert!(journal.failure().is_none(), "nothing was lost: there is nothing to stop for");
    disk.0.no_renames.store(false, Ordering::SeqCst);
    for ticket in &tickets {
        ticket.durable().await.unwrap();
    }
    let last = tickets.last().unwrap().last();
    drop(journal);
    assert_eq!(open(dir.path(), options).1.end, last);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_finds_no_room_is_waited_out_and_new_appends_are_refused_meanwhile() {
    let (dir, disk, options) = faulty();
    let (journal, _) = open(dir.path(), options);
    append(&journal, b"one").await;
    disk.0.full.store(true, Ordering::SeqCst);
    let accepted = journal.enqueue(&Batch::of(b"two"), Timestamp::default()).unwrap();
    let mut others = Vec::new();
    loop {
        match journal.enqueue(&Batch::of(b"more"), Timestamp::default()) {
            Ok(ticket) => others.push(ticket),
            Err(EnqueueError::NoRoom(_)) => break,
            Err(EnqueueError::Full) => {}
            Err(error) => panic!("{error}"),
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(journal.end(), Position(1));
    disk.0.full.store(false, Ordering::SeqCst);
    accepted.durable().await.unwrap();
    for ticket in others {
        ticket.durable().await.unwrap();
    }
}

/// The writer stands before the disk, the buffer behind it is full, an appender waits for room: then the disk has none.
#[tokio::test]
async fn who_waits_for_room_is_refused_as_soon_as_the_disk_has_none() {
    let (dir, disk, options) = faulty();
    let (journal, _) = open(dir.path(), JournalOptions { max_pending_bytes: 1, ..options });
    append(&journal, b"one").await;
    disk.0.writes.hold();
    let taken = journal.enqueue(&Batch::of(b"two"), Timestamp::default()).unwrap();
    disk.0.writes.until_one_waits();
    let buffered = journal.enqueue(&Batch::of(b"three"), Timestamp::default()).unwrap();
    let batch = Batch::of(b"four");
    let mut waiting = std::pin::pin!(journal.append(&batch, Timestamp::default()));
    let first_look = waiting.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(first_look.is_pending(), "the buffer is full, and nobody knows of the disk: {first_look:?}");
    disk.0.full.store(true, Ordering::SeqCst);
    disk.0.writes.release();
    let told = tasks::within(Duration::from_secs(20), waiting).await;
    let cause = journal.no_room().map(|no_room| no_room.cause);
    disk.0.full.store(false, Ordering::SeqCst);
    let refused = told.expect("it waits for the disk").unwrap_err();
    assert_eq!((refused.outcome, cause), (FaultOutcome::NotApplied, Some(FaultCause::StorageFull)));
    taken.durable().await.unwrap();
    buffered.durable().await.unwrap();
    let payloads: Vec<_> = all(&journal).into_iter().map(|record| record.payload).collect();
    assert_eq!(payloads, [&b"one"[..], b"two", b"three"], "what was accepted before is there, what was refused is not");
}
