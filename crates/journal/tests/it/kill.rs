//! `kill -9` of a process that appends at full speed: what it was told is durable is there, once and in order.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use madrigal_core::{Host, Timestamp, environment, tasks};
use madrigal_journal::{Batch, Journal};

use crate::log::{all, open, small};

const DIR: &str = "MADRIGAL_KILL_TEST_DIR";
const RUN: &str = "MADRIGAL_KILL_TEST_RUN";
/// How often the child is killed; another number is for a longer look.
const KILLS: &str = "MADRIGAL_KILLS";
const USUALLY: usize = 50;

#[test]
fn what_was_acknowledged_before_a_kill_is_there_once_and_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::system();
    let mut acknowledged = Vec::new();
    let kills = environment::variable(KILLS).map_or(USUALLY, |kills| kills.parse().unwrap());
    for run in 0..kills {
        let lines = 10 + usize::try_from(host.random_u64() % 190).unwrap();
        acknowledged.extend(append_and_kill(dir.path(), run, lines));
        check(dir.path(), &acknowledged);
    }
}

/// Lets a child append until it has acknowledged so many batches, kills it, and returns all it acknowledged.
fn append_and_kill(dir: &Path, run: usize, lines: usize) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::child_appends_until_it_is_killed", "--ignored", "--nocapture"])
        .env(DIR, dir)
        .env(RUN, run.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut acknowledged = Vec::new();
    let mut line = String::new();
    while output.read_line(&mut line).unwrap_or(0) > 0 {
        // A line without its end was being written when the process died.
        if let Some(batch) = line.strip_suffix('\n').and_then(|line| line.strip_prefix("durable ")) {
            acknowledged.push(batch.to_owned());
        }
        line.clear();
        if acknowledged.len() == lines {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(acknowledged.len() >= lines, "the child stopped by itself");
    acknowledged
}

/// Records are `run/appender/batch/part`; batch number n has n % 3 + 1 parts.
fn check(dir: &Path, acknowledged: &[String]) {
    let (journal, _) = open(dir, small());
    let mut parts: HashMap<String, usize> = HashMap::new();
    let mut last: HashMap<String, usize> = HashMap::new();
    for record in all(&journal) {
        let text = String::from_utf8(record.payload.to_vec()).unwrap();
        let (batch, part) = text.rsplit_once('/').unwrap();
        let (appender, number) = batch.rsplit_once('/').unwrap();
        let number: usize = number.parse().unwrap();
        let known = parts.entry(batch.to_owned()).or_default();
        assert_eq!(part, known.to_string(), "once, in order: {text}");
        *known += 1;
        if *known == 1 {
            let before = last.insert(appender.to_owned(), number);
            assert_eq!(number, before.map_or(0, |before| before + 1), "in the order of the appends: {text}");
        }
    }
    for (batch, parts) in &parts {
        let number: usize = batch.rsplit_once('/').unwrap().1.parse().unwrap();
        assert_eq!(*parts, number % 3 + 1, "all of a batch or nothing: {batch}");
    }
    for batch in acknowledged {
        assert!(parts.contains_key(batch), "acknowledged and lost: {batch}");
    }
}

#[test]
#[ignore = "the child process of the test above"]
fn child_appends_until_it_is_killed() {
    let Some(dir) = environment::variable(DIR) else { return };
    let run = environment::variable(RUN).unwrap_or_default();
    let (journal, _) = open(Path::new(&dir), small());
    let journal = Arc::new(journal);
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(async {
        let appenders: Vec<_> = (0..8)
            .map(|n| tasks::spawn("appender", append_forever(Arc::clone(&journal), format!("{run}/{n}"))))
            .collect();
        for appender in appenders {
            appender.await.unwrap();
        }
    });
}

async fn append_forever(journal: Arc<Journal>, name: String) {
    for number in 0usize.. {
        let mut batch = Batch::new();
        for part in 0..=number % 3 {
            batch.push(format!("{name}/{number}/{part}").as_bytes());
        }
        journal.append(&batch, Timestamp::default()).await.unwrap();
        // One write for a whole line, so that lines of different appenders do not mix.
        let line = format!("durable {name}/{number}\n");
        std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
    }
}
