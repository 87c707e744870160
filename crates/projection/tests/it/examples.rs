//! The examples run as they stand.

use std::process::Command;

#[test]
fn the_counter_view_counts() {
    // Cargo builds a package's examples before it runs its tests, beside the directory that this test is in.
    let tests = std::env::current_exe().unwrap();
    let example = tests.parent().unwrap().parent().unwrap().join("examples").join("counter_view");
    let ran = Command::new(example).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(String::from_utf8_lossy(&ran.stdout), "a: 2 events, version 2\nb: 1 events, version 1\n");
}
