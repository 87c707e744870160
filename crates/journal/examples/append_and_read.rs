//! Appends from several tasks, which share writes and syncs, and reads back in order.
//!
//! `cargo run -p madrigal-journal --example append_and_read`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::sync::Arc;

use madrigal_core::{Host, Position, tasks};
use madrigal_journal::{Batch, Journal, JournalOptions};

#[tokio::main]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let host = Host::system();
    let dir = std::env::temp_dir().join(format!("madrigal-journal-{}", host.uuid_v7()));
    let (journal, recovery) = Journal::open(&dir, JournalOptions::default(), &host)?;
    println!("epoch {}, end {}", recovery.epoch, recovery.end);

    let journal = Arc::new(journal);
    let appenders: Vec<_> = (0..3)
        .map(|appender| {
            let (journal, time) = (Arc::clone(&journal), host.now());
            tasks::spawn("appender", async move {
                let mut batch = Batch::new();
                batch.push(format!("first of {appender}").as_bytes());
                batch.push(format!("second of {appender}").as_bytes());
                journal.append(&batch, time).await
            })
        })
        .collect();
    for appender in appenders {
        let ticket = appender.await??;
        println!("durable: {} to {}", ticket.first(), ticket.last());
    }
    for record in journal.read(Position::START, 100, 1 << 20)? {
        println!("{} {} {}", record.position, record.time, String::from_utf8_lossy(&record.payload));
    }
    drop(journal);
    Ok(std::fs::remove_dir_all(&dir)?)
}
