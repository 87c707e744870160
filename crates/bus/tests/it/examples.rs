//! The examples run as they stand.

use std::process::Command;

#[test]
fn the_subscriber_hears_what_the_contract_tells() {
    // Cargo builds a package's examples before it runs its tests, beside the directory that this test is in.
    let tests = std::env::current_exe().unwrap();
    let example = tests.parent().unwrap().parent().unwrap().join("examples").join("subscribe");
    let ran = Command::new(example).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let expected = "a price.changed {\"price\":1200}\na price.changed {\"price\":1100}\nthrough 3\n";
    assert_eq!(String::from_utf8_lossy(&ran.stdout), expected);
}
