//! `madrigal doctor --repair`: a damaged log is set aside by its name, and only when it is confirmed.

use madrigal_core::{Host, Position, Timestamp};
use madrigal_journal::{Batch, Journal, JournalOptions};

use crate::process::{madrigal, output};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn a_damaged_log_is_set_aside_when_that_is_confirmed_and_not_before() {
    let data = tempfile::tempdir().unwrap();
    let log = data.path().join("order-service/journal");
    let open = || Journal::open(&log, JournalOptions::default(), &Host::system());
    std::fs::create_dir_all(&log).unwrap();
    let (journal, before) = open().unwrap();
    for n in 0..5u8 {
        journal.append(&Batch::of(&[n + 1; 100]), Timestamp::default()).await.unwrap();
    }
    let busy = output(madrigal(data.path()).args(["doctor", "--repair"]));
    assert!(!busy.status.success() && text(&busy.stdout).contains("stop the shop first"), "{}", text(&busy.stdout));
    drop(journal);
    let sound = output(madrigal(data.path()).args(["doctor", "--repair", "--confirm"]));
    assert!(sound.status.success() && text(&sound.stdout).contains("intact"), "{}", text(&sound.stderr));

    let segment = log.join("00000000000000000001.segment");
    let mut bytes = std::fs::read(&segment).unwrap();
    // The third record: frames of 152 bytes after a page.
    bytes[4_096 + 2 * 152 + 60] ^= 1;
    std::fs::write(&segment, &bytes).unwrap();
    let asked = output(madrigal(data.path()).args(["doctor", "--repair"]));
    assert_eq!(asked.status.code(), Some(5), "{}", text(&asked.stderr));
    for said in
        ["order-service/journal", "positions 1 to 2 stay", "positions 3 to 5 (3, 2 of them readable", "offset 4400"]
    {
        assert!(text(&asked.stdout).contains(said), "{said}: {}", text(&asked.stdout));
    }
    assert!(open().is_err() && std::fs::read(&segment).unwrap() == bytes, "nothing was changed");

    let done = output(madrigal(data.path()).args(["doctor", "--repair", "--confirm"]));
    assert!(done.status.success(), "{}", text(&done.stderr));
    let (_, recovery) = open().unwrap();
    assert_eq!(recovery.end, Position(2));
    assert_ne!(recovery.epoch, before.epoch);
    let kept = std::fs::read_dir(log.join("damaged")).unwrap().map(|file| file.unwrap().path());
    assert!(kept.into_iter().any(|copy| std::fs::read(copy).unwrap() == bytes), "the file as it was");
}
