//! The log's promises on a healthy disk.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use madrigal_core::{Host, Position, Timestamp, tasks};
use madrigal_journal::{
    Batch, Durability, EnqueueError, EpochChange, Journal, JournalOptions, OpenError, Record, Recovery,
};

pub(crate) fn small() -> JournalOptions {
    JournalOptions { first_segment_bytes: 16 << 10, segment_bytes: 64 << 10, ..JournalOptions::default() }
}

pub(crate) fn open(dir: &Path, options: JournalOptions) -> (Journal, Recovery) {
    Journal::open(dir, options, &Host::system()).unwrap()
}

pub(crate) fn all(journal: &Journal) -> Vec<Record> {
    let (mut all, mut after) = (Vec::new(), Position::START);
    loop {
        let read = journal.read(after, 100, 10_000).unwrap();
        let Some(last) = read.last() else { return all };
        after = last.position;
        all.extend(read);
    }
}

pub(crate) async fn append(journal: &Journal, payload: &[u8]) -> Position {
    journal.append(&Batch::of(payload), Timestamp::from_micros(7)).await.unwrap().last()
}

#[tokio::test]
async fn records_come_back_in_order_after_reopening_and_over_many_segments() {
    let dir = tempfile::tempdir().unwrap();
    let payload = |n: u64| vec![(n % 251) as u8; 40 + (n as usize * 37) % 900];
    let (journal, recovery) = open(dir.path(), small());
    assert_eq!((recovery.end, recovery.segments, recovery.cut), (Position::START, 1, None));
    for n in 0..400 {
        assert_eq!(append(&journal, &payload(n)).await, Position(n + 1));
    }
    let before = all(&journal);
    drop(journal);
    let (journal, again) = open(dir.path(), small());
    assert_eq!((again.end, again.epoch, again.epoch_change), (Position(400), recovery.epoch, None));
    assert!(again.segments > 3, "{again:?}");
    let records = all(&journal);
    assert_eq!(records, before);
    for (n, record) in (0..).zip(&records) {
        assert_eq!((record.position, record.time.as_micros()), (Position(n + 1), 7));
        assert_eq!(record.payload, payload(n));
    }
    let chosen = [1, 2, 50, 51, 250, 399, 400, 401].map(Position);
    let read: Vec<_> = journal.read_at(&chosen).unwrap();
    assert_eq!(read, chosen[..7].iter().map(|p| records[p.0 as usize - 1].clone()).collect::<Vec<_>>());
    let backwards = [400, 3, 200].map(Position);
    assert_eq!(journal.read_at(&backwards).unwrap().iter().map(|r| r.position).collect::<Vec<_>>(), backwards);
}

