//! `madrigal events archive`: old segments go elsewhere, and the log is read on.

use madrigal_core::{Host, Position, Timestamp};
use madrigal_journal::{Batch, Journal, JournalOptions, OpenError};
use serde_json::Value;

use crate::process::{madrigal, output};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn old_segments_are_archived_read_on_and_checked_by_doctor() {
    let (data, cold) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let log = data.path().join("order-service/journal");
    let options =
        JournalOptions { first_segment_bytes: 16 << 10, segment_bytes: 16 << 10, ..JournalOptions::default() };
    let open = || Journal::open(&log, options.clone(), &Host::system());
    std::fs::create_dir_all(&log).unwrap();
    let (journal, _) = open().unwrap();
    for n in 0..60u8 {
        journal.append(&Batch::of(&[n + 1; 1_000]), Timestamp::default()).await.unwrap();
    }
    let archive = |arguments: &[&str]| {
        let mut command = madrigal(data.path());
        output(command.args(["events", "archive", "--output", "json"]).args(arguments))
    };
    let place = cold.path().join("orders");
    let to = place.to_str().unwrap();
    let busy = archive(&["--to", to]);
    assert_eq!(busy.status.code(), Some(5), "{}", text(&busy.stderr));
    assert!(text(&busy.stderr).contains("stop the shop first") && !place.exists(), "{}", text(&busy.stderr));
    drop(journal);
    let unknown = archive(&["--log", "orders"]);
    assert_eq!(unknown.status.code(), Some(2), "{}", text(&unknown.stderr));
    assert!(text(&unknown.stderr).contains("order-service/journal"), "it says which there are");

    let done = archive(&["--before", "40", "--to", to]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let said: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!((&said["log"], &said["end"]), (&"order-service/journal".into(), &60.into()), "{said}");
    let through = said["through"].as_u64().unwrap();
    assert!(through < 40 && said["segments"].as_u64().unwrap() >= 2, "{said}");
    let all = |journal: &Journal| journal.read(Position::START, 100, 1 << 20).map(|records| records.len());
    assert_eq!(all(&open().unwrap().0).unwrap(), 60, "from the start, without being told where");

    let doctor = || output(madrigal(data.path()).args(["doctor", "--repair"]));
    let sound = doctor();
    assert!(sound.status.success(), "{}", text(&sound.stdout));
    assert!(text(&sound.stdout).contains(&format!("positions 1 to {through}: every record is intact")));
    let first = place.join("00000000000000000001.segment");
    let mut bytes = std::fs::read(&first).unwrap();
    bytes[5_000] ^= 1;
    std::fs::write(&first, &bytes).unwrap();
    let damaged = doctor();
    assert_eq!(damaged.status.code(), Some(4), "{}", text(&damaged.stderr));
    assert!(text(&damaged.stdout).contains("damaged at offset 4096"), "{}", text(&damaged.stdout));
    bytes[5_000] ^= 1;
    std::fs::write(&first, &bytes).unwrap();

    // Brought elsewhere: the log says where it looked, and can be told.
    let moved = cold.path().join("moved");
    std::fs::rename(&place, &moved).unwrap();
    let gone = doctor();
    assert!(!gone.status.success() && text(&gone.stdout).contains(to), "{}", text(&gone.stdout));
    assert!(matches!(open(), Err(OpenError::StartMissing { .. })));
    let told = archive(&["--before", "0", "--to", moved.to_str().unwrap()]);
    assert!(told.status.success(), "{}", text(&told.stderr));
    assert_eq!(all(&open().unwrap().0).unwrap(), 60);
}
