//! `madrigal torture` itself: a short run, and what it must not do.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use madrigal_core::tasks;
use serde_json::Value;

use crate::process::output;

fn torture(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_madrigal"));
    command.current_dir(data.parent().unwrap()).stdin(Stdio::null());
    command.args(["torture", "--json", "--clients", "8", "--seed", "5", "--data"]).arg(data);
    command
}

#[test]
fn a_few_kills_of_the_whole_and_of_services_leave_everything_as_it_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("torture");
    let ended = output(torture(&data).args(["--kills", "3"]));
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    let report: Value = serde_json::from_slice(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
    assert!(ended.status.success(), "{said}\n{report:#}");
    for (run, mode) in report["runs"].as_array().unwrap().iter().zip(["whole", "services"]) {
        assert_eq!((run["mode"].as_str(), run["kills"].as_u64()), (Some(mode), Some(3)));
        assert_eq!(run["violations"], Value::Array(Vec::new()));
        for none in ["lost", "doubled", "open"] {
            assert_eq!(run[none], 0, "{none}");
        }
        assert!(run["counts"]["ordersAcknowledged"].as_u64().unwrap() > 0, "{run:#}");
        assert!(run["rowsEqualToRebuild"]["order-view"].as_u64().unwrap() > 0, "{run:#}");
        // Every copy was watched and compared, also where its own processes died.
        assert!(run["counts"]["versionsWatched"].as_u64().unwrap() > 0, "{run:#}");
        for pair in ["users.key-value", "users.index", "users.analytics", "orders.view", "orders.analytics"] {
            assert!(run["rowsComparedWithOwner"][pair].as_u64().unwrap() > 0, "{pair}: {run:#}");
        }
        assert!(run["recoveryMillis"]["count"].as_u64().unwrap() >= 3, "{run:#}");
    }
    assert_eq!(report["runs"].as_array().unwrap().len(), 2);
    assert!(!data.exists(), "where everything holds, nothing is left");
}

#[test]
fn a_directory_with_something_in_it_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("somebodys");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("thesis.txt"), "years of work").unwrap();
    let ended = output(&mut torture(&data));
    assert_eq!(ended.status.code(), Some(5), "{}", String::from_utf8_lossy(&ended.stderr));
    let left: Vec<_> = std::fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["thesis.txt"]);
}

/// How many processes run a program from below this directory.
fn running_from(dir: &Path) -> usize {
    let programs = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let process = entry.unwrap().path();
        std::fs::read_link(process.join("exe")).ok()
    });
    programs.filter(|program| program.starts_with(dir)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn interrupted_it_kills_what_it_started_and_says_that_there_is_no_verdict() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().canonicalize().unwrap().join("torture");
    let mut command = torture(&data);
    let child = command.args(["--kills", "100000"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let started = tasks::within(Duration::from_secs(60), async {
        while running_from(&data) == 0 {
            tasks::sleep(Duration::from_millis(10)).await;
        }
    });
    started.await.unwrap();
    let interrupted = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    let status = tasks::blocking(move || child.wait_with_output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&status.stderr).into_owned();
    assert_eq!(status.status.code(), Some(4), "{said}");
    assert!(said.contains("without a verdict"), "{said}");
    assert_eq!(running_from(&data), 0);
}