#[tokio::test]
async fn a_read_keeps_to_its_limits_and_begins_anywhere() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path(), small());
    let mut batch = Batch::new();
    for n in 0..50u8 {
        batch.push(&[n; 100]);
    }
    journal.append(&batch, Timestamp::default()).await.unwrap();
    let positions = |after, records, bytes| -> Vec<u64> {
        journal.read(Position(after), records, bytes).unwrap().iter().map(|r| r.position.0).collect()
    };
    assert_eq!(positions(10, 3, 10_000), [11, 12, 13]);
    assert_eq!(positions(10, 100, 250), [11, 12]);
    assert_eq!(positions(10, 100, 1), [11]);
    assert_eq!(positions(48, 100, 10_000), [49, 50]);
    assert!(positions(50, 100, 10_000).is_empty() && positions(99, 100, 10_000).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_appenders_share_groups_and_each_reads_what_it_wrote() {
    many_appenders(small()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_that_lingers_keeps_the_same_promises() {
    many_appenders(JournalOptions { linger: Duration::from_millis(2), ..small() }).await;
}

async fn many_appenders(options: JournalOptions) {
    let dir = tempfile::tempdir().unwrap();
    let journal = Arc::new(open(dir.path(), options).0);
    let appenders: Vec<_> = (0..32u8)
        .map(|appender| {
            let journal = Arc::clone(&journal);
            tasks::spawn("appender", async move {
                let mut last = Position::START;
                for n in 0..50u8 {
                    let position = append(&journal, &[appender, n]).await;
                    assert!(position > last && journal.end() >= position);
                    let own = journal.read_at(&[position]).unwrap();
                    assert_eq!(own[0].payload[..], [appender, n]);
                    last = position;
                }
            })
        })
        .collect();
    for appender in appenders {
        appender.await.unwrap();
    }
    let records = all(&journal);
    assert_eq!(records.len(), 1_600);
    for appender in 0..32 {
        let own = records.iter().filter(|record| record.payload[0] == appender);
        assert!(own.map(|record| record.payload[1]).eq(0..50), "in the order of its appends");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_larger_than_a_segment_gets_one_of_its_own_and_larger_than_the_limit_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path(), small());
    append(&journal, b"before").await;
    let large = vec![9; 300 << 10];
    append(&journal, &large).await;
    append(&journal, b"after").await;
    let refused = journal.enqueue(&Batch::of(&vec![1; Batch::MAX_BYTES]), Timestamp::default());
    assert!(matches!(refused, Err(EnqueueError::Size { .. })));
    assert!(matches!(journal.enqueue(&Batch::new(), Timestamp::default()), Err(EnqueueError::Size { .. })));
    drop(journal);
    let records = all(&open(dir.path(), small()).0);
    assert_eq!(records.iter().map(|r| r.payload.len()).collect::<Vec<_>>(), [6, 300 << 10, 5]);
}

#[tokio::test]
async fn an_idle_log_costs_little_disk() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path(), JournalOptions::default());
    append(&journal, b"one").await;
    drop(journal);
    let bytes: u64 = std::fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!(bytes < 5 << 20, "{bytes}");
}

#[test]
fn a_second_opener_of_a_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path(), small());
    let second = Journal::open(dir.path(), small(), &Host::system());
    assert!(matches!(second, Err(OpenError::InUse { .. })));
    drop(journal);
    open(dir.path(), small());
}

#[tokio::test]
async fn waiting_wakes_up_for_a_record_and_gives_up_in_time() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Arc::new(open(dir.path(), small()).0);
    assert_eq!(journal.wait_beyond(Position::START, Duration::from_millis(1)).await.unwrap(), Position::START);
    let waiting = Arc::clone(&journal);
    let waiter =
        tasks::spawn("waiter", async move { waiting.wait_beyond(Position::START, Duration::from_secs(60)).await });
    append(&journal, b"one").await;
    assert_eq!(waiter.await.unwrap().unwrap(), Position(1));
}

#[tokio::test]
async fn what_was_accepted_is_written_when_the_journal_is_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path(), small());
    let ticket = journal.enqueue(&Batch::of(b"one"), Timestamp::default()).unwrap();
    drop(journal);
    ticket.durable().await.unwrap();
    assert_eq!(open(dir.path(), small()).1.end, Position(1));
}

/// Copies the files as a crash would leave them: without closing.
pub(crate) fn image(from: &Path, to: &Path) {
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

#[tokio::test]
async fn an_unclean_stop_starts_a_new_epoch_only_where_readers_may_have_seen_what_is_gone() {
    for (durability, expected) in [(Durability::Synced, None), (Durability::Buffered, Some(EpochChange::UncleanStop))] {
        let (dir, crashed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let options = JournalOptions { durability, ..small() };
        let (journal, first) = open(dir.path(), options.clone());
        append(&journal, b"one").await;
        image(dir.path(), crashed.path());
        drop(journal);
        let clean = open(dir.path(), options.clone()).1;
        assert_eq!((clean.epoch, clean.epoch_change), (first.epoch, None));
        let unclean = open(crashed.path(), options).1;
        assert_eq!((unclean.epoch_change, unclean.epoch == first.epoch), (expected, expected.is_none()));
        assert_eq!(unclean.end, Position(1));
    }
}

#[tokio::test]
async fn a_log_without_its_epoch_file_starts_a_new_epoch() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, first) = open(dir.path(), small());
    append(&journal, b"one").await;
    drop(journal);
    std::fs::remove_file(dir.path().join("epoch")).unwrap();
    let again = open(dir.path(), small()).1;
    assert_eq!(again.epoch_change, Some(EpochChange::Unknown));
    assert!(again.epoch != first.epoch && again.end == Position(1));
}
